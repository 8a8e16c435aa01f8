"""The public fixtures: thin, each gives what one package makes. Imports happen inside.

A user's fixture may shadow any of them: nothing in the plugin depends on these
names, the guards hang on the test item.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from . import app_selection
from .claims import loop_description
from .config_advice import in_syntax
from .neutral_fixtures import runner_agnostic_fixture
from .settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from .._app.overrides import Overrides
    from .._blocking import BlockingGuard
    from .._checks.queries import Queries
    from .._client.protocols import ClientFaultEffects
    from .._client.with_httpx import AsgiClient
    from .._clock import VirtualClock
    from .._concurrency.load import Load
    from .._concurrency.thread_pool import Threads
    from .._explore.schedules.together import Together
    from .._faults import Faults
    from .._upstream.router import Upstream
    from .open_app import RunningApp
    from .state import TestState


def _state(request: pytest.FixtureRequest) -> TestState:
    from .state import state_of

    return state_of(request._pyfuncitem)


def _app_scope(*, fixture_name: str, config: pytest.Config) -> str:
    return config.stash[SETTINGS].app_scope


@pytest.fixture(scope=_app_scope)  # type: ignore[arg-type]
def asgi_app(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """The app under test; define a fixture of this name to choose it yourself."""
    from .._app.locate import AppNotFound, AppSpec, find_app

    settings = _state(request).settings
    given = AppSpec(settings.app, settings.app_origin) if settings.app else None
    try:
        return find_app(given, request.config.rootpath)
    except AppNotFound as error:
        sentence = in_syntax(request.config, str(error))
        told = app_selection.report_once(request._pyfuncitem, sentence)
        if told == sentence and error.__cause__ is not None:
            raise
        raise pytest.fail.Exception(told, pytrace=False) from None


@runner_agnostic_fixture(scope=_app_scope)
async def asgi_running(
    asgi_app: Callable[..., Any], request: pytest.FixtureRequest
) -> AsyncIterator[RunningApp]:
    """The app with its lifespan running, for `asgi_client`; once a test, module or session."""
    from .open_app import running_app

    state = _state(request)
    if state.settings.app_scope == "function":
        state.on_loop()  # or else the start-up takes no part in virtual time
    async with running_app(
        asgi_app,
        startup_timeout=state.settings.startup_timeout,
        shutdown_timeout=state.settings.shutdown_timeout,
        asked=state.settings.app,
        home=loop_description(state.item),
    ) as running:
        yield running


@runner_agnostic_fixture()
async def asgi_client(
    asgi_running: RunningApp, request: pytest.FixtureRequest
) -> AsyncIterator[AsgiClient]:
    """An `httpx.AsyncClient` (or `httpx2`) bound to the app, whose lifespan is running."""
    from .open_app import create_client

    state = _state(request)
    settings = state.settings
    if sentence := asgi_running.incompatibility(
        loop_description(state.item), settings.app, settings.app_scope
    ):
        told = in_syntax(request.config, f"{state.test}: {sentence}")
        raise pytest.fail.Exception(told, pytrace=False)
    state.overrides.add_app(asgi_running.app)
    state.on_loop()
    state.upstream.find_app = lambda: asgi_running.app
    try:
        state.upstream.install_dependency_faults()
    except (TypeError, ValueError) as error:  # a marker that names no dependency
        state.upstream.faults.dependencies.clear()
        raise pytest.fail.Exception(f"{state.test}: {error}", pytrace=False) from None
    asgi_running = replace(asgi_running, app=state.wrap_app(asgi_running.app))
    async with create_client(
        asgi_running,
        client=settings.client,
        timeout=settings.client_timeout,
        unguarded=lambda: state.time.on,
        note=state.note,
        way_in=partial(_client_fault, state),
        outside=partial(_is_routed, state),
    ) as client:
        state.explore.set_client(client)
        yield client


def _client_fault(state: TestState, request: Any) -> ClientFaultEffects | None:
    """What goes wrong with this request, if anything does."""
    state.upstream.install_dependency_faults()  # a dependency may have been overridden since
    return state.explore.plan(state.upstream.client_fault(request))


def _is_routed(state: TestState, sent: Any) -> bool:
    router = state.upstream.scope.router
    return router is not None and router.answers(sent)


@pytest.fixture
def upstream(request: pytest.FixtureRequest) -> Upstream:
    """A respx router for the httpx (and httpx2) calls that the app makes."""
    from .open_app import open_app

    upstream = _state(request).upstream
    router = upstream.scope.open_router()
    router._round_trips = upstream.record_round_trips()
    router.open_app = open_app
    return router


@pytest.fixture
def faults(request: pytest.FixtureRequest) -> Faults:
    """Faults on the app's calls, on those made to it (`.client`), and in its dependencies."""
    upstream = _state(request).upstream
    if "asgi_app" in request.fixturenames:
        upstream.find_app = lambda: app_selection.ready(request.getfixturevalue("asgi_app"))
    return upstream.faults


@runner_agnostic_fixture()
async def clock(request: pytest.FixtureRequest) -> AsyncIterator[VirtualClock]:
    """Virtual time: sleeps and timeouts take no real time, `clock.elapsed` counts them."""
    time = _state(request).time
    time.start(required=True)
    yield time.clock


@pytest.fixture
def blocking(request: pytest.FixtureRequest) -> BlockingGuard:
    """What blocked the event loop in this test, and what is allowed to."""
    guard = _state(request).blocking.open_guard()
    guard.needs_all_calls = True
    return guard


@pytest.fixture
def threads(request: pytest.FixtureRequest) -> Threads:
    """How much of the thread pools this test used: `.peak`, `.queued`, `.longest_wait`."""
    return _state(request).concurrency.threads


@pytest.fixture
def queries(request: pytest.FixtureRequest) -> Queries:
    """The SQL statements that SQLAlchemy sends: `.count`, `.statements`, `.assert_max(5)`."""
    try:
        import_module("sqlalchemy.pool")
    except ImportError:
        raise pytest.fail.Exception(
            "`queries` counts the statements of SQLAlchemy 2, which is not installed. "
            "Fix: pip install sqlalchemy",
            pytrace=False,
        ) from None
    return _state(request).checks.queries


@pytest.fixture
def load(request: pytest.FixtureRequest) -> Load:
    """`report = await load(lambda: asgi_client.get("/items"), n=100, concurrency=10)`."""
    return _state(request).concurrency.load


@pytest.fixture
def together(request: pytest.FixtureRequest) -> Together:
    """`await together(lambda: asgi_client.post("/a"), lambda: ...)`: a race fails the test."""
    from .._explore.schedules.together import Together

    return Together(_state(request).explored_test)


@pytest.fixture
def asyncfastapi_share(request: pytest.FixtureRequest) -> int:
    """Which share of its sweeps this item runs (`--asyncfastapi-shards`)."""
    return int(request.param)


@pytest.fixture
def overrides(asgi_app: Callable[..., Any]) -> Iterator[Overrides]:
    """`overrides[dependency] = value_or_callable`; undone exactly after the test."""
    from .._app.overrides import Overrides

    table = Overrides(asgi_app)
    yield table
    table.restore()
