"""Which runner has an async test, and what is wrong where none or two have it.

A coroutine test that no runner claims (an orphan, which plain pytest would fail) is
given to anyio's runner.
"""

from __future__ import annotations

import inspect
import re
import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any

import pytest

from .._core.signatures import signature
from . import pytest_asyncio
from .loop_scopes import describe_loop, scope_mismatch
from .neutral_fixtures import is_neutral

if TYPE_CHECKING:
    from collections.abc import Callable

_NAMES = (
    "asgi_app asgi_client upstream faults clock blocking overrides load threads together queries"
)
OUR_FIXTURES = frozenset(_NAMES.split())
_IS_ASYNC = pytest.StashKey[bool]()
_PLAIN = frozenset({"pytestmark"})  # attributes of a function that say nothing of how it is called
# Marks by which async tests are claimed, and the plugin that then runs them.
_CLAIMS = {
    "anyio": "anyio",
    "asyncio": "asyncio",
    "trio": "trio",
    "asyncio_cooperative": "asyncio-cooperative",
    "gen_test": "tornado",
    "inlineCallbacks": "twisted",
}


def test_function(obj: object) -> Any:
    """The function that the user wrote, below hypothesis's wrapper and its decorators."""
    obj = getattr(obj, "__func__", obj) if isinstance(obj, (staticmethod, classmethod)) else obj
    hypothesis = getattr(obj, "hypothesis", None)
    return obj if hypothesis is None else getattr(hypothesis, "inner_test", obj)


test_function.__test__ = False  # type: ignore[attr-defined]


def is_async_test(item: pytest.Item) -> bool:
    """Is the body of this test a coroutine function? Asked several times for each test."""
    if _IS_ASYNC in item.stash:
        known = item.stash[_IS_ASYNC]
    else:
        known = isinstance(item, pytest.Function) and _is_coroutine_function(item.obj)
        item.stash[_IS_ASYNC] = known
    return known


def _is_coroutine_function(obj: object) -> bool:
    """Is it `async def`, whatever hypothesis has put around it?

    Most tests are functions without attributes, where inspect's answer needs 20 calls.
    """
    function = getattr(obj, "__func__", obj)
    if type(function) is FunctionType and function.__dict__.keys() <= _PLAIN:
        return bool(function.__code__.co_flags & inspect.CO_COROUTINE)
    return inspect.iscoroutinefunction(test_function(obj))


# Orphans: coroutine tests that nobody runs


def claim_for_anyio(
    collector: pytest.Module | pytest.Class, name: str, obj: object, mode: str
) -> None:
    """Give a coroutine test that no runner claims to anyio's runner."""
    config = collector.config
    if mode == "off" or not config.pluginmanager.has_plugin("anyio"):
        return
    # Only of a real function before its name is known to be a test's: an attribute of another
    # object (a proxy of a request, say) may raise.
    if type(obj) is FunctionType and not _is_coroutine_function(obj):
        return
    if not collector.istestfunction(obj, name) or not _is_coroutine_function(obj):
        return
    # The mark must be where pytest looks: on what the class gives, not on the decorator.
    marked: Any = getattr(obj, "__func__", obj)
    if _claimed(collector, marked) or _is_adopted(marked):
        return
    pytest.mark.usefixtures("anyio_backend")(marked)
    definitions = collector.session._fixturemanager.getfixturedefs("anyio_backend", collector)
    # A project that defines `anyio_backend` itself has said what it wants; else once, on
    # asyncio (or what a mark without its plugin says), with no suffix in the test's name.
    if definitions and definitions[-1].func.__module__ == "anyio.pytest_plugin":
        backend = "trio" if "trio" in _marks(collector, marked) else "asyncio"
        pytest.mark.parametrize(
            "anyio_backend", [backend], ids=[pytest.HIDDEN_PARAM], scope="session"
        )(marked)


def _is_adopted(obj: object) -> bool:
    """Has it been, under another name: a method that a class inherits, an imported test?"""
    marks = getattr(obj, "pytestmark", ())
    return any(mark.name == "usefixtures" and "anyio_backend" in mark.args for mark in marks)


def _marks(collector: pytest.Module | pytest.Class, obj: object) -> set[str]:
    """The marks of this test, as far as they say who runs it."""
    own = {mark.name for mark in getattr(obj, "pytestmark", ())}
    return (own | {mark.name for mark in collector.iter_markers()}) & _CLAIMS.keys()


def _claimed(collector: pytest.Module | pytest.Class, obj: Callable[..., Any]) -> bool:
    config = collector.config
    plugins = config.pluginmanager
    # A mark whose plugin is gone claims nothing.
    if any(plugins.has_plugin(_CLAIMS[name]) for name in _marks(collector, obj)):
        return True
    if "anyio_backend" in signature(obj).parameters:
        return True
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
    """`pytest-asyncio`, `pytest-trio`, `anyio`, `unittest`, or `""` where none runs it."""
    if not is_async_test(item):
        return ""
    if item.get_closest_marker("trio") is not None and item.config.pluginmanager.has_plugin("trio"):
        return "pytest-trio"
    if pytest_asyncio.claims(item):
        return "pytest-asyncio"
    if "anyio_backend" in getattr(item, "fixturenames", ()):
        return "anyio"
    return "unittest" if _runs_itself(item) else ""


def loop_description(item: pytest.Item) -> str:
    """The event loop of this test in words, for messages."""
    return describe_loop(item, runner_of(item))


def unsupported_reason(item: pytest.Item, app_scope: str = "function") -> str:
    """One sentence if this test cannot work with our fixtures, else an empty text."""
    return (
        _double_claim(item)
        or _sync_test(item)
        or _not_run(item)
        or (pytest_asyncio.why_unknown(item) if runner_of(item) == "pytest-asyncio" else "")
        or scope_mismatch(item, runner_of(item), app_scope)
    )


def _unittest_case(item: pytest.Item) -> type | None:
    """The class of a test that is unittest's."""
    unittest: Any = sys.modules.get("unittest")
    cls = getattr(item, "cls", None)
    return cls if unittest is not None and cls and issubclass(cls, unittest.TestCase) else None


def _runs_itself(item: pytest.Item) -> bool:
    """Is this a method of a class that runs its own coroutines?"""
    return hasattr(_unittest_case(item), "asyncSetUp")


def explain_scope(item: pytest.Item, report: pytest.TestReport) -> None:
    """Say what to do where a wider fixture asks for one of ours; pytest says that it may not."""
    if report.when != "setup":
        return
    told = str(report.longrepr)
    found = re.search(r"ScopeMismatch: You tried to access the function scoped fixture (\w+)", told)
    if found is not None and found[1] in OUR_FIXTURES:
        report.sections.append(
            (
                "pytest-asyncfastapi",
                f"`{found[1]}` is each test's own. Fix: give the fixture that asks for it the "
                "scope of a test; or, for a client that lives longer, open it there: async with "
                "pytest_asyncfastapi.open_app(app) as client.",
            )
        )


def _double_claim(item: pytest.Item) -> str:
    """One sentence if two runners claim this test, else an empty text."""
    claims = []
    if is_async_test(item) and pytest_asyncio.claims(item):
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
    """One sentence if a test asks for one of our async fixtures, and nobody can run them."""
    if runner_of(item) not in ("", "unittest") or "anyio_backend" in _names(item):
        return ""
    name = _async_fixture(item)
    if not name or (is_async_test(item) and _unittest_case(item) is None):
        return ""
    if _unittest_case(item) is not None:
        return (
            f"{item.nodeid} is a method of a unittest class, for which no runner sets up the async "
            f"fixture `{name}`. Fix: make the test a function, or a method of a class that is not "
            "unittest's; or open the client yourself, in unittest.IsolatedAsyncioTestCase: "
            "self.client = await self.enterAsyncContext(pytest_asyncfastapi.open_app(app))."
        )
    return (
        f"{item.nodeid} is a plain `def` but uses the async fixture `{name}`. "
        "Fix: make the test `async def`, and await what the fixture gives."
    )


def _names(item: pytest.Item) -> tuple[str, ...]:
    return tuple(getattr(item, "fixturenames", ()))


def _async_fixture(item: pytest.Item) -> str:
    """The first of our async fixtures that this test has."""
    info = getattr(item, "_fixtureinfo", None)
    for name, definitions in info.name2fixturedefs.items() if info else ():
        if definitions and is_neutral(definitions[-1].func):
            return str(name)
    return ""


def _not_run(item: pytest.Item) -> str:
    """One sentence if an async test with our fixtures has no runner at all."""
    if not is_async_test(item) or runner_of(item):
        return ""
    told = f"{item.nodeid} is `async def`, and nothing runs it: "
    if _unittest_case(item) is not None:
        return (
            f"{told}unittest.TestCase runs no coroutines. Fix: derive the class from "
            "unittest.IsolatedAsyncioTestCase."
        )
    if not item.config.pluginmanager.has_plugin("anyio"):
        return (
            f"{told}anyio's pytest plugin, which would, is disabled (-p no:anyio). Fix: remove "
            "that option, or mark the test with @pytest.mark.asyncio (pytest-asyncio)."
        )
    left = [name for name in _CLAIMS if item.get_closest_marker(name) is not None]
    for name in left:
        if not item.config.pluginmanager.has_plugin(_CLAIMS[name]):
            return (
                f"{told}it is marked {name}, but the plugin of that mark is not there, and "
                "asyncfastapi_runner = off. Fix: set asyncfastapi_runner = auto, or install it."
            )
    return (
        f"{told}no runner claims it, and asyncfastapi_runner = off. Fix: set "
        "asyncfastapi_runner = auto, or mark the test with @pytest.mark.anyio or "
        "@pytest.mark.asyncio."
    )
