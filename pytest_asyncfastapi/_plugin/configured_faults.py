"""The faults that the configuration, the command line and markers give to one test.

Each is a text in the grammar of faults; one that cannot be is a
`pytest.UsageError` that says where it stands. Knows no rules.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from .._core.unsupported_clients import in_users_code

if TYPE_CHECKING:
    from types import FrameType

    from .._connections.network_policy import Refusing
    from .._core.findings import Location
    from .._faults import Faults
    from .._faults.rule import FaultRule
    from .._upstream.call_log import OpenExchange
    from .._upstream.scope import UpstreamScope
    from .chosen import Settings
    from .state import TestState


def needs_scope(state: TestState) -> bool:
    """Does a test ask for routes or faults before it begins?"""
    asked = bool(state.fixtures & {"upstream", "faults"}) or bool(state.settings.fault)
    asked = asked or (state.uses_plugin_fixtures and state.settings.app_scope != "function")
    return asked or state.item.get_closest_marker("faults") is not None


def begin(state: TestState) -> None:
    """Take part before the app starts, so that its clients share a TLS context from the first on.

    And so that the connections that it opens are seen.
    """
    _ = state.scope
    if "upstream" in state.fixtures:
        state.concurrency.record_round_trips()


def open_scope(state: TestState) -> UpstreamScope:
    """Routes and faults for this test; not active yet."""
    from .._faults import Faults
    from .._upstream.scope import UpstreamScope

    settings = state.settings
    faults = Faults(settings.seed, state.test, user_code=state.user_code)
    faults.needs_clock = state.request_virtual_time
    scope = UpstreamScope(
        user_code=state.user_code,
        faults=faults,
        unrouted=settings.unrouted,
        passthrough=settings.passthrough,
        test=state.test,
    )
    scope.tapes = settings.tapes
    scope.on_serve = state.disable_virtual_time
    if state.recording is not None:
        scope.recorder.set_clock_origins(state.recording.clock_origins)
        scope.recorder.keeps_responses = True  # for their heads and bodies
    faults.dependencies._on_change = state.install_dependency_faults
    wide = state.settings.app_scope != "function"  # what is opened now is there in later tests
    # Or they are recorded already.
    if wide or "faults" in state.fixtures or state.concurrency.connections is not None:
        open_connections(state, scope)
    else:
        faults.connections._on_change = lambda: open_connections(state, scope)
    return scope


def open_connections(state: TestState, scope: UpstreamScope | None) -> None:
    """Let faults strike connections to databases, caches and brokers, from now on.

    Without a `scope` there are no faults: they are only recorded.
    """
    from .._connections.scope import Connections
    from .._faults import Faults
    from .._upstream.call_log import CallRecorder

    earlier = state.concurrency.connections
    if earlier is not None:
        earlier.deactivate()
    recorder = state.concurrency.round_trips or CallRecorder(state.user_code)
    if state.recording is not None:
        recorder.set_clock_origins(state.recording.clock_origins)
    faults = Faults() if scope is None else scope.faults
    connections = state.concurrency.connections = Connections(
        faults.connections,
        where=recorder.where,
        patience=lambda: 0.0 if scope is None else scope.patience(),
        log=state.concurrency.refused.add if scope is None else scope.call_policy.log.add,
        test=state.test,
        records=state.concurrency.round_trips,
    )
    connections.activate()
    connections.refresh()


def open_exchanges(state: TestState) -> list[OpenExchange]:
    """Every upstream call, and every round trip that was recorded, in the order of their begin."""
    made = [] if state._scope is None else state._scope.recorder.calls_from(0)
    round_trips = state.concurrency.round_trips
    if round_trips is None or not round_trips.count:
        return made
    return sorted(
        [*made, *round_trips.calls_from(0)], key=lambda call: call.started - call.clock_origin
    )


def refuse_network(state: TestState) -> Refusing | None:
    """Refuse connections to the public network; None where the test wants some."""
    settings = state.settings
    lets_out = settings.unrouted != "fail" or settings.tapes == "record"
    if not state.uses_plugin_fixtures or settings.network == "allow" or lets_out:
        return None
    from .._connections.network_policy import Refusing

    def where(frame: FrameType) -> Location | None:
        from .._upstream.call_log import CallRecorder

        return CallRecorder(state.user_code).where(frame)

    def goes_out() -> bool:
        peer = sys.modules.get("pytest_asyncfastapi._upstream.script")
        return peer is not None and bool(peer.REAL.get())

    refusing = Refusing(
        where=where,
        log=state.concurrency.refused.add,
        allowed=settings.passthrough,
        goes_out=goes_out,
        warn=settings.network == "warn",
        test=state.test,
    )
    refusing.start()
    return refusing


def add(faults: Faults, settings: Settings, item: pytest.Item) -> dict[str, FaultRule]:
    """Add them all: those of the run need not strike in this test, those of its markers must.

    Returns the rules of the run by their text.
    """
    from .._faults import FaultSpecError

    of_the_run: dict[str, FaultRule] = {}
    for specs, optional, origin in (
        (settings.fault, True, "--asyncfastapi-fault"),
        (_marked(item), False, "@pytest.mark.faults"),
    ):
        for spec in specs:
            try:
                rule = faults._add_spec(spec, optional=optional, origin=origin)
            except FaultSpecError as error:
                raise pytest.UsageError(f"{item.nodeid}: {origin}: {error}") from None
            if optional:
                of_the_run[spec] = rule
    return of_the_run


def session_data(state: TestState) -> dict[str, Any]:
    """What became of the faults of the run in this test; nothing where there are none."""
    if not state.configured_rules:
        return {}
    calls = () if state._scope is None else state._scope.recorder.exchanges
    faults = {
        spec: {"hits": rule.hits, "seen": rule.seen, "powerless": rule.powerless}
        for spec, rule in state.configured_rules.items()
    }
    hosts = [*dict.fromkeys(urlsplit(call.url).netloc for call in calls)]
    unseen = [] if calls else [*in_users_code(state.user_code)]
    return {"faults": faults, "hosts": hosts, "unseen": unseen}


def _marked(item: pytest.Item) -> list[str]:
    specs: list[str] = []
    for mark in item.iter_markers("faults"):
        if not mark.args or mark.kwargs or not all(isinstance(arg, str) for arg in mark.args):
            raise pytest.UsageError(
                f"{item.nodeid}: @pytest.mark.faults takes one text a fault, such as "
                '"https://pay.example/*: read_timeout, first=2"'
            )
        specs.extend(mark.args)
    return specs
