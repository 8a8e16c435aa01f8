"""The disconnect sweep: a request cut at each of its awaits, in each of three ways."""

from __future__ import annotations

import pytest

SOUND = """
held = []
log = []

@app.post("/")
async def hold():
    held.append(1)
    try:
        await asyncio.sleep(1)
        async with httpx.AsyncClient() as http:
            return (await http.get(URL)).json()
    finally:
        held.pop()
"""
ONE = """
def nothing_is_held():
    assert shopapp.held == [], f"{shopapp.held} is still held"

@pytest.fixture(autouse=True)
def fresh():
    shopapp.held.clear()

@pytest.mark.disconnect_sweep(invariant=nothing_is_held)
async def test_hold(asgi_client, up):
    assert (await asgi_client.post("/")).json() == {"n": 1}
"""


def test_a_sound_endpoint_has_no_bad_point(project) -> None:
    """Every await, three ways each."""
    result = project(SOUND, ONE).runpytest("-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["disconnect sweep of test_it.py::test_hold: 6 points, 0 bad, * s",
         "  POST / -> 200: 2 awaits"]
    )  # fmt: skip


def without_finally(app: str) -> str:
    """The same app, whose cleanup only an answer or an `Exception` reaches."""
    app = app.replace("    finally:\n", "    except Exception:\n")
    return app.replace(
        "            return (await http.get(URL)).json()",
        "            answer = (await http.get(URL)).json()\n"
        "        held.pop()\n"
        "        return answer",
    )


def test_cleanup_that_does_not_run_is_found_by_the_invariant(project) -> None:
    """`except Exception` does not see a client that goes away."""
    app = without_finally(SOUND)
    result = project(app, ONE).runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "disconnect sweep: side effect when the client leaves, the handler is cancelled, *",
            "  where     shopapp.py:*, in hold",
            "              await asyncio.sleep(1)",
            "  in        POST /",
            "*the invariant does not hold*",
            "  fix       make it one step *",
            "  replay    pytest test_it.py::test_hold --asyncfastapi-replay=disconnect:1.1:leave",
            "  POST / -> 200: 2 awaits, bad at 1, 2",
        ]
    )


AWAITING = SOUND.replace(
    "        held.pop()",
    "        GUARD\n            await asyncio.sleep(0.01)\n            held.pop()",
)


def test_cleanup_that_awaits_is_cut_off_by_a_second_cancellation(project) -> None:
    """Once is survived; for good it is not, unless it is shielded."""
    app = AWAITING.replace("GUARD", "if True:")
    result = project(app, ONE).runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["disconnect sweep: side effect when the handler is cancelled for good at *"]
    )
    assert "when the client leaves" not in result.stdout.str()
    shielded = AWAITING.replace("GUARD", "with anyio.CancelScope(shield=True):")
    project(shielded, ONE).runpytest().assert_outcomes(passed=1)


def test_a_cleanup_that_is_cut_off_is_listed_apart(project) -> None:
    """Nothing that anybody has asked about is wrong: a warning with the line."""
    tests = ONE.replace("(invariant=nothing_is_held)", "")
    result = project(AWAITING.replace("GUARD", "if True:"), tests).runpytest()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "warn  disconnect sweep: cleanup cut off when the handler is cancelled for good at *",
            "      shopapp.py:*  await asyncio.sleep(0.01)",
            "*shield=True*",
        ]
    )


LOOP = """
held = []

async def hop():
    await asyncio.sleep(0)

@app.post("/")
async def hold():
    for _ in range(30):
        await hop()
    await hop()
    await asyncio.sleep(1)
"""


def test_of_equal_awaits_three_are_cut(project) -> None:
    """Of those at one line, called from one line: first, middle and last; the rest is counted."""
    tests = """
@pytest.mark.disconnect_sweep
async def test_hold(asgi_client):
    for _ in range(5):
        await asgi_client.post("/")
"""
    result = project(LOOP, tests).runpytest("-v")
    result.assert_outcomes(passed=1)
    # Of 150, 5 and 5 awaits three each, in three ways.
    result.stdout.fnmatch_lines(
        ["disconnect sweep of test_it.py::test_hold: 27 points, 0 bad, *",
         "  POST / -> 200: 32 awaits (29 equal to others not cut)"]
    )  # fmt: skip


def test_an_await_that_is_not_sampled_can_be_replayed(project) -> None:
    """By its token, which counts all of them."""
    tests = """
@pytest.mark.disconnect_sweep
async def test_hold(asgi_client):
    await asgi_client.post("/")
"""
    result = project(LOOP, tests).runpytest("-v", "--asyncfastapi-replay=disconnect:1.7:leave")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["disconnect sweep of test_it.py::test_hold: 1 points, 0 bad, *"])


LOCKED = """
lock = asyncio.Lock()
held = []

@app.post("/")
async def hold():
    await lock.acquire()
    async with httpx.AsyncClient() as http:
        answer = (await http.get(URL)).json()
    lock.release()
    return answer
"""


def test_a_lock_that_is_still_held_is_found(project) -> None:
    """With the line that took it; `async with` is sound."""
    result = project(LOCKED, ONE).runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "disconnect sweep: stuck when * at shopapp.py:*",
            "*POST /, sent once more, is not answered, as it is after the clean*",
            "*shopapp.py:* is still held*",
        ]
    )
    sound = LOCKED.replace("await lock.acquire()\n    async", "async with lock, httpx.AsyncClient() as http:\n        pass\n    async").replace("    lock.release()\n", "")  # fmt: skip # noqa: E501
    project(sound, ONE).runpytest().assert_outcomes(passed=1)


SEATS = """
import anyio
seats = anyio.Semaphore(3)
pool = asyncio.Queue()
for _ in range(3):
    pool.put_nowait(object())

@app.post("/")
async def hold():
    {take}
    try:
        await asyncio.sleep(1)
    except {caught}:
        {back}
        raise
    {back}
"""


@pytest.mark.parametrize(
    ("take", "back", "verdict"),
    [
        ("await seats.acquire()", "seats.release()", "lock held"),
        ("it = await pool.get()", "pool.put_nowait(it)", "not given back"),
    ],
    ids=["anyio's semaphore", "a queue as a pool"],
)
@pytest.mark.parametrize("sound", [False, True])
def test_one_of_three_that_is_lost_is_found(
    project, take: str, back: str, verdict: str, sound: bool
) -> None:
    """The next request still gets one, so only the line that took it can tell."""
    app = SEATS.format(take=take, back=back, caught="BaseException" if sound else "Exception")
    tests = """
@pytest.mark.disconnect_sweep(modes=["cancel"])
async def test_hold(asgi_client):
    await asgi_client.post("/")
"""
    result = project(app, tests).runpytest()
    result.assert_outcomes(**({"passed": 1} if sound else {"failed": 1}))
    if not sound:
        result.stdout.fnmatch_lines([f"disconnect sweep: {verdict} when *", f"*{take}"])


def test_a_job_that_is_taken_for_good_is_not_lost(project) -> None:
    """It is not put back in a run without a cut either: the invariant may ask for it."""
    app = SEATS.format(take="it = await pool.get()", back="pass", caught="BaseException")
    tests = """
@pytest.mark.disconnect_sweep(modes=["cancel"], again=False)
async def test_hold(asgi_client):
    shopapp.pool.put_nowait("a job")
    await asgi_client.post("/")
"""
    project(app, tests).runpytest().assert_outcomes(passed=1)


def test_the_locks_of_asyncio_are_as_they_were_after_a_sweep(project) -> None:
    """Each run listens to them, and puts back what was there."""
    tests = (
        ONE
        + """
def test_after():
    import asyncio
    assert asyncio.Lock.acquire.__module__ == "asyncio.locks"
"""
    )
    project(SOUND, tests).runpytest().assert_outcomes(passed=2)


def test_a_task_that_outlives_its_request_is_found(project) -> None:
    """Started, and given up with the request that waited for it."""
    app = """
held = []

@app.post("/")
async def hold():
    watcher = asyncio.create_task(asyncio.sleep(3600))
    async with httpx.AsyncClient() as http:
        answer = (await http.get(URL)).json()
    watcher.cancel()
    return answer
"""
    result = project(app, ONE).runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["disconnect sweep: leak when *", "*task still running: sleep*"])


STREAMED = """
held = []

@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient() as http:
        app.state.http = http
        yield

app = FastAPI(lifespan=lifespan)

@app.post("/")
async def hold():
    http = app.state.http
    response = await http.send(http.build_request("GET", URL), stream=True)
    await response.aread()
    await asyncio.sleep(0.1)
    await response.aclose()
    return response.json()
"""


def test_a_connection_that_is_not_given_back_is_found(project) -> None:
    """A streamed response of the app's client, left open by who was cut."""
    read, wait = "    await response.aread()\n", "    await asyncio.sleep(0.1)\n"
    app = STREAMED.replace(read + wait, wait + read)
    result = project(app, ONE).runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["disconnect sweep: leak when *", "*response stream not closed: *"])
    sound = app.replace(
        '    response = await http.send(http.build_request("GET", URL), stream=True)\n',
        '    async with http.stream("GET", URL) as response:\n        await response.aread()\n',
    ).replace(wait + read + "    await response.aclose()\n", "")
    project(sound, ONE).runpytest().assert_outcomes(passed=1)


def test_a_handler_that_cannot_be_stopped_is_found(project) -> None:
    """It goes on after the client has left and after every cancellation."""
    app = """
held = []

@app.post("/")
async def hold():
    for _ in range(1000):
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            pass
    async with httpx.AsyncClient() as http:
        return (await http.get(URL)).json()
"""
    tests = ONE.replace("invariant=nothing_is_held", "modes=['leave']")
    result = project(app, tests).runpytest("--asyncfastapi-replay=disconnect:1.3:leave")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["disconnect sweep: hung when the client leaves at shopapp.py:*"])


@pytest.mark.usefixtures("every_plugin")
def test_on_trio_there_is_one_way_to_be_cancelled(project) -> None:
    """For good; leaving works as everywhere."""
    app = SOUND.replace("asyncio.sleep", "anyio.sleep")
    tests = ONE.replace("@pytest.mark.disc", "@pytest.mark.trio\n@pytest.mark.disc")
    result = project(app, tests).runpytest_subprocess("-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["disconnect sweep of test_it.py::test_hold: * points, 0 bad, *"])
    result = project(without_finally(app), tests).runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["disconnect sweep: side effect when the client leaves, *for good*"]
    )


def test_streams_and_websockets_are_cut_too(project) -> None:
    """A body that is sent in pieces; a socket that is talked to."""
    app = (
        SOUND
        + """
from fastapi import WebSocket

@app.get("/stream")
async def stream():
    async def rows():
        held.append(1)
        try:
            for n in range(3):
                await asyncio.sleep(1)
                yield str(n)
        finally:
            held.pop()
    return StreamingResponse(rows())

@app.websocket("/ws")
async def socket(ws: WebSocket):
    held.append(1)
    try:
        await ws.accept()
        for n in range(3):
            await asyncio.sleep(1)
            await ws.send_text(str(n))
        await ws.close()
    finally:
        held.pop()
"""
    )
    tests = (
        ONE
        + """
@pytest.mark.disconnect_sweep(invariant=nothing_is_held)
async def test_stream(asgi_client):
    assert (await asgi_client.get("/stream")).text == "012"

@pytest.mark.disconnect_sweep(invariant=nothing_is_held)
async def test_socket(asgi_client):
    async with asgi_client.websocket("/ws") as ws:
        assert [await ws.receive_text() for _ in range(3)] == ["0", "1", "2"]
"""
    )
    result = project(app, tests).runpytest("-k", "stream or socket", "-v")
    result.assert_outcomes(passed=2, deselected=1)
    result.stdout.fnmatch_lines(["disconnect sweep of test_it.py::test_s*: * points, 0 bad, *"])


def test_a_test_without_an_await_has_nothing_to_cut(project) -> None:
    """Said, where the marker asked for it."""
    app = "held = []\n@app.post('/')\nasync def hold():\n    return {'n': 1}\n"
    result = project(app, ONE.replace("asgi_client, up", "asgi_client")).runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["disconnect sweep: no request of the test ever waits"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("modes=['go']", "modes='go' must be one of leave, cancel, cancel_always"),
        ("mode='leave'", "disconnect_sweep has no argument 'mode'; did you mean 'modes'? *"),
    ],
)
def test_a_marker_that_does_not_fit_is_said_in_one_sentence(
    project, arguments: str, sentence: str
) -> None:
    """With the test's name, and the remedy."""
    tests = ONE.replace("invariant=nothing_is_held", arguments)
    result = project(SOUND, tests).runpytest()
    result.assert_outcomes(errors=1)
    where = "test_it.py::test_hold: @pytest.mark.disconnect_sweep"
    result.stdout.fnmatch_lines([f"{where}: {sentence}"])


@pytest.mark.parametrize("sweep", ["disconnect", "faults"])
def test_what_could_not_be_judged_is_said(project, monkeypatch, sweep):
    """A mistake of the plugin's own costs its points, not the run."""
    from pytest_asyncfastapi._explore import disconnect_sweep, fault_sweep

    def broken(self, run, clean):
        raise LookupError("no such thing")

    for point in (disconnect_sweep.DisconnectPoint, fault_sweep.FaultPoint):
        monkeypatch.setattr(point, "judge", broken)
    app = """
@app.get("/")
async def home():
    async with httpx.AsyncClient(timeout=1) as http:
        return (await http.get(URL)).json()
"""
    tests = """
async def test_it(asgi_client, up):
    await asgi_client.get("/")
"""
    result = project(app, tests).runpytest_inprocess(f"--asyncfastapi-sweep={sweep}")
    result.assert_outcomes(failed=1)
    text = " ".join(result.stdout.str().split())
    assert "the run could not be judged: LookupError: no such thing" in text
