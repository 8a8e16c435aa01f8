"""pytest-asyncio in each of its versions, found by what its plugin module has.

From 1.1 on it looks at an async fixture when that is set up. Older versions wrap
every async fixture that they recognise during collection, for the whole run: there
our fixtures are kept from them, and set up here, in the event loop of the test.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator

    import pytest


def claims(item: pytest.Item) -> bool:
    """Will pytest-asyncio run this async test?"""
    theirs = item.config.pluginmanager.get_plugin("asyncio")
    if theirs is None:
        return False
    if hasattr(theirs, "is_async_test"):
        return bool(theirs.is_async_test(item))
    return item.get_closest_marker("asyncio") is not None  # before 0.23


def is_old(config: pytest.Config) -> bool:
    """Is this pytest-asyncio older than 1.1?"""
    theirs = config.pluginmanager.get_plugin("asyncio")
    if theirs is None:
        return False
    return hasattr(theirs, "_HOLDER") or not hasattr(theirs, "is_async_test")


def keep_from_old(session: pytest.Session, functions: Iterable[Any]) -> None:
    """Let these fixtures pass as processed, so that an old pytest-asyncio does not wrap them."""
    processed = getattr(session.config.pluginmanager.get_plugin("asyncio"), "_HOLDER", None)
    if processed is None:
        return
    for function in functions:
        found = session._fixturemanager.getfixturedefs(function.__name__, session) or ()
        processed.update(definition for definition in found if definition.func is function)


def loop_scope(item: pytest.Item) -> str:
    """The scope of the event loop of a test that pytest-asyncio runs."""
    if is_old(item.config):
        definition = _loop_fixture(item)
        return str(definition.scope) if definition is not None else "function"
    return str(getattr(item, "_loop_scope", None) or _wanted_scope(item))


def why_unknown(item: pytest.Item) -> str:
    """One sentence if nobody can know the event loop of this test, else an empty text."""
    if not is_old(item.config) or _loop_fixture(item) is not None:
        return ""
    from importlib.metadata import version

    return (
        f"{item.nodeid}: the fixtures of pytest-asyncfastapi cannot find the event loop of this "
        f"test, for pytest-asyncio {version('pytest-asyncio')} has neither `is_async_test` nor a "
        "fixture `event_loop`. Fix: pip install 'pytest-asyncio>=1.1', or remove the mark asyncio."
    )


def _loop_fixture(item: pytest.Item) -> pytest.FixtureDef[Any] | None:
    """The fixture that gives an old pytest-asyncio the loop of this test."""
    scope = _wanted_scope(item)
    # 1.0 has one name for each scope; 0.23 to 0.26 have a fixture of its own for each module
    # and class; what is left, or older, is `event_loop`, which a project may redefine.
    nodes = [f"{node.nodeid}::<event_loop>" for node in item.listchain()]
    for name in (f"_{scope}_event_loop", *nodes, "event_loop"):
        found = item.session._fixturemanager.getfixturedefs(name, item)
        if found and (name == "event_loop" or found[-1].scope == scope):
            return found[-1]
    return None


def _wanted_scope(item: pytest.Item) -> str:
    mark = item.get_closest_marker("asyncio")
    given = mark.kwargs if mark is not None else {}
    try:
        default = item.config.getini("asyncio_default_test_loop_scope")
    except (ValueError, KeyError):  # before 0.26
        default = "function"
    return str(given.get("loop_scope") or given.get("scope") or default)


@contextmanager
def in_old_loop(
    definition: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Iterator[None]:
    """Meanwhile this async generator fixture is a plain one, run in the loop of the test."""
    function, loop = definition.func, _loop_fixture(request._pyfuncitem)
    assert loop is not None
    changed: Any = definition  # `func` is final for pytest
    changed.func = _run_by(loop.argname, function, request)
    try:
        yield
    finally:
        changed.func = function


def _run_by(
    loop_fixture: str, function: Callable[..., Any], request: pytest.FixtureRequest
) -> Callable[..., Any]:
    from contextvars import copy_context

    def plain(**arguments: Any) -> Any:
        loop = request.getfixturevalue(loop_fixture)
        generator, context = function(**arguments), copy_context()

        def run(step: Coroutine[Any, Any, Any]) -> Any:
            return loop.run_until_complete(loop.create_task(step, context=context))

        async def begin() -> Any:
            return await anext(generator)

        async def end() -> None:
            with suppress(StopAsyncIteration):
                await anext(generator)

        given = run(begin())
        request.addfinalizer(lambda: run(end()))
        return given

    return plain
