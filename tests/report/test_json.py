"""The aggregate, as the JSON report shows it: the same however the tests were run."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from pytest_asyncfastapi._report.json_file import schema

OUTCOMES = {
    "test_blocks": "failed",
    "test_checkout": "failed",
    "test_times_out": "passed",
    "test_threads": "passed",
    "test_websocket": "passed",
    "test_plain": "passed",
    "test_skipped": "skipped",
    "test_expected": "xfailed",
    "test_error": "error",
}


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_everything_is_told(told: Any, workers: tuple[str, ...]) -> None:
    """Outcomes, findings and records, with and without xdist."""
    report = told(*workers)
    assert {name: test["outcome"] for name, test in report.tests.items()} == OUTCOMES
    assert list(report.tests) == list(OUTCOMES)  # in the order of the file
    assert report.data["summary"] == {
        "passed": 4,
        "failed": 2,
        "error": 1,
        "skipped": 1,
        "xfailed": 1,
        "xpassed": 0,
        "errors_found": 2,
        "warnings_found": 1,
    }
    assert report.data["exit_status"] == 1
    blocks = report.tests["test_blocks"]
    assert blocks["findings"][0]["where"]["path"] == "shopapp.py"
    assert blocks["worker"].startswith("gw") == bool(workers)
    assert "no fixture" in report.tests["test_error"]["message"]
    assert report.tests["test_plain"]["record"] is None


def test_a_test_moment_by_moment(told: Any) -> None:
    """Request, upstream call, injected delay and blocking call, on one virtual clock."""
    record = told().tests["test_checkout"]["record"]
    assert record["clock"] == {"virtual": True, "elapsed": 2.5}
    (request,) = record["requests"]
    (call,) = record["upstream"]
    (blocked,) = [call for call in record["blocking"] if call["severity"] == "error"]
    assert (request["method"], request["path"], request["status"]) == ("POST", "/checkout", 200)
    assert call["request"] == blocked["request"] == request["number"] == 1
    assert call["injected"] == [{"what": "delay", "seconds": 2.0}]
    assert call["head"] - call["started"] == pytest.approx(2.0)
    assert call["where"]["function"] == "checkout"
    assert (call["status"], call["error"], call["url"]) == (201, "", "https://pay.example/charges")
    # Virtual time has stood still while the call blocked; its duration is real.
    assert blocked["at"] == call["ended"] == request["complete"]
    assert blocked["duration"] >= 0.03
    assert request["end"] - request["complete"] == pytest.approx(0.5)  # its background task


def test_what_never_came_is_null(told: Any) -> None:
    """A stalled call has no head; the app's exception is named."""
    record = told("-k", "times_out").tests["test_times_out"]["record"]
    (call,) = record["upstream"]
    assert (call["head"], call["status"], call["error"]) == (None, None, "ReadTimeout")
    assert call["ending"] == "read_timeout"
    assert call["ended"] - call["started"] == pytest.approx(5.0)
    assert record["requests"][0]["error"] == "ReadTimeout"


def test_threads_and_lag(told: Any) -> None:
    """Who waited for a thread, and the longest step."""
    record = told("-k", "threads").tests["test_threads"]["record"]
    (pool,) = record["threads"]
    assert (pool["peak"], pool["queued"]) == (1, 2)
    assert [wait["request"] for wait in pool["waits"]] == [2, 3]
    assert all(wait["seconds"] > 0.01 for wait in pool["waits"])
    assert record["loop_lag"]["steps"] > 0


def test_a_websocket_is_a_request(told: Any) -> None:
    """With the status of its handshake."""
    (request,) = told("-k", "websocket").tests["test_websocket"]["record"]["requests"]
    assert (request["kind"], request["path"], request["status"]) == ("websocket", "/ws", 101)
    assert request["head"] <= request["first_byte"] <= request["complete"] <= request["end"]


def test_on_trio(told: Any, project: pytest.Pytester) -> None:
    """The same moments on trio's clock."""
    project.makepyfile(
        shopapp="""
        import anyio
        import httpx
        from starlette.applications import Starlette
        from starlette.responses import Response
        from starlette.routing import Route

        async def hello(request):
            await anyio.sleep(1)
            async with httpx.AsyncClient(timeout=5) as http:
                await http.get("https://pay.example/")
            return Response("hello")

        app = Starlette(routes=[Route("/", hello)])
        """,
        test_shop="""
        import pytest

        @pytest.fixture
        def anyio_backend():
            return "trio"

        async def test_hello(asgi_client, upstream, clock):
            upstream.get("https://pay.example/").respond(200)
            await clock.advance("3s")
            await asgi_client.get("/")
        """,
    )
    test = told().tests["test_hello"]
    assert test["outcome"] == "passed"
    record = test["record"]
    (request,), (call,) = record["requests"], record["upstream"]
    assert 3.0 <= request["start"] < 60  # the set-up's real time is in it
    assert call["started"] - request["start"] == pytest.approx(1.0)
    assert call["request"] == 1


def test_a_loop_that_is_ahead(told: Any, project: pytest.Pytester) -> None:
    """Virtual time of an earlier test on the same loop does not shift the next one's moments."""
    project.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.asyncio(loop_scope="module")

        async def test_first(asgi_client, clock):
            await clock.advance("1h")

        async def test_second(asgi_client, upstream):
            upstream.post("https://pay.example/charges").respond(201)
            await asgi_client.post("/checkout")
        """
    )
    record = told("-k", "second").tests["test_second"]["record"]
    assert record["requests"][0]["start"] < 60
    record = told("-k", "test_first or test_second").tests["test_second"]["record"]
    assert record["requests"][0]["start"] < 60
    assert record["upstream"][0]["started"] < 60


def test_two_requests_of_one_name(told: Any, project: pytest.Pytester) -> None:
    """Calls are told apart although the requests have the same label."""
    project.makepyfile(
        """
        import asyncio

        async def test_both(asgi_client, upstream):
            upstream.post("https://pay.example/charges").respond(201)
            await asyncio.gather(*(asgi_client.post("/checkout") for _ in range(2)))
        """
    )
    record = told("-k", "both").tests["test_both"]["record"]
    assert [call["request"] for call in record["upstream"]] == [1, 2]


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_run_that_is_tried_again_counts_once(
    told: Any, project: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    """rerunfailures: the last try is told, and how many there were before."""
    project.makepyfile(
        """
        TRIES = []

        async def test_flaky(asgi_client):
            TRIES.append(1)
            await asgi_client.get("/sleepy" if len(TRIES) < 3 else "/thread/1")
        """
    )
    report = told("-k", "flaky", "--reruns=3", *workers)
    test = report.tests["test_flaky"]
    assert (test["outcome"], test["reruns"], test["findings"]) == ("passed", 2, [])
    assert [request["path"] for request in test["record"]["requests"]] == ["/thread/1"]
    assert report.data["summary"]["passed"] == 1


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="subtests came with pytest 9")
def test_subtests_belong_to_their_test(told: Any, project: pytest.Pytester) -> None:
    """Each is told; one that fails, fails the test."""
    project.makepyfile(
        """
        async def test_parts(asgi_client, subtests):
            for n in range(3):
                with subtests.test("part", n=n):
                    assert n != 1
        """
    )
    test = told("-k", "parts").tests["test_parts"]
    assert test["outcome"] == "failed"
    assert [part["outcome"] for part in test["subtests"]] == ["passed", "failed", "passed"]
    assert "part" in test["subtests"][1]["name"]


def test_a_run_that_stops_early(told: Any) -> None:
    """`-x`: what ran is told, nothing else."""
    report = told("-x")
    assert list(report.tests) == ["test_blocks"]
    assert report.tests["test_blocks"]["record"]["requests"]


def test_what_cannot_be_collected(told: Any, project: pytest.Pytester) -> None:
    """Is told too."""
    project.makepyfile(test_broken="import nothing_of_that_name")
    report = told()
    assert [error["id"] for error in report.data["collection_errors"]] == ["test_broken.py"]
    assert "nothing_of_that_name" in report.data["collection_errors"][0]["message"]


def test_sweeps_are_passed_on(told: Any, project: pytest.Pytester) -> None:
    """What exploring attaches to a report reaches the file as it is."""
    project.makeconftest(
        """
        import pytest

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_makereport(item):
            report = yield
            if report.when == "call":
                report.asyncfastapi = {"sweeps": [{"kind": "faults", "points": []}]}
            return report
        """
    )
    assert told("-k", "plain").tests["test_plain"]["sweeps"] == [{"kind": "faults", "points": []}]


@pytest.mark.parametrize("option", ["json", "html", "trace", "sarif"])
@pytest.mark.parametrize(
    ("path", "words"),
    [(".", "it is a folder"), ("pytest.ini/report", "pytest.ini is not a folder")],
)
def test_a_bad_path_is_one_sentence_at_the_start(
    pytester: pytest.Pytester, option: str, path: str, words: str
) -> None:
    """Not a loss after all tests have run."""
    pytester.makefile(".ini", pytest="[pytest]\n")
    pytester.makepyfile("def test_a(): print('it ran')")
    result = pytester.runpytest(f"--asyncfastapi-{option}={path}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stderr.str()
    assert f"--asyncfastapi-{option}: '{path}' cannot be written: {words}. Fix: name a file" in text
    assert "it ran" not in result.stdout.str()


def test_folders_are_made(project: pytest.Pytester) -> None:
    """And the summary says where the report is."""
    result = project.runpytest("--asyncfastapi-json=some/folder/report.json", "-k", "plain")
    assert (project.path / "some/folder/report.json").is_file()
    result.stdout.fnmatch_lines(["pytest-asyncfastapi: JSON report: *report.json"])


@pytest.mark.parametrize("path", ["$PLACE/report.json", "~/report.json"])
def test_names_in_a_path_are_filled_in(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Of the environment, and the home folder."""
    home = project.mkdir("place")
    monkeypatch.setenv("PLACE", str(home))
    monkeypatch.setenv("HOME", str(home))
    project.runpytest(f"--asyncfastapi-json={path}", "-k", "plain")
    assert (home / "report.json").is_file()


def test_a_report_that_fails_is_said(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk may be full by then: the tests' result stands."""
    from pytest_asyncfastapi._report import json_file

    def full(run: object) -> str:
        raise OSError("no space left")

    monkeypatch.setattr(json_file, "render", full)
    result = project.runpytest_inprocess("--asyncfastapi-json=report.json", "-k", "plain")
    result.assert_outcomes(passed=1, deselected=8)
    result.stdout.fnmatch_lines(["*JSON report not written: OSError: no space left"])


def test_nothing_is_recorded_unless_asked(project: pytest.Pytester) -> None:
    """Without a writer there is no recording, and the app is called directly."""
    project.makepyfile(
        """
        from pytest_asyncfastapi._plugin.state import state_of

        async def test_bare(asgi_client, asgi_app, request):
            assert state_of(request.node).recording is None
            assert asgi_client.asgi.app is asgi_app
        """
    )
    project.runpytest("-k", "bare").assert_outcomes(passed=1, deselected=9)
    result = project.runpytest("-k", "bare", "--asyncfastapi-json=x.json")
    result.assert_outcomes(failed=1, deselected=9)


def test_the_schema_is_strict() -> None:
    """It would not take what is not a report."""
    with pytest.raises(ValidationError):
        Draft202012Validator(schema()).validate({"format": "pytest-asyncfastapi", "version": 1})
