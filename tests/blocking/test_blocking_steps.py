"""The step timer: steps that no single call explains, judged by what they cost."""

import asyncio
import ctypes
import gc
import os
import queue
import re
import select
import subprocess
import sys
import threading
import time

import pytest

from pytest_asyncfastapi._blocking import step_timer, thread_stats
from pytest_asyncfastapi._blocking.dispatcher import Dispatcher
from pytest_asyncfastapi._blocking.thread_stats import ThreadStats
from pytest_asyncfastapi._core import activity
from tests.blocking.conftest import needs_thread_stats

QUICK = {"step_threshold": 0.02, "cpu_threshold": 0.04}


def burn(seconds: float) -> None:
    """Compute for so much CPU time, however busy the machine is."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(10_000))


def test_computing_is_found_with_its_line(watch):
    """A CPU loop above the threshold is named at its line."""

    async def endpoint():
        end = time.thread_time() + 0.1
        while time.thread_time() < end:
            sum(range(500))

    guard = watch(endpoint, **QUICK)
    assert guard.calls == []
    (found,) = guard.findings()
    first = endpoint.__code__.co_firstlineno
    assert first + 1 <= found.where.line <= first + 3
    assert found.where.function.endswith("endpoint")
    assert found.data["category"] == "cpu"
    assert found.title.startswith("blocking computation: ")
    assert "to_thread" in found.remedy
    assert found.data["duration"] >= 0.04


def test_computing_below_its_threshold_is_not_reported(watch):
    """cpu has its own threshold, above that of steps."""

    async def endpoint():
        burn(0.05)

    assert watch(endpoint, step_threshold=0.01, cpu_threshold=5.0).findings() == []


@needs_thread_stats
@pytest.mark.parametrize(("profile", "severity"), [("default", "warning"), ("strict", "error")])
def test_an_inferred_sleep_fails_only_strict_tests(watch, profile, severity, monkeypatch):
    """It keeps the GIL, so the watchdog cannot take samples: it is inferred from statistics."""
    libc = ctypes.PyDLL(None)
    # How often a thread goes to sleep depends on the others, and pages on the machine.
    monkeypatch.setattr(thread_stats, "is_single_sleep", lambda *figures: True)
    monkeypatch.setattr(thread_stats, "major_page_faults", lambda: 0)
    monkeypatch.setattr(thread_stats.ThreadStatsReader, "sleeping_in", lambda self: "")

    async def endpoint():
        libc.usleep(300_000)

    (found,) = watch(endpoint, profile=profile).findings()
    assert found.title.startswith("blocking call: sleep in the kernel")
    assert found.evidence == "step timer: the thread slept in the kernel"
    assert found.severity == severity


@pytest.mark.parametrize(
    ("seconds", "rest", "switches", "slept"),
    [
        (0.30, 0.31, 1, True),
        (0.50, 0.51, 6, True),  # and released the GIL to other threads afterwards
        (0.50, 0.51, 90, False),  # a wait for the GIL
        (0.06, 0.07, 12, False),
        (0.06, 0.07, 3, True),
        (0.30, 0.31, 0, False),  # the machine stood still
        (0.10, 0.31, 1, False),  # most of it was something else
    ],
)
def test_what_is_inferred_to_be_one_sleep(seconds, rest, switches, slept):
    assert thread_stats.is_single_sleep(seconds, rest, switches) is slept


def test_a_step_with_major_page_faults_is_not_inferred_to_sleep(watch, monkeypatch):
    """Code that is first read from the disk makes a thread sleep, and is not reported."""
    libc = ctypes.PyDLL(None)
    reads = iter(range(1000))
    monkeypatch.setattr(thread_stats, "major_page_faults", lambda: next(reads))

    async def endpoint():
        libc.usleep(300_000)

    assert watch(endpoint, profile="strict").findings() == []


def test_a_long_c_call_that_keeps_the_gil_is_found(watch):
    """A regular expression that never lets the watchdog run is found afterwards."""

    async def endpoint():
        re.match("(a+)+$", "a" * 22 + "b")

    guard = watch(endpoint, step_threshold=0.01, cpu_threshold=0.02)
    (stall,) = guard.stalls
    assert stall.category == "cpu"
    # When it was the task's last act, only the task's function is known.
    first = endpoint.__code__.co_firstlineno
    assert stall.where.line in (first, first + 1)


def test_callbacks_of_the_garbage_collector_are_not_responsible(watch):
    """A tool's callback is the innermost frame then."""
    import gc

    from pytest_asyncfastapi._blocking.call_stack import FrameInfo
    from pytest_asyncfastapi._blocking.stalls import _without_gc_callbacks

    def callback(phase, info):
        """The callback of a tool."""

    inner = FrameInfo(callback.__code__, 1, 0, "some_tool")
    outer = FrameInfo(watch.__call__.__func__.__code__, 1, 0, "shop")
    gc.callbacks.append(callback)
    try:
        assert _without_gc_callbacks([inner, outer]) == [outer]
        assert _without_gc_callbacks([outer]) == [outer]
    finally:
        gc.callbacks.remove(callback)


def test_waiting_for_a_lock_by_with_is_found(watch):
    """`with lock` makes no call event; the kernel's statistics show the wait."""
    lock = threading.Lock()

    async def endpoint():
        lock.acquire()
        threading.Timer(0.1, lock.release).start()
        with lock:
            pass

    guard = watch(endpoint, **QUICK)
    (call,) = [*guard.calls, *guard.stalls]
    assert call.category == "lock"
    assert call.where.source == "with lock:"


def test_sleep_that_c_code_calls_is_found(watch):
    """`list(map(time.sleep, ...))` is a call from C to C."""

    async def endpoint():
        list(map(time.sleep, [0.1]))

    guard = watch(endpoint, **QUICK)
    (found,) = guard.findings()
    assert found.where.source == "list(map(time.sleep, [0.1]))"
    assert found.data["category"] in ("sleep", "unknown")


def test_a_recorded_call_explains_its_step(watch):
    """One long call is one finding, not a call and a stall."""

    async def endpoint():
        time.sleep(0.08)

    guard = watch(endpoint, **QUICK)
    assert len(guard.calls) == 1
    assert guard.stalls == []


def test_many_short_steps_are_not_a_stall(watch):
    """Work that yields is not a stall, however long it takes in all."""

    async def endpoint():
        for _ in range(30):
            burn(0.003)
            await asyncio.sleep(0)

    assert watch(endpoint, step_threshold=0.05, cpu_threshold=0.05).findings() == []


def test_a_new_activity_splits_a_step(watch):
    """Many clean requests in one step of the loop are no stall."""

    async def test_body():
        for _ in range(30):
            activity.activity_changed()
            burn(0.003)

    assert watch(test_body, step_threshold=0.05, cpu_threshold=0.05).findings() == []


def test_a_stall_has_the_activity_of_its_slice(watch):
    """The finding names the request that was running."""

    async def test_body():
        for label, seconds in (("GET /quick", 0.001), ("GET /slow", 0.1), ("GET /last", 0.001)):
            activity.activity_changed()
            token = activity.ACTIVITY.set(label)
            burn(seconds)
            activity.activity_changed()
            activity.ACTIVITY.reset(token)

    guard = watch(test_body, **QUICK)
    assert [found.activity for found in guard.findings()] == ["GET /slow"]


def test_a_slow_import_is_an_import(watch, tmp_path, monkeypatch):
    """Importing a slow module is reported at the import statement."""
    package = tmp_path / "site-packages"
    package.mkdir()
    (package / "slow_library.py").write_text(
        "import time\nend = time.thread_time() + 0.1\nwhile time.thread_time() < end: pass\n"
    )
    monkeypatch.syspath_prepend(package)

    async def endpoint():
        import slow_library  # noqa: F401

    guard = watch(endpoint, **QUICK)
    (found,) = guard.findings()
    assert found.data["category"] == "import"
    assert found.title.startswith("blocking call: import slow_library held the event loop")
    assert found.where.source.startswith("import slow_library")


@pytest.mark.parametrize(
    ("wall", "cpu", "delay", "switches", "verdict"),
    [
        (0.5, 0.01, 0.48, 0, "harmless"),  # waited for a processor
        (0.5, 0.01, 0.0, 100, "harmless"),  # waited for the GIL, 5 ms at a time
        (0.5, 0.01, 0.0, 0, "harmless"),  # the machine itself stood still
        (0.5, 0.01, 0.0, 1, "blocked"),
        (0.5, 0.49, 0.0, 0, "computing"),
        (0.5, 0.01, 0.05, 2, "blocked"),
        (0.5, 0.01, 0.2, 5, "harmless"),  # waited for the GIL among busy processes
    ],
)
def test_only_cost_counts_and_not_time(watch, monkeypatch, wall, cpu, delay, switches, verdict):
    """A step that only waited for a processor or for the GIL is never a finding."""
    from pytest_asyncfastapi._blocking.dispatcher import DISPATCHER

    async def endpoint():
        state = DISPATCHER.thread_state()
        now = step_timer.thread_stats.perf_counter()
        state.last_stats = ThreadStats(now - wall, 1.0, 1.0, 10, True)
        state.start = now - wall
        state.samples, state.sampled_slice = [], 0.0
        after = ThreadStats(now, 1.0 + cpu, 1.0 + delay, 10 + switches, True)
        with monkeypatch.context() as patch:
            patch.setattr(state.stats_reader, "read", lambda: after)
            DETECTORS.step_timer.split_step()
        state.start = step_timer.thread_stats.perf_counter()

    from pytest_asyncfastapi._blocking.detectors import DETECTORS

    # The watchdog must not take a sample in between.
    monkeypatch.setattr(DETECTORS.step_timer, "_sample", lambda state: None)
    guard = watch(endpoint, step_threshold=0.1, cpu_threshold=0.2)
    assert guard.not_watched == ""
    kinds = [{"cpu": "computing", "unknown": "blocked"}[item.category] for item in guard.stalls]
    assert kinds == ([] if verdict == "harmless" else [verdict])


def test_trio_steps_and_calls_are_reported(watch):
    """On trio, too: calls by the call monitor, computing by an instrument."""
    trio = pytest.importorskip("trio")

    async def sleeper():
        time.sleep(0.01)

    async def computer():
        burn(0.1)

    async def harmless():
        await trio.sleep(0.01)
        await trio.to_thread.run_sync(time.sleep, 0.01)

    for function, expected in ((sleeper, ["sleep"]), (computer, ["cpu"]), (harmless, [])):
        guard = watch.guard(**QUICK)
        guard.start()
        trio.run(function)
        guard.stop()
        assert [found.data["category"] for found in guard.findings()] == expected


@pytest.mark.skipif(os.name == "nt", reason="no poll(), no waitpid(WNOHANG)")
def test_waiting_only_for_the_gil_is_not_reported(watch):
    """A thread that computes takes the GIL for 5 ms at a time; none of these calls waits."""
    over = threading.Event()
    ended = threading.Thread(target=int)
    ended.start()
    ended.join()
    full = queue.SimpleQueue()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:

        def spin():
            while not over.is_set():
                sum(range(1000))

        async def endpoint():
            for _ in range(12):
                select.select([], [], [], 0)
                select.poll().poll(0)
                os.waitpid(child.pid, os.WNOHANG)
                full.put(1)
                full.get()
                ended.join()

        thread = threading.Thread(target=spin)
        thread.start()
        guard = watch(endpoint, profile="strict", cpu_threshold=10, step_threshold=10)
        over.set()
        thread.join()
        assert guard.calls == []
    finally:
        over.set()
        child.communicate(b"\n")


@pytest.fixture
def many_objects():
    """A heap that takes the garbage collector a while."""
    heap = [[] for _ in range(1_500_000)]
    gc.collect()
    yield
    heap.clear()


def test_an_automatic_full_collection_is_not_reported(watch, many_objects):
    """When it runs is chance, and a test process has more objects than the app."""

    async def endpoint():
        list(map(gc.collect, [2]))  # as an automatic one: no line of Python calls it

    assert watch(endpoint, step_threshold=0.005, cpu_threshold=0.01).findings() == []


@pytest.mark.parametrize("label", ["", activity.BODY])
def test_a_collection_in_a_tests_own_body_is_not_reported(watch, many_objects, label):
    """The plugin gives the body a label of its own."""

    async def body():
        activity.ACTIVITY.set(label)
        gc.collect()

    assert watch(body, step_threshold=0.005, cpu_threshold=0.01).findings() == []


def test_a_collection_in_an_endpoint_is_reported(watch, many_objects):
    async def endpoint():
        activity.ACTIVITY.set("GET /")
        gc.collect()

    (found,) = watch(endpoint, step_threshold=0.005, cpu_threshold=0.01).findings()
    assert found.data["category"] == "cpu"
    assert found.where.function.endswith("endpoint")  # it keeps the GIL: the line cannot be sampled


@pytest.mark.parametrize("ends", [False, True])
def test_statistics_that_are_read_after_the_step_are_not_kept(ends):
    """To read them the watchdog lets go of the GIL, and the next step may compute meanwhile."""
    dispatcher = Dispatcher()
    timer, state = step_timer.StepTimer(dispatcher), dispatcher.thread_state()
    before = state.last_stats
    late = ThreadStats(thread_stats.perf_counter(), 1.0)

    class Reader:
        def sleeping_in(self):
            return ""

        def read(self):
            state.start += ends
            return late

    state.start, state.stats_reader = thread_stats.perf_counter() - 60, Reader()
    timer._sample(state)
    assert len(state.samples) == 1
    assert state.last_stats is (before if ends else late)
