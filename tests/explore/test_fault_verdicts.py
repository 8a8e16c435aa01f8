"""What else a fault sweep says: retries that are not safe, answers nobody looked at."""

from __future__ import annotations

import pytest

PAY = """
@app.post("/", status_code=201)
async def pay():
    headers = HEADERS
    async with httpx.AsyncClient(timeout=5) as http:
        for attempt in range(2):
            try:
                answer = await http.post("https://pay.example/charges", json={"n": 1},
                                         headers=headers)
                return answer.raise_for_status().json()
            except (CAUGHT, ValueError):
                if attempt:
                    raise HTTPException(502)
            except httpx.HTTPError:
                raise HTTPException(502)
"""
PAID = """
@pytest.mark.fault_sweep(faults=["refused", "read_timeout", "reset", "500", "503", "truncated"])
async def test_pay(asgi_client, upstream):
    upstream.post("https://pay.example/charges").respond(201, json={"id": 1})
    assert (await asgi_client.post("/")).status_code == 201
"""


def test_a_charge_that_is_sent_twice_is_found(project) -> None:
    """After a timeout nobody knows whether the first was processed; listed, with both lines."""
    app = PAY.replace("HEADERS", "{}").replace("CAUGHT", "httpx.HTTPError")
    result = project(app, PAID).runpytest("-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "     1   201  201~  201~  201~  201~  201~",
            "warn  fault sweep: unsafe retry when POST https://pay.example/charges (call 1, 1+) "
            "meets read_timeout, reset, 500 and 2 more",
            "      shopapp.py:17 *",
        ]
    )
    told = " ".join(result.stdout.str().split())
    assert "called at shopapp.py:17, may have been processed when it met read_timeout" in told


@pytest.mark.parametrize(
    ("headers", "caught"),
    [
        pytest.param('{"Idempotency-Key": "order-7"}', "httpx.HTTPError", id="one key"),
        pytest.param("{}", "httpx.ConnectError", id="not connected"),
    ],
)
def test_a_safe_retry_is_clean(project, headers: str, caught: str) -> None:
    """With a key that stays, or only where the request has not been sent."""
    app = PAY.replace("HEADERS", headers).replace("CAUGHT", caught)
    result = project(app, PAID.replace(', "truncated"', "")).runpytest()
    result.assert_outcomes(passed=1)
    assert "fault sweep:" not in result.stdout.str()


def test_a_key_that_is_made_anew_is_no_help(project) -> None:
    """Each try has its own: the upstream takes it for another charge."""
    app = PAY.replace("headers=headers", 'headers={"Idempotency-Key": str(attempt)}')
    app = app.replace("HEADERS", "{}").replace("CAUGHT", "httpx.HTTPError")
    result = project(app, PAID).runpytest()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["warn  fault sweep: unsafe retry when POST *"])


PRICE = """
@app.get("/")
async def price():
    async with httpx.AsyncClient(timeout=5) as http:
        try:
            return READ
        except (httpx.HTTPError, ValueError):
            raise HTTPException(502)
"""
GET = """
@pytest.mark.fault_sweep(masked="fail")
async def test_price(asgi_client, up):
    assert (await asgi_client.get("/")).json() == {"n": 1}
"""


def test_an_error_with_a_json_body_is_taken_for_data(project) -> None:
    """A status that nobody looks at: the value that the app took is shown."""
    app = PRICE.replace("READ", "(await http.get(URL)).json()")
    result = project(app, GET).runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["fault sweep: masked when GET https://up.example/a (call 1) meets 500, 503, 429"]
    )
    assert '{"type":"about:blank","title":"Internal Server Error"' in result.stdout.str()
    sound = PRICE.replace("READ", "(await http.get(URL)).raise_for_status().json()")
    project(sound, GET).runpytest().assert_outcomes(passed=1)


def test_json_of_another_shape_is_listed(project) -> None:
    """Each point that ends in a KeyError is reported, and does not fail the test."""
    app = PRICE.replace("READ", '{"n": (await http.get(URL)).raise_for_status().json()["n"]}')
    result = project(app, GET).runpytest()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "warn  fault sweep: unexpected data when GET https://up.example/a (call 1) meets "
            "json_object, json_array, json_null"
        ]
    )


def test_all_that_is_wrong_at_a_point_is_told(project) -> None:
    """The strongest is the headline, and no other is lost."""
    app = """
@app.get("/")
async def home():
    async with httpx.AsyncClient(timeout=5) as http:
        asyncio.create_task(asyncio.sleep(3600))
        return (await http.get(URL)).raise_for_status().json()
"""
    tests = """
@pytest.mark.fault_sweep(faults=["500"])
async def test_home(asgi_client, up):
    assert (await asgi_client.get("/")).json() == {"n": 1}
    for task in asyncio.all_tasks():
        if "sleep" in repr(task):
            task.cancel()
"""
    result = project(app, "import asyncio\n" + tests).runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["fault sweep: unhandled when GET *", "*; also leak: *"])


def test_an_invariant_may_ask_for_what_happened(project) -> None:
    """The answers, the upstream calls and the point, beside fixtures."""
    app = PRICE.replace("READ", "(await http.get(URL)).raise_for_status().json()")
    tests = """
seen = []

def checked(answers, exchanges, point, up):
    seen.append((point and point.fault, [a.status for a in answers], [e.status for e in exchanges]))

@pytest.mark.fault_sweep(invariant=checked, faults=["500", "refused"])
async def test_price(asgi_client, up):
    assert (await asgi_client.get("/")).json() == {"n": 1}

def test_seen():
    assert seen == [
        (None, [200], [200]), (None, [200], [200]),
        ("500", [502], [500]), ("refused", [502], [None]),
    ]
"""
    project(app, tests).runpytest("-p", "no:randomly").assert_outcomes(passed=2)


def test_state_that_outlives_the_test_is_named(project) -> None:
    """Where the app runs for several tests the test's own run is the last one."""
    app = """
seen = []

@app.post("/", status_code=201)
async def register():
    async with httpx.AsyncClient(timeout=5) as http:
        try:
            (await http.get(URL)).raise_for_status()
        except httpx.HTTPError:
            pass
    seen.append(1)
    if len(seen) > 3:
        raise HTTPException(409)
"""
    tests = """
@pytest.mark.fault_sweep(faults=["500"])
async def test_register(asgi_client, up):
    assert (await asgi_client.post("/")).status_code == 201
"""
    result = project(app, tests).runpytest("-o", "asyncfastapi_app_scope=module")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*the test passed before the sweep, and fails as it is run once more after it"]
    )


def test_a_blocking_call_of_the_clean_run_does_not_end_the_sweep(project) -> None:
    """It is reported once, and the points are run."""
    app = "import time\n" + PRICE.replace("READ", "(await http.get(URL)).json()").replace(
        "    async with", "    time.sleep(0.06)\n    async with"
    )
    tests = GET.replace('masked="fail"', 'faults=["refused", "500"]')
    result = project(app, tests).runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["fault sweep of *: 2 points, 0 bad, 1 masked, * s"])
    assert result.stdout.str().count("\nblocking call: time.sleep") == 1


def test_a_status_fault_has_a_body(project) -> None:
    """As an upstream answers: JSON or HTML, with headers of its own."""
    tests = """
async def ask(kind):
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"https://up.example/{kind}")
    return answer.status_code, answer.headers["content-type"], answer.text

async def test_bodies(faults):
    on = lambda kind: faults.on(f"https://up.example/{kind}")
    on("json").status(503, json={"error": 1})
    on("null").status(503, json=None)
    on("html").status(502, html="<h1>no</h1>")
    on("own").status(400, json={}, headers={"Content-Type": "application/problem+json"})
    assert await ask("json") == (503, "application/json", '{"error": 1}')
    assert await ask("null") == (503, "application/json", "null")
    assert await ask("html") == (502, "text/html; charset=utf-8", "<h1>no</h1>")
    assert await ask("own") == (400, "application/problem+json", "{}")
    for given, sentence in [
        ({"json": 1, "html": ""}, "give json= or html=, not both"),
        ({"json": {1}}, "is not JSON"),
        ({"html": b""}, "html must be text"),
        ({"headers": {"A": 1}}, "headers must map names to text"),
    ]:
        with pytest.raises((TypeError, ValueError), match=sentence):
            on("json").status(503, **given)
"""
    project("", tests).runpytest().assert_outcomes(passed=1)


NOTIFY = """
tasks = set()

async def notify():
    async with httpx.AsyncClient(timeout=5) as http:
        {send}

@app.get("/")
async def home():
    task = asyncio.create_task(notify())
    tasks.add(task)
    task.add_done_callback({done})
    await asyncio.sleep({pause})
    return 1
"""
NOTIFIED = """
@pytest.mark.fault_sweep(faults=["refused", "500"])
async def test_home(asgi_client, up):
    assert (await asgi_client.get("/")).json() == 1
    await asyncio.sleep(1)
"""


@pytest.mark.parametrize("pause", ["0", "10"], ids=["after the answer", "before it"])
def test_a_task_that_fails_and_nobody_awaits_is_lost_work(project, pause: str) -> None:
    """Not "masked": what the caller got does not depend on it."""
    app = NOTIFY.format(
        send="(await http.get(URL)).raise_for_status()", done="tasks.discard", pause=pause
    )
    result = project(app, "import asyncio\n" + NOTIFIED).runpytest()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "warn  fault sweep: lost background task when GET https://up.example/a (call 1) meets "
            "refused, 500",
            "      shopapp.py:*raise_for_status()",
        ]
    )
    result.stdout.no_fnmatch_line("*masked when*")


@pytest.mark.parametrize(
    ("send", "done"),
    [
        pytest.param(
            "with contextlib.suppress(httpx.HTTPError): await http.get(URL)",
            "tasks.discard",
            id="caught",
        ),
        pytest.param(
            "(await http.get(URL)).raise_for_status()",
            "lambda task: print(task.exception())",
            id="looked at",
        ),
    ],
)
def test_a_task_whose_error_somebody_looks_at_is_not(project, send: str, done: str) -> None:
    app = "import contextlib\n" + NOTIFY.format(send=send, done=done, pause="0")
    result = project(app, "import asyncio\n" + NOTIFIED).runpytest()
    result.assert_outcomes(passed=1)
    assert "lost background task" not in result.stdout.str()
