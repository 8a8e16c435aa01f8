"""The suite runs under the plugin that it tests: its async tests are guarded by it too.

Hundreds of its tests run pytest inside of pytest; what is here and in warm.py makes that bearable.
"""

from __future__ import annotations

import gc
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import warm

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

# Each client that an app builds reads the CA bundle, which takes longer than most of these tests.
# In tests/blocking, where that can be a finding, it is the real one.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).parent / "data" / "one_certificate.pem")

# Where these are set, pytest's summary repeats whole messages: inner runs print the same anywhere.
for _name in ("CI", "BUILD_NUMBER"):
    os.environ.pop(_name, None)

# Where the plugin keeps what is active while a test runs.
SCOPES = {
    "_upstream.intercept": "INTERCEPTION",
    "_connections.intercept": "CONNECTIONS",
    "_connections.name_lookups": "NAMES",
    "_connections.network_policy": "_active",
}

# Plugins that take longer to load than most tests to run; one starts a server of its own.
SLOW_TO_LOAD = "-p no:trio -p no:hypothesispytest -p no:pytest_cov -p no:rerunfailures"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Without the collector: what is imported and collected stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """A test whose own runs of pytest leave something replaced fails, and not one after it."""
    yield
    loaded = {name: sys.modules.get(f"pytest_asyncfastapi.{name}") for name in SCOPES}
    scopes = [getattr(module, SCOPES[name]) for name, module in loaded.items() if module]
    left = [scope for scope in scopes if getattr(scope, "_active", scope)]
    assert not left, f"still active after {item.nodeid}: {left}"


def pytest_collection_finish(session: pytest.Session) -> None:
    """Load them before the first test; full collections then need not look at them again."""
    if any("pytester" in getattr(item, "fixturenames", ()) for item in session.items):
        warm.preload()
        warm.remember_installed()
        warm.remember_fixtures()
        warm.set_aside()


def _with_room(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call it above a frame that is larger than any chunk of CPython's stack of frames.

    The chunk made for this frame has room for all that is deeper. Otherwise a loop that happens
    to stand at the border of two chunks of 16 kB maps and unmaps memory in each of its calls: in
    a pytest in a pytest some do, and their tests take three times as long.
    """
    return function(*args, **kwargs)


# In machine words; the chunk is the next power of two, in bytes.
_with_room.__code__ = _with_room.__code__.replace(co_stacksize=(1 << 17) - 1000)


def _key(args: tuple[Any, ...]) -> tuple[str, ...]:
    """The key whose absence pytest-asyncio warns of.

    It does so while pytest is configured, when no filter of warnings holds but pytest's own.
    """
    return () if "no:asyncio" in args else ("-o", "asyncio_default_fixture_loop_scope=function")


def _plugin(args: Iterable[Any]) -> tuple[str, ...]:
    """The one of the slow plugins that has an option here."""
    reruns = any(str(argument).startswith("--reruns") for argument in args)
    return ("-p", "rerunfailures") if reruns else ()


def _inline_run(run: Callable[..., Any], *args: Any, **how: Any) -> Any:
    """Run pytest in this process."""
    warm.set_aside()
    return _with_room(run, *_key(args), *_plugin(args), *args, **how)


class Reports(list[Any]):
    """Of the calls of hooks that are recorded, those with a report, or that pytester looks for.

    The others keep what each run of an explored test has made: its fixtures, its loop, its tasks.
    """

    def append(self, call: Any) -> None:
        if "report" in call._name or call._name == "pytest_keyboard_interrupt":
            super().append(call)


def _record(record: Callable[..., Any], *args: Any) -> Any:
    """Pytester's recorder of the hooks that are called."""
    recorder = record(*args)
    recorder.calls = Reports()
    return recorder


def _runpytest(pytester: pytest.Pytester, run: Callable[..., Any], *args: Any, **how: Any) -> Any:
    """Run pytest: in this process, but for workers of xdist, which the warm process can fork."""
    if "-n" in args and args[args.index("-n") + 1] != "0":
        return pytester.runpytest_subprocess(*_key(args), *args, **how)
    return run(*args, **how)


def _warm(popen: Callable[..., Any], command: Any, **how: Any) -> Any:
    """Start a process as pytester does; a run of pytest is forked, see warm.py."""
    path = filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    if command[:2] != (sys.executable, "-mpytest"):
        return popen(command, **how)
    arguments = [*command[2:], *_plugin(command)]
    if not warm.can_serve(env):
        return popen([*command[:2], *arguments], **how)
    typed = Path(os.devnull)
    if isinstance(how["stdin"], bytes):
        typed = Path(how["stdout"].name).with_name("stdin")
        typed.write_bytes(how["stdin"])
    files = (str(typed), how["stdout"].name, how["stderr"].name)
    return warm.Fork(arguments, os.getcwd(), env, *files)


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """With room, and without the plugins that are slow to load."""
    monkeypatch.setattr(pytester, "inline_run", partial(_inline_run, pytester.inline_run))
    record = partial(_record, pytester.make_hook_recorder)
    monkeypatch.setattr(pytester, "make_hook_recorder", record)
    monkeypatch.setattr(pytester, "runpytest", partial(_runpytest, pytester, pytester.runpytest))
    monkeypatch.setattr(pytester, "popen", partial(_warm, pytester.popen))
    monkeypatch.setenv("PYTEST_ADDOPTS", SLOW_TO_LOAD)
    return pytester


@pytest.fixture
def every_plugin(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that need the slow ones."""
    monkeypatch.delenv("PYTEST_ADDOPTS")


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Whatever is left in a cycle stays: a test that looks for such things fails by it."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
