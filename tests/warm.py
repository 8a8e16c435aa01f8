"""Runs of pytest in a process of their own that need not load everything anew.

A server, one for each process of the suite, has loaded pytest, its plugins and what the projects
of the tests import. For each run it forks; the fork does what `python -m pytest` would, but for
its start, and for the end of the interpreter, which takes all these modules apart. A run whose
environment tells the interpreter something (`PYTHONHASHSEED`) gets one of its own, and so does
any run where the system cannot fork. A test that is about the start or the end of an interpreter
calls `pytester.run(sys.executable, "-m", "pytest")`.
"""

from __future__ import annotations

import atexit
import gc
import importlib.metadata
import json
import os
import pkgutil
import runpy
import select
import signal
import subprocess
import sys
import tempfile
import threading
import warnings
from contextlib import contextmanager, suppress
from functools import _lru_cache_wrapper, cache
from importlib import import_module
from importlib.metadata import Distribution, entry_points
from inspect import getattr_static
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

import pytest
from _pytest.fixtures import FixtureFunctionDefinition, FixtureManager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What the projects of the tests import; FastAPI alone takes as long as most of these tests.
# Of the standard library, what pytest imports as it starts.
PRELOADED = (
    "aiosqlite",
    "anyio._backends._asyncio",
    "anyio._backends._trio",
    "faulthandler",
    "fastapi.testclient",
    "h11",
    "httpx2",
    "jsonschema",
    "pdb",
    "readline",
    "respx",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "sqlalchemy.ext.asyncio",
    "trio.testing",
    "uvicorn",
    "wsproto",
)


class Fork:
    """A run, with what `subprocess` and pytester use of a Popen."""

    stdin = None

    def __init__(self, arguments: list[str], cwd: str, env: dict[str, str], *files: str) -> None:
        """`files` are the names of its standard input, output and error."""
        request = {"arguments": arguments, "cwd": cwd, "env": env, "files": files}
        server().stdin.write(json.dumps(request).encode() + b"\n")
        server().stdin.flush()
        self.pid = int(server().stdout.readline())

    def wait(self, timeout: float | None = None) -> int:
        if not select.select([server().stdout], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("pytest", timeout or 0)
        return int(server().stdout.readline())

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


@cache
def server() -> Any:
    """Started when it is first needed; it ends with us, when its input does."""
    started = subprocess.Popen([sys.executable, __file__], stdin=-1, stdout=-1, bufsize=0)
    atexit.register(started.communicate)
    return started


def can_serve(env: dict[str, str]) -> bool:
    """Whether an interpreter that starts in this environment would be like the server's."""
    names = {name for name in {*env, *os.environ} if name.startswith("PYTHON")} - {"PYTHONPATH"}
    if not hasattr(os, "fork") or pytest.version_tuple < (9,):  # before, no hook without a project
        return False
    return all(env.get(name) == os.environ.get(name) for name in names)


def run(
    *arguments: str, cwd: Path, env: dict[str, str] | None = None, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """`python -m pytest` with these arguments."""
    env = dict(os.environ) if env is None else env
    command = [sys.executable, "-m", "pytest", *arguments]
    if not can_serve(env):
        return subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=timeout
        )
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        fork = Fork(list(arguments), str(cwd), env, os.devnull, str(out), str(err))
        try:
            code = fork.wait(timeout)
        except BaseException:
            fork.kill()
            fork.wait()
            raise
        return subprocess.CompletedProcess(command, code, out.read_text(), err.read_text())


def start(*arguments: str, cwd: Path, output: str) -> Any:
    """The same without waiting for it: `wait()` must be called. It writes to this file."""
    env = dict(os.environ)
    if can_serve(env):
        return Fork(list(arguments), str(cwd), env, os.devnull, output, output)
    with open(output, "wb") as file:
        command = [sys.executable, "-m", "pytest", *arguments]
        return subprocess.Popen(command, cwd=cwd, stdin=-3, stdout=file, stderr=file)


def preload() -> None:
    """Import what the projects of the tests import, as far as it is installed, and all of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Starlette's test client prefers httpx2
        for name in PRELOADED:
            with suppress(ModuleNotFoundError):
                import_module(name)
    ours = import_module("pytest_asyncfastapi")
    for module in pkgutil.walk_packages(ours.__path__, f"{ours.__name__}."):
        with suppress(ModuleNotFoundError):
            import_module(module.name)


def set_aside() -> None:
    """Full collections, of which a sweep makes one a run, need not look at what is here now."""
    # FastAPI remembers the last endpoints, by which all of the runs are kept that they are from.
    models = sys.modules.get("fastapi.dependencies.models")
    for value in vars(models).values() if models else ():
        if isinstance(value, _lru_cache_wrapper):
            value.cache_clear()
    gc.collect()
    gc.freeze()
    # It counts them one by one, longer than a sweep takes. Asked is whether there are any.
    gc.get_freeze_count = lambda: 1


def remember_installed() -> None:
    """Read once what is installed; pytest reads all of it as it starts, half the time of a run."""
    ours = tuple(path for path in sys.path if path.startswith((sys.prefix, sys.base_prefix)))
    known = {id(dist): dist for dist in Distribution.discover(path=list(ours))}
    discover = importlib.metadata.distributions

    def distributions(**how: Any) -> Any:
        if how:
            return discover(**how)
        others = [path for path in sys.path if path not in ours]  # a test's own
        return (*discover(path=others), *known.values())

    importlib.metadata.distributions = distributions
    for name in ("entry_points", "files", "metadata"):
        setattr(Distribution, name, property(_once(getattr(Distribution, name).fget, known)))


def _once(read: Callable[[Any], Any], known: dict[int, Any]) -> Callable[[Any], Any]:
    values: dict[int, Any] = {}

    def get(dist: Any) -> Any:
        key = id(dist)
        if key not in known:
            return read(dist)
        if key not in values:
            values[key] = read(dist)
        return values[key]

    return get


def remember_fixtures() -> None:
    """Look for the fixtures of a plugin once, and not in each run in all its attributes."""
    parse = FixtureManager.parsefactories
    known: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
    seen: WeakSet[Any] = WeakSet()
    for plugin in _modules_of_plugins():
        classes = (value for value in vars(plugin).values() if isinstance(value, type))
        for key in (plugin, *(c for c in classes if c.__module__ == plugin.__name__)):
            known[key] = _fixtures_of(key)

    def parsefactories(self: Any, *args: Any, **how: Any) -> None:
        holder = how.get("holder")  # before pytest 9 there is none
        key = holder if isinstance(holder, ModuleType | type) else type(holder)
        if args or key not in known:
            parse(self, *args, **how)
            if key in seen:  # a plugin: a test's own module is looked at once
                known[key] = _fixtures_of(key)
            elif not args:
                seen.add(key)
        elif isinstance(holder, ModuleType):
            parse(self, **{**how, "holder": known[key]})
        elif vars(known[key]):
            parse(self, **how)

    FixtureManager.parsefactories = parsefactories  # type: ignore[assignment]


def _modules_of_plugins() -> list[ModuleType]:
    """What pytest and its plugins, as far as they are loaded, register as plugins."""
    names = {plugin.module for plugin in entry_points(group="pytest11")}
    return [
        module
        for name, module in list(sys.modules.items())
        if name in names or name.startswith("_pytest.")
    ]


def _fixtures_of(holder: Any) -> ModuleType:
    """A module with its fixtures, and nothing else."""
    found = ModuleType("fixtures")
    vars(found).clear()
    for name in dir(holder):
        if isinstance(value := getattr_static(holder, name, None), FixtureFunctionDefinition):
            setattr(found, name, value)
    return found


def load() -> None:
    """All that takes time, with the asserts of the plugins rewritten as pytest does it."""
    from _pytest.assertion import install_importhook
    from _pytest.config import get_config

    remember_installed()
    plugins = entry_points(group="pytest11")
    hook = install_importhook(get_config())
    for plugin in plugins:
        files = plugin.dist.files or () if plugin.dist else ()
        hook.mark_rewrite(*{file.parts[0].removesuffix(".py") for file in files})
        hook.mark_rewrite(plugin.module.partition(".")[0])  # whose files are not listed: ours
    # Hypothesis counts how often it was loaded, and minds strategies until each has begun.
    loaded = {plugin.module for plugin in plugins} - {"_hypothesis_pytestplugin"}
    for name in loaded:
        import_module(name)
    preload()
    remember_fixtures()
    sys.meta_path.remove(hook)
    set_aside()


def become(arguments: list[str], cwd: str, env: dict[str, str], files: list[str]) -> None:
    """In the fork: what a new process is given."""
    os.setpgid(0, 0)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for number, name in enumerate(files):
        opened = os.open(name, flags if number else os.O_RDONLY, 0o666)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    more = [path for path in env.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:0] = [cwd, *map(os.path.abspath, more)]
    sys.argv[:] = ["pytest", *arguments]
    if "-n" in arguments:
        fork_workers(int(arguments[arguments.index("-n") + 1]))


@contextmanager
def ending() -> Iterator[None]:
    """End the process after this, as Python does, but for taking its modules apart."""
    code: Any = 0
    try:
        yield
    except SystemExit as end:
        code = end.code or 0
        if not isinstance(code, int):
            raise
    threading._shutdown()
    atexit._run_exitfuncs()
    gc.collect()  # what is never looked at again may have something to say
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


class Worker:
    """A worker of xdist, with what execnet uses of a Popen; forked before there are threads."""

    def __init__(self) -> None:
        (theirs, stdin), (stdout, out) = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(theirs)
            os.close(out)
            self.stdin, self.stdout = open(stdin, "wb"), open(stdout, "rb")
            return
        for number, pipe in enumerate((theirs, out)):
            os.dup2(pipe, number)
        for pipe in (theirs, stdin, stdout, out):
            os.close(pipe)
        sys.argv[:] = ["-c"]
        sys.stdin = open(0, closefd=False)
        with ending():
            exec(eval(sys.stdin.readline()))  # execnet's words, and all that `python -c` is told

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


def fork_workers(number: int) -> None:
    """What xdist starts first it finds started; any further worker is a new process."""
    from execnet.gateway_io import Popen2IO, Popen2IOMaster

    ready = [Worker() for _ in range(number)]

    def begin(self: Any, args: Any, execmodel: Any) -> None:
        self.popen = ready.pop(0) if ready else subprocess.Popen(args, stdin=-1, stdout=-1)
        Popen2IO.__init__(self, self.popen.stdin, self.popen.stdout, execmodel=execmodel)

    Popen2IOMaster.__init__ = begin


def serve() -> None:
    """Fork for each request; the number of the process is answered, and then its exit status."""
    known = {path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path}
    sys.path[:] = [path for path in sys.path[1:] if path not in known]
    while line := os.read(0, 1 << 20):
        while not line.endswith(b"\n"):
            line += os.read(0, 1 << 20)
        if not (pid := os.fork()):
            become(**json.loads(line))
            return
        with suppress(OSError):  # whoever is first; it may have ended
            os.setpgid(pid, pid)
        os.write(1, b"%d\n" % pid)
        os.write(1, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    load()
    before = os.getpid()
    serve()
    if os.getpid() != before:
        with ending():
            runpy.run_module("pytest", run_name="__main__", alter_sys=True)
