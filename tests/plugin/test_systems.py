"""Other operating systems: what reports say of them, and what the guard still finds."""

from __future__ import annotations

import asyncio
import itertools
import ntpath
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_asyncfastapi._blocking import (
    BlockingGuard,
    BlockingPolicy,
    cpu_clock,
    dispatcher,
    thread_stats,
)
from pytest_asyncfastapi._clock import sockets
from pytest_asyncfastapi._core import frames, platforms
from pytest_asyncfastapi._core.frames import UserCode
from tests import mach
from tests.blocking.corpus.resources import once_caller_waits, open_resources

WITHOUT = "asyncfastapi: this system does not tell"


@pytest.mark.parametrize(("mode", "there", "said"), [
    ("fail", False, 1), ("warn", False, 1), ("off", False, 0), ("fail", True, 0),
])  # fmt: skip
def test_the_header_says_once_what_is_not_watched(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, mode: str, there: bool, said: int
) -> None:
    """Only where something is missing, and only of a guard that is on."""
    monkeypatch.setattr(platforms, "_FIGURES", __file__ if there else "/nowhere")
    pytester.makeini(f"[pytest]\nasyncfastapi_blocking = {mode}\n")
    pytester.makepyfile("def test_it(): pass")
    lines = pytester.runpytest_inprocess().outlines
    assert sum(line.startswith(WITHOUT) for line in lines) == said


@pytest.mark.parametrize(("answer", "known"), [("us", True), ("other", False), ("", False)])
def test_the_other_end_of_a_unix_socket_on_macos(
    monkeypatch: pytest.MonkeyPatch, answer: str, known: bool
) -> None:
    """Asked by an option of its own; what the system refuses is not known."""

    class Socket:
        def getsockopt(self, level: int, option: int) -> int:
            assert (level, option) == (0, 2)
            if not answer:
                raise OSError
            return os.getpid() if answer == "us" else 1

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.delattr(socket, "SO_PEERCRED", raising=False)
    assert sockets._peer_is_this_process(Socket()) is known  # type: ignore[arg-type]


@pytest.mark.parametrize("counted", [True, False])
def test_a_datagram_on_a_busy_machine_is_not_a_wait(
    other_system, monkeypatch: pytest.MonkeyPatch, counted: bool
) -> None:
    """It takes 5 ms to send, and the thread may have slept for the GIL."""
    sends = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receives = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if counted:
        monkeypatch.setattr(thread_stats, "voluntary_switches", itertools.count().__next__)
    with sends, receives:
        receives.bind(("127.0.0.1", 0))
        ticks = itertools.count()
        monkeypatch.setattr(thread_stats, "perf_counter", lambda: next(ticks) * 0.005)

        async def send() -> None:
            sends.settimeout(1)
            sends.sendto(b"x", receives.getsockname())

        assert judged(send) == []


def test_a_datagram_that_nobody_has_room_for_waits_there_too(other_system) -> None:
    """Whether there is room is asked before it is sent."""
    with open_resources("full_datagrams") as resources:
        sends, read_all = resources["full_datagrams"]

        async def send() -> None:
            waits = once_caller_waits()
            reader = threading.Thread(target=lambda: (waits(), read_all()))
            reader.start()
            sends.send(b"x")

        assert judged(send, threshold=60.0) == ["network"]


@pytest.fixture
def other_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """No /proc, and no clock of another thread's CPU time, as on macOS and Windows."""
    monkeypatch.setattr(thread_stats, "_PROC", False)
    monkeypatch.setattr(thread_stats, "_rusage", None)
    monkeypatch.setattr(thread_stats, "cpu_clock_of", lambda ident: None)


def computes(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(2000))


def judged(function, threshold: float = 0.05) -> list[str]:
    """The lines of what is found, relative to the function's first."""
    policy = BlockingPolicy(profile="strict", step_threshold=threshold, cpu_threshold=0.05)
    guard = BlockingGuard(policy, UserCode(__file__), test="test_it")
    found = []

    def run() -> None:  # a thread of its own, whose figures nobody has read yet
        with guard:
            asyncio.run(function())
        found.extend(guard.findings())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return [str(each.data["category"]) for each in found]


def test_computing_is_found_there(other_system) -> None:
    """By the thread's own CPU clock, in the first step and in later ones."""

    async def at_once() -> None:
        computes(0.12)

    async def later() -> None:
        for _ in range(10):
            await asyncio.sleep(0.01)
        computes(0.12)

    assert judged(at_once) == ["cpu"]
    assert judged(later) == ["cpu"]


def test_on_macos_mach_tells_the_cpu_time_of_another_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of one that waits, that has computed, and that has ended."""
    monkeypatch.setattr(cpu_clock, "_MACH", cpu_clock.Mach(mach.Library()))
    go, done, end = threading.Event(), threading.Event(), threading.Event()

    def works() -> None:
        go.wait()
        computes(0.12)
        done.set()
        end.wait()

    thread = threading.Thread(target=works)
    thread.start()
    assert thread.ident is not None
    clock = cpu_clock.cpu_clock_of(thread.ident)
    assert clock is not None
    before = clock()
    go.set()
    done.wait()
    after = clock()
    end.set()
    thread.join()
    assert before is not None
    assert before < 0.1
    assert after is not None
    assert after - before >= 0.11
    for _ in range(500):  # the system's thread ends a little after Python's
        if clock() is None:
            break
        time.sleep(0.01)
    assert clock() is None


def test_where_mach_refuses_each_thread_has_its_own_clock(
    other_system, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error is not taken for a time: the loop's own thread reads it, and computing is found."""
    monkeypatch.setattr(cpu_clock, "_MACH", cpu_clock.Mach(mach.Library(refuses=True)))
    monkeypatch.setattr(thread_stats, "cpu_clock_of", cpu_clock.cpu_clock_of)
    figures = thread_stats.ThreadStatsReader(threading.get_ident(), threading.get_native_id())
    own = figures.read()
    read: list[object] = []
    thread = threading.Thread(target=lambda: read.append(figures.read()))
    thread.start()
    thread.join()
    assert own is not None
    assert own.cpu > 0
    assert read == [None]


def test_without_a_gil_no_frames_of_a_running_thread_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Computing is found by statistics: with the endpoint, without the line."""
    monkeypatch.setattr(thread_stats, "GIL", False)
    monkeypatch.setattr(sys, "_current_frames", lambda: pytest.fail("frames were read"))

    async def works() -> None:
        await asyncio.sleep(0)
        computes(0.12)

    assert judged(works) == ["cpu"]


@pytest.mark.parametrize(("gil", "found"), [(False, 1), (True, 0)])
def test_without_a_gil_a_wait_is_one_beside_a_thread_that_computes(
    monkeypatch: pytest.MonkeyPatch, gil: bool, found: int
) -> None:
    """With a GIL it may be what the wait was for."""
    monkeypatch.setattr(thread_stats, "GIL", gil)
    monkeypatch.setattr(dispatcher.DISPATCHER, "other_threads_time", itertools.count().__next__)

    async def waits() -> None:
        threading.Timer(0.1, child.stdin.close).start()
        os.waitpid(child.pid, 0)

    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        # The step timer is off, which would find it too.
        assert len(judged(waits, threshold=60.0)) == found


def test_short_steps_are_nothing_there(other_system) -> None:
    """In contrast: much is computed, and never for long without an await."""

    async def steps() -> None:
        for _ in range(20):
            computes(0.01)
            await asyncio.sleep(0)

    assert judged(steps) == []


PROACTOR = """
import asyncio, pytest, uvloop

class ProactorEventLoop(uvloop.Loop):
    def add_reader(self, *args): raise NotImplementedError
    add_writer = remove_reader = remove_writer = add_signal_handler = add_reader

@pytest.fixture
def anyio_backend():
    return "asyncio", {"loop_factory": ProactorEventLoop}
"""
ON_PROACTOR = """
import asyncio, time
import httpx, pytest

async def app(scope, receive, send):
    async with httpx.AsyncClient(timeout=0.2) as client:
        try:
            status = (await client.get("https://pay.example/")).status_code
        except httpx.ReadTimeout:
            status = 504
    if scope["path"] == "/blocks":
        time.sleep(0.001)
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body"})

@pytest.fixture
def asgi_app(upstream):
    upstream.get("https://pay.example/").respond(200)
    return app

async def test_clock(clock): pass

async def test_fault(asgi_client, faults):
    faults.on("https://pay.example/").latency("400ms")
    assert (await asgi_client.get("/")).status_code == 504

async def test_two_at_once(asgi_client):
    both = await asyncio.gather(asgi_client.get("/"), asgi_client.get("/"))
    assert [one.status_code for one in both] == [200, 200]

async def test_blocks(asgi_client):
    await asgi_client.get("/blocks")
"""


def test_on_the_default_loop_of_windows_all_but_virtual_time_works(
    pytester: pytest.Pytester,
) -> None:
    """Simulated by another loop without a selector: one sentence with the remedy wherever it is."""
    pytest.importorskip("uvloop")
    pytester.makeconftest(PROACTOR)
    pytester.makepyfile(ON_PROACTOR)
    result = pytester.runpytest_inprocess("-q", "-p", "no:asyncio", "--asyncfastapi-schedules=2")
    result.assert_outcomes(passed=2, failed=1, errors=1)
    why = "virtual time needs an event loop with a selector; conftest.ProactorEventLoop, the "
    result.stdout.fnmatch_lines_random([
        f"E *ClockError: {why}default on Windows, has none. Fix: a fixture `anyio_backend` that*",
        f"note  {why}*; this test runs in real time",
        f"warn  no other order could be tried: {why}default on Windows, has none",
        "      fix: a fixture `anyio_backend` that returns (\"asyncio\", *",
        "FOUND blocking call: time.sleep*",
    ])  # fmt: skip


@pytest.mark.parametrize(("file", "owned", "shown"), [
    (r"C:\proj\shop\main.py", True, r"shop\main.py"),
    (r"C:\proj\.venv\Lib\site-packages\httpx\_client.py", False, ""),
    (r"C:\Python\Lib\asyncio\tasks.py", False, ""),
    (r"C:\proj\.venv\Scripts\pytest.exe\__main__.py", False, ""),
    (r"D:\other\lib.py", True, r"D:\other\lib.py"),
])  # fmt: skip
def test_files_have_the_paths_of_windows_there(
    monkeypatch: pytest.MonkeyPatch, file: str, owned: bool, shown: str
) -> None:
    """Whose a file is, and how it is shown, with the functions of its paths."""
    monkeypatch.setattr(frames, "os", SimpleNamespace(path=ntpath, sep="\\"))
    monkeypatch.setattr(frames, "_STDLIB", "C:\\Python\\Lib\\")
    monkeypatch.setattr(frames, "_INSTALLED", ("\\site-packages\\",))
    monkeypatch.setattr(frames, "_SCRIPTS", "C:\\proj\\.venv\\Scripts\\")
    user = UserCode("C:\\proj")
    assert user.owns(file) is owned
    if owned:
        assert user.show(file) == shown


IMPORTS = """
import importlib, pkgutil, sys
import tests.portable
import pytest_asyncfastapi

names = [info.name for info in pkgutil.walk_packages(pytest_asyncfastapi.__path__,
                                                     "pytest_asyncfastapi.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)

import anyio
import httpx
from pytest_asyncfastapi import open_app
from pytest_asyncfastapi._blocking import BlockingGuard, BlockingPolicy, cpu_clock, thread_stats
from pytest_asyncfastapi._clock import VirtualClock
from pytest_asyncfastapi._core.frames import UserCode

async def app(scope, receive, send):
    assert scope["type"] == "http"
    await anyio.sleep(20)
    await anyio.to_thread.run_sync(len, "")
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})

async def main():
    clock = VirtualClock()
    async with open_app(app) as client:
        clock.install()
        assert (await client.get("/")).status_code == 204
        assert clock.time() == 20.0
        clock.uninstall()

with BlockingGuard(BlockingPolicy(), UserCode("."), test="test_it") as guard:
    anyio.run(main)
assert guard.findings() == [] and guard.not_watched == ""
assert thread_stats._rusage is None and not thread_stats._PROC
assert (cpu_clock._MACH is None) == (sys.platform == "win32")
print(len(names), "modules")
"""


@pytest.mark.parametrize("name", ["darwin", "win32"])
def test_every_module_is_imported_and_an_app_answers_there(name: str) -> None:
    """What Linux alone has is taken away first: a simulation, on the libraries of this system."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS],
        env={**os.environ, "PORTABLE": name},
        cwd=Path(__file__).parent.parent.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(" modules\n")
