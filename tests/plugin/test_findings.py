"""How findings fail tests, travel and are shown."""

from __future__ import annotations

import pytest

APP = """
import time
from contextlib import asynccontextmanager
from fastapi import FastAPI

@asynccontextmanager
async def lifespan(app):
    yield
    if app.state.block_at_the_end:
        time.sleep(0.01)

app = FastAPI(lifespan=lifespan)
app.state.block_at_the_end = False

@app.get("/{n}")
async def sleepy(n: int):
    time.sleep(0.01)
    return n
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project whose one endpoint blocks."""
    pytester.makeini(
        "[pytest]\nasyncfastapi_app = shopapp:app\nfilterwarnings = error\n"
        "asyncio_default_fixture_loop_scope = function\n"
    )
    pytester.makepyfile(shopapp=APP)
    return pytester


CALLS = """\
async def test_one(asgi_client):
    for n in range(3):
        await asgi_client.get(f'/{n}')
"""


def test_repeats_at_one_place_are_folded(project: pytest.Pytester) -> None:
    """Three calls, one finding, with its count."""
    project.makepyfile(CALLS)
    result = project.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["pytest-asyncfastapi: 1 finding;*", "*time.sleep*(x 3)"])


def test_a_failing_body_keeps_its_own_error_and_shows_the_findings(
    project: pytest.Pytester,
) -> None:
    """The user's assertion is what failed; the finding stands beside it."""
    project.makepyfile(CALLS + "    assert 1 == 2\n")
    result = project.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*assert 1 == 2*", "*- pytest-asyncfastapi -*", "blocking call: time.sleep*"]
    )


def test_warn_mode_passes_and_is_shown(project: pytest.Pytester) -> None:
    """`warn`: the summary says it, the test passes."""
    project.makepyfile(CALLS)
    result = project.runpytest("--asyncfastapi-blocking=warn")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["warn  blocking call: time.sleep*", "0 findings*1 warning"])


def test_off_sees_nothing(project: pytest.Pytester) -> None:
    """And says nothing."""
    project.makepyfile(CALLS)
    result = project.runpytest("--asyncfastapi-blocking=off")
    result.assert_outcomes(passed=1)
    assert "pytest-asyncfastapi =" not in result.stdout.str()


def test_raise_mode_raises_at_the_call(project: pytest.Pytester) -> None:
    """The traceback ends at the user's line."""
    project.makepyfile(CALLS)
    result = project.runpytest("--asyncfastapi-blocking=raise")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*BlockingCallError*"])


def test_auto_leaves_tests_without_our_fixtures_alone(project: pytest.Pytester) -> None:
    """Installing the plugin breaks nobody's suite; an explicit mode holds for every test."""
    project.makepyfile("import time\nasync def test_own():\n    time.sleep(0.001)\n")
    project.runpytest().assert_outcomes(passed=1)
    project.runpytest("--asyncfastapi-blocking=fail").assert_outcomes(failed=1)


def test_a_sync_test_that_drives_a_loop_is_guarded_when_set(project: pytest.Pytester) -> None:
    """Starlette's TestClient runs the app in a thread of its own: seen there too."""
    pytest.importorskip("httpx2")
    project.makepyfile(
        """
        from starlette.testclient import TestClient
        from shopapp import app

        def test_sync():
            assert TestClient(app).get("/1").status_code == 200
        """
    )
    project.runpytest("-W", "ignore").assert_outcomes(passed=1)
    result = project.runpytest("-W", "ignore", "--asyncfastapi-blocking=fail")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*blocking call: time.sleep*"])


def test_a_call_in_the_shutdown_is_an_error_of_the_teardown(project: pytest.Pytester) -> None:
    """The lifespan's end counts too."""
    project.makepyfile(
        """
        async def test_end(asgi_client, asgi_app):
            asgi_app.state.block_at_the_end = True
        """
    )
    result = project.runpytest()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_end*", "*  in        lifespan*"])


@pytest.mark.parametrize(
    "allow",
    [
        "@pytest.mark.allow_blocking('sleep', reason='slow hardware')",
        "@pytest.mark.allow_blocking('shopapp:sleepy')",
        "@pytest.mark.asyncfastapi(blocking='off')",
        "@pytest.mark.asyncfastapi(allow_blocking='sleep@shopapp')",
    ],
)
def test_allowed_by_marker(project: pytest.Pytester, allow: str) -> None:
    """By category, by place, or switched off for the test."""
    project.makepyfile(f"import pytest\n{allow}\n{CALLS}")
    project.runpytest().assert_outcomes(passed=1)


def test_allowed_by_ini_flag_and_context(project: pytest.Pytester) -> None:
    """The line that the finding offers, pasted; and a `with` block."""
    project.makepyfile(CALLS)
    project.runpytest("--asyncfastapi-allow-blocking=sleep@shopapp").assert_outcomes(passed=1)
    project.runpytest("-o", "asyncfastapi_allow_blocking=shopapp:sleepy").assert_outcomes(passed=1)
    project.makepyfile(
        test_context="""
        async def test_allowed(asgi_client, blocking):
            with blocking.allow("sleep", reason="shown"):
                await asgi_client.get("/1")
        """
    )
    project.runpytest("test_context.py").assert_outcomes(passed=1)


def test_a_mark_that_allows_nothing_is_said(project: pytest.Pytester) -> None:
    """A stale allow rule is a note at the end of the run."""
    project.makepyfile(
        """
        import pytest

        @pytest.mark.allow_blocking("nothing_such", reason="long gone")
        async def test_stale(asgi_app, blocking):
            pass
        """
    )
    result = project.runpytest()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["note *test_stale: allow_blocking('nothing_such') allowed*"])


def test_the_line_that_is_offered_silences_the_finding(project: pytest.Pytester) -> None:
    """What stands behind `intended?` can be pasted as it is."""
    project.makepyfile(CALLS)
    lines = project.runpytest().stdout.lines
    offered = next(line for line in lines if "intended?" in line).split("intended?")[1].strip()
    rule = offered.partition("=")[2].strip().strip('"') if "=" in offered else offered
    project.runpytest(f"--asyncfastapi-allow-blocking={rule}").assert_outcomes(passed=1)


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_the_summary_is_the_same_under_xdist(
    project: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    """Findings travel on the reports."""
    project.makepyfile(CALLS + CALLS.replace("test_one", "test_two"))
    result = project.runpytest_subprocess(*workers)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        ["FOUND blocking call: time.sleep*", "*seen in *::test_one, *::test_two", "1 finding that*"]
    )


def test_both_claims_of_a_rerun_are_fresh(project: pytest.Pytester) -> None:
    """A test that blocks on its first run only passes on its second."""
    project.makepyfile(
        """
        runs = []

        async def test_once(asgi_client):
            runs.append(1)
            if len(runs) == 1:
                await asgi_client.get("/1")
        """
    )
    result = project.runpytest("--reruns", "1")
    assert "1 passed, 1 rerun" in result.stdout.str()


def test_a_deadlock_under_virtual_time_is_reported_at_once(project: pytest.Pytester) -> None:
    """Who waits for what, instead of a hang."""
    project.makepyfile(
        """
        import asyncio

        async def wait_for_ever():
            await asyncio.Event().wait()

        async def test_dead(clock):
            await wait_for_ever()
        """
    )
    result = project.runpytest()
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert "deadlock" in text
    assert "wait_for_ever" in text


def test_a_deadlock_on_trio_fails_with_the_chain_too(project: pytest.Pytester) -> None:
    """Nothing can ever happen again: said at once, with who waits where."""
    project.makeconftest("import pytest\n@pytest.fixture\ndef anyio_backend(): return 'trio'\n")
    project.makepyfile(
        """
        import trio

        async def wait_for_ever():
            await trio.Event().wait()

        async def test_dead(clock):
            await wait_for_ever()
        """
    )
    result = project.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Deadlock at virtual time 0.0 s*", "*wait_for_ever*"])


def test_a_delay_on_trio_takes_no_real_time(project: pytest.Pytester) -> None:
    """The fault still strikes, after three virtual hours."""
    project.makeconftest("import pytest\n@pytest.fixture\ndef anyio_backend(): return 'trio'\n")
    project.makepyfile(
        """
        import httpx, trio

        async def test_a(upstream, faults):
            upstream.get("https://x.example/").respond(204)
            faults.on("*").latency("3h")
            began = trio.current_time()
            async with httpx.AsyncClient(timeout=None) as client:
                assert (await client.get("https://x.example/")).status_code == 204
            assert 10799.9 < trio.current_time() - began < 10860
        """
    )
    result = project.runpytest("-p", "no:randomly")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("note *")
