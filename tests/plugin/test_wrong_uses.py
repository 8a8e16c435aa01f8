"""What a newcomer writes wrongly: each gives one sentence, and no frame of the plugin."""

from __future__ import annotations

import textwrap

import pytest

APP = """
import httpx
from fastapi import Depends, FastAPI, WebSocket

app = FastAPI()

def get_db(): return 1

@app.get("/")
async def root(db=Depends(get_db)): return {}

@app.get("/up")
async def up():
    async with httpx.AsyncClient(timeout=5) as http:
        return (await http.get("https://a.example/x")).status_code

@app.websocket("/ws")
async def ws(socket: WebSocket):
    await socket.accept()
    await socket.send_text("hi")
"""
UP = 'upstream.get("https://a.example/x")'
ON = 'faults.on("*")'
CALL = 'await asgi_client.get("/up")'
# What the body of a test does, and the message it gets.
BODIES = {
    # asgi_client
    "await asgi_client.get('/', timeout='5s')": "timeout='5s': httpx takes seconds",
    "asgi_client.as_(token='x')": "as_() got an unexpected keyword argument 'token'",
    "ws = asgi_client.websocket('/ws'); await ws.receive()": "WS /ws: it is not connected. Write: "
    'async with asgi_client.websocket("/ws") as ws',
    "async with asgi_client.websocket('/ws') as ws: await ws.send({})": "a message is str or bytes",
    "async with asgi_client.websocket('/ws') as ws: await ws.receive_bytes()": "expected bytes, "
    "but the app sent text: 'hi'",
    "async with asgi_client.websocket('/no') as ws: pass": "rejected the WebSocket with status 403",
    "asgi_client.websocket('/ws', subprotocol='x')": "unexpected keyword argument 'subprotocol'",
    "async with asgi_client.sse('/') as events: pass": "expected status 200 and content-type",
    "async for event in asgi_client.sse('/'): pass": "this event stream is not open. Write:",
    # upstream
    f"{UP}.respond(jsn=1)": "respond() got an unexpected keyword argument 'jsn'",
    f"{UP}.respond('200')": "respond('200'): a status is a number",
    f"{UP}.respond(20)": "respond(20): a status has three digits",
    f"{UP}.respond(stream='x')": "give the pieces of the body as a list",
    f"{UP}.mock({{}})": "mock({}): give an httpx.Response",
    f"{UP}.mock(side_effect=3)": "mock(side_effect=3): give an exception, a function",
    f"{UP}.mock(side_effect=lambda request: 'x'); {CALL}": "Side effects must return",
    f"{UP}.mock(side_effect=lambda: 'x'); {CALL}": "takes 0 positional arguments but 1 was given",
    "upstream.get('https://a.example/x', jsn=1)": "a route cannot match by 'jsn'; did you mean",
    "upstream.get(url__like='x')": "'like' must be one of eq, regex, startswith, contains, in",
    "upstream.get('a.example/x').respond(200)": "'a.example/x' has no scheme",
    "upstream.get(3)": "Invalid type for url.",
    "upstream.gett('/')": "has no attribute 'gett'",
    "upstream.replay('no.json')": "there is no tape no.json: record it with",
    "async with upstream.serve('a.example'): pass": "write the upstream's own, as in",
    "async with upstream.serve(): pass": "say which upstream is served",
    "upstream.assert_called_with({'a': 1})": "{'a': 1} is not a method: write a method and a URL",
    f"r = {UP}.respond(200); {CALL}; r.assert_any_call(jsn=1)": "cannot be compared by 'jsn'",
    f"r = {UP}.respond(200); {CALL}; assert r.calls.called_once": "calls has no 'called_once'",
    "upstream.assert_max_in_flight('2')": "'2' is not a number of calls",
    "upstream.assert_calls(pay=1).__enter__()": "there is no route named 'pay'",
    CALL: "no route answers GET https://a.example/x (httpx)",
    # faults
    "faults.on(None)": "None does not say where: give a URL glob",
    "faults.on('').reset()": "'' does not say where: write a URL glob",
    ON: "faults.on('*') says where, but not what goes wrong",
    f"{ON}.reset": "faults.on('*') says where, but not what goes wrong",
    f"{ON}.latency('3 parsecs')": "'3 parsecs' is not a duration: write '50ms'",
    f"{ON}.latency(None)": "None is not a duration",
    f"{ON}.status('teapot')": "'teapot' is not an HTTP status",
    f"{ON}.reset().first('two')": "'two' is not a count: write 1 or more",
    f"{ON}.reset().probability('50%')": "'50%' is not a probability",
    f"{ON}.tls_error('nope')": "'nope' is not a TLS error: write untrusted",
    f"{ON}.bandwidth('fast')": "'fast' is not a bandwidth: write '16KB/s'",
    f"{ON}.timeout()": "'FaultPoint' object has no attribute 'timeout'",
    "faults.add('a.example: explode')": "'explode' is not a word that is known",
    "faults.client.disconnect()": "takes exactly one of after=, after_bytes= and at=",
    "faults.client.slow_upload(chunks=0)": "0 is not a count: write 1 or more",
    "faults.dependency('get_db')": "give the dependency itself",
    "faults.dependency(shop.get_db).raises('x')": "'x' cannot be raised: give an exception",
    # the others
    "await clock.advance(-1)": "-1 is not a duration: it must be 0 or more",
    "clock.elapsed()": "'float' object is not callable",
    "with blocking.allow(): pass": "blocking.allow() allows nothing: write allow(",
    "upstream.record(3)": "upstream.record(3): give the path of a tape",
    "with blocking.allow('noise@shop'): pass": "'noise@shop' is not an allow rule",
    "await load(asgi_client.get('/'), n=3)": "load() got one request that is under way already",
    "await load(lambda: asgi_client.get('/'), n=0)": "load(n=0): it must be a whole number",
    "await load(3)": "load() got 3, not a function that makes a request",
    "await load(lambda: 3, n=1)": "the request gave 3, which cannot be awaited",
    "overrides['get_db'] = 1": "the key must be the dependency itself",
    "overrides[shop.get_db]": "get_db is not overridden by this test",
    "threads.assert_exhausted()": "no attribute 'assert_exhausted'",
}
FIXTURES = "asgi_client, upstream, faults, clock, blocking, load, threads, overrides"
# Marks, and the message a test with one gets.
MARKS = {
    "asyncfastapi('shop:app')": "@pytest.mark.asyncfastapi takes keywords only",
    "asyncfastapi(blockin='off')": "has no argument 'blockin'; did you mean 'blocking'?",
    "asyncfastapi(blocking='loud')": "'loud' must be one of auto, fail, raise, warn, off",
    "asyncfastapi(app=3)": "3 is neither a text such as 'pkg.mod:app' nor an app",
    "asyncfastapi(app='shop:nothing')": "the module 'shop' was imported, but it has no 'nothing'",
    "asyncfastapi(app='nowhere:app')": "there is no module 'nowhere'",
    "asyncfastapi(timeout='soon')": "'soon' is not a duration",
    "asyncfastapi(client='requests')": "'requests' must be one of httpx, httpx2",
    "asyncfastapi(seed='x')": "'x' is not a whole number",
    "asyncfastapi(app_scope='session')": "'app_scope' holds for the whole run",
    "faults()": "@pytest.mark.faults takes one text a fault",
    "faults('a.example: explode')": "'explode' is not a word that is known",
    "allow_blocking()": "@pytest.mark.allow_blocking takes what is allowed as text",
    "allow_blocking('noise@shop')": "'noise@shop' is not an allow rule",
    "fault_sweep(faults=['explode'])": "explode",
    "disconnect_sweep(modes=['explode'])": "explode",
    "schedules('many')": "'many'",
}


def told(pytester: pytest.Pytester, tests: str) -> dict[str, str]:
    """What pytest shows of each failed test of this file, by its name."""
    pytester.makeini("[pytest]\nasyncfastapi_app = shop:app\nasyncfastapi_leaks = off\n")
    pytester.makepyfile(shop=APP, test_it="import pytest, shop\n" + tests)
    found = pytester.inline_run("-q", "-p", "no:randomly").getreports("pytest_runtest_logreport")
    return {
        report.location[2]: report.longreprtext + "".join(text for _, text in report.sections)
        for report in found
        if report.failed
    }


def wrong(uses: dict[str, str], shown: dict[str, str]) -> dict[str, str]:
    """The uses that are not told as they should be."""
    found = {}
    for number, (use, words) in enumerate(uses.items()):
        text = shown.get(f"test_{number}", "passed")
        if "pytest_asyncfastapi/" in text or text.count(words) < 1 or text == "passed":
            found[use] = text
    return found


def test_bodies(pytester: pytest.Pytester) -> None:
    """Each fixture."""
    lines = [f"upstream.allow_unused_routes = True; {body}".replace("; ", "\n") for body in BODIES]
    tests = [
        f"async def test_{number}({FIXTURES}):\n{textwrap.indent(body, '    ')}"
        for number, body in enumerate(lines)
    ]
    assert wrong(BODIES, told(pytester, "\n\n".join(tests))) == {}


def test_marks(pytester: pytest.Pytester) -> None:
    """Each marker, and what a setting may be."""
    tests = [
        f"@pytest.mark.{mark}\nasync def test_{number}(asgi_client, upstream, faults): "
        "await asgi_client.get('/')"
        for number, mark in enumerate(MARKS)
    ]
    assert wrong(MARKS, told(pytester, "\n\n".join(tests))) == {}
