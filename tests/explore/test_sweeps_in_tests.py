"""`explore_faults()` and `explore_disconnects()`: the sweeps inside one test."""

from __future__ import annotations

import asyncio
import json

import pytest

from pytest_asyncfastapi import explore_disconnects, explore_faults
from tests.explore.test_disconnect_sweep import LOCKED, without_finally
from tests.explore.test_disconnect_sweep import SOUND as HOLD
from tests.explore.test_fault_sweep import MASKED, NAIVE, SOUND

IMPORTS = """
from pytest_asyncfastapi import SweepFailure, explore_disconnects, explore_faults

@pytest.fixture(params=BACKENDS)
def anyio_backend(request):
    return request.param
"""


@pytest.fixture
def swept(project):
    """Run one test whose body is `body`, on the backends given, in this app."""

    def run(app, body, *flags, backends=("asyncio",), names="asgi_client, up", mark=""):
        lines = "\n    ".join(body.strip().splitlines())
        head = IMPORTS.replace("BACKENDS", repr(list(backends)))
        test = f"\n{mark}\nasync def test_it({names}):\n    {lines}\n"
        return project(app, head + test).runpytest("-rA", *flags)

    return run


BOTH = ("asyncio", "trio")
GET = 'lambda: asgi_client.get("/")'


def test_a_sound_endpoint_has_no_bad_point(swept) -> None:
    """Eleven points; what was answered to each, and the matrix as text."""
    body = f"""
report = await explore_faults({GET})
assert [point.answer for point in report.points] == ["502"] * 13 + ["200"] * 3
assert report.bad == ()
report.assert_none()
print(report)
"""
    result = swept(SOUND, body, backends=BOTH)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "fault sweep of test_it.py::test_it[[]asyncio]: 16 points, 0 bad, * s",
            "  call refus ctime rtime reset empty trunc   500   503   429  json  slow  html*",
            "     1   502   502   502   502   502   502   502   502   502   502   502   502*",
            "     1 = GET https://up.example/a  shopapp.py:*",
        ]
    )


def test_it_is_in_the_summary_and_in_the_reports(swept, pytester) -> None:
    """Beside the marker's of the same test, each call by itself, with every cell."""
    body = f"""
report = await explore_faults({GET})
await explore_faults({GET})
await explore_disconnects({GET})
"""
    flags = ("--asyncfastapi-json=report.json", "--asyncfastapi-html=report.html")
    # The marker runs all of this again for each of its points.
    result = swept(SOUND, body, *flags, mark='@pytest.mark.fault_sweep(faults=["500"])')
    result.assert_outcomes(passed=1)
    name = "test_it.py::test_it[[]asyncio]"
    result.stdout.fnmatch_lines(
        [
            "*= sweeps =*",
            f"fault sweep of {name}: * points, 0 bad, * s",
            f"fault sweep of {name}, explore_faults(): 16 points, 0 bad, * s",
            f"fault sweep of {name}, explore_faults() 2: 16 points, 0 bad, * s",
            f"disconnect sweep of {name}, explore_disconnects(): * points, 0 bad, * s",
        ]
    )
    (test,) = json.loads((pytester.path / "report.json").read_text())["tests"]
    assert [sweep.get("call", "") for sweep in test["sweeps"]] == [
        *("", "explore_faults()", "explore_faults() 2", "explore_disconnects()")
    ]
    assert [point["answer"] for point in test["sweeps"][1]["points"]] == ["502"] * 13 + ["200"] * 3
    assert "explore_faults() 2" in (pytester.path / "report.html").read_text()


def test_a_bad_one_is_in_the_summary_too(swept) -> None:
    """With its matrix; also where the test goes on, and where it is broken off."""
    result = swept(NAIVE, f"await explore_faults({GET}, check=False)")
    result.assert_outcomes(passed=1)
    call = "test_it.py::test_it[[]asyncio], explore_faults()"
    lines = [f"fault sweep of {call}: 16 points, 10 bad, 3 masked, * s", "*   1  exc!*"]
    result.stdout.fnmatch_lines(["*= sweeps =*", *lines])
    swept(NAIVE, f"await explore_faults({GET})").stdout.fnmatch_lines(["*= sweeps =*", *lines])


def test_a_naive_endpoint_fails_with_the_matrix_and_the_line(swept) -> None:
    """As by the marker, but for the words that replay it."""
    result = swept(NAIVE, f"await explore_faults({GET})", backends=BOTH)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*SweepFailure: fault sweep of *::test_it[[]asyncio]: 16 points, 10 bad, 3 masked, * s",
            "*   1  exc!*",
            "*fault sweep: unhandled when GET https://up.example/a (call 1) meets refused, *",
            "*  where     shopapp.py:14, in home",
            "*  in        GET /",
            "*  detail    GET / raised ConnectError: *",
            "*  replay    explore_faults(..., replay='faults:1:refused')",
        ]
    )


def test_the_report_without_raising(swept) -> None:
    """`check=False`, then `.bad` and `.assert_none()`; `replay=` runs one point."""
    body = f"""
report = await explore_faults({GET}, faults=["refused", "bad_json"], check=False)
assert [(p.token, p.verdict) for p in report.bad] == [
    ("faults:1:refused", "unhandled"), ("faults:1:bad_json", "unhandled")
]
with pytest.raises(SweepFailure, match="unhandled") as caught:
    report.assert_none()
assert caught.value.report is report
again = await explore_faults({GET}, replay="faults:1:refused", check=False)
assert [point.token for point in again.points] == ["faults:1:refused"]
with pytest.raises(ValueError, match="replay='faults:9:reset' is not a point of this scenario"):
    await explore_faults({GET}, replay="faults:9:reset")
"""
    swept(NAIVE, body).assert_outcomes(passed=1)


def test_the_arguments_of_the_marker(swept) -> None:
    """`statuses`, `only`, `slow`, `masked`, `assertions`: each changes what is bad."""
    body = """
async def bad(app_path, **given):
    scenario = lambda: asgi_client.get(app_path)
    report = await explore_faults(scenario, faults=["500"], check=False, **given)
    return [point.verdict for point in report.bad]

assert await bad("/404") == ["caller blamed"]
assert await bad("/404", statuses=404) == []
assert await bad("/masked") == []
assert await bad("/masked", masked="fail") == ["masked"]

async def strict():
    assert (await asgi_client.get("/404")).status_code == 200

for given, expected in (({}, []), ({"assertions": True}, ["assertion"])):
    report = await explore_faults(strict, faults="500", statuses=[404], check=False, **given)
    assert [point.verdict for point in report.bad] == expected
slow = lambda: asgi_client.get("/slow")
report = await explore_faults(slow, faults="slow", slow="7s", check=False)
assert "the app waited 7 s for GET" in str(report)
with pytest.raises(SweepFailure, match="makes no upstream call to https://else.example/"):
    await explore_faults(strict, only="https://else.example/*")
"""
    app = "".join(
        source.replace('"/"', f'"{path}"').replace("home", name)
        for source, path, name in (
            (SOUND.replace("502", "404"), "/404", "one"),
            (MASKED, "/masked", "two"),
            (SOUND.replace("AsyncClient()", "AsyncClient(timeout=None)"), "/slow", "three"),
        )
    )
    result = swept(app, body)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["warn  fault sweep: masked when GET https://up.example/a *"])


ORDERS = """
rows = []

@app.post("/")
async def order():
    rows.append("new")
    async with httpx.AsyncClient() as http:
        try:
            (await http.get(URL)).raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            ROLLBACK
            raise HTTPException(502)
    rows[-1] = "paid"
"""
CHECKED = """
def no_new_row():
    return "new" not in shopapp.rows

report = await explore_faults(
    lambda: asgi_client.post("/"), invariant=no_new_row, reset=shopapp.rows.clear, check=False,
    faults=["refused", "500", "truncated"],
)
print({point.verdict for point in report.points}, report)
"""


RESET = """
prices, ready = [], asyncio.Event()

@app.post("/fill")
async def fill():
    await asyncio.sleep(0)
    async with httpx.AsyncClient(timeout=5) as http:
        prices[:] = [(await http.get(URL)).raise_for_status().json()["n"]]

@app.get("/")
async def price():
    await asyncio.sleep(0)
    return prices[0]
"""
FILL = 'lambda: asgi_client.post("/fill")'


@pytest.mark.parametrize("setup", ["False", "True"])
def test_calls_of_reset_are_struck_where_that_is_asked_for(swept, setup: str) -> None:
    """As those of fixtures are with the marker."""
    result = swept(
        RESET,
        f"""
report = await explore_faults({GET}, faults=["500"], reset={FILL}, setup={setup}, check=False)
print("struck:", [point.token for point in report.points])
print("found:", report.findings[0].title)
""",
    )
    tokens = "['faults:1:500']" if setup == "True" else "[]"
    assert f"struck: {tokens}" in result.stdout.str()
    found = "unhandled when GET *" if setup == "True" else "the test makes no upstream call"
    result.stdout.fnmatch_lines([f"found: fault sweep: {found}"])


@pytest.mark.parametrize(("setup", "requests"), [("False", "GET /"), ("True", "POST /fill, GET /")])
def test_requests_of_reset_are_cut_where_that_is_asked_for(swept, setup: str, requests) -> None:
    result = swept(
        RESET,
        f"""
report = await explore_disconnects({GET}, reset={FILL}, setup={setup}, check=False)
cut = dict.fromkeys(point.data["activity"] for point in report.points)
print("cut:", ", ".join(cut), len(report.bad))
""",
    )
    result.stdout.fnmatch_lines([f"cut: {requests} *"])


def test_an_invariant_finds_what_a_fault_leaves(swept) -> None:
    """It may raise or return False; `reset` makes new what all runs share."""
    result = swept(ORDERS.replace("ROLLBACK", "pass"), CHECKED)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["{'side effect'} fault sweep *", "  detail    *InvariantBroken: no_new_row() is False"]
    )
    sound = swept(ORDERS.replace("ROLLBACK", "rows.pop()"), CHECKED)
    sound.stdout.fnmatch_lines(["{'ok'} fault sweep of *: 3 points, 0 bad, * s"])


def test_an_invariant_is_given_the_fixtures_that_it_names(swept) -> None:
    """As that of the marker; one that the test does not have is a sentence."""
    body = f"""
async def none_is_out(up):
    assert len(up.calls) > 0

report = await explore_faults({GET}, faults="500", invariant=none_is_out)
with pytest.raises(ValueError, match="asks for the fixture 'orders', which this test does not"):
    await explore_faults({GET}, invariant=lambda orders: True)
with pytest.raises(SweepFailure, match="invariant does not hold after the clean run"):
    await explore_faults({GET}, faults="500", invariant=lambda: False)
"""
    swept(SOUND, body).assert_outcomes(passed=1)


def test_the_faults_of_the_test_begin_again_and_stay(swept) -> None:
    """A fault on the first call strikes in each run, and after them as if none had been."""
    body = """
rule = faults.on("*").status(503).first(1)

async def twice():
    answers = [(await asgi_client.get("/")).status_code for _ in range(2)]
    assert answers == [502, 200], answers

report = await explore_faults(twice, faults=["reset"], statuses=502, check=False)
assert "GET / is answered 502 without any fault" in str(report)
report.assert_none()
assert [point.token for point in report.points] == ["faults:1:reset", "faults:2:reset"]
assert list(faults) == [rule]
"""
    swept(SOUND, body, names="asgi_client, up, faults").assert_outcomes(passed=1)


def test_what_faulted_runs_do_is_no_finding_of_the_test(swept) -> None:
    """A call without a timeout, or to no route, is the sweep's to tell, once."""
    app = SOUND.replace("AsyncClient()", "AsyncClient(timeout=None)")
    body = f"""
with pytest.raises(SweepFailure, match="no timeout: no read timeout|no timeout when"):
    await explore_faults({GET}, faults="read_timeout")
"""
    result = swept(app, body)
    result.assert_outcomes(passed=1)
    assert "no-timeout" not in result.stdout.str()


def test_a_task_that_a_fault_leaves_behind_is_its_runs(swept) -> None:
    """The app's own task that runs all the time is none."""
    app = """
own = []

async def forever():
    await asyncio.sleep(1e9)

@app.get("/")
async def home():
    if not own:
        own.append(asyncio.create_task(forever()))
    async with httpx.AsyncClient() as http:
        try:
            return (await http.get(URL)).raise_for_status().json()
        except httpx.HTTPError:
            if len(own) == 1:
                own.append(asyncio.create_task(forever()))
            raise HTTPException(502)

"""
    body = f"""
report = await explore_faults({GET}, faults=["500", "reset"], check=False)
assert [point.verdict for point in report.points] == ["leak", "ok"], str(report)
assert "task still running: forever()" in str(report)
"""
    swept(app, body).assert_outcomes(passed=1)


# The disconnect sweep


HELD = """
def nothing_is_held():
    assert shopapp.held == []

report = await explore_disconnects(
    lambda: asgi_client.post("/"), invariant=nothing_is_held, reset=shopapp.held.clear, check=False
)
print(report)
"""


def test_a_request_is_cut_at_each_await(swept) -> None:
    """In three ways on asyncio, in two on trio."""
    app = HOLD.replace("asyncio.sleep", "anyio.sleep")
    result = swept(app, HELD + "report.assert_none()", backends=BOTH)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        ["disconnect sweep of test_it.py::test_it[[]asyncio]: 6 points, 0 bad, * s"]
    )
    result.stdout.re_match_lines([r"disconnect sweep of .*\[trio\]: \d*[24680] points, 0 bad"])


def test_cleanup_that_does_not_run_is_found(swept) -> None:
    """With the line at which it was cut, and what cuts it there again.

    A client that leaves at the last await is gone when the answer is there already.
    """
    app = without_finally(HOLD.replace("asyncio.sleep", "anyio.sleep"))
    result = swept(app, HELD + "assert len(report.bad) == len(report.points) - 1", backends=BOTH)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "  POST / -> 200: 2 awaits, bad at 1, 2",
            "disconnect sweep: side effect when the client leaves, the handler is cancelled, *",
            "              await anyio.sleep(1)",
            "  replay    explore_disconnects(..., replay='disconnect:1.1:leave')",
        ]
    )


def test_a_lock_that_stays_held_ends_the_sweep(swept) -> None:
    """Each further run would only meet it; a `reset` takes it away, and all are run."""
    body = """
async def bad(**given):
    report = await explore_disconnects(lambda: asgi_client.post("/"), check=False, **given)
    return [point.verdict for point in report.bad], str(report)

def new():
    shopapp.lock = asyncio.Lock()

verdicts, text = await bad()
assert verdicts == ["stuck"]
assert "so 1 of 3 points were not run; reset= makes the app new" in text
verdicts, text = await bad(reset=new, modes=["cancel", "cancel_always"])
assert verdicts == ["stuck"] * 2
assert "taken at shopapp.py:" in " ".join(text.split())
"""
    swept(LOCKED, "import asyncio\n" + body).assert_outcomes(passed=1)


def test_a_scenario_that_hangs_without_any_fault_is_told_at_once(swept) -> None:
    """In virtual time: who waits for whom."""
    body = """
await shopapp.lock.acquire()
with pytest.raises(AssertionError, match="Deadlock at virtual time"):
    await explore_disconnects(lambda: asgi_client.post("/"))
shopapp.lock.release()
assert (await asgi_client.post("/")).status_code == 200
"""
    swept(LOCKED, body).assert_outcomes(passed=1)


# Where it stands, and what is wrongly asked for


# A request that is cut raises, and the body does not come to its last lines.
@pytest.mark.parametrize(
    ("flag", "runs"), [("sweep=faults", 18), ("sweep=disconnect", 2), ("schedules=2", 3)]
)
def test_in_a_test_that_is_explored_itself_it_runs_once(swept, flag: str, runs: int) -> None:
    """Points of points would be very many; the test's own run has them all."""
    body = f"""
shopapp.calls = getattr(shopapp, "calls", [])
report = await explore_faults({GET}, faults=["500", "reset"])
shopapp.calls.append(len(report.points))
print("points", shopapp.calls)
"""
    result = swept(SOUND, body, f"--asyncfastapi-{flag}")
    result.assert_outcomes(passed=1)
    assert f"points {[0] * runs + [2]}" in result.outlines


def test_the_fault_is_gone_afterwards(swept) -> None:
    """And so is the ear: the test goes on as before."""
    body = f"""
await explore_faults({GET}, faults="500")
await explore_disconnects({GET})
assert (await asgi_client.get("/")).json() == {{"n": 1}}
"""
    swept(SOUND, body, backends=BOTH).assert_outcomes(passed=2)


def test_what_the_scenario_raises_by_itself_is_raised(swept) -> None:
    """With a note: no fault was there."""
    body = """
async def scenario():
    assert (await asgi_client.get("/")).status_code == 418

with pytest.raises(AssertionError, match="418") as caught:
    await explore_faults(scenario)
(note,) = caught.value.__notes__
assert note == "explore_faults(): the scenario fails by itself, without any fault"
"""
    swept(SOUND, body).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ("explore_faults(get(), faults='fire')", "faults='fire' must be one of refused, "),
        ("explore_faults(get(), faults=[])", "faults is empty: there would be nothing to run"),
        ("explore_faults(get(), statuses=[99])", "statuses=99 must be HTTP statuses"),
        ("explore_faults(get(), masked='maybe')", "masked='maybe' must be one of list, fail"),
        ("explore_faults(get(), only=7)", "only=7 must be a URL glob"),
        (
            "explore_faults(get(), invariant=True)",
            "invariant must be a function that can be",
        ),
        ("explore_faults(get(), reset=7)", "reset must be a function that can be called once for"),
        ("explore_faults(get()())", "scenario must be a function .* leave out the"),
        ("explore_faults(lambda: 7)", "scenario must return something to await: .* returned 7"),
        ("explore_disconnects(get(), modes='die')", "modes='die' must be one of leave, cancel, "),
        (
            "explore_disconnects(get(), replay='1.1')",
            "replay='1.1' is not a point of this scenario",
        ),
    ],
)
def test_what_is_wrongly_asked_for_gets_one_sentence(swept, call: str, sentence: str) -> None:
    """`ValueError`, before or after the clean run."""
    body = f"""
def get():
    async def scenario():
        await asgi_client.get("/")
    return scenario

with pytest.raises(ValueError, match={sentence!r}):
    await {call}
await get()()
"""
    swept(SOUND, body).assert_outcomes(passed=1)


@pytest.mark.parametrize("explore", [explore_faults, explore_disconnects])
def test_outside_of_a_test_it_is_refused(explore) -> None:
    """There is nothing to watch or to strike."""
    ran = []

    async def scenario():
        ran.append(1)

    with pytest.raises(RuntimeError, match=rf"{explore.__name__}\(\) runs inside an async test"):
        # In a thread: the context of this test must not be lent to it.
        asyncio.run(explore(scenario))
    assert not ran


def test_without_the_client_or_inside_of_another_it_is_refused(swept) -> None:
    """Each in one sentence."""
    swept(
        SOUND,
        """
with pytest.raises(RuntimeError, match="this test does not use it. Fix: add it to the arguments"):
    await explore_faults(lambda: None)
""",
        names="upstream",
    ).assert_outcomes(passed=1)
    body = f"""
from pytest_asyncfastapi import explore_schedules

async def inner():
    with pytest.raises(RuntimeError, match="only one at a time can be"):
        await explore_faults({GET})
    await asgi_client.get("/")

await explore_faults(inner, faults="500")
await explore_schedules(inner, seeds=1)
"""
    swept(SOUND, body).assert_outcomes(passed=1)
