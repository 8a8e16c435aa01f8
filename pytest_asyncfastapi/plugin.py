"""Connects the packages to pytest's hooks, and knows nothing else.

pytest imports this at its every start, in every project: what only a test needs
is imported when there is one.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from functools import cache
from typing import TYPE_CHECKING

import pytest

from ._core import current_test, platforms
from ._plugin import (
    app_selection,
    claims,
    config_advice,
    coverage,
    explore,
    fixture_order,
    markers,
    reporting,
    runners,
    settings,
    tracebacks,
)
from ._plugin.feature import RUNNING, STATE
from ._plugin.fixtures import (  # noqa: F401  (fixtures of this plugin)
    asgi_app,
    asgi_client,
    asgi_running,
    asyncfastapi_share,
    blocking,
    clock,
    faults,
    load,
    overrides,
    queries,
    threads,
    together,
    upstream,
)
from ._plugin.neutral_fixtures import is_neutral

if TYPE_CHECKING:
    from collections.abc import Generator

    from _pytest.fixtures import SubRequest
    from _pytest.terminal import TerminalReporter

    from ._plugin.state import TestState


def pytest_addoption(parser: pytest.Parser) -> None:
    """Flags and ini keys: one table."""
    settings.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Markers; settings, read and checked once."""
    for marker in markers.MARKERS:
        config.addinivalue_line("markers", marker)
    chosen = config.stash[settings.SETTINGS] = settings.read(config)
    if chosen.blocking_baseline:
        from ._plugin.blocking import open_baseline

        open_baseline(config, chosen.blocking_baseline)
    coverage.install(config)
    if chosen.reports:
        from ._report import outputs

        outputs.install(config, chosen)


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """`--asyncfastapi-doctor` runs no test."""
    if not config.getoption("asyncfastapi_doctor"):
        return None
    from ._plugin import doctor

    return doctor.run(config)


def pytest_report_header(config: pytest.Config) -> str | None:
    """What this system does not let us see: once, and only there."""
    return platforms.limitations(config.stash[settings.SETTINGS].blocking) or None


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Before anything is collected: an old pytest-asyncio wraps fixtures meanwhile."""
    runners.keep_fixtures(session)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> None:
    """Adopt coroutine tests that no runner claims."""
    claims.claim_for_anyio(collector, name, obj, collector.config.stash[settings.SETTINGS].runner)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A sweep in shares is several items."""
    explore.parametrize_shards(metafunc)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Explore the test before its own run; inside of everybody's timers and filters."""
    try:
        explore.explore(item)
        return (yield)
    finally:
        _let_go(item)


def _let_go(item: pytest.Item) -> None:
    """The test is over, and pytest keeps its items: not its app, its loop and their tasks too."""
    tracebacks.restore(item)
    current_test.RUNNING[:] = [state for state in current_test.RUNNING if state.item is not item]
    state = item.stash.get(STATE, None)
    if state is not None:
        del item.stash[STATE]
        stash = item.config.stash
        if RUNNING not in stash or stash[RUNNING] is not state:  # else it was interrupted
            state.release()
    explore.forget(item)


@cache
def _state_class() -> type[TestState]:
    from ._plugin.state import TestState

    return TestState


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A state for each test; what cannot run says so in one sentence.

    Not a wrapper: one that raises would leave other plugins' wrappers half set up.
    """
    if explore.own_run(item) is not None:
        state = item.stash[STATE] = explore.begin_own_run(item)
        tracebacks.shorten(item, state.user_code)
        return
    try:
        state = item.stash[STATE] = item.config.stash[RUNNING] = _state_class()(item)
        current_test.RUNNING.append(state)
        tracebacks.shorten(item, state.user_code)
        if state.uses_plugin_fixtures and (
            sentence := claims.unsupported_reason(item, state.settings.app_scope)
        ):
            raise pytest.UsageError(sentence)
        app_selection.choose_app_fixture(item)
        fixture_order.reorder(item)
        app_selection.preload_client(state)
        state.begin()
        explore.begin(item, state)
    except pytest.UsageError as error:
        told = config_advice.in_syntax(item.config, str(error))
        raise pytest.fail.Exception(told, pytrace=False) from None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: SubRequest
) -> Generator[None, object, object]:
    """An app that runs for several tests ends with the backend of its loop."""
    runners.finalize_before_backend(fixturedef, request)
    state = request._pyfuncitem.stash.get(STATE, None)
    neutral = is_neutral(fixturedef.func)
    if neutral:
        runners.bind_to_runner(fixturedef, request._pyfuncitem)
    sentence = (
        runners.unavailable_reason(fixturedef, state) if neutral and state is not None else ""
    )
    if sentence:
        refused = pytest.fail.Exception(sentence, pytrace=False)
        # As pytest does itself, or else the next test that has this fixture fails too.
        key = fixturedef.cache_key(request)
        fixturedef.cached_result = (None, key, (refused, None))
        raise refused
    if state is not None and fixturedef.scope == "function":
        state.overrides.note_tables()
    try:
        wide = None if fixturedef.scope == "function" else state
        if not neutral and wide is None:
            return (yield)
        with (
            runners.in_its_loop(fixturedef, request),
            nullcontext() if wide is None else wide.wider_fixture(),
        ):
            return (yield)
    except BaseException:
        runners.leave_fixture()
        raise


def pytest_fixture_post_finalizer() -> None:
    """Whatever its end has raised, the next fixture can end."""
    runners.leave_fixture()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Guards around the body; what they saw fails the test even if the app swallowed it."""
    state: TestState = item.stash[STATE]
    own = explore.own_run(item) if state.repeated else None
    try:
        if own is not None:
            own.body(item)
            result = yield
        else:
            # No context manager, which takes four calls more.
            state.set_in_body(True)
            try:
                if claims.is_async_test(item):
                    assert isinstance(item, pytest.Function)
                    with runners.guarded_body(item, state):
                        result = yield
                else:
                    result = yield
            finally:
                state.set_in_body(False)
    except BaseException as error:
        reporting.attach(item, state, "call", error)
        raise
    reporting.attach(item, state, "call")
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """What went wrong after the body (the lifespan's shutdown, say) counts too."""
    state = item.stash.get(STATE, None)
    if state is None:
        return (yield)
    own = explore.own_run(item) if state.repeated else None
    try:
        result = yield
        if own is not None:
            own.teardown(item)
    except BaseException as error:
        _end(item, state)
        reporting.attach(item, state, "teardown", error)
        raise
    _end(item, state)
    reporting.attach(item, state, "teardown")
    return result


def _end(item: pytest.Item, state: TestState) -> None:
    if RUNNING in item.config.stash:
        del item.config.stash[RUNNING]
    if state.repeated:
        explore.forget_own_run(item)
    else:
        state.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Findings travel on the report, as JSON, with and without xdist."""
    state = item.stash.get(STATE, None)
    if state is not None and call.excinfo is not None:
        state.time.note_reported(call.excinfo.value)
    report = yield
    if state is not None:
        if call.excinfo is not None:
            tracebacks.correct(item, report, call.excinfo)
            claims.explain_scope(item, report)
        if report.when == "call":
            report.duration += explore.seconds(item)
        reporting.add_to_report(state, report)
    return report


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the monitors that stay active between tests, also if a test was interrupted."""
    module = sys.modules.get(f"{__package__}._plugin.state")
    if module is None:
        return
    try:
        if RUNNING in config.stash:
            config.stash[RUNNING].end(judge=False)
    finally:
        module.stop_monitoring()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A replay that fits no test has failed, and so has a run that has tested too little."""
    config = session.config
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    chosen = config.stash[settings.SETTINGS]
    if terminal is None or session.exitstatus != pytest.ExitCode.OK:
        return
    if coverage.is_below_floor(terminal, config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if not chosen.replay:
        return
    from ._plugin import session_summary

    if any(finding.severity == "error" for finding in session_summary.findings(terminal, config)):
        session.exitstatus = pytest.ExitCode.USAGE_ERROR


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    """The findings by place, like --durations."""
    if not terminalreporter.stats and explore.INTERRUPTED not in config.stash:
        return  # nothing has run
    from ._plugin import session_summary
    from ._report import loop_lag, sweeps, terminal

    count = config.stash[settings.SETTINGS].loop_lag
    if count:
        loop_lag.write_summary(terminalreporter, reporting.lags(terminalreporter), count)
    sweeps.write_summary(
        terminalreporter,
        reporting.sweeps(terminalreporter),
        explore.interrupted(config),
    )
    coverage.write(terminalreporter, config)
    found, notes = reporting.gather(terminalreporter)
    notes += session_summary.session_notes(terminalreporter, config)
    found += session_summary.findings(terminalreporter, config)
    site = config.stash[settings.SETTINGS].docs_url
    terminal.write_summary(terminalreporter, (found, notes), site=site)
