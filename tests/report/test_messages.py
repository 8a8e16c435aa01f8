"""Heads and bodies in the reports: short, and without secrets."""

from __future__ import annotations

import json

import pytest

from pytest_asyncfastapi._core.redaction import SECRET
from pytest_asyncfastapi._core.shown_messages import KEPT, LONGEST, message

JSON = [("content-type", "application/json")]
FORM = [("content-type", "application/x-www-form-urlencoded")]


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"name": "ada", "password": "pw"}', f'{{"name": "ada", "password": "{SECRET}"}}'),
        (b'{"a": {"api_key": "k\\"x"}}', f'{{"a": {{"api_key": "{SECRET}"}}}}'),
        (b'{"token": 123, "n": 1}', f'{{"token": "{SECRET}", "n": 1}}'),
        (b'{"Access-Token":"abc', f'{{"Access-Token":"{SECRET}"'),
        (b'{"tokens": 3, "monkey": "ape"}', '{"tokens": 3, "monkey": "ape"}'),
        (b'{"url": "https://a.example/?sig=abc"}', f'{{"url": "https://a.example/?sig={SECRET}"}}'),
    ],
)
def test_secrets_in_json(body: bytes, shown: str) -> None:
    """By the name of the field, at any depth, also in JSON that is cut off."""
    assert message(JSON, body)["body"] == shown


def test_secrets_in_headers_and_forms() -> None:
    """By the name of the header and of the field."""
    headers = [(b"Authorization", b"Bearer abc"), (b"Set-Cookie", b"a=b"), (b"accept", b"*/*")]
    found = message(headers, b"")
    assert found["headers"] == [
        ["Authorization", SECRET],
        ["Set-Cookie", SECRET],
        ["accept", "*/*"],
    ]
    assert message(FORM, b"user=ada&password=pw&n=1")["body"] == f"user=ada&password={SECRET}&n=1"
    part = b'--x\r\nContent-Disposition: form-data; name="password"\r\n\r\npw\r\n--x--'
    multipart = message([("content-type", "multipart/form-data; boundary=x")], part)["body"]
    assert "pw\r" not in multipart
    assert SECRET in multipart


def test_long_and_binary_bodies() -> None:
    """Cut, and said by their size and kind."""
    long = message([], b"x" * 5000)
    assert long["body"] == "x" * LONGEST + " ..."
    assert long["size"] == 5000
    image = message([("content-type", "image/png")], b"\x89PNG\r\n\x1a\n\x00\xff")
    assert image["body"] == "<10 bytes of image/png>"
    # The bytes that were kept end within a character.
    cut = message([], ("é" * KEPT).encode()[: KEPT - 1], 2 * KEPT)
    assert cut["body"].startswith("éé")
    # A secret that begins before the cut and ends behind it.
    assert "pw" not in message(JSON, b'{"a": "' + b"x" * 960 + b'", "password": "pw"}')["body"]


@pytest.fixture
def report(pytester: pytest.Pytester) -> dict:
    pytester.makepyfile(
        shop="""
        import httpx
        from fastapi import FastAPI

        app = FastAPI()

        @app.post("/buy")
        async def buy(order: dict):
            async with httpx.AsyncClient(timeout=5) as http:
                headers = {"Authorization": "Bearer s3cret"}
                paid = await http.post("https://pay.example/", json=order, headers=headers)
            return {"paid": paid.json()["id"], "password": "s3cret"}
        """,
        test_shop="""
        import logging
        import pytest

        @pytest.mark.parametrize("fault", [False, True])
        async def test_buy(asgi_client, upstream, faults, fault):
            upstream.post("https://pay.example/").respond(json={"id": 7, "token": "s3cret"})
            if fault:
                faults.on("*").latency("1ms")
            response = await asgi_client.post("/buy", json={"mugs": 2})
            assert response.json()["paid"] == 7

        async def test_bad(asgi_client):
            print("to the output")
            logging.getLogger("shop").error("to the log")
            await asgi_client.get("/nowhere?token=s3cret")
            assert {"token": 1} == {"token": 2}
        """,
    )
    pytester.makeini("[pytest]\nasyncfastapi_app = shop:app\n")
    flags = ("--asyncfastapi-json=report.json", "--asyncfastapi-html=report.html")
    result = pytester.runpytest("-q", "-p", "no:asyncio", *flags)
    result.assert_outcomes(passed=2, failed=1)
    text = (pytester.path / "report.json").read_text()
    page = (pytester.path / "report.html").read_text()
    records = json.loads(text)["tests"]
    assert "s3cret" not in json.dumps([test["record"] for test in records])
    data = page.partition('id="data">')[2].partition("</script>")[0]
    assert "s3cret" not in data.partition('"places"')[0]
    return {"tests": records, "page": json.loads(data)}


def test_requests_and_upstream_calls_have_their_messages(report: dict) -> None:
    """On the way through memory at once, and through the client's own pool with a fault."""
    for test in report["tests"][:2]:
        (request,) = test["record"]["requests"]
        assert request["sent"]["body"] == '{"mugs":2}'
        assert request["received"]["body"] == f'{{"paid":7,"password":"{SECRET}"}}'
        assert ["content-type", "application/json"] in request["received"]["headers"]
        (call,) = test["record"]["upstream"]
        assert ["authorization", SECRET] in [
            [name.lower(), value] for name, value in call["sent"]["headers"]
        ]
        assert call["sent"]["body"] == '{"mugs":2}'
        assert json.loads(call["received"]["body"]) == {"id": 7, "token": SECRET}


def test_a_failure_has_its_traceback_output_and_log(report: dict) -> None:
    """As pytest shows them; a test that passed has none of it."""
    bad = report["tests"][2]
    assert "assert {'token': 1} == {'token': 2}" in bad["traceback"]
    names = {part["name"]: part["text"] for part in bad["captured"]}
    assert "to the output" in names["stdout call"]
    assert "to the log" in names["log call"]
    assert report["tests"][0]["captured"] == []
    assert report["tests"][0]["traceback"] == ""
    shown = report["page"]["tests"][2]
    assert shown["captured"]
    assert shown["traceback"]


def test_the_page_has_messages_of_failures_only(report: dict) -> None:
    """Those of a thousand tests that passed would make it large."""
    passed, _, bad = report["page"]["tests"]
    assert "sent" not in passed["record"]["requests"][0]
    assert bad["record"]["requests"][0]["received"]["size"] > 0


def test_a_recorded_app_still_has_its_dependencies(pytester: pytest.Pytester) -> None:
    """What records its requests does not hide the app from `faults.dependency()`."""
    pytester.makepyfile(
        shop="""
        from fastapi import Depends, FastAPI

        app = FastAPI()

        def rates():
            return {"EUR": 1}

        @app.get("/rates")
        async def all_rates(found: dict = Depends(rates)):
            return found
        """,
        test_shop="""
        import pytest
        from shop import rates

        async def test_it(asgi_client, faults):
            faults.dependency(rates).raises(ConnectionError("no rates"))
            with pytest.raises(ConnectionError):
                await asgi_client.get("/rates")
        """,
    )
    pytester.makeini("[pytest]\nasyncfastapi_app = shop:app\n")
    flags = ("--asyncfastapi-json=report.json", "--asyncfastapi-html=report.html")
    pytester.runpytest("-q", "-p", "no:asyncio", *flags).assert_outcomes(passed=1)
