"""A finding leads to the page of its rule: in the summary and in SARIF."""

from __future__ import annotations

import json

import pytest

from pytest_asyncfastapi._core.findings import Finding, Location
from pytest_asyncfastapi._report import sarif
from pytest_asyncfastapi._report.aggregate import Run

SITE = "https://docs.example/asyncfastapi/"


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(
        shop="""
        import time

        async def app(scope, receive, send):
            time.sleep(0.01)
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body"})
        """,
        test_shop="""
        async def test_one(asgi_client):
            await asgi_client.get("/")
        """,
    )
    pytester.makeini("[pytest]\nasyncfastapi_app = shop:app\n")
    return pytester


@pytest.mark.parametrize(
    ("flags", "page"),
    [
        ((), "docs/findings/blocking.md"),
        ((f"--asyncfastapi-docs-url={SITE}",), f"{SITE}findings/blocking/"),
    ],
)
def test_the_summary_names_the_page(
    project: pytest.Pytester, flags: tuple[str, ...], page: str
) -> None:
    """A path in the source tree, or an address of the site."""
    result = project.runpytest("-q", "-p", "no:asyncio", *flags)
    result.stdout.fnmatch_lines(["FOUND blocking call: time.sleep*", f"      see {page}"])


def test_a_site_must_be_an_address(project: pytest.Pytester) -> None:
    """One sentence, with what it means."""
    result = project.runpytest("--asyncfastapi-docs-url=docs")
    result.stderr.fnmatch_lines(
        ["*--asyncfastapi-docs-url: 'docs' must be a URL such as https://*"]
    )


def found(kind: str, **more: object) -> Finding:
    where = Location("shop.py", 3, "f", "x()")
    return Finding(kind=kind, title="it", where=where, test="t", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("site", ["", SITE])
def test_sarif_has_the_page_of_each_rule(site: str) -> None:
    """`helpUri` must be absolute, so without a site the path is text."""
    kinds = ["leak.task", "sweep.unhandled", "of-another-plugin"]
    test = {"id": "t", "line": 1, "file": "t.py", "findings": [found(k).to_json() for k in kinds]}
    run = Run("/repo", site=site, tests=[test])
    rules = json.loads(sarif.render(run))["runs"][0]["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == kinds
    if site:
        assert rules[0]["helpUri"] == f"{SITE}findings/leak.task/"
    else:
        assert "helpUri" not in rules[0]
        assert "docs/findings/leak.task.md" in rules[0]["help"]["text"]
    assert "help" not in rules[2]


def test_a_long_finding_is_cut_to_ten_lines(project: pytest.Pytester) -> None:
    """Ten lines in the summary, all of them with -v."""
    (project.path / "conftest.py").write_text(
        """
import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    if report.when == "call":
        long = {"kind": "leak.task", "title": "a long one", "remedy": "word " * 300}
        report.asyncfastapi = {"findings": [{**long, "severity": "warning"}]}
    return report
"""
    )
    for flags, most in ((("-q",), 10), (("-vv",), 100)):
        result = project.runpytest("-p", "no:asyncio", "-p", "no:cacheprovider", *flags)
        lines = result.outlines
        begin = next(n for n, line in enumerate(lines) if line.startswith("warn  a long one"))
        end = next(n for n in range(begin, len(lines)) if lines[n].startswith("0 findings"))
        if most == 10:
            assert end - begin == 10
            assert "      ... (-v shows all)" in lines[begin:end]
        else:
            assert end - begin > 15
