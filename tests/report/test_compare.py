"""A run beside an earlier one: new, gone, still there, not run; and the source in the page."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

SHOP = """
import time

async def app(scope, receive, send):
    path = scope["path"]
    if path == "/one":
        time.sleep(0.01)
    if path == "/two":
        two()
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body"})

def two():
    time.sleep(0.01)
"""
TESTS = """
async def test_one(asgi_client):
    await asgi_client.get("/one")

async def test_two(asgi_client):
    await asgi_client.get("/two")
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(shop=SHOP, test_shop=TESTS)
    pytester.makeini("[pytest]\nasyncfastapi_app = shop:app\n")
    return pytester


def run(project: pytest.Pytester, *flags: str) -> pytest.RunResult:
    # The app is a module of the project: a fresh process reads it anew.
    return project.runpytest_subprocess("-q", "-p", "no:asyncio", "-p", "no:cacheprovider", *flags)


def page(project: pytest.Pytester) -> dict[str, Any]:
    text = (project.path / "report.html").read_text("utf-8")
    found: dict[str, Any] = json.loads(text.partition('id="data">')[2].partition("</script>")[0])
    return found


def test_new_gone_still_and_not_run(project: pytest.Pytester) -> None:
    """One is fixed, one has moved by a line, one comes."""
    run(project, "--asyncfastapi-json=before.json")
    shop = Path("shop.py")
    text = shop.read_text().replace('"/one":\n        time.sleep(0.01)', '"/one":\n        pass')
    text = text.replace("def two():", "# a line more\ndef two():")
    shop.write_text(
        text.replace(
            "    await send", '    if path == "/two":\n        time.sleep(0.02)\n    await send', 1
        )
    )
    result = run(project, "--asyncfastapi-html=report.html", "--asyncfastapi-compare=before.json")
    assert result.ret == 1
    data = page(project)
    compared = data["compared"]
    titles = [finding["title"] for finding in data["findings"]]
    assert len(compared["new"]) == len(compared["still"]) == 1
    if sys.version_info >= (3, 12):
        assert "0.02" in titles[compared["new"][0]]
        assert "time.sleep(0.01)" in titles[compared["still"][0]]
    (gone,) = compared["gone"]
    assert (gone["kind"], gone["place"]) == ("blocking", "shop.py:6")
    assert compared["not_run"] == []


def test_what_was_not_run_is_not_gone(project: pytest.Pytester) -> None:
    """A run of some tests says nothing about the others."""
    run(project, "--asyncfastapi-json=before.json")
    flags = ("--asyncfastapi-html=report.html", "--asyncfastapi-compare=before.json")
    run(project, "-k", "two", *flags)
    compared = page(project)["compared"]
    assert (compared["gone"], compared["new"]) == ([], [])
    assert [finding["place"] for finding in compared["not_run"]] == ["shop.py:6"]


def test_the_same_run_has_nothing_new(project: pytest.Pytester) -> None:
    """And without the flag there is no comparison."""
    run(project, "--asyncfastapi-json=before.json")
    run(project, "--asyncfastapi-html=report.html", "--asyncfastapi-compare=before.json")
    compared = page(project)["compared"]
    assert (compared["new"], compared["gone"], len(compared["still"])) == ([], [], 2)
    run(project, "--asyncfastapi-html=report.html")
    assert "compared" not in page(project)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "*--asyncfastapi-compare: *before.json: cannot be read: No such file*"),
        ("{}", "*before.json: is not a report of pytest-asyncfastapi*"),
        ("[", "*before.json: is not JSON*"),
    ],
)
def test_a_file_that_is_no_report(project: pytest.Pytester, content: str | None, told: str) -> None:
    """One sentence, before the first test."""
    if content is not None:
        Path("before.json").write_text(content)
    flags = ("--asyncfastapi-html=report.html", "--asyncfastapi-compare=before.json")
    result = run(project, *flags)
    result.stderr.fnmatch_lines([told])
    assert not Path("report.html").exists()


def test_a_finding_has_three_lines_around_it(project: pytest.Pytester) -> None:
    """As the file is, with its indentation taken off; the last lines of a file are fewer."""
    run(project, "--asyncfastapi-html=report.html")
    first, second = page(project)["findings"]
    lines = SHOP.split("\n")
    assert first["context"] == [3, lines[3:10]]
    assert second["context"] == [10, lines[10:14]]
    assert first["page"] == "docs/findings/blocking.md"
