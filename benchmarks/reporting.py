"""What the reports cost: CPU of a whole run with all of them, and how fast the page opens.

`python -m benchmarks.reporting`: the CPU of 200 tests of a request and an upstream call each, and
the files of 1,000, of which 200 have a finding at a line of their own. Chromium is asked where
playwright and it are there.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .measure import versions

ROUNDS = 8
COUNTED, TESTS, BUGGY = 200, 1000, 200
APP = """
import time
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(timeout=5) as app.state.http:
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/orders/{n}")
async def order(n: int):
    paid = await app.state.http.post("https://pay.example/charges", json={"order": n})
    return {"order": n, "paid": paid.json()}
"""
BUG = """

@app.post("/buggy/{n}")
async def buggy_{n}():
    time.sleep(0.001)
    return {n}
"""
TESTS_OF_IT = """
import pytest


@pytest.mark.parametrize("n", range({sound}))
async def test_order(asgi_client, upstream, faults, n):
    upstream.post("https://pay.example/charges").respond(201, json={{"id": n}})
    faults.on("https://pay.example/*").latency("200ms")
    response = await asgi_client.post(f"/orders/{{n}}")
    assert response.json()["order"] == n


@pytest.mark.parametrize("n", range({buggy}))
async def test_buggy(asgi_client, n):
    assert (await asgi_client.post(f"/buggy/{{n}}")).json() == n
"""
REPORTS = {
    "json": "report.json",
    "html": "report.html",
    "trace": "trace.json",
    "sarif": "report.sarif",
}


def project(folder: Path, *, sound: int, buggy: int) -> None:
    """A project of so many tests."""
    bugs = "".join(BUG.replace("{n}", str(n)) for n in range(buggy))
    (folder / "bigapp.py").write_text(APP + bugs)
    (folder / "test_big.py").write_text(TESTS_OF_IT.format(sound=sound, buggy=buggy))
    (folder / "pytest.ini").write_text("[pytest]\nasyncfastapi_app = bigapp:app\n")


def cpu(folder: Path, *flags: str) -> float:
    """CPU seconds of one run, start-up included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    plain = ("-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:asyncio")
    subprocess.run(
        [sys.executable, "-m", "pytest", *plain, *flags],
        cwd=folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
        capture_output=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def flags(*names: str) -> list[str]:
    """The options of these reports."""
    return [f"--asyncfastapi-{name}={REPORTS[name]}" for name in names]


def costs(folder: Path, rounds: int = ROUNDS) -> str:
    """CPU with one report, and with all, against none; the contenders take turns."""
    everything = {"JSON, HTML, trace and SARIF": flags(*REPORTS)}
    contenders = {"no report": [], "HTML": flags("html"), **everything}
    figures: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, given in contenders.items():
            took = cpu(folder, *given)
            if number:
                figures[name].append(took)
    base = figures["no report"]
    lines = [
        f"### Reports: CPU of a run of {COUNTED} tests, a request and an upstream call each",
        "",
        "| | CPU, s (least) | ratio of the least | median ratio | quartiles |",
        "|---|---|---|---|---|",
    ]
    for name, seconds in figures.items():
        ratios = [a / b for a, b in zip(seconds, base, strict=True)]
        low, _, high = statistics.quantiles(ratios, n=4) if rounds > 1 else (ratios[0],) * 3
        lines.append(
            f"| {name} | {min(seconds):.2f} | **{min(seconds) / min(base):.3f}** "
            f"| {statistics.median(ratios):.3f} | {low:.3f} - {high:.3f} |"
        )
    return "\n".join(lines) + "\n"


def sizes(folder: Path) -> str:
    """How large the files are, and how fast a browser shows the page."""
    cpu(folder, *flags(*REPORTS))
    lines = [f"### The files of that run, with {BUGGY} findings", "", "| | |", "|---|---|"]
    data = json.loads((folder / REPORTS["json"]).read_text())
    found = sum(len(test["findings"]) for test in data["tests"])
    lines.append(f"| tests, findings | {len(data['tests'])}, {found} |")
    for name, file in REPORTS.items():
        lines.append(f"| {name} | {(folder / file).stat().st_size / 1e6:.2f} MB |")
    lines.append(f"| the page, opened and drawn | {opening(folder / REPORTS['html'])} |")
    return "\n".join(lines) + "\n"


def opening(page: Path, rounds: int = 7) -> str:
    """Real time from the address to what is painted, in a new tab of a headless Chromium."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return "playwright is not installed"
    if path is None:
        return "there is no Chromium"
    took: list[float] = []
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        for _ in range(rounds):
            tab = browser.new_page(viewport={"width": 1280, "height": 900})
            began = time.perf_counter()
            tab.goto(page.as_uri())
            tab.locator("#list .item").first.wait_for()
            tab.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
            took.append(time.perf_counter() - began)
            tab.close()
        words = f"median {statistics.median(took):.2f} s, worst {max(took):.2f} s"
        words += f" (Chromium {browser.version.partition('.')[0]})"
        browser.close()
    return words


def main(rounds: int = ROUNDS) -> str:
    """Both tables."""
    parts = [versions("pytest", "fastapi", "httpx") + "\n"]
    with tempfile.TemporaryDirectory() as folder:
        project(Path(folder), sound=COUNTED, buggy=0)
        parts.append(costs(Path(folder), rounds))
    with tempfile.TemporaryDirectory() as folder:
        project(Path(folder), sound=TESTS - BUGGY, buggy=BUGGY)
        parts.append(sizes(Path(folder)))
    return "\n".join(parts)


if __name__ == "__main__":
    print(main())
