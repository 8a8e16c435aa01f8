"""The guard as users and the plugin use it: rules, modes, start and stop."""

import asyncio
import sys
import threading
import time
from pathlib import Path

import pytest

from pytest_asyncfastapi._blocking import AllowRule, BlockingCallError, BlockingPolicy

NEW = sys.version_info >= (3, 12)


async def sleeper():
    time.sleep(0.01)


async def opener():
    open(__file__).close()


@pytest.mark.parametrize(
    "rule",
    [
        "sleep",
        "time.sleep",
        "time.*",
        f"sleep@{__name__}",
        "sleep@test_blocking_*",
        f"{__name__}:sleeper",
        "*:sleeper",
        f"*@{__name__}",
    ],
)
def test_a_rule_allows(watch, rule):
    """Each form of a rule silences the call, and is recorded as used."""
    guard = watch(sleeper, allow=(rule,))
    assert guard.calls == []
    assert guard._unused_rules() == []


@pytest.mark.parametrize("rule", ["open", "file", "sleep@shop", f"{__name__}:opener", "slee"])
def test_a_rule_for_something_else_does_not_allow(watch, rule):
    """A rule that does not match silences nothing, and is reported as unused."""
    guard = watch(sleeper, allow=(rule,))
    assert len(guard.calls) == 1
    assert [str(item) for item in guard._unused_rules()] == [rule]


def test_the_allow_rule_of_a_finding_silences_it(watch):
    """What the finding says can be pasted."""
    (found,) = watch(sleeper).findings()
    assert watch(sleeper, allow=(found.allow.partition(" = ")[2],)).findings() == []


@pytest.mark.parametrize("text", ["", "slep@shop", "sleep@"])
def test_a_rule_that_cannot_match_is_refused(text):
    """A mistake in a rule is an error."""
    with pytest.raises(ValueError, match="allow rule"):
        AllowRule(text)


def test_allow_holds_inside_the_block_only(watch):
    """The context manager allows what is inside it."""
    guard = watch.guard()

    async def body():
        with guard.allow("sleep", reason="a test"):
            time.sleep(0.001)
        time.sleep(0.001)

    guard.start()
    asyncio.run(body())
    guard.stop()
    (call,) = guard.calls
    assert call.where.line == body.__code__.co_firstlineno + 3
    assert guard._unused_rules() == []


def test_allow_does_not_hold_for_other_tasks(watch):
    """What runs at the same time in another context is not silenced."""
    guard = watch.guard()

    async def other(event):
        await event.wait()
        time.sleep(0.001)

    async def body():
        event = asyncio.Event()
        task = asyncio.create_task(other(event))
        await asyncio.sleep(0)
        with guard.allow("sleep"):
            await asyncio.create_task(sleeper())
            event.set()
            await task

    guard.start()
    asyncio.run(body())
    guard.stop()
    assert [call.where.function.rpartition(".")[2] for call in guard.calls] == ["other"]


def test_an_unused_allow_is_listed(watch):
    """A context manager that allowed nothing is stale as well."""
    guard = watch.guard()
    with guard.allow("dns"):
        pass
    assert [rule.text for rule in guard._unused_rules()] == ["dns"]


def test_forbid_raises_at_the_end_of_the_block(watch):
    """Inside forbid() every category counts."""
    guard = watch.guard()

    async def body():
        with guard.forbid():
            await asyncio.sleep(0)
        with pytest.raises(BlockingCallError, match="open"):
            with guard.forbid():
                await opener()

    guard.start()
    asyncio.run(body())
    guard.stop()


def test_assert_none_says_what_and_where(watch):
    """The assertion's text has all four parts."""
    guard = watch(sleeper)
    with pytest.raises(AssertionError) as caught:
        guard.assert_none()
    text = str(caught.value)
    assert "blocking call: time.sleep" in text
    assert "tests/blocking/test_blocking_guard.py:" in text
    assert "nothing else runs on the loop" in text
    assert "await anyio.sleep(" in text
    guard.assert_none("database")


def test_raise_raises_at_the_call(watch):
    """In mode raise the call is not made, and is recorded nevertheless."""
    done = []

    async def body():
        with pytest.raises(BlockingCallError, match="time.sleep"):
            time.sleep(0.05)
        done.append(1)
        await asyncio.sleep(0)  # on 3.11 the call monitor is back with the next step
        with pytest.raises(BlockingCallError, match="time.sleep"):
            time.sleep(0.05)
        done.append(2)

    guard = watch(body, mode="raise")
    assert done == [1, 2]
    assert [call.duration for call in guard.calls] == [None, None]


def test_warn_has_no_errors(watch):
    """In mode warn all findings are warnings."""
    assert [found.severity for found in watch(sleeper, mode="warn").findings()] == ["warning"]


def test_off_does_nothing(watch):
    """In mode off nothing is monitored."""
    assert watch(sleeper, mode="off").calls == []


def test_two_guards_both_record(watch):
    """Both guards record the same calls."""
    outer, inner = watch.guard(), watch.guard()
    outer.start()
    inner.start()
    asyncio.run(sleeper())
    inner.stop()
    asyncio.run(sleeper())
    outer.stop()
    asyncio.run(sleeper())
    assert (len(outer.calls), len(inner.calls)) == (2, 1)


def test_start_and_stop_may_be_called_twice(watch):
    """Both are idempotent, and a guard may start again."""
    guard = watch.guard()
    guard.start()
    guard.start()
    asyncio.run(sleeper())
    guard.stop()
    guard.stop()
    guard.start()
    asyncio.run(sleeper())
    guard.stop()
    assert len(guard.calls) == 2


def test_nothing_is_left_behind(watch):
    """After the last guard, the hooks are as they were."""
    before = asyncio.events.Handle._run
    profile = sys.getprofile()
    tools = [sys.monitoring.get_tool(item) for item in range(6)] if NEW else []
    guard = watch.guard()
    guard.start()
    assert asyncio.events.Handle._run is not before
    asyncio.run(sleeper())
    guard.stop()
    assert asyncio.events.Handle._run is before
    assert sys.getprofile() is profile
    if NEW:
        assert [sys.monitoring.get_tool(item) for item in range(6)] == tools


@pytest.mark.skipif(not NEW, reason="sys.monitoring is new in 3.12")
def test_a_guard_without_a_tool_id_says_so(watch):
    """`not_watched` says so."""
    taken = [item for item in range(6) if sys.monitoring.get_tool(item) is None]
    for item in taken:
        sys.monitoring.use_tool_id(item, "taken")
    guard = watch.guard()
    try:
        guard.start()
        assert "no sys.monitoring tool id is free" in guard.not_watched
        assert not guard._is_working()
    finally:
        guard.stop()
        for item in taken:
            sys.monitoring.free_tool_id(item)


def test_is_working_is_checked_by_a_self_test(watch):
    """A running guard passes its self-test; a stopped one does not."""
    guard = watch.guard()
    assert not guard._is_working()
    guard.start()
    assert guard._is_working()
    original = asyncio.events.Handle._run
    asyncio.events.Handle._run = lambda self: original(self)
    assert not guard._is_working()
    assert guard.not_watched
    asyncio.events.Handle._run = original
    guard.stop()


def test_a_loop_in_another_thread_is_watched(watch):
    """A loop in a portal thread belongs to the guard of the test that started it."""
    guard = watch.guard()
    guard.start()
    thread = threading.Thread(target=asyncio.run, args=(sleeper(),), name="portal")
    thread.start()
    thread.join()
    asyncio.run(opener())
    guard.stop()
    assert [(call.name, call.thread) for call in guard.calls] == [
        ("time.sleep", "portal"),
        ("open", "MainThread"),
    ]


def test_two_threads_with_their_own_guards_do_not_see_each_other(watch):
    """A thread's calls belong to the guard that was started on it."""
    guards = {"a": watch.guard(), "b": watch.guard()}
    barrier = threading.Barrier(2)

    def run(name, function):
        guards[name].start()
        barrier.wait()
        asyncio.run(function())
        barrier.wait()
        guards[name].stop()

    threads = [
        threading.Thread(target=run, args=("a", sleeper)),
        threading.Thread(target=run, args=("b", opener)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [call.name for call in guards["a"].calls] == ["time.sleep"]
    assert [call.name for call in guards["b"].calls] == ["open"]


def test_the_package_imports_only_the_standard_library():
    """Importing the package costs little and starts nothing."""
    import subprocess

    program = (
        "import sys, threading; import pytest_asyncfastapi._blocking;"
        "bad = {'httpx','anyio','trio','pytest','starlette'} & set(sys.modules);"
        "assert not bad, bad; assert threading.active_count() == 1"
    )
    subprocess.run(
        [sys.executable, "-c", program], check=True, cwd=Path(__file__).parent.parent.parent
    )


def test_the_package_may_be_imported_before_asyncio():
    """Whichever is imported first, asyncio has its C tasks."""
    import subprocess

    program = (
        "import pytest_asyncfastapi._blocking, asyncio\n"
        "async def main(): assert asyncio.current_task() is not None\n"
        "asyncio.run(main())"
    )
    subprocess.run(
        [sys.executable, "-c", program], check=True, cwd=Path(__file__).parent.parent.parent
    )


def test_records_have_good_reprs(watch):
    """A guard and a policy are readable in a debugger."""
    guard = watch(sleeper)
    assert repr(guard) == "<BlockingGuard: idle, 1 calls, fail>"
    assert str(guard.calls[0]).startswith("time.sleep(")
    assert BlockingPolicy().profile == "default"


def test_an_error_of_the_guard_itself_is_reported_and_breaks_nothing(watch, monkeypatch):
    """An observer cannot break the run, and a guard that failed is not clean."""
    guard = watch.guard()
    monkeypatch.setattr(guard, "_record_call", lambda *args: 1 / 0)
    guard.start()
    asyncio.run(sleeper())
    guard.stop()
    assert "ZeroDivisionError" in guard.not_watched


def test_the_cost_of_many_reports_is_not_the_users(watch, tmp_path: Path) -> None:
    """A loop over a file's lines costs the guard more than the user: it is no computation."""
    lines = tmp_path / "lines.txt"
    lines.write_text("x\n" * 20_000)

    async def endpoint() -> None:
        with lines.open() as file:
            while file.readline():
                pass

    guard = watch(endpoint)
    assert {found.data["category"] for found in guard.findings()} <= {"file", "file_metadata"}
    reads = [call for call in guard.calls if "readline" in call.name]
    assert 0 < len(reads) < 1_000


@pytest.mark.parametrize("profile", ["default", "strict"])
def test_a_guard_that_starts_in_a_running_loop_does_not_report_itself(pytester, profile):
    """Its own imports and reads are not reported; later calls are."""
    pytester.makepyfile(
        """
        import asyncio
        import time
        from pathlib import Path

        async def test_by_hand():
            from pytest_asyncfastapi._blocking import BlockingGuard, BlockingPolicy
            from pytest_asyncfastapi._core.frames import UserCode

            guard = BlockingGuard(BlockingPolicy(profile="strict"), UserCode(Path.cwd()))
            guard.start()
            time.sleep(0.001)
            await asyncio.sleep(0)
            guard.stop()
            assert [call.name for call in (*guard.calls, *guard.stalls)] == ["time.sleep"]

        async def test_by_a_late_fixture(request):
            await asyncio.sleep(0)
            guard = request.getfixturevalue("blocking")
            time.sleep(0.001)
            await asyncio.sleep(0)
            assert [call.name for call in (*guard.calls, *guard.stalls)] == ["time.sleep"]
        """
    )
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function")
    for name in ("by_hand", "late"):  # in a process of its own: what is imported once is imported
        flags = ("-q", "-k", name, f"--asyncfastapi-blocking-profile={profile}")
        result = pytester.runpytest_subprocess(*flags)
        assert "AssertionError" not in result.stdout.str()
        result.assert_outcomes(
            passed=int(name == "by_hand"), failed=int(name == "late"), deselected=1
        )
