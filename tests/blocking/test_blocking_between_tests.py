"""The call monitor stays on between tests: what it must still report, and when it is off."""

from __future__ import annotations

import asyncio
import gc
import sys
import traceback
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_asyncfastapi._blocking import BlockingGuard, BlockingPolicy
from pytest_asyncfastapi._blocking.detectors import DETECTORS
from pytest_asyncfastapi._core.frames import UserCode

if TYPE_CHECKING:
    from collections.abc import Iterator

NEW = sys.version_info >= (3, 12)
only_monitoring = pytest.mark.skipif(not NEW, reason="sys.monitoring is new in 3.12")
# In a library, whose call sites are not the user's.
SOMELIB = "def call(function, *args):\n    return function(*args)\n"
APP = """
import os

look = len
lines = ["a"]

async def patched():
    return look("/etc/hosts")

async def loop():
    count = 0
    for line in lines:
        count += len(line)
    return count
"""


@pytest.fixture(autouse=True)
def _no_monitoring() -> Iterator[None]:
    DETECTORS.stop_idle()
    yield
    DETECTORS.stop_idle()


def project(pytester: pytest.Pytester, **files: str) -> None:
    """An app, a library beside it, and the tests, under a guard that reports everything."""
    library = pytester.mkdir("site-packages")
    (library / "somelib.py").write_text(SOMELIB)
    pytester.makepyfile(app=APP, **files)
    ini = "pythonpath = . site-packages\nasyncfastapi_blocking_profile = strict\n"
    pytester.makeini(f"[pytest]\n{ini}")


def failed(result: pytest.RunResult) -> list[str]:
    """The tests that failed."""
    return [line.split()[1] for line in result.outlines if line.startswith("FAILED ")]


def test_a_call_that_another_test_patched_is_reported(pytester: pytest.Pytester) -> None:
    """The same call site of the user's, harmless in the tests before."""
    project(
        pytester,
        test_it="""
        import os
        import app

        async def test_harmless(blocking):
            await app.patched()

        async def test_blocks(blocking, monkeypatch):
            monkeypatch.setattr(app, "look", os.stat)
            await app.patched()

        async def test_harmless_again(blocking):
            await app.patched()

        async def test_blocks_again(blocking, monkeypatch):
            monkeypatch.setattr(app, "look", os.stat)
            await app.patched()
        """,
    )
    result = pytester.runpytest()
    assert failed(result) == ["test_it.py::test_blocks", "test_it.py::test_blocks_again"]
    result.stdout.fnmatch_lines(["*os.stat*"])


def test_a_loop_over_a_file_that_was_a_list_before_is_reported(
    pytester: pytest.Pytester, tmp_path: Path
) -> None:
    """`for line in lines:` makes no call at all."""
    (tmp_path / "it.txt").write_text("a\nb\n")
    project(
        pytester,
        test_it=f"""
        import app
        import pytest

        @pytest.fixture
        def opened():
            with open({str(tmp_path / "it.txt")!r}) as file:
                yield file

        async def test_list(blocking):
            await app.loop()

        async def test_list_again(blocking):
            await app.loop()

        async def test_file(opened, blocking, monkeypatch):
            monkeypatch.setattr(app, "lines", opened)
            await app.loop()
        """,
    )
    assert failed(pytester.runpytest()) == (["test_it.py::test_file"] if NEW else [])


@pytest.mark.parametrize("mode", ["fail", "off"])
def test_a_report_adds_nothing_to_the_stack_with_each_test(
    pytester: pytest.Pytester, mode: str
) -> None:
    """The step timer stays on between tests, the recorder of tasks does not."""
    project(
        pytester,
        test_it="""
        import inspect
        import pytest

        depths = []

        def steps():
            return sum(frame.function == "_run" for frame in inspect.stack(0))

        @pytest.mark.parametrize("number", range(6))
        async def test_depth(number):
            depths.append(steps())

        @pytest.mark.parametrize("number", range(3))
        async def test_with_a_guard(blocking, number):
            depths.append(steps())

        async def test_they_are_all_alike():
            assert max(depths) <= 4, depths
        """,
    )
    clean = asyncio.events.Handle._run
    options = ("--asyncfastapi-json=seen.json", f"--asyncfastapi-blocking={mode}")
    result = pytester.runpytest(*options)
    assert failed(result) == []
    result.assert_outcomes(passed=10)
    DETECTORS.stop_idle()
    assert asyncio.events.Handle._run is clean


@pytest.mark.parametrize("before", [0, 3])
def test_sites_of_a_library_are_enabled_again_for_another_file(
    pytester: pytest.Pytester, before: int
) -> None:
    """Its call sites may have called something harmless in another file's tests.

    A guard created by hand before is not a test file.
    """
    for name in range(before):
        with BlockingGuard(BlockingPolicy(), UserCode(pytester.path), test=f"{name}.py::test"):
            pass
    project(
        pytester,
        test_a="""
        import somelib

        async def test_harmless(blocking):
            somelib.call(len, "/")
        """,
        test_b="""
        import os
        import somelib

        async def test_blocks(blocking):
            somelib.call(os.stat, "/")
        """,
    )
    assert failed(pytester.runpytest()) == ["test_b.py::test_blocks"]


def test_sites_of_a_library_are_enabled_again_after_an_import(pytester: pytest.Pytester) -> None:
    """A module with functions that block was imported since."""
    project(
        pytester,
        test_it="""
        import sys
        import somelib

        async def test_first(blocking):
            import mmap
            global page
            page = mmap.mmap(-1, 100)
            somelib.call(page.flush)

        async def test_second(blocking):
            somelib.call(page.flush)
        """,
    )
    result = pytester.runpytest_subprocess()
    assert failed(result)[-1:] == ["test_it.py::test_second"]


COUNTS = """
import json
import sys

counted = [0]
stock = sys.monitoring.register_callback


def register(tool, event, function):
    if event != sys.monitoring.events.CALL or function is None:
        return stock(tool, event, function)

    def heard(*args):
        counted[0] += 1
        return function(*args)

    return stock(tool, event, heard)


sys.monitoring.register_callback = register
"""


@only_monitoring
def test_a_second_test_costs_a_fraction_of_the_first(pytester: pytest.Pytester) -> None:
    """In call events: nearly all calls of a small test are the libraries'."""
    pytester.makeconftest(COUNTS)
    pytester.makepyfile(
        app="""
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/")
        async def index():
            return {}
        """,
        test_it="""
        import pytest
        from conftest import counted

        events = []

        @pytest.mark.parametrize("n", range(4))
        async def test_it(asgi_client, n):
            before = counted[0]
            assert (await asgi_client.get("/")).json() == {}
            events.append(counted[0] - before)

        def test_events():
            assert events[0] > 300
            assert max(events[2:]) < events[0] / 4, events
        """,
    )
    pytester.makeini("[pytest]\nasyncfastapi_app = app:app\npythonpath = .\n")
    pytester.runpytest_subprocess().assert_outcomes(passed=5)


@only_monitoring
def test_monitoring_is_off_without_a_guard(pytester: pytest.Pytester) -> None:
    """Not only idle: the user's own method calls would take twice the time."""
    pytester.makepyfile(
        """
        import sys
        import pytest

        def ours():
            names = [sys.monitoring.get_tool(tool) for tool in range(6)]
            return [name for name in names if name and "asyncfastapi" in name]

        async def test_guarded(blocking):
            assert len(ours()) == 2

        @pytest.mark.asyncfastapi(blocking="off")
        async def test_off(clock):
            assert ours() == []

        async def test_guarded_again(blocking):
            assert len(ours()) == 2

        def test_plain():
            assert ours() == []

        async def test_guarded_at_last(blocking):
            assert len(ours()) == 2
        """
    )
    pytester.runpytest().assert_outcomes(passed=5)
    names = [sys.monitoring.get_tool(tool) for tool in range(6)]
    assert [name for name in names if name and "asyncfastapi" in name] == []


def test_the_steps_of_the_loop_stay_timed_between_guarded_tests_only(
    pytester: pytest.Pytester,
) -> None:
    """A class that is changed for each test is slow after a thousand changes (CPython 3.13)."""
    pytester.makepyfile(
        """
        import asyncio
        import pytest

        first = []

        def wrapped():
            loop = asyncio.BaseEventLoop
            return [asyncio.events.Handle._run, loop.run_forever, loop.create_task]

        stock = wrapped()

        async def test_guarded(blocking):
            first.extend(wrapped())
            assert not set(first) & set(stock)

        async def test_guarded_again(blocking):
            assert wrapped() == first

        def test_plain():
            assert wrapped() == stock

        async def test_guarded_at_last(blocking):
            assert not set(wrapped()) & set(stock)
        """
    )
    before = asyncio.events.Handle._run
    pytester.runpytest_inprocess("-p", "no:randomly").assert_outcomes(passed=4)
    assert asyncio.events.Handle._run is before


def test_a_step_timer_that_was_replaced_between_two_tests_is_restored(
    pytester: pytest.Pytester,
) -> None:
    """Another plugin restores the original method."""
    pytester.makepyfile(
        """
        import asyncio

        stock = asyncio.events.Handle._run

        async def test_guarded(blocking):
            assert blocking._is_working()

        async def test_guarded_again(blocking):
            asyncio.events.Handle._run = stock

        async def test_guarded_at_last(blocking):
            assert blocking._is_working()
        """
    )
    pytester.runpytest_inprocess("-p", "no:randomly").assert_outcomes(passed=3)


@only_monitoring
def test_a_call_that_cannot_block_makes_few_events_in_a_run(
    pytester: pytest.Pytester,
) -> None:
    """With keywords too; a variable or a method makes an event each time."""
    pytester.makeconftest(COUNTS)
    pytester.makepyfile(
        app="""
        def helper(*, a):
            return a

        class Sent:
            def __init__(self, *, number):
                self.number = number

        async def plain():
            for number in range(100):
                helper(a=number)
                Sent(number=number)

        async def changing(function):
            for number in range(100):
                function(number)
        """,
        test_it="""
        import app
        import pytest
        from conftest import counted

        plain, changing = [], []

        @pytest.mark.parametrize("n", range(3))
        async def test_it(blocking, n):
            before = counted[0]
            await app.plain()
            plain.append(counted[0] - before)
            before = counted[0]
            await app.changing(abs)
            changing.append(counted[0] - before)

        def test_events():
            assert max(plain[1:]) <= 4, plain
            assert min(changing) >= 100, changing
        """,
    )
    pytester.runpytest_subprocess("-p", "no:randomly").assert_outcomes(passed=4)


@only_monitoring
def test_a_bound_c_method_under_another_name_is_called_as_before(
    pytester: pytest.Pytester,
) -> None:
    """Such as the `__anext__` of an async generator: it has a name, and no module."""
    pytester.makepyfile(
        app="""
        absolute = (5).__abs__

        def named():
            return [absolute() for _ in range(30)][0]

        def calls(step):
            return [step() for _ in range(30)]
        """,
        test_it="""
        import app

        async def test_it(blocking):
            assert app.calls((5).__abs__) == [5] * 30
            assert app.named() == 5
        """,
    )
    pytester.makeini("[pytest]\npythonpath = .\n")
    pytester.runpytest().assert_outcomes(passed=1)


ONE_TOOL = """
import sys

for tool in range(5):
    if sys.monitoring.get_tool(tool) is None:
        sys.monitoring.use_tool_id(tool, "somebody")
"""
MANY = """
import os
import app
import pytest
import somelib

@pytest.fixture
def opened(tmp_path):
    (tmp_path / "it.txt").write_text("a")
    with open(tmp_path / "it.txt") as file:
        yield file

@pytest.mark.parametrize("times", [250, 1])
async def test_by_name(blocking, monkeypatch, times):
    monkeypatch.setattr(app, "look", os.stat)
    for _ in range(times):
        await app.patched()

@pytest.mark.parametrize("times", [250, 1])
async def test_line(opened, blocking, monkeypatch, times):
    monkeypatch.setattr(app, "lines", opened)
    for _ in range(times):
        await app.loop()

@pytest.mark.parametrize("times", [250, 1])
async def test_in_a_library(blocking, times):
    for _ in range(times):
        somelib.call(os.stat, "/")
"""


@only_monitoring
@pytest.mark.parametrize("conftest", ["", ONE_TOOL])
def test_a_site_above_its_report_limit_is_enabled_in_the_next_test(
    pytester: pytest.Pytester, conftest: str
) -> None:
    """A site is disabled after 200 reports, for the rest of its test."""
    project(pytester, conftest=conftest, test_it=MANY)
    result = pytester.runpytest_subprocess()
    assert sorted(failed(result)) == sorted(
        f"test_it.py::test_{what}[{times}]"
        for what in ("by_name", "line", "in_a_library")
        for times in (250, 1)
    )


@only_monitoring
def test_with_one_free_tool_every_site_is_enabled_in_each_test(pytester: pytest.Pytester) -> None:
    """The others are a debugger's or a profiler's."""
    project(
        pytester,
        conftest=ONE_TOOL,
        test_it="""
        import os
        import app
        import somelib

        async def test_harmless(blocking):
            await app.patched()
            somelib.call(len, "/")

        async def test_blocks(blocking, monkeypatch):
            monkeypatch.setattr(app, "look", os.stat)
            await app.patched()

        async def test_blocks_in_a_library(blocking):
            somelib.call(os.stat, "/")
        """,
    )
    result = pytester.runpytest_subprocess()
    assert failed(result) == ["test_it.py::test_blocks", "test_it.py::test_blocks_in_a_library"]


WAITS = """
import asyncio
import selectors
import time

import pytest


async def test_sleeps(clock, blocking):
    for _ in range(50):
        await asyncio.sleep(3)
    assert blocking.calls == []


async def test_waits_beside_the_loop(clock, blocking):
    await asyncio.sleep(3)
    with selectors.DefaultSelector() as selector:
        selector.select(0.01)
    await asyncio.sleep(3)
    assert [call.name.split()[-1] for call in blocking.calls] == ["select.epoll.poll"]
"""


@pytest.mark.skipif(sys.platform != "linux", reason="epoll")
def test_the_polls_of_a_loop_on_virtual_time_are_not_judged(pytester: pytest.Pytester) -> None:
    """It was recorded and then dropped in each step, which cost more than the step."""
    pytester.makepyfile(
        conftest="""
        from pytest_asyncfastapi._blocking.dispatcher import DISPATCHER

        entered = []
        stock = DISPATCHER.call_started

        def enter(entry, *args):
            entered.append(entry.name)
            return stock(entry, *args)

        DISPATCHER.call_started = enter
        """,
        test_it=WAITS
        + """

def test_entered():
    from conftest import entered
    assert 1 <= entered.count("select.epoll.poll") <= 3, entered
""",
    )
    pytester.makeini("[pytest]\npythonpath = .\nasyncfastapi_blocking = warn\n")
    pytester.runpytest_subprocess().assert_outcomes(passed=3)


@only_monitoring
def test_a_function_that_never_blocked_costs_nothing_in_later_tests(
    pytester: pytest.Pytester,
) -> None:
    """Its site that may call a blocking method is disabled after some tests.

    What it calls through a variable, or in a test that patches functions, is seen in any test.
    """
    pytester.makeconftest(COUNTS)
    project(
        pytester,
        test_it="""
        import io
        import os
        import time
        import pytest
        from conftest import counted
        import app

        events = []
        look = len

        async def save(out):
            for _ in range(3):
                out.write("x")

        async def call(function, *args):
            function(*args)

        async def calls_a_global():
            look("/")

        @pytest.mark.parametrize("number", range(20))
        async def test_save(blocking, number):
            before = counted[0]
            await save(io.StringIO())
            events.append(counted[0] - before)

        @pytest.mark.parametrize("number", range(12))
        async def test_call(blocking, number):
            await call(len, "/")
            await calls_a_global()

        async def test_call_blocks(blocking):
            await call(os.stat, "/")

        async def test_patched_blocks(blocking, monkeypatch):
            monkeypatch.setitem(globals(), "look", os.stat)
            await calls_a_global()

        def test_events():
            assert max(events[:3]) >= 3
            assert events[-3:] == [events[-1]] * 3 and events[-1] < min(events[:3]), events
        """,
    )
    result = pytester.runpytest_subprocess("--asyncfastapi-blocking=fail")
    wanted = ["test_it.py::test_call_blocks", "test_it.py::test_patched_blocks"]
    assert failed(result) == wanted


def test_an_exception_of_a_callback_is_reported_as_asyncio_does() -> None:
    """With the same message and traceback, and none of the guard's frames in it."""

    def fails(number: int) -> None:
        raise ValueError(number)

    async def main() -> dict[str, object]:
        loop = asyncio.get_running_loop()
        seen: list[dict[str, object]] = []
        loop.set_exception_handler(lambda _, context: seen.append(context))
        loop.call_soon(fails, 7)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return seen[0]

    def shown(context: dict[str, object]) -> tuple[object, ...]:
        error = context["exception"]
        assert isinstance(error, ValueError)
        files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
        ours = [name for name in files if "_blocking" in Path(name).parts]
        return (*context, context["message"], type(context["handle"]), error.args, ours)

    guard = BlockingGuard(BlockingPolicy(), UserCode("."), test="test_it")
    with guard:
        inside = shown(asyncio.run(main()))
    DETECTORS.stop_idle()
    assert inside == shown(asyncio.run(main()))


@only_monitoring
def test_a_function_that_was_called_is_not_kept_after_the_run(watch) -> None:
    """Nor all of its module: a process may run pytest again and again."""
    names = {}
    source = "def called():\n    pass\n\nasync def job():\n    called()\n"
    exec(compile(source, str(Path(__file__).with_name("written.py")), "exec"), names)
    watch(names["job"])
    called = weakref.ref(names.pop("called"))
    names.clear()
    DETECTORS.stop_idle()
    gc.collect()
    assert called() is None
