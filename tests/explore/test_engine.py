"""The engine: the same test again, fresh each time, one verdict, beside other plugins."""

from __future__ import annotations

import json
import os
import re
import select
import sys
from xml.etree import ElementTree

import pytest

from tests import warm

SOUND = """
@app.get("/")
async def home():
    async with httpx.AsyncClient() as http:
        try:
            return (await http.get(URL)).raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            raise HTTPException(502)
"""
NAIVE = """
@app.get("/")
async def home():
    async with httpx.AsyncClient() as http:
        return (await http.get(URL)).raise_for_status().json()
"""
ONE = """
@pytest.mark.fault_sweep(faults=["refused", "500"])
async def test_home(asgi_client, up):
    assert (await asgi_client.get("/")).json() == {"n": 1}

def test_other():
    pass
"""

COUNTED = """
made = {"function": 0, "module": 0, "session": 0, "class": 0, "setup": 0, "instance": set()}

def fixture(scope):
    @pytest.fixture(scope=scope)
    def counted():
        made[scope] += 1
        yield
        made[scope + "-"] = made.get(scope + "-", 0) + 1
    return counted

function, module, session = fixture("function"), fixture("module"), fixture("session")

class TestIt:
    @classmethod
    def setup_class(cls):
        made["class"] += 1

    def setup_method(self):
        made["setup"] += 1

    @pytest.mark.fault_sweep(faults=["refused", "500", "reset"])
    @pytest.mark.parametrize("n", [1])
    async def test_home(self, asgi_client, up, function, module, session, n, tmp_path):
        assert not hasattr(self, "used") and not list(tmp_path.iterdir())
        self.used = True
        (tmp_path / "file").write_text("here")
        assert (await asgi_client.get("/")).json() == {"n": n}

def test_counts():
    # Two clean runs, the first of which is the test's own, and three points.
    assert made["function"] == made["function-"] == made["setup"] == 5
    assert made["module"] == made["session"] == made["class"] == 1
    assert "module-" not in made and "session-" not in made
"""


def test_each_run_has_fresh_fixtures_and_wider_ones_stay(project) -> None:
    """Function scope anew, the instance of the class too; module, class and session once."""
    project(SOUND, COUNTED).runpytest().assert_outcomes(passed=2)


def test_the_verdict_is_one_report_and_one_test_case(project) -> None:
    """One dot, one test case in JUnit, its properties once, its time all of the runs."""
    tests = ONE.replace("up):", "up, record_property):\n    record_property('seen', 1)")
    pytester = project(NAIVE, tests)
    result = pytester.runpytest("--junitxml=out.xml", "-o", "junit_family=xunit1")
    result.assert_outcomes(failed=1, passed=1)
    cases = ElementTree.parse(pytester.path / "out.xml").findall(".//testcase")
    assert [case.get("name") for case in cases] == ["test_home", "test_other"]
    names = [prop.get("name") for prop in cases[0].iter("property")]
    assert names.count("seen") == 1
    failure = cases[0].find("failure")
    assert failure is not None
    assert "--asyncfastapi-replay=faults:1:refused" in (failure.text or "")


def test_stop_at_first_failure_and_last_failed(project) -> None:
    """`-x` stops after the test, `--lf` takes it again, `-k` deselects it."""
    pytester = project(NAIVE, ONE)
    pytester.runpytest("-x").assert_outcomes(failed=1)
    result = pytester.runpytest("--lf")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*rerun previous 1 failure*"])
    pytester.runpytest("-k", "other").assert_outcomes(passed=1, deselected=1)


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("assert False, 'by itself'", {"failed": 1}),
        ("pytest.skip('not today')", {"skipped": 1}),
        ("pytest.xfail('known')", {"xfailed": 1}),
    ],
)
def test_a_test_that_does_not_pass_by_itself_keeps_its_outcome(
    project, body: str, outcome: dict[str, int]
) -> None:
    """It is not swept, and says what it always says."""
    tests = ONE.replace("    assert (await", f"    {body}\n    assert (await")
    result = project(NAIVE, tests).runpytest()
    result.assert_outcomes(**outcome, passed=1)


def test_a_test_that_fails_the_first_time_has_failed(project) -> None:
    """It is not run again until it passes."""
    tests = "tries = []\n" + ONE.replace(
        "    assert (await", "    tries.append(1)\n    assert len(tries) > 1\n    assert (await"
    )
    result = project(NAIVE, tests).runpytest()
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["E*assert 1 > 1"])


OUTLIVES = """
seen = set()

@app.post("/users/{name}", status_code=201)
async def register(name: str):
    async with httpx.AsyncClient(timeout=5) as http:
        try:
            (await http.get(URL)).raise_for_status()
        except httpx.HTTPError:
            raise HTTPException(502)
    if name in seen:
        raise HTTPException(409)
    seen.add(name)
"""


@pytest.mark.parametrize(
    ("marker", "flags"),
    [
        ("fault_sweep(faults=['500'])", ["-p", "no:randomly"]),
        ("disconnect_sweep", []),
        ("schedules(3)", ["-n", "1"]),
    ],
)
def test_the_first_run_is_the_tests_own(project, marker: str, flags: list[str]) -> None:
    """What it leaves behind (a row in a database) does not fail the test afterwards."""
    tests = f"""
@pytest.mark.{marker}
async def test_register(asgi_client, up):
    assert (await asgi_client.post("/users/ann")).status_code == 201

def test_it_was_registered_once():
    assert shopapp.seen == {{"ann"}}
"""
    result = project(OUTLIVES, tests).runpytest(*flags)
    told = result.stdout.str()
    assert "second" not in told
    assert "ERROR" not in told
    if marker == "schedules(3)":  # another order fails here: the app knows the name by then
        result.assert_outcomes(failed=1, passed=1)
    else:
        result.assert_outcomes(passed=2)


def test_what_the_first_run_prints_warns_and_records_is_reported_once(project) -> None:
    """In the phase in which it was; so are its log and its properties."""
    tests = """
import logging, warnings

@pytest.fixture
def noisy():
    print("before the body")
    yield
    print("after the body")

@pytest.mark.fault_sweep(faults=["500"])
async def test_home(asgi_client, up, noisy, record_property):
    print("in the body")
    logging.getLogger("shop").error("logged")
    warnings.warn("old", FutureWarning)
    record_property("seen", "once")
    assert (await asgi_client.get("/")).json() == {"n": 1}
    assert False, "by itself"
"""
    pytester = project(SOUND, tests)
    result = pytester.runpytest(
        "-W", "default", "-rA", "--junitxml=out.xml", "-o", "junit_family=xunit1"
    )
    result.assert_outcomes(failed=1, warnings=1)
    lines = result.outlines
    for text in ("before the body", "in the body", "after the body"):
        assert lines.count(text) == 1, text
    assert sum("ERROR" in line and "logged" in line for line in lines) == 1
    assert sum(line.startswith("E ") and "by itself" in line for line in lines) == 1
    assert lines.index("before the body") > lines.index(
        next(line for line in lines if "Captured stdout setup" in line)
    )
    (case,) = ElementTree.parse(pytester.path / "out.xml").findall(".//testcase")
    assert [prop.get("name") for prop in case.iter("property")] == ["seen"]


@pytest.mark.parametrize(("phase", "outcome"), [("setup", "errors"), ("teardown", "errors")])
def test_a_fixture_that_fails_in_the_first_run(project, phase: str, outcome: str) -> None:
    """It is an error of its phase, with the line of the fixture."""
    at = "yield; assert 0" if phase == "teardown" else "assert 0; yield"
    tests = f"""
@pytest.fixture
def fails():
    {at}

@pytest.mark.fault_sweep(faults=["500"])
async def test_home(asgi_client, up, fails):
    assert (await asgi_client.get("/")).json() == {{"n": 1}}
"""
    result = project(SOUND, tests).runpytest()
    expected = {"errors": 1, **({"passed": 1} if phase == "teardown" else {})}
    result.assert_outcomes(**expected)
    result.stdout.fnmatch_lines([f"*ERROR at {phase} of test_home*", f">   *{at}", "E*assert 0"])


def test_the_time_of_all_runs_is_the_tests(project) -> None:
    """In JUnit, in --durations, in the JSON and the HTML."""
    tests = """
import time

@pytest.mark.schedules(5)
async def test_home(asgi_client, up):
    time.sleep(0.1)
    assert (await asgi_client.get("/")).json() == {"n": 1}
"""
    pytester = project(SOUND, tests)
    flags = ["--junitxml=out.xml", "--asyncfastapi-json=out.json", "--asyncfastapi-html=out.html"]
    result = pytester.runpytest("--durations=3", "-o", "asyncfastapi_blocking=off", *flags)
    result.assert_outcomes(passed=1)
    (line,) = [line for line in result.outlines if "s call " in line]
    assert float(line.split("s call")[0]) >= 0.6
    (case,) = ElementTree.parse(pytester.path / "out.xml").findall(".//testcase")
    assert float(case.get("time") or 0) >= 0.6
    (test,) = json.loads((pytester.path / "out.json").read_text())["tests"]
    assert test["duration"] >= 0.6


def test_a_debugger_gets_a_live_run(project) -> None:
    """--pdb: the test fails once more, with its fixtures."""
    tests = "runs = []\n" + ONE.replace(
        "    assert (await", "    runs.append(1)\n    assert len(runs) == 9\n    assert (await"
    )
    pytester = project(SOUND, tests)
    typed = b"p ('runs', len(runs))\nq\n"
    result = pytester.run(sys.executable, "-mpytest", "--pdb", "-k", "home", stdin=typed)
    result.stdout.fnmatch_lines(["*('runs', 2)*"])


def test_reruns_of_failures_run_the_test_and_not_its_sweep(project) -> None:
    """pytest-rerunfailures: the verdict stays what it is."""
    result = project(NAIVE, ONE).runpytest("--reruns=1")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*1 rerun*"])
    project(SOUND, ONE).runpytest("--reruns=1").assert_outcomes(passed=2)


def test_a_timeout_ends_the_sweep_and_says_how_far_it_was(project) -> None:
    """pytest-timeout's clock runs for all of it."""
    tests = ONE.replace("500", "slow").replace(
        "    assert (await",
        "    response = await asgi_client.get('/')\n"
        "    import time\n"
        "    if response.status_code == 502:\n"
        "        time.sleep(30)\n"
        "    assert (await",
    )
    ini = ["-o", "asyncfastapi_blocking=off", "--timeout=4"]
    result = project(SOUND, tests).runpytest_subprocess(*ini)
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["faults: pytest-timeout ended it: Timeout*"])


def test_workers_of_xdist_run_sweeps(project) -> None:
    """The results travel on the report."""
    result = project(NAIVE, ONE).runpytest("-n", "2")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["fault sweep of test_it.py::test_home: 2 points, 2 bad, *"])


def test_an_interrupted_sweep_tells_what_was_done(project) -> None:
    """Ctrl-C in mid-sweep: the fixtures are torn down, the points so far are shown."""
    tests = ONE.replace('["refused", "500"]', '["refused", "500", "429", "reset"]').replace(
        "    assert (await",
        "    runs.append(1)\n    if len(runs) == 5:\n        raise KeyboardInterrupt\n"
        "    assert (await",
    )
    tests = "runs = []\n" + tests
    result = project(NAIVE, tests).runpytest_subprocess()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        [
            "fault sweep of test_it.py::test_home: 2 of 4 points, 2 bad, *; stopped: interrupted",
            "fault sweep: unhandled when GET https://up.example/a (call 1) meets refused*",
            "  where     shopapp.py:*",
        ]
    )


def test_each_parameter_is_swept_and_k_chooses(project) -> None:
    """A parametrized test is several, each with its sweep."""
    tests = """
@pytest.mark.parametrize("word", ["one", "two"])
@pytest.mark.fault_sweep(faults=["reset"])
async def test_words(asgi_client, up, word):
    await asgi_client.get("/", params={"word": word})
"""
    result = project(NAIVE, tests).runpytest("-v")
    result.assert_outcomes(failed=2)
    told = result.stdout.str()
    for word in ("one", "two"):
        assert f"fault sweep of test_it.py::test_words[{word}]: 1 points, 1 bad" in told
    result = project(NAIVE, tests).runpytest("-v", "-k", "two")
    result.assert_outcomes(failed=1, deselected=1)
    assert "test_words[one]" not in result.stdout.str()


def test_progress_is_told_with_v(project) -> None:
    """A line for each sweep; none without -v, none from a worker."""
    pytester = project(SOUND, ONE)
    result = pytester.runpytest("-v")
    result.stdout.fnmatch_lines(["faults of test_it.py::test_home: 2 points"])
    assert "faults of" not in pytester.runpytest().stdout.str()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
@pytest.mark.parametrize("flags", [[], ["-q"], ["-v"]])
def test_progress_is_shown_on_one_line_of_a_terminal(project, flags: list[str]) -> None:
    """How many runs, and how long: behind the line of pytest's own, and gone afterwards."""
    import pty

    pytester = project(
        SOUND, "import time\n" + ONE.replace("    assert (", "    time.sleep(0.12)\n    assert (")
    )
    ours, theirs = pty.openpty()
    arguments = ["-o", "asyncfastapi_blocking=off", *flags]
    process = warm.start(*arguments, cwd=pytester.path, output=os.ttyname(theirs))
    written = b""
    while not re.search(rb" in [0-9.]+s", written) and select.select([ours], [], [], 60)[0]:
        written += os.read(ours, 65536)
    assert process.wait() == 0
    os.close(theirs)
    os.close(ours)
    shown = re.findall(rb" faults 1 of 2, about [0-9.]+ m?s left\x1b\[K\x1b\[(\d+)D", written)
    (back,) = shown
    text = re.search(rb" faults 1 of 2[^\x1b]*", written)
    assert text is not None
    assert len(text[0]) == int(back)
    lines = [line for line in written.split(b"\n") if b" faults 1 of 2" in line]
    assert len(lines) == 1
    assert b"\x1b[K" in lines[0].rpartition(b"D")[2]


def test_a_budget_ends_a_sweep_with_what_is_known(project) -> None:
    """A warning says how much was run; where nothing was, that fails the test."""
    tests = ONE.replace('["refused", "500"]', '["refused", "500", "429", "reset"]').replace(
        "    assert (await",
        "    import time\n    time.sleep(0.25)\n    assert (await",
    )
    pytester = project(NAIVE, tests)
    off = ("-o", "asyncfastapi_blocking=off", "-k", "home")
    result = pytester.runpytest("--asyncfastapi-sweep-budget=300ms", *off)
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(
        [
            "*the budget of 300 ms is used up*",
            "fault sweep of *: 1 of 4 points, 1 bad, *; stopped: the budget of 300 ms is used up",
        ]
    )
    result = pytester.runpytest("-o", "asyncfastapi_sweep_budget=1us", *off)
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(
        ["faults: the budget of 1 us is used up", "*0 of 4 points*", "*=2m), or split it*"]
    )
    sound = project(SOUND, tests).runpytest("--asyncfastapi-sweep-budget=300ms", *off)
    sound.assert_outcomes(passed=1, deselected=1)
    sound.stdout.fnmatch_lines(["*1 of 4 points had been run by then*"])


def test_replay_runs_one_point(project) -> None:
    """With and without the marker; another token is said to be none."""
    pytester = project(NAIVE, ONE)
    result = pytester.runpytest("--asyncfastapi-replay=faults:1:500", "-v")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["fault sweep of test_it.py::test_home: 1 points, 1 bad, *"])
    result = pytester.runpytest("--asyncfastapi-replay=faults:9:500", "-k", "home")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["faults: it has no point 'faults:9:500'"])
    pytester.makepyfile(
        test_it=(pytester.path / "test_it.py").read_text().replace("@pytest.mark.fault_sweep", "# ")
    )
    result = pytester.runpytest("--asyncfastapi-replay=faults:1:500", "-k", "home")
    result.assert_outcomes(failed=1)


def test_shards_are_items_and_are_merged(project) -> None:
    """Three shares of one sweep on two workers: three tests, one matrix with all points."""
    tests = ONE.replace('["refused", "500"]', '["refused", "500", "429", "reset", "bad_json"]')
    result = project(NAIVE, tests).runpytest("-n", "2", "--asyncfastapi-shards=3")
    result.assert_outcomes(failed=3, passed=1)
    result.stdout.fnmatch_lines(
        ["fault sweep of test_it.py::test_home: 5 points, 5 bad, *",
         "     1  exc!  exc!  exc!  exc!  exc!"]
    )  # fmt: skip


def test_one_share_a_machine(project) -> None:
    """`--asyncfastapi-shard=2/2`: together all points, none twice."""
    tests = ONE.replace('["refused", "500"]', '["refused", "500", "429"]')
    pytester = project(NAIVE, tests)
    first = pytester.runpytest("--asyncfastapi-shard=1/2")
    first.stdout.fnmatch_lines(["fault sweep of *: 2 points, 2 bad, *"])
    second = pytester.runpytest("--asyncfastapi-shard=2/2")
    second.stdout.fnmatch_lines(["fault sweep of *: 1 points, 1 bad, *"])


def test_the_points_are_plain_data_on_the_report(project) -> None:
    """What `_report` writes and merges."""
    pytester = project(NAIVE, ONE)
    pytester.makeconftest(
        """
        import json
        def pytest_runtest_logreport(report):
            sweeps = getattr(report, "asyncfastapi", {}).get("sweeps")
            if sweeps:
                open("sweeps.json", "w").write(json.dumps(sweeps))
        """
    )
    pytester.runpytest("-n", "1")
    (sweep,) = json.loads((pytester.path / "sweeps.json").read_text())
    assert (sweep["kind"], sweep["test"]) == ("faults", "test_it.py::test_home")
    tokens = [(p["token"], p["verdict"], p["bad"], p["answer"]) for p in sweep["points"]]
    assert tokens == [
        ("faults:1:refused", "unhandled", True, "raised"),
        ("faults:1:500", "unhandled", True, "raised"),
    ]
    assert sweep["about"]["rows"]["1"]["call"] == "GET https://up.example/a"


@pytest.mark.parametrize(
    ("flag", "sentence"),
    [
        ("--asyncfastapi-shard=4/2", "*'4/2': there is no share 4 of 2*"),
        ("--asyncfastapi-shard=4", "*'4' is not a share, such as 2/4*"),
        ("--asyncfastapi-shards=0", "*'0' is less than 1*"),
        ("--asyncfastapi-replay=x", "*'x' is not a token of a report, such as faults:3:reset*"),
        ("--asyncfastapi-sweep=x", "*'x' must be one of off, faults, disconnect*"),
    ],
)
def test_a_wrong_option_stops_the_run_with_a_sentence(project, flag: str, sentence: str) -> None:
    """At the start."""
    result = project(SOUND, ONE).runpytest(flag)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([sentence])


@pytest.mark.usefixtures("every_plugin")
@pytest.mark.parametrize("runner", ["asyncio", "anyio", "trio"])
def test_every_runner_is_swept(project, runner: str) -> None:
    """pytest-asyncio's, anyio's and pytest-trio's tests."""
    tests = ONE.replace("@pytest.mark.fault", f"@pytest.mark.{runner}\n@pytest.mark.fault")
    tests = tests.replace('["refused", "500"]', '["refused", "500", "read_timeout", "slow"]')
    result = project(SOUND, tests).runpytest_subprocess()
    result.assert_outcomes(passed=3 if runner == "anyio" else 2)  # anyio: on both backends
    result.stdout.fnmatch_lines(["fault sweep of *: 4 points, 0 bad*"])


@pytest.mark.parametrize("scope", ["module", "session"])
def test_an_app_that_runs_for_many_tests_is_swept_as_it_runs(project, scope: str) -> None:
    """`app_scope`: the points share it."""
    result = project(SOUND, ONE).runpytest("-o", f"asyncfastapi_app_scope={scope}")
    result.assert_outcomes(passed=2)
