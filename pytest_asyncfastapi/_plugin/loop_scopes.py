"""How long an event loop lives, and whether an app that runs for longer fits in.

An app that runs once a module (or session) needs one loop for all that time;
each runner says in its own way how long its loops live.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import pytest_asyncio

if TYPE_CHECKING:
    import pytest
    from _pytest.fixtures import FuncFixtureInfo

_ORDER = ("function", "class", "module", "package", "session")


def scope_mismatch(item: pytest.Item, runner: str, app_scope: str) -> str:
    """One sentence if the app is to live longer than the loop or the fixture `asgi_app`."""
    if app_scope == "function" or "asgi_running" not in getattr(item, "fixturenames", ()):
        return ""
    wanted = f"the app runs once a {app_scope} (asyncfastapi_app_scope = {app_scope})"
    if runner == "pytest-trio":
        return (
            f"{item.nodeid}: {wanted}, but pytest-trio runs each test in a loop of its own. Fix: "
            "set asyncfastapi_app_scope = function, or run this test with anyio's plugin "
            "(@pytest.mark.anyio, on its trio backend)."
        )
    scope = loop_scope(item, runner)
    if _ORDER.index(scope) < _ORDER.index(app_scope):
        return (
            f"{item.nodeid}: {wanted}, but the event loop of this test lives for one {scope} "
            f"({_given_by(runner)} = {scope}): the app would outlive it. Fix: "
            f"{_remedy(item, runner, app_scope)}, or set "
            f"asyncfastapi_app_scope = {scope_for(scope)}."
        )
    own = _fixture_scope(item, "asgi_app")
    if _ORDER.index(own) < _ORDER.index(app_scope):
        return (
            f"{item.nodeid}: {wanted}, but the fixture asgi_app gives a new app each {own}. Fix: "
            f'declare it with @pytest.fixture(scope="{app_scope}"), or set '
            f"asyncfastapi_app_scope = {scope_for(own)}."
        )
    return ""


def scope_for(scope: str) -> str:
    """The widest `asyncfastapi_app_scope` that fits into this scope."""
    return {"class": "function", "package": "module"}.get(scope, scope)


def loop_scope(item: pytest.Item, runner: str) -> str:
    """How long the event loop of this test lives, as a scope of pytest's."""
    if runner == "pytest-asyncio":
        return pytest_asyncio.loop_scope(item)
    return _fixture_scope(item, "anyio_backend") if runner == "anyio" else "function"


def describe_loop(item: pytest.Item, runner: str) -> str:
    """The loop of this test, for messages: `the module loop of pytest-asyncio`."""
    backend = getattr(item, "callspec", None)
    name = backend.params.get("anyio_backend", "") if backend is not None else ""
    kind = f" ({name})" if name and isinstance(name, str) else ""
    return f"the {loop_scope(item, runner)} loop of {runner or 'no runner'}{kind}"


def _fixture_scope(item: pytest.Item, name: str) -> str:
    info: FuncFixtureInfo | None = getattr(item, "_fixtureinfo", None)
    found = info.name2fixturedefs.get(name) if info is not None else None
    callspec = getattr(item, "callspec", None)
    if callspec is not None and name in callspec._arg2scope:
        return str(callspec._arg2scope[name].value)
    return str(found[-1].scope) if found else "session"


def _given_by(runner: str) -> str:
    return "loop_scope" if runner == "pytest-asyncio" else "scope of the fixture anyio_backend"


def _remedy(item: pytest.Item, runner: str, scope: str) -> str:
    if runner == "pytest-asyncio":
        newer = "with pytest-asyncio 1.1 or newer, " if pytest_asyncio.is_old(item.config) else ""
        return (
            f'{newer}mark it @pytest.mark.asyncio(loop_scope="{scope}"), or set '
            f"asyncio_default_test_loop_scope = {scope}"
        )
    return f'define anyio_backend in conftest.py with @pytest.fixture(scope="{scope}")'
