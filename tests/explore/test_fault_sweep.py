"""The fault sweep: a sound endpoint is clean, each way of being wrong has its name."""

from __future__ import annotations

import pytest

SOUND = """
@app.get("/")
async def home():
    async with httpx.AsyncClient() as http:
        try:
            return (await http.get(URL)).raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            raise HTTPException(502)
"""
ONE = """
@pytest.mark.fault_sweep
async def test_home(asgi_client, up):
    response = await asgi_client.get("/")
    assert response.json() == {"n": 1}
"""


def test_a_sound_endpoint_has_no_bad_point(project) -> None:
    """Sixteen faults on one call; what was answered to each is in the matrix (-v)."""
    result = project(SOUND, ONE).runpytest("-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "fault sweep of test_it.py::test_home: 16 points, 0 bad, * s",
            "  call refus ctime rtime reset empty trunc   500   503   429  json  slow  html nbody*",
            "     1   502   502   502   502   502   502   502   502   502   502   502   502   502*",
            "     1 = GET https://up.example/a  shopapp.py:*",
        ]
    )
    assert "pytest-asyncfastapi =" not in result.stdout.str()


NAIVE = """
@app.get("/")
async def home():
    async with httpx.AsyncClient() as http:
        return (await http.get(URL)).json()
"""


def test_a_naive_endpoint_raises_and_the_line_is_named(project) -> None:
    """One finding for the one line, with all faults that reach it, and what replays it."""
    result = project(NAIVE, ONE).runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "pytest-asyncfastapi: 1 finding; the test's own assertions passed",
            "fault sweep: unhandled when GET https://up.example/a (call 1) meets refused, *",
            "  where     shopapp.py:14, in home",
            "  in        GET /",
            "  detail    GET / raised ConnectError: *",
            "  replay    pytest test_it.py::test_home --asyncfastapi-replay=faults:1:refused",
            "     1  exc!*",
        ]
    )


def test_a_wrong_retry_is_told_apart_from_a_right_one(project) -> None:
    """Both endpoints try again; one of them gives up on timeouts without a word."""
    app = """
        def again(kinds):
            async def endpoint():
                async with httpx.AsyncClient() as http:
                    for attempt in (1, 2):
                        try:
                            return (await http.get(URL)).raise_for_status().json()
                        except kinds:
                            if attempt == 2:
                                raise HTTPException(503)
            return endpoint

        app.get("/right")(again((httpx.HTTPError, ValueError)))
        app.get("/wrong")(again((httpx.NetworkError, httpx.HTTPStatusError, ValueError)))
    """
    tests = """
@pytest.mark.fault_sweep
@pytest.mark.parametrize("path", ["/right", "/wrong"])
async def test_retry(asgi_client, up, path):
    assert (await asgi_client.get(path)).json() == {"n": 1}
"""
    import textwrap

    result = project(textwrap.dedent(app), tests).runpytest("-v")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "fault sweep of test_it.py::test_retry[[]/right]: 27 points, 0 bad, * s",
            "     1   200   200   200   200   200   200   200   200   200   200   200   200   200*",
            "    1+   503   503   503   503   503   503   503   503   503   503   503",
            "fault sweep of test_it.py::test_retry[[]/wrong]: 22 points, 5 bad, * s",
            "     1   200  exc!  exc!   200  exc!  exc!   200   200   200   200  exc!   200   200*",
            "    1+   503               503               503   503   503   503",
        ]
    )


MASKED = """
@app.get("/")
async def home():
    async with httpx.AsyncClient() as http:
        try:
            return (await http.get(URL)).raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            return {"n": 0}
"""


def test_a_masked_fault_is_listed_and_does_not_fail(project) -> None:
    """Zeros served as data: may be right, and is never silent."""
    result = project(MASKED, ONE).runpytest()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "fault sweep of *: 16 points, 0 bad, 12 masked, * s",
            "     1  200~  200~*",
            "warn  fault sweep: masked when GET https://up.example/a (call 1) meets *",
        ]
    )


def test_masked_faults_fail_where_that_is_asked_for(project) -> None:
    """`masked="fail"`."""
    tests = ONE.replace("fault_sweep", "fault_sweep(masked='fail', faults=['500'])")
    result = project(MASKED, tests).runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['*detail    GET / answered 200 with other content: {"n":0}'])


@pytest.mark.parametrize(
    ("app", "kinds", "verdict", "detail"),
    [
        pytest.param(
            SOUND.replace("AsyncClient()", "AsyncClient(timeout=None)"),
            "['read_timeout', 'slow']", "no timeout", "no read timeout is set on GET",
            id="missing timeout",
        ),
        pytest.param(
            SOUND.replace("AsyncClient()", "AsyncClient(timeout=None)"),
            "['slow']", "no timeout", "the app waited 30 s for GET", id="slow",
        ),
        pytest.param(
            SOUND.replace("502", "500"), "['500']", "undeclared status",
            "GET / answered 500, which it does not declare", id="undeclared",
        ),
        pytest.param(
            SOUND.replace("502", "404"), "['500']", "caller blamed",
            "GET / answered 404, which says that the caller was wrong", id="blamed",
        ),
        pytest.param(
            """
@app.get("/")
async def home():
    async def rows():
        yield '{"n":'
        async with httpx.AsyncClient() as http:
            yield str((await http.get(URL)).json()["n"]) + "}"
    return StreamingResponse(rows(), media_type="application/json")
""",
            "['refused']", "broken body", "had sent a 200 with 5 bytes of its body", id="body",
        ),
        pytest.param(
            """
seen = {}
@asynccontextmanager
async def lifespan(app):
    seen.clear()
    yield
app = FastAPI(lifespan=lifespan)

@app.get("/")
async def home():
    if "answer" not in seen:
        async with httpx.AsyncClient() as http:
            try:
                seen["answer"] = 200, (await http.get(URL)).raise_for_status().json()
            except (httpx.HTTPError, ValueError):
                seen["answer"] = 502, {}
    status, body = seen["answer"]
    if status == 502:
        raise HTTPException(502)
    return body
""",
            "['refused']", "cached failure", "GET / still answers 502", id="cached",
        ),
        pytest.param(
            SOUND.replace(
                "            raise HTTPException(502)",
                "            await http.post('https://up.example/failed')\n"
                "            raise HTTPException(502)",
            ),
            "['500']", "unrouted", "no route answers POST https://up.example/failed",
            id="unrouted",
        ),
        pytest.param(
            SOUND.replace(
                "            raise HTTPException(502)",
                "            asyncio.create_task(asyncio.sleep(3600))\n"
                "            raise HTTPException(502)",
            ),
            "['500']", "leak", "task still running", id="leak",
        ),
        pytest.param(
            "import time\n" + SOUND.replace(
                "            raise HTTPException(502)",
                "            time.sleep(0.06)\n            raise HTTPException(502)",
            ),
            "['500']", "blocking", "blocking call: time.sleep", id="blocking",
        ),
        pytest.param(
            """
@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient() as http:
        app.state.n = (await http.get(URL)).json()
    yield
app = FastAPI(lifespan=lifespan)

@app.get("/")
async def home():
    return app.state.n
""",
            "['refused']", "start-up aborted", "does not start: ConnectError", id="start-up",
        ),
    ],
)  # fmt: skip
def test_each_way_of_being_wrong_has_its_name(
    project, app: str, kinds: str, verdict: str, detail: str
) -> None:
    """By one marker line, in one finding."""
    setup = verdict == "start-up aborted"
    tests = ONE.replace("fault_sweep", f"fault_sweep(faults={kinds}, setup={setup})")
    tests = tests.replace("asgi_client, up", "up, asgi_client")
    result = project(app, tests).runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"fault sweep: {verdict} when GET https://up.example/a (call 1)*"])
    assert detail in " ".join(result.stdout.str().split())


SIDE_EFFECT = """
orders = []

@app.post("/", status_code=201)
async def buy():
    orders.append(1)
    async with httpx.AsyncClient() as http:
        try:
            (await http.get(URL)).raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            UNDO
            raise HTTPException(502)
    return len(orders)
"""
BUY = """
async def one_order_or_none(orders, asgi_client):
    assert len(orders) == (1 if orders and orders[-1] == "paid" else 0), "an unpaid order"

@pytest.fixture
def orders():
    shopapp.orders.clear()
    return shopapp.orders

@pytest.mark.fault_sweep(invariant=one_order_or_none)
async def test_buy(asgi_client, up, orders):
    assert (await asgi_client.post("/")).status_code == 201
    orders[-1] = "paid"
"""


@pytest.mark.parametrize(("undo", "bad"), [("pass", 13), ("orders.pop()", 0)])
def test_a_side_effect_is_found_by_the_invariant(project, undo: str, bad: int) -> None:
    """It is given the test's fixtures by name, after each faulted run."""
    result = project(SIDE_EFFECT.replace("UNDO", undo), BUY).runpytest("-v")
    result.assert_outcomes(**({"failed": 1} if bad else {"passed": 1}))
    result.stdout.fnmatch_lines([f"fault sweep of *: 16 points, {bad} bad, * s"])
    if bad:
        result.stdout.fnmatch_lines(
            ["*detail*the invariant does not hold: AssertionError: an unpaid order*"]
        )


def test_the_tests_own_assertions_count_only_where_asked_for(project) -> None:
    """A faulted run ends as it likes; `assertions=True` holds it to the test's words."""
    tests = ONE.replace("sweep", "sweep(assertions=True, faults=['500'])")
    result = project(SOUND, tests).runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["fault sweep: assertion when GET *meets 500"])


def test_a_declared_status_is_an_answer(project) -> None:
    """FastAPI's `responses=`, and the marker's own `statuses`."""
    declared = SOUND.replace('app.get("/")', 'app.get("/", responses={500: {}})')
    declared = declared.replace("502", "500")
    project(declared, ONE).runpytest().assert_outcomes(passed=1)
    named = ONE.replace("sweep", "sweep(statuses=[418])")
    project(SOUND.replace("502", "418"), named).runpytest().assert_outcomes(passed=1)


def test_only_some_calls_are_struck(project) -> None:
    """`only` is a URL glob; a test that makes no such call is told so."""
    tests = ONE.replace("sweep", "sweep(only='https://pay.example/*')")
    result = project(NAIVE, tests).runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["fault sweep: the test makes no upstream call to https://pay.example/[*]"]
    )


def test_an_invariant_must_hold_after_the_clean_run(project) -> None:
    """Or the faulted runs say nothing."""
    tests = ONE.replace("@pytest", "def never():\n    raise ValueError('no')\n\n@pytest").replace(
        "sweep", "sweep(invariant=never)"
    )
    result = project(SOUND, tests).runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["the sweep's invariant does not hold after the clean run: ValueError: no"]
    )


def test_a_whole_suite_is_swept_by_one_flag(project) -> None:
    """Tests that make no upstream call, or no request at all, are left alone."""
    app = SOUND + NAIVE.replace('"/"', '"/naive"').replace("home", "naive")
    tests = (
        ONE.replace("@pytest.mark.fault_sweep\n", "")
        + """
async def test_naive(asgi_client, up):
    assert (await asgi_client.get("/naive")).json() == {"n": 1}

async def test_docs(asgi_client):
    assert (await asgi_client.get("/openapi.json")).status_code == 200

def test_plain():
    pass
"""
    )
    result = project(app, tests).runpytest("--asyncfastapi-sweep=faults")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["fault sweep of *::test_naive: 16 points, 10 bad, 3 masked*"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("faults=['oops']", "faults='oops' must be one of refused, connect_timeout,*"),
        ("faults=[]", "faults is empty: there would be nothing to run"),
        ("statuses=[7]", "statuses=7 must be HTTP statuses, such as 503"),
        ("masked='x'", "masked='x' must be one of list, fail"),
        ("invariant=7", "invariant=7 must be a function"),
        ("only=7", "only=7 must be a URL glob, such as 'https://pay.example/[*]'"),
        ("status=[1]", "fault_sweep has no argument 'status'; did you mean 'statuses'? *"),
        ("'x'", "fault_sweep takes keywords only, such as invariant=...; got 'x'"),
        ("slow='x'", "*'x'*"),
        ("invariant=lambda session: 1", "the invariant asks for the fixture 'session', which *"),
    ],
)  # fmt: skip
def test_a_marker_that_does_not_fit_is_said_in_one_sentence(
    project, arguments: str, sentence: str
) -> None:
    """With the test's name, and the remedy."""
    result = project(SOUND, ONE.replace("sweep", f"sweep({arguments})")).runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"test_it.py::test_home: @pytest.mark.fault_sweep: {sentence}"])


@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        ("def test_it(asgi_app): pass", "a sweep needs an `async def` test"),
        ("async def test_it(up): pass", "a sweep watches the requests of `asgi_client`*"),
        ("async def test_it(asgi_client, subtests): pass", "pytest reports subtests as they run*"),
    ],
)
def test_a_test_that_cannot_be_swept_says_why(project, test: str, sentence: str) -> None:
    """At its set-up."""
    if "subtests" in test and pytest.version_tuple < (9,):
        pytest.skip("subtests are pytest 9's")
    result = project(SOUND, f"@pytest.mark.fault_sweep\n{test}\n").runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"test_it.py::test_it: @pytest.mark.fault_sweep: {sentence}"])
