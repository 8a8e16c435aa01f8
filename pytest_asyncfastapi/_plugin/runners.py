"""Our async fixtures and the guards around the body, under every runner.

- Our async fixtures are *neutral*: each is handed to the runner of the test
  that asks for it, since neither standard way of writing one suits both.
- The guards sit around the body, in the body's own task.
"""

from __future__ import annotations

import functools
import sys
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from .._core.activity import ACTIVITY, BODY, activity_changed
from .._core.current_test import CURRENT_TEST
from . import pytest_asyncio
from .claims import runner_of
from .neutral_fixtures import NEUTRAL, is_neutral

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _pytest.fixtures import SubRequest

    from .feature import Body
    from .state import TestState

# Neutral fixtures


def keep_fixtures(session: pytest.Session) -> None:
    """Before collection: an old pytest-asyncio is not to wrap our fixtures for the whole run."""
    pytest_asyncio.keep_from_old(session, list(NEUTRAL.values()))


def bind_to_runner(definition: pytest.FixtureDef[object], item: pytest.Item) -> None:
    """Mark a fixture of ours as pytest-asyncio's own, in its tests, in the test's loop scope."""
    function: Any = definition.func
    if runner_of(item) == "pytest-asyncio":
        function._force_asyncio_fixture = True
        function._loop_scope = pytest_asyncio.loop_scope(item)
    else:
        function.__dict__.pop("_force_asyncio_fixture", None)
        function.__dict__.pop("_loop_scope", None)


def in_its_loop(
    definition: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> AbstractContextManager[None]:
    """Around the set-up of a fixture: an old pytest-asyncio does not run it, so we do."""
    item = request._pyfuncitem
    old = is_neutral(definition.func) and pytest_asyncio.is_old(item.config)
    if old and runner_of(item) == "pytest-asyncio":
        return pytest_asyncio.in_old_loop(definition, request)
    return nullcontext()


def unavailable_reason(definition: pytest.FixtureDef[Any], state: TestState) -> str:
    """One sentence if this neutral fixture is requested where none can be set up."""
    if not (state.in_body and _in_loop()):
        return ""
    name = definition.argname.replace("asgi_running", "asgi_client")  # what that one is for
    return (
        f"{state.test}: the async fixture `{name}` cannot be set up by request.getfixturevalue() "
        f"in the body of an async test, whose event loop is running. Fix: write `{name}` as an "
        "argument of the test or of a fixture; for another client in the body, use async with "
        "pytest_asyncfastapi.open_app(app)."
    )


def leave_fixture() -> None:
    """After an error: if a signal has raised it, end the async fixture that the loop still has.

    anyio's runner has one task for all tests; as long as it waits there, nobody comes
    after it. On asyncio; on trio a fixture that hangs is not ended.
    """
    runner = getattr(sys.modules.get("anyio.pytest_plugin"), "_current_runner", None)
    task = getattr(runner, "_runner_task", None)
    if task is None or task.done() or task.get_loop().is_running():
        return
    frame = getattr(task.get_coro(), "cr_frame", None)
    future = None if frame is None else frame.f_locals.get("future")
    if future is None or future.done():
        return  # it waits for the next one
    waits = task
    while hasattr(waits, "get_coro"):
        waits = waits._fut_waiter
    if waits is not None and not waits.done():
        from .._core.waiters import tasks_awaiting

        # Not cancelled, which would end the runner's task with it. Whom the signal has left ends
        # with this error too; asyncio would log that nobody retrieves it.
        waits.set_exception(pytest.fail.Exception("ended by a signal"))
        for left in (future, *tasks_awaiting(future)):
            left.add_done_callback(lambda done: done.cancelled() or done.exception())


def _in_loop() -> bool:
    """Does an event loop run, up the stack?"""
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None and asyncio._get_running_loop() is not None:
        return True
    from .._core.current_loop import in_trio

    return in_trio()


def finalize_before_backend(definition: pytest.FixtureDef[Any], request: SubRequest) -> None:
    """Tear a wide neutral fixture down before anyio's backend changes below it.

    anyio joins the two only after pytest has noted who depends on whom: without
    this, tests on trio would go on in the asyncio loop that the fixture holds open.
    """
    # By name: anyio has put its wrapper around the function already.
    ours = definition.argname in NEUTRAL
    wide = ours and definition.scope != "function" and "anyio_backend" in request.fixturenames
    if wide and runner_of(request._pyfuncitem) == "anyio":
        backend = request._get_active_fixturedef("anyio_backend")
        backend.addfinalizer(functools.partial(definition.finish, request=request))


# Guards around the body


@contextmanager
def guarded_body(item: pytest.Function, state: TestState) -> Iterator[None]:
    """Put our wrapper around the coroutine of the test while it is called, and take it off."""
    hypothesis = getattr(item.obj, "hypothesis", None)
    owner, name = (item, "obj") if hypothesis is None else (hypothesis, "inner_test")
    original = getattr(owner, name)
    setattr(owner, name, _wrapped(original, state))
    try:
        yield
    except BaseException:
        # A signal (pytest-timeout's, Ctrl-C) has left the loop with the body inside: fixtures
        # that end in the same loop would wait for it without end.
        state.time.cancel_body()
        raise
    finally:
        setattr(owner, name, original)


def _wrapped(body: Body, state: TestState) -> Body:
    @functools.wraps(body)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        activity_changed()
        token, test = ACTIVITY.set(BODY), CURRENT_TEST.set(state)
        try:
            state.on_loop()
            return await state.around(body)(*args, **kwargs)
        finally:
            activity_changed()  # the body's last step is still the body's
            ACTIVITY.reset(token)
            CURRENT_TEST.reset(test)

    return wrapper
