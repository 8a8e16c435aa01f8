"""How virtual time is asked for: marker, flag and ini key; and what is said where it cannot be."""

from __future__ import annotations

import pytest

from pytest_asyncfastapi._clock import ClockError, VirtualClock

JUMPS = """
import anyio, time

async def test_a():
    began = time.perf_counter(), anyio.current_time()
    await anyio.sleep({duration})
    assert (anyio.current_time() - began[1] > 1) is {virtual}
"""
FAULT = """
import httpx, time

async def test_a(upstream, faults):
    upstream.get("https://x.example/").respond(204)
    faults.on("*").latency("30ms")
    began = time.perf_counter()
    async with httpx.AsyncClient() as client:
        assert (await client.get("https://x.example/")).status_code == 204
    assert time.perf_counter() - began >= 0.029
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    return pytester


@pytest.mark.parametrize("policy", ["freeze", "flow"])
def test_a_flag_turns_it_on_for_every_async_test(project: pytest.Pytester, policy: str) -> None:
    """No fixture is needed."""
    project.makepyfile(JUMPS.format(duration=3600, virtual=True))
    project.runpytest(f"--asyncfastapi-clock={policy}").assert_outcomes(passed=1)


def test_auto_leaves_tests_alone_that_ask_for_nothing(project: pytest.Pytester) -> None:
    """The default: real time."""
    project.makepyfile(JUMPS.format(duration=0.01, virtual=False))
    project.runpytest().assert_outcomes(passed=1)


def test_off_lets_injected_delays_really_take_their_time(project: pytest.Pytester) -> None:
    """To see a test run in real time, in a debugger say."""
    project.makepyfile(FAULT)
    result = project.runpytest("--asyncfastapi-clock=off")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("note *")


def test_off_does_not_take_the_fixture_away(project: pytest.Pytester) -> None:
    """A test that asks for `clock` by name gets it."""
    project.makepyfile("import anyio\nasync def test_a(clock): await anyio.sleep(3600)")
    project.runpytest("--asyncfastapi-clock=off").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("flag", "sentence"),
    [
        ("--asyncfastapi-clock=slow", "'slow' must be one of auto, freeze, flow, off"),
        ("--asyncfastapi-freeze-bound=soon", "'soon' is not a duration"),
    ],
)
def test_a_wrong_value_stops_the_run(project: pytest.Pytester, flag: str, sentence: str) -> None:
    """One sentence with the place."""
    project.makepyfile("def test_a(): pass")
    result = project.runpytest(flag)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{flag.partition('=')[0]}: {sentence}*"])


def test_the_note_of_a_freeze_is_shown_at_the_end(project: pytest.Pytester) -> None:
    """It names the work, with file and line."""
    project.makepyfile(
        """
        import time, anyio, anyio.to_thread

        def sluggish():
            time.sleep(0.2)

        async def test_a(clock):
            await anyio.to_thread.run_sync(sluggish)
        """
    )
    result = project.runpytest("--asyncfastapi-freeze-bound=20ms")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["note  virtual time runs at real speed because of sluggish() at *:4*after 20 ms*"]
    )


AUTOJUMP = """
import trio
async def test_a(autojump_clock, clock):
    await trio.sleep(1)
"""


@pytest.mark.usefixtures("every_plugin")
def test_pytest_trio_s_own_clock_is_named(project: pytest.Pytester) -> None:
    """Two clocks for one run: said in one sentence with the remedy."""
    project.makepyfile(AUTOJUMP)
    result = project.runpytest("-o", "trio_mode=true")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*this run was started with MockClock: remove it*"])


OPTIONS = """
import pytest, trio.testing
@pytest.fixture
def anyio_backend():
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}
"""


def test_a_clock_in_anyio_s_backend_options_keeps_its_time(project: pytest.Pytester) -> None:
    """A test that merely injects a delay runs by that clock, with a note."""
    project.makeconftest(OPTIONS)
    project.makepyfile(FAULT.replace("began >= 0.029", "began >= 0"))
    result = project.runpytest()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["note  virtual time takes the place*MockClock*in real time"])


def test_nothing_happens_between_the_tests_of_one_trio_run(project: pytest.Pytester) -> None:
    """anyio's runner waits for pytest: time neither jumps then, nor is that a deadlock."""
    project.makeconftest(
        "import pytest\n@pytest.fixture(scope='module')\ndef anyio_backend(): return 'trio'\n"
    )
    project.makepyfile(
        """
        import anyio, pytest, trio

        @pytest.fixture
        def watched(clock):
            yield
            assert clock.time() == 1.0

        async def ticks():
            while True:
                await trio.sleep(0.75)

        async def test_a(watched, clock):
            trio.lowlevel.spawn_system_task(ticks)
            await anyio.sleep(1)

        async def test_b(watched, clock):
            await anyio.sleep(1)

        async def test_c():
            before = anyio.current_time()
            await anyio.sleep(0.01)
            assert anyio.current_time() - before < 60
        """
    )
    project.runpytest().assert_outcomes(passed=3)


UVLOOP = """
import pytest

from pytest_asyncfastapi._clock import ClockError, VirtualClock
@pytest.fixture
def anyio_backend():
    return "asyncio", {"use_uvloop": True}
"""


def test_uvloop_is_refused_or_noted(project: pytest.Pytester) -> None:
    """Its idleness is invisible: the fixture says so, a delay really takes its time."""
    pytest.importorskip("uvloop")
    project.makeconftest(UVLOOP)
    project.makepyfile(FAULT + "\nasync def test_b(clock): pass\n")
    result = project.runpytest()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*uvloop.Loop (uvloop?) does not show when it is idle: remove*"])
    result.stdout.fnmatch_lines(["note  virtual time needs*; this test runs in real time"])


def test_a_loop_of_windows_is_refused_with_its_remedy() -> None:
    """`ProactorEventLoop` has no selector to wrap; its `_selector` is something else."""

    class ProactorEventLoop:
        _selector = object()

    with pytest.raises(ClockError, match=r"asyncio\.SelectorEventLoop") as error:
        VirtualClock().install(ProactorEventLoop())  # type: ignore[arg-type]
    assert "ProactorEventLoop, the default on Windows, has none" in str(error.value)


def test_the_remedy_for_that_loop_works(project: pytest.Pytester) -> None:
    """On any system: the fixture that the sentence names."""
    project.makeconftest(
        """
        import asyncio
        import pytest

        @pytest.fixture
        def anyio_backend():
            return ("asyncio", {"loop_factory": asyncio.SelectorEventLoop})
        """
    )
    project.makepyfile("async def test_it(clock):\n    await clock.advance('2s')\n")
    project.runpytest().assert_outcomes(passed=1)
