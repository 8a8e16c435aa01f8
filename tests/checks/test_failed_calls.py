"""What a plain test reports of calls that failed: sent again, or swallowed; each with its twin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.concurrency.conftest import Projects

HEAD = """
import asyncio, contextlib, logging
import httpx
from fastapi import BackgroundTasks, FastAPI, HTTPException

PAY = "https://pay.example/charges"
app = FastAPI()
log = logging.getLogger("shop")

@contextlib.asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient() as client:
        app.state.http = client
        yield

app = FastAPI(lifespan=lifespan)

async def later():
    await app.state.http.post(PAY)
"""
TEST = """
import httpx, pytest

{marks}
async def test_it(asgi_client, upstream, faults, clock):
    pay = upstream.post("https://pay.example/charges").respond(201, json={{"id": 1}})
    upstream.get("https://pay.example/charges").respond(200, json=[])
    upstream.post("https://pay.example/token").respond(200, json={{}})
    upstream.allow_unused_routes = True
    {body}
"""
READ_TIMEOUT = 'faults.on("*").read_timeout().first(1)'
ASK = 'await asgi_client.post("/it")'

RETRY = """
@app.post("/it")
async def it():
    for attempt in range(3):
        try:
            answer = await app.state.http.post({url}, json={json}, headers={headers})  # sent
            answer.raise_for_status()
            break
        except httpx.HTTPError as error:
            log.warning("again: %s", error)
    else:
        raise HTTPException(502)
    return {{}}
"""
TWO_LINES = """
@app.post("/it")
async def it():
    try:
        await app.state.http.post(PAY, json={})
    except httpx.TimeoutException:
        await app.state.http.post(PAY, json={})  # sent
    return {}
"""


def _retry(url: str = "PAY", json: str = "{}", headers: str = "{}") -> str:
    return RETRY.format(url=url, json=json, headers=headers)


def _test(fault: str, marks: str = "") -> str:
    return TEST.format(body=f"{fault}\n    {ASK}", marks=marks)


@pytest.mark.parametrize(
    ("app", "fault", "came"),
    [
        (_retry(), READ_TIMEOUT, "ReadTimeout"),
        (_retry(), 'faults.on("*").reset().first(1)', "ReadError"),
        (_retry(), 'faults.on("*").status(500).first(1)', "500"),
        (_retry(), "pay.side_effect = [httpx.ReadTimeout, httpx.Response(201)]", "ReadTimeout"),
        (_retry(headers='{"X-Request-Id": str(attempt)}'), READ_TIMEOUT, "ReadTimeout"),
        (TWO_LINES, READ_TIMEOUT, "ReadTimeout"),
    ],
)
def test_sent_again_although_it_may_have_been_done(
    projects: Projects, app: str, fault: str, came: str
) -> None:
    """A warning at the line that sent it again, whoever made the first fail."""
    report = projects.run("--asyncfastapi-checks=fail", app=HEAD + app, test_it=_test(fault))
    report.outcome(failed=1)
    found = report.finding("unsafe retry")
    assert f"POST https://pay.example/charges may have been processed when it met {came}" in found
    assert report.line("app.py", "# sent") in found
    assert "asyncfastapi_allow_checks = unsafe-retry@app" in found
    if app == TWO_LINES:
        first = report.line("app.py", "app.state.http.post(PAY, json={})")
        assert f"first sent at {first}" in found


@pytest.mark.parametrize(
    ("app", "fault"),
    [
        (_retry(headers='{"Idempotency-Key": "order-1"}'), READ_TIMEOUT),
        (_retry(json='{"idempotency_key": "order-1"}'), READ_TIMEOUT),
        (_retry(json='{"try": attempt}'), READ_TIMEOUT),
        (_retry(url='"https://pay.example/token"'), READ_TIMEOUT),
        (_retry(), 'faults.on("*").refused().first(1)'),
        (_retry(), 'faults.on("*").connect_timeout().first(1)'),
        (_retry(), 'faults.on("*").status(503, retry_after=1).first(1)'),
        (_retry(), 'faults.on("*").status(429).first(1)'),
        (_retry(), ""),
        (_retry().replace("http.post(", "http.request('GET', "), READ_TIMEOUT),
    ],
)
def test_sent_again_safely(projects: Projects, app: str, fault: str) -> None:
    """By a key, or since the first cannot have been done."""
    report = projects.run("--asyncfastapi-checks=fail", app=HEAD + app, test_it=_test(fault))
    report.outcome(passed=1)
    assert "unsafe retry" not in report.output


def test_two_requests_of_the_test_are_no_retry(projects: Projects) -> None:
    """The user has sent the form twice."""
    app = """
@app.post("/it")
async def it():
    try:
        await app.state.http.post(PAY)
    except httpx.HTTPError as error:
        raise HTTPException(502) from error
    return {}
"""
    body = _test(READ_TIMEOUT) + f"    {ASK}\n"
    report = projects.run("--asyncfastapi-checks=fail", app=HEAD + app, test_it=body)
    report.outcome(passed=1)


SWALLOW = """
@app.post("/it")
async def it():
    {before}
    try:
        answer = await app.state.http.{call}
        {after}
    {handler}
    return {{"paid": True}}
"""
HELPER = """
async def charge():
    return await app.state.http.post(PAY)

@app.post("/it")
async def it():
    try:
        await charge()
    except Exception:  # dropped
        pass
    return {}
"""
SUPPRESS = """
@app.post("/it")
async def it():
    with contextlib.suppress(Exception):  # dropped
        await app.state.http.post(PAY)
    return {}
"""


def _swallow(
    handler: str, call: str = "post(PAY)", after: str = "answer.json()", before: str = ""
) -> str:
    return SWALLOW.format(handler=handler, call=call, after=after, before=before)


@pytest.mark.parametrize(
    "app",
    [
        _swallow("except Exception:  # dropped\n        pass"),
        _swallow("except:  # dropped\n        pass"),
        _swallow("except (ValueError, Exception):  # dropped\n        answer = None"),
        _swallow("except Exception:  # dropped\n        return {'paid': True}"),
        _swallow("except Exception:  # dropped\n        pass", "get(PAY)"),
        _swallow(
            "except ValueError:\n        pass\n    except Exception:  # dropped\n        pass"
        ),
        _swallow("except httpx.HTTPError:  # dropped\n        pass"),
        HELPER,
        SUPPRESS,
    ],
)
def test_an_error_that_nobody_is_told_about(projects: Projects, app: str) -> None:
    """The line of the handler, and what the caller was told."""
    test = _test('faults.on("*").refused()')
    report = projects.run("--asyncfastapi-checks=fail", app=HEAD + app, test_it=test)
    report.outcome(failed=1)
    found = report.finding("swallowed")
    assert "pay.example/charges met ConnectError, and POST /it answered 200" in found
    assert report.line("app.py", "# dropped") in found
    assert "asyncfastapi_allow_checks = swallowed@app" in found


LOOKS = """
@app.post("/it")
async def it():
    answer = await app.state.http.post(PAY)  # nobody looks
    return {"paid": bool(answer)}
"""
LOOKS_IN_A_HELPER = """
async def charge():
    return await app.state.http.post(PAY)  # nobody looks

@app.post("/it")
async def it():
    answer = await charge()
    return {"id": answer.text}
"""


@pytest.mark.parametrize("app", [LOOKS, LOOKS_IN_A_HELPER])
@pytest.mark.parametrize("fault", ['faults.on("*").status(503)', "pay.respond(500)"])
def test_a_status_that_nobody_looks_at(projects: Projects, app: str, fault: str) -> None:
    """A 5xx that became a 200, of a fault or of a route."""
    report = projects.run("--asyncfastapi-checks=fail", app=HEAD + app, test_it=_test(fault))
    report.outcome(failed=1)
    found = report.finding("swallowed")
    assert "nobody looks at the status of the answer" in found
    assert report.line("app.py", "# nobody looks") in found


@pytest.mark.parametrize(
    "app",
    [
        # It says so, to the caller or in the log.
        _swallow("except Exception as error:\n        raise HTTPException(502) from error"),
        _swallow("except Exception:\n        log.exception('charge')"),
        # It names what it goes on without.
        _swallow("except httpx.HTTPError:\n        answer = None"),
        _swallow("except httpx.TransportError:\n        pass", "get(PAY)"),
        _swallow("except SHOP_ERRORS:\n        pass", before="SHOP_ERRORS = (httpx.HTTPError,)"),
        # Another call has done it.
        _swallow("except Exception:\n        await app.state.http.get(PAY + '/2')"),
        # Other than in the request.
        """
@app.post("/it")
async def it(tasks: BackgroundTasks):
    async def quietly():
        try:
            await later()
        except Exception:
            pass
    tasks.add_task(quietly)
    return {}
""",
        """
@app.post("/it")
async def it():
    answers = await asyncio.gather(later(), return_exceptions=True)
    return {"failed": len(answers)}
""",
    ],
)
def test_an_error_that_is_minded(projects: Projects, app: str) -> None:
    """No finding for an app that has chosen to go on."""
    body = TEST.format(
        body='upstream.get("https://pay.example/charges/2").respond(200)\n'
        '    faults.on("https://pay.example/charges").refused()\n'
        '    asgi = asgi_client.as_(raise_app_exceptions=False)\n    await asgi.post("/it")',
        marks="",
    )
    report = projects.run("--asyncfastapi-checks=fail", app=HEAD + app, test_it=body)
    report.outcome(passed=1)
    assert "swallowed" not in report.output


@pytest.mark.parametrize(
    "lines",
    [
        "if answer.is_error: return {'paid': False}",
        "if answer.status_code != 201: return {'paid': False}",
        "check(answer)",
        "return answer.headers | {'status': answer.status_code}",
    ],
)
def test_a_status_that_somebody_looks_at(projects: Projects, lines: str) -> None:
    """Here, or in a function that it is handed to."""
    app = f"""
def check(answer):
    return answer.is_success

@app.post("/it")
async def it():
    answer = await app.state.http.post(PAY)
    {lines.replace("answer.headers | ", "")}
    return {{}}
"""
    test = _test('faults.on("*").status(503)')
    report = projects.run("--asyncfastapi-checks=fail", app=HEAD + app, test_it=test)
    report.outcome(passed=1)


def test_tried_again_with_success(projects: Projects) -> None:
    """What failed first was not swallowed."""
    app = """
@app.post("/it")
async def it():
    for _ in range(2):
        try:
            return (await app.state.http.get(PAY)).json()
        except Exception:
            pass
"""
    report = projects.run("--asyncfastapi-checks=fail", app=HEAD + app, test_it=_test(READ_TIMEOUT))
    report.outcome(passed=1)


@pytest.mark.parametrize(
    "mark",
    [
        '@pytest.mark.asyncfastapi(check="swallowed=off")',
        '@pytest.mark.asyncfastapi(allow_checks="swallowed@app")',
    ],
)
def test_intended(projects: Projects, mark: str) -> None:
    """A test that plants the fault to show that the app goes on can say so."""
    test = _test('faults.on("*").refused()', mark)
    report = projects.run("--asyncfastapi-checks=fail", app=HEAD + SUPPRESS, test_it=test)
    report.outcome(passed=1)
