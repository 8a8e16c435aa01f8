"""Secrets in the URLs of upstream calls: in no report, and not in the failure's text."""

from __future__ import annotations

import pytest

from pytest_asyncfastapi._core.redaction import redacted

APP = """
import httpx
from fastapi import FastAPI

app = FastAPI()

@app.get("/")
async def index():
    async with httpx.AsyncClient(timeout=5) as http:
        routed = await http.get("https://a.example/x?page=2&access_token=s3cr3t-1")
        try:
            await http.get("https://me:s3cr3t-2@b.example/?api_key=s3cr3t-3&page=7")
        except httpx.HTTPError:
            pass
    return routed.json()
"""
TEST = """
import pytest

@pytest.mark.fault_sweep(faults=["500"])
async def test_it(asgi_client, upstream):
    route = upstream.get("https://a.example/x").respond(json=1)
    await asgi_client.get("/")
    assert str(route.calls.last.request.url).endswith("access_token=s3cr3t-1")
"""
OUTPUTS = {
    "--asyncfastapi-html": "report.html",
    "--asyncfastapi-json": "report.json",
    "--asyncfastapi-trace": "trace.json",
    "--asyncfastapi-sarif": "report.sarif",
    "--junitxml": "junit.xml",
}


def test_no_report_has_them(pytester: pytest.Pytester) -> None:
    """HTML, JSON, trace, SARIF, JUnit and the terminal; what is not secret stays."""
    pytester.makepyfile(shopapp=APP, test_shop=TEST)
    pytester.makeini("[pytest]\nasyncfastapi_app = shopapp:app\n")
    result = pytester.runpytest(*(f"{flag}={file}" for flag, file in OUTPUTS.items()))
    result.assert_outcomes(failed=1)
    texts = {file: (pytester.path / file).read_text() for file in OUTPUTS.values()}
    texts["terminal"] = result.stdout.str()
    for name, text in texts.items():
        lines = [line for line in text.splitlines() if "s3cr3t" in line]
        # The user's own source is shown as it is written.
        assert [line for line in lines if "http.get(" not in line] == [], name
    assert "page=2&access_token=<secret>" in texts["report.json"]
    assert "b.example" in texts["terminal"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET https://a.example/?token=abc&page=2", "GET https://a.example/?token=<secret>&page=2"),
        ("GET /?page=2&API_KEY=abc)", "GET /?page=2&API_KEY=<secret>)"),
        ("https://me:pass@a.example/", "https://me:<secret>@a.example/"),
        ("a token=1 in a text, and a mail@a.example", "a token=1 in a text, and a mail@a.example"),
        ("/?tokens=3&keyboard=us", "/?tokens=3&keyboard=us"),
    ],
)
def test_what_is_secret(text: str, shown: str) -> None:
    """By the names of parameters, and passwords before a host; at any depth."""
    assert redacted({"url": [text, 1, None]}) == {"url": [shown, 1, None]}
