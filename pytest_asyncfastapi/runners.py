"""Who runs this coroutine? The only module that knows anyio, pytest-asyncio, pytest-trio.

- Our async fixtures are *neutral*: each is handed to the runner of the test
  that asks for it, since neither standard way of writing one suits both.
- A coroutine test that no runner claims (an orphan, which plain pytest would
  fail) is given to anyio's runner, on asyncio.
- The guards sit around the body, in the body's own task, under every runner.
"""

from __future__ import annotations

import functools
import inspect
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from . import asyncio_plugin
from .loop_scopes import why_narrow, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .state import TestState

# Marks by which async tests are claimed, ours and other people's.
_CLAIMS = ("anyio", "asyncio", "trio", "asyncio_cooperative", "gen_test", "inlineCallbacks")
_neutral: list[Any] = []


def neutral_fixture(scope: Any = "function") -> Callable[[Callable[..., Any]], Any]:
    """An async generator fixture that every runner can run; `scope` as in `pytest.fixture`."""

    def declare(function: Callable[..., Any]) -> Any:
        _neutral.append(function)
        return pytest.fixture(scope=scope)(function)

    return declare


def is_neutral(function: Any) -> bool:
    """Was this fixture function declared by `neutral_fixture`?"""
    return any(function is known for known in _neutral)


def test_function(obj: Any) -> Any:
    """The function that the user wrote, below hypothesis's wrapper."""
    hypothesis = getattr(obj, "hypothesis", None)
    return obj if hypothesis is None else getattr(hypothesis, "inner_test", obj)


test_function.__test__ = False  # type: ignore[attr-defined]


def is_async_test(item: pytest.Item) -> bool:
    """Is the body of this test a coroutine function?"""
    return isinstance(item, pytest.Function) and inspect.iscoroutinefunction(
        test_function(item.obj)
    )


# Orphans: coroutine tests that nobody runs


def adopt(collector: pytest.Module | pytest.Class, name: str, obj: object, mode: str) -> None:
    """Give a coroutine test that no runner claims to anyio's runner."""
    config = collector.config
    if mode == "off" or not config.pluginmanager.has_plugin("anyio"):
        return
    if not collector.istestfunction(obj, name):
        return
    function = test_function(obj)
    if not inspect.iscoroutinefunction(function) or _claimed(collector, obj):
        return
    pytest.mark.usefixtures("anyio_backend")(obj)
    definitions = collector.session._fixturemanager.getfixturedefs("anyio_backend", collector)
    # A project that defines `anyio_backend` itself has said what it wants; else once, on
    # asyncio, with no suffix in the test's name.
    if definitions and definitions[-1].func.__module__ == "anyio.pytest_plugin":
        pytest.mark.parametrize(
            "anyio_backend", ["asyncio"], ids=[pytest.HIDDEN_PARAM], scope="session"
        )(obj)


def _claimed(collector: pytest.Module | pytest.Class, obj: Any) -> bool:
    own = {mark.name for mark in getattr(obj, "pytestmark", ())}
    if own & set(_CLAIMS) or any(collector.get_closest_marker(name) for name in _CLAIMS):
        return True
    if "anyio_backend" in inspect.signature(obj).parameters:
        return True
    config = collector.config
    return (
        _ini_or_flag(config, "anyio_mode") == "auto"
        or _ini_or_flag(config, "asyncio_mode") == "auto"
        or _ini_or_flag(config, "trio_mode") is True
    )


def _ini_or_flag(config: pytest.Config, name: str) -> Any:
    """An option of another plugin, or None where that plugin is not there."""
    flag = config.getoption(name, default=None)
    if flag is not None:
        return getattr(flag, "value", flag)
    try:
        return config.getini(name)
    except (ValueError, KeyError):
        return None


# Which runner has it


def runner_of(item: pytest.Item) -> str:
    """`pytest-asyncio`, `pytest-trio`, `anyio`, or `""` for a test that is not async."""
    if not is_async_test(item):
        return ""
    if item.get_closest_marker("trio") is not None and item.config.pluginmanager.has_plugin("trio"):
        return "pytest-trio"
    if asyncio_plugin.claims(item):
        return "pytest-asyncio"
    return "anyio" if "anyio_backend" in getattr(item, "fixturenames", ()) else ""


def home(item: pytest.Item) -> str:
    """The event loop of this test in words, for messages."""
    return words(item, runner_of(item))


def why_not(item: pytest.Item, app_scope: str = "function") -> str:
    """One sentence if this test cannot work with our fixtures, else an empty text."""
    return (
        _double_claim(item)
        or _sync_test(item)
        or _not_run(item)
        or (asyncio_plugin.why_unknown(item) if runner_of(item) == "pytest-asyncio" else "")
        or why_narrow(item, runner_of(item), app_scope)
    )


def _double_claim(item: pytest.Item) -> str:
    """One sentence if two runners claim this test, else an empty text."""
    claims = []
    if is_async_test(item) and asyncio_plugin.claims(item):
        auto = _ini_or_flag(item.config, "asyncio_mode") == "auto"
        claims.append("pytest-asyncio (asyncio_mode = auto)" if auto else "@pytest.mark.asyncio")
    if item.get_closest_marker("anyio") is not None:
        claims.append("@pytest.mark.anyio")
    elif claims and _ini_or_flag(item.config, "anyio_mode") == "auto":
        claims.append("anyio (anyio_mode = auto)")
    if item.get_closest_marker("trio") is not None and item.config.pluginmanager.has_plugin("trio"):
        claims.append("pytest-trio (@pytest.mark.trio or trio_mode)")
    if len(claims) < 2:
        return ""
    return (
        f"{item.nodeid} is claimed by two runners, {' and '.join(claims)}: its fixtures and its "
        "body would run in different event loops. Fix: keep one of them (remove the mark, or set "
        "asyncio_mode = strict)."
    )


def _sync_test(item: pytest.Item) -> str:
    """One sentence if a plain `def` test asks for one of our async fixtures."""
    if is_async_test(item) or "anyio_backend" in getattr(item, "fixturenames", ()):
        return ""
    info = getattr(item, "_fixtureinfo", None)
    for name, definitions in info.name2fixturedefs.items() if info else ():
        if definitions and is_neutral(definitions[-1].func):
            return (
                f"{item.nodeid} is a plain `def` but uses the async fixture `{name}`. "
                "Fix: make the test `async def`, and await what the fixture gives."
            )
    return ""


def _not_run(item: pytest.Item) -> str:
    """One sentence if an async test with our fixtures has no runner at all."""
    if not is_async_test(item) or runner_of(item):
        return ""
    return (
        f"{item.nodeid} is `async def` but no runner claims it, and asyncfastapi_runner is off "
        "(or anyio's plugin is disabled). Fix: set asyncfastapi_runner = auto, or mark the test "
        "with @pytest.mark.anyio or @pytest.mark.asyncio."
    )


# Neutral fixtures


def keep_fixtures(session: pytest.Session) -> None:
    """Before collection: an old pytest-asyncio is not to wrap our fixtures for the whole run."""
    asyncio_plugin.keep_from_old(session, _neutral)


def lend_fixtures(item: pytest.Item) -> None:
    """Mark our fixtures as pytest-asyncio's own, for its tests, in the test's loop scope."""
    theirs = runner_of(item) == "pytest-asyncio"
    for function in _neutral:
        if theirs:
            function._force_asyncio_fixture = True
            function._loop_scope = asyncio_plugin.loop_scope(item)
        else:
            function.__dict__.pop("_force_asyncio_fixture", None)
            function.__dict__.pop("_loop_scope", None)


def in_its_loop(definition: Any, request: Any) -> AbstractContextManager[None]:
    """Around the set-up of a fixture: an old pytest-asyncio does not run it, so we do."""
    item = request._pyfuncitem
    old = is_neutral(definition.func) and asyncio_plugin.is_old(item.config)
    if old and runner_of(item) == "pytest-asyncio":
        return asyncio_plugin.in_old_loop(definition, request)
    return nullcontext()


def end_with_backend(definition: Any, request: Any) -> None:
    """Tear a wide neutral fixture down before anyio's backend changes below it.

    anyio joins the two only after pytest has noted who depends on whom: without
    this, tests on trio would go on in the asyncio loop that the fixture holds open.
    """
    # By name: anyio has put its wrapper around the function already.
    ours = any(definition.argname == function.__name__ for function in _neutral)
    wide = ours and definition.scope != "function" and "anyio_backend" in request.fixturenames
    if wide and runner_of(request._pyfuncitem) == "anyio":
        backend = request._get_active_fixturedef("anyio_backend")
        backend.addfinalizer(functools.partial(definition.finish, request=request))


# Guards around the body


@contextmanager
def guarded_body(item: pytest.Function, state: TestState) -> Iterator[None]:
    """Put our wrapper around the coroutine of the test while it is called, and take it off."""
    hypothesis = getattr(item.obj, "hypothesis", None)
    if hypothesis is not None:
        original = hypothesis.inner_test
        hypothesis.inner_test = _wrapped(original, state)
        try:
            yield
        finally:
            hypothesis.inner_test = original
        return
    original = item.obj
    item.obj = _wrapped(original, state)
    try:
        yield
    finally:
        item.obj = original


def _wrapped(body: Callable[..., Any], state: TestState) -> Callable[..., Any]:
    from .activity import ACTIVITY, BODY, border
    from .context import TEST

    @functools.wraps(body)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        token, test = ACTIVITY.set(BODY), TEST.set(state)
        border()
        try:
            state.start_clock()
            state.watching.on_loop()
            with _deadlock_fails(state):
                called = body if state.probe is None else state.probe.around(body)
                if timeout := state.settings.timeout:
                    return await state.watching.bounded(called(*args, **kwargs), timeout)
                return await called(*args, **kwargs)
        finally:
            border()  # the body's last step is still the body's
            ACTIVITY.reset(token)
            TEST.reset(test)

    return wrapper


@contextmanager
def _deadlock_fails(state: TestState) -> Iterator[None]:
    """Under virtual time a deadlock is known at once: fail the test with who waits for what."""
    import asyncio

    try:
        task = asyncio.current_task()
    except RuntimeError:  # trio
        task = None
    with _cancelled_on_trio(state) if task is None else _cancelled_on_asyncio(state, task):
        yield


@contextmanager
def _cancelled_on_asyncio(state: TestState, task: Any) -> Iterator[None]:
    import asyncio

    def on_deadlock(text: str) -> None:
        state.deadlock = text
        task.cancel()

    state.on_deadlock = on_deadlock
    try:
        yield
    except asyncio.CancelledError:
        if not state.deadlock:
            raise
        task.uncancel()
        raise pytest.fail.Exception(state.deadlock.strip(), pytrace=False) from None
    finally:
        state.on_deadlock = None


@contextmanager
def _cancelled_on_trio(state: TestState) -> Iterator[None]:
    import trio

    def on_deadlock(text: str) -> None:
        state.deadlock = text
        scope.cancel()

    state.on_deadlock = on_deadlock
    try:
        with trio.CancelScope() as scope:
            yield
    finally:
        state.on_deadlock = None
    if state.deadlock and scope.cancelled_caught:
        raise pytest.fail.Exception(state.deadlock.strip(), pytrace=False)
