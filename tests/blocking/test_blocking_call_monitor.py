"""The call monitor from inside: free locks, late imports, and what it costs itself."""

from __future__ import annotations

import asyncio
import io
import linecache
import os
import resource
import sys
import threading
import time
from contextlib import nullcontext
from functools import partial

import pytest

from pytest_asyncfastapi._blocking import monitor_lines, thread_stats
from pytest_asyncfastapi._blocking.dispatcher import DISPATCHER, in_event_loop
from pytest_asyncfastapi._core.activity import activity_changed
from pytest_asyncfastapi._core.frames import UserCode
from tests.blocking.conftest import needs_thread_stats
from tests.blocking.corpus.known_misses import HAS_THREAD_STATS
from tests.blocking.corpus.resources import once_caller_waits

NEW = sys.version_info >= (3, 12)
only_monitoring = pytest.mark.skipif(not NEW, reason="sys.monitoring is new in 3.12")
STRICT = {"profile": "strict"}


def hold(lock: object) -> threading.Thread:
    """A thread that holds a lock until its caller waits for it."""
    taken = threading.Event()
    waits = once_caller_waits() if HAS_THREAD_STATS else partial(time.sleep, 0.03)

    def run() -> None:
        with lock:  # type: ignore[attr-defined]
            taken.set()
            waits()

    thread = threading.Thread(target=run)
    thread.start()
    taken.wait()
    return thread


@pytest.mark.parametrize("make", [threading.Lock, threading.RLock, threading.Condition])
def test_an_uncontended_lock_is_not_reported(watch, make):
    """Not even if the block takes long: the line of `with` runs again when it is left."""
    lock = make()

    def locked() -> int:
        with lock:
            return sum(range(200_000))

    async def endpoint():
        for _ in range(20):
            locked()
            with lock:
                sum(range(200_000))
            sum(range(200_000))

    guard = watch(endpoint, **STRICT)
    assert [call.name for call in guard.calls] == []


@only_monitoring
@pytest.mark.parametrize("make", [threading.Lock, threading.RLock, threading.Condition])
def test_a_contended_lock_is_found(watch, make):
    """In contrast: the same line, which waits."""
    lock = make()

    async def endpoint():
        thread = hold(lock)
        with lock:
            pass
        thread.join()

    found = [item for item in watch(endpoint, **STRICT).findings() if "__enter__" in item.title]
    assert [item.data["category"] for item in found] == ["lock"]
    assert found[0].where.line == endpoint.__code__.co_firstlineno + 2


@only_monitoring
@pytest.mark.parametrize("make", [threading.Lock, threading.RLock, threading.Condition])
def test_a_contended_lock_is_found_in_a_function_that_entered_other_things(watch, make):
    """A `with` of something else is listened to a few times; that of a lock stays enabled."""
    lock = make()

    # fmt: off
    def enter(locked: bool, other: object) -> None:
        if locked:
            with lock: pass  # noqa: E701 - ends at the next line, which runs without it, too
        with other:  # type: ignore[attr-defined]
            pass
    # fmt: on

    async def endpoint():
        for _ in range(30):
            enter(False, nullcontext())
        for _ in range(30):
            enter(True, nullcontext())
        thread = hold(lock)
        enter(True, nullcontext())
        thread.join()

    guard = watch(endpoint, **STRICT)
    (found,) = [item for item in guard.findings() if "__enter__" in item.title]
    assert found.where.line == enter.__code__.co_firstlineno + 2
    (call,) = [call for call in guard.calls if "__enter__" in call.name]
    assert call.duration > 0  # it ended at the next line


@pytest.mark.skipif(not (3, 12) <= sys.version_info < (3, 14), reason="a call event from 3.14 on")
def test_a_with_block_of_no_lock_is_listened_to_a_few_times(watch, monkeypatch):
    """Line events are dear where such a line is in a loop."""
    seen: list[int] = []

    def counting() -> bool:
        seen.append(1)
        return in_event_loop()

    monkeypatch.setattr(monitor_lines, "in_event_loop", counting)
    other = nullcontext()

    async def endpoint():
        for _ in range(500):
            with other:
                pass

    assert watch(endpoint, **STRICT).findings() == []
    assert 0 < len(seen) < 50


def test_a_loop_over_nothing_runs_as_it_does_without_a_guard(watch):
    """`for ... in ():` and `with` of a constant's method: no name to look up, and no error."""

    async def endpoint():
        for _ in ():
            raise AssertionError
        for _ in "":
            raise AssertionError

    assert watch(endpoint, **STRICT).findings() == []


LATE = """
import sys

async def test_first(asgi_client):
    assert (await asgi_client.get("/rows")).json() == [0]

async def test_second(asgi_client):
    assert (await asgi_client.get("/rows")).json() == [0]
"""


@pytest.mark.parametrize("how", ["import sqlite3", "sqlite3 = __import__('sqlite3')"])
def test_a_driver_is_in_the_catalog_as_soon_as_it_is_imported(
    pytester: pytest.Pytester, how: str
) -> None:
    """An app factory imports its driver; the guard is there already. Each test finds the same."""
    pytester.makeconftest(
        f"""
        import pytest
        from fastapi import FastAPI

        @pytest.fixture
        def asgi_app(tmp_path):
            {how}
            database = sqlite3.connect(tmp_path / "it.db", check_same_thread=False)
            database.execute("create table t (x)")
            app = FastAPI()

            @app.get("/rows")
            async def rows():
                return database.execute("select count(*) from t").fetchone()

            yield app
            database.close()
        """
    )
    pytester.makepyfile(test_it=LATE)
    result = pytester.runpytest_subprocess("-p", "no:asyncio")
    result.assert_outcomes(failed=2)
    # either of the two calls may be the longer one
    result.stdout.fnmatch_lines(["*FOUND*sqlite3.C*"])
    result.stdout.fnmatch_lines(["*test_it.py::test_first*test_it.py::test_second*"])


def test_a_failed_import_leaves_nothing_behind(watch, monkeypatch):
    """A module of the catalog that cannot be imported is not expected any longer."""
    monkeypatch.setitem(sys.modules, "psycopg2", None)

    async def endpoint():
        for _ in range(3):
            with pytest.raises(ImportError):
                import psycopg2._psycopg  # noqa: F401
        time.sleep(0.001)

    guard = watch(endpoint, **STRICT)
    assert "time.sleep" in [call.name for call in guard.calls]


def run_inside(seconds: float, how: str) -> None:
    """A synchronous wrapper of an async library, called where a loop runs already."""
    outer = asyncio.events._get_running_loop()
    # From Python 3.14 on a thread has one current task, whichever loop runs it.
    swap = getattr(asyncio.tasks, "_swap_current_task", lambda loop, task: None)
    task = swap(outer, None)
    asyncio.events._set_running_loop(None)
    try:
        if how == "asyncio.run":
            asyncio.run(asyncio.sleep(seconds))
        else:
            inner = asyncio.new_event_loop()
            inner.run_until_complete(asyncio.sleep(seconds))
            inner.close()
    finally:
        asyncio.events._set_running_loop(outer)
        swap(outer, task)


@needs_thread_stats
@pytest.mark.parametrize("how", ["asyncio.run", "run_until_complete"])
def test_a_loop_inside_a_step_blocks_the_outer_loop(watch, how):
    """Found at the line that runs it; each loop's steps are counted from their own start."""

    async def endpoint():
        run_inside(0.3, how)

    began = time.perf_counter()
    guard = watch(endpoint, profile="default")
    took = time.perf_counter() - began
    (found,) = guard.findings()
    assert found.severity == "error"
    assert found.data["category"] == "join"
    assert how in found.title
    assert found.where.function == "run_inside"
    assert found.chain[0].function.endswith("endpoint")
    assert 0.25 <= max(guard.step_times()) <= took


def test_a_short_loop_inside_a_step_is_not_reported(watch):
    """In contrast: nothing is waited for. What the inner loop's own steps do is found as before."""

    async def endpoint():
        run_inside(0, "run_until_complete")

    guard = watch(endpoint, profile="default")
    assert guard.findings() == []
    assert max(guard.step_times()) < 0.1


def write(out: io.StringIO, times: int) -> None:
    """Calls that the call monitor listens to in the user's code: the variable may hold anything."""
    call = out.write
    for _ in range(times):
        call("x")


@only_monitoring
@pytest.mark.parametrize(("each", "found"), [(1e-12, 1), (1e-3, 0)])
def test_the_overhead_of_the_guard_is_not_the_apps_time(watch, monkeypatch, each, found):
    """The same step, once as if its events had cost nothing, once as if nothing else had."""
    times = 200_000

    async def endpoint():
        write(io.StringIO(), times)

    watch(endpoint)  # what an event costs is measured once
    assert 1e-8 < thread_stats.OVERHEAD.each < 1e-4
    before = thread_stats.OVERHEAD.events
    monkeypatch.setattr(thread_stats.OVERHEAD, "each", each)
    guard = watch(endpoint, step_threshold=0.01, cpu_threshold=0.01)
    assert thread_stats.OVERHEAD.events - before >= times
    assert len(guard.findings()) == found


def deep(depth: int, times: int) -> int:
    """Page faults of these calls, so many frames up."""
    if depth:
        return deep(depth - 1, times)
    out = io.StringIO()
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    write(out, times)
    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before


@only_monitoring
@pytest.mark.skipif(sys.platform != "linux", reason="page faults of a thread")
def test_callbacks_map_no_memory_at_any_stack_depth(watch):
    """At the border of two chunks of CPython's frame stack each callback had mapped a new one."""
    faults: list[int] = []

    async def endpoint():
        faults.extend(deep(depth, 300) for depth in range(250))

    watch(endpoint)
    assert len(faults) == 250
    assert max(faults[10:]) < 150, max(faults)


@pytest.mark.parametrize("times", [0, 1, 20])
def test_a_function_that_began_without_a_loop_is_monitored_on_one(watch, times):
    """However often it had begun before."""

    def look() -> None:
        os.stat("/")

    async def endpoint():
        look()

    guard = watch.guard(**STRICT)
    guard.start()
    for _ in range(times):
        look()
    assert guard.calls == []
    asyncio.run(endpoint())
    assert [call.name for call in guard.calls] == ["os.stat"]


def test_a_generator_that_began_without_a_loop_is_monitored_on_one(watch):
    """Where it goes on there."""

    def steps():
        yield os.stat("/")
        yield os.stat("/")

    async def endpoint():
        next(going)

    guard = watch.guard(**STRICT)
    guard.start()
    going = steps()
    next(going)
    asyncio.run(endpoint())
    assert [call.name for call in guard.calls] == ["os.stat"]


@pytest.mark.skipif(NEW, reason="from 3.12 on there is no profile function")
def test_a_thread_is_profiled_only_while_it_runs_a_loop(watch, monkeypatch):
    """A profile function makes everything slow, and without a loop there is nothing to hear."""
    # Where it is imported, its loops may run, and nobody can tell when one begins.
    monkeypatch.delitem(sys.modules, "uvloop", raising=False)
    seen: list[object] = []

    async def endpoint():
        seen.append(sys.getprofile())
        os.stat("/")

    guard = watch.guard(**STRICT)
    guard.start()
    for _ in range(2):
        assert sys.getprofile() is None
        asyncio.run(endpoint())
    assert sys.getprofile() is None
    assert None not in seen
    assert [call.name for call in guard.calls] == ["os.stat", "os.stat"]


@pytest.mark.parametrize("calls", [10, 100_000])
@pytest.mark.parametrize("ends", ["step", "request"])
def test_a_call_after_very_many_calls_is_reported(watch, calls, ends):
    """On 3.11 nobody listens to the rest of such a step, but to the next step or request."""

    async def endpoint():
        for _ in range(calls):
            len("")
        if ends == "step":
            await asyncio.sleep(0)
        else:
            activity_changed()
        os.stat("/")

    guard = watch(endpoint, **STRICT)
    assert [call.name for call in guard.calls] == ["os.stat"]


@only_monitoring
def test_asking_whose_file_runs_is_not_the_apps_own_time(watch, monkeypatch):
    """The monitor asks the file system about each new file, in the step that runs it first."""
    asked = []

    def owns(user, filename):
        asked.append(filename)
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass
        return False

    async def endpoint():
        space = {}
        exec(compile("def helper(x):\n return len(x)\n", "/elsewhere/helper.py", "exec"), space)
        space["helper"]("x")

    monkeypatch.setattr(UserCode, "_owns", owns)
    guard = watch(endpoint, step_threshold=0.02, cpu_threshold=0.02)
    assert "/elsewhere/helper.py" in asked
    assert guard.findings() == []


@only_monitoring
def test_calls_that_are_never_reported_are_not_judged_again(watch, monkeypatch):
    """A loop in debug mode reads the source of each frame for each of its handles."""
    judged = []
    report = DISPATCHER.report

    def counted(entry, *args):
        judged.append(entry.name)
        return report(entry, *args)

    monkeypatch.setattr(DISPATCHER, "report", counted)

    async def endpoint():
        for _ in range(200):
            linecache.checkcache(__file__)
        os.stat("/")

    linecache.getline(__file__, 1)
    guard = watch(endpoint, **STRICT)
    assert [call.name for call in guard.calls] == ["os.stat"]
    assert judged.count("os.stat") == 1
