"""A real Chromium, headless, and a real report to look at; `nox -s browser` runs this.

Both come once a session. Where there is no Chromium or no playwright, everything in here
is skipped, with how to get them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
SWEPT = """
import pytest
from pytest_asyncfastapi import explore_faults


@pytest.mark.allow_blocking("sleep", reason="not what is looked at here")
@pytest.mark.fault_sweep(faults=["refused", "500", "bad_json", "slow"])
async def test_swept(asgi_client, upstream):
    upstream.post("https://pay.example/charges").respond(201, json={})
    await asgi_client.post("/checkout")


@pytest.mark.allow_blocking("sleep", reason="not what is looked at here")
@pytest.mark.disconnect_sweep(modes=["leave", "cancel"])
async def test_cut(asgi_client, upstream):
    upstream.post("https://pay.example/charges").respond(201, json={})
    await asgi_client.post("/checkout")


@pytest.mark.allow_blocking("sleep", reason="not what is looked at here")
async def test_inside(asgi_client, upstream):
    upstream.post("https://pay.example/charges").respond(201, json={})
    order = lambda: asgi_client.post("/checkout")
    await explore_faults(order, faults=["refused"], check=False)
    await explore_faults(order, faults=["500", "bad_json"], check=False)


NAMES = ["</script><script>document.title='owned'</script>", "<b>&amp;\\u2028"]


@pytest.mark.parametrize("text", NAMES)
def test_names_are_text(text):
    assert not text, text + "<img src=x onerror=document.title='owned'>"
"""


def _chromium() -> str:
    given = os.environ.get("CHROMIUM", "")
    found = given or shutil.which("chromium") or shutil.which("chromium-browser") or ""
    return found or shutil.which("google-chrome") or ""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser."""
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: nox -s browser installs it"
    )
    path = _chromium()
    if not path:
        pytest.skip("no Chromium is here: apt-get install chromium, or CHROMIUM=/path/to/it")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def expect(chromium: Any) -> Any:
    """Playwright's `expect`: it looks until what is asserted is so, for 15 s at most.

    The page draws a view after the address has changed, in a step of its own, so nothing may
    be asserted of it in the moment after a click.
    """
    from playwright.sync_api import expect  # type: ignore[import-not-found, unused-ignore]

    expect.set_options(timeout=15_000)
    return expect


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of a run with findings, sweeps, and names that look like markup."""
    from tests.report.conftest import APP, TESTS

    folder = tmp_path_factory.mktemp("report")
    (folder / "shopapp.py").write_text(APP)
    (folder / "test_shop.py").write_text(TESTS)
    (folder / "test_swept.py").write_text(SWEPT)
    (folder / "pytest.ini").write_text("[pytest]\nasyncfastapi_app = shopapp:app\n")
    flags = ["-q", "-p", "no:cacheprovider", "-p", "no:asyncio"]
    outputs = ["--asyncfastapi-html=report.html", "--asyncfastapi-json=report.json"]
    shell = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *flags, *outputs],
        cwd=folder,
        env=shell,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (folder / "report.html").is_file(), result.stdout + result.stderr
    return Report(folder)


class Report:
    """The page, and the same run as JSON."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "report.html"
        self.data: dict[str, Any] = json.loads((folder / "report.json").read_text())

    def test(self, name: str) -> dict[str, Any]:
        """The test of this name, as the JSON report has it."""
        return next(t for t in self.data["tests"] if t["id"].endswith(f"::{name}"))


@pytest.fixture
def painted() -> Callable[[Any], None]:
    """Waits for a page's first frame: Chromium drops the keys that come before it."""
    frames = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    return lambda page: page.evaluate(frames)


@pytest.fixture
def opened(
    chromium: Any, report: Report, painted: Callable[[Any], None]
) -> Iterator[Callable[..., Any]]:
    """Opens the report at an address of its own; what the page complains of fails the test."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def opened(at: str = "", *, scheme: str = "light", width: int = 1280, height: int = 900) -> Any:
        context = chromium.new_context(
            color_scheme=scheme, viewport={"width": width, "height": height}
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
        page.goto(report.path.as_uri() + at)
        painted(page)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def numbered(report: Report) -> Callable[[str], str]:
    """The address of the test of this name."""

    def numbered(name: str) -> str:
        ids = [test["id"].partition("::")[2] for test in report.data["tests"]]
        return f"#/test/{ids.index(name)}"

    return numbered
