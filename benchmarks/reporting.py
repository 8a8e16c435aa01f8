"""What the reports cost: CPU of a whole run with all of them, and how fast the page opens.

`python -m benchmarks.reporting`: the CPU of the example shop's suite, that of the smallest tests
(a request and an upstream call each), and the files of 1,000, of which 200 have a finding at a
line of their own. Chromium is asked where playwright and it are there.

Two runs of pytest on a shared machine differ by more than the reports cost. So the tests of one
run take turns: every other one is recorded and gathered, and in the next run the others are.
What is written at the end, and the import of what writes it, is timed by itself.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .measure import versions

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 7
COUNTED, TESTS, BUGGY = 400, 1000, 200
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
TURNS = """
import json
import os
import time

import pytest
from pytest_asyncfastapi._plugin.chosen import Settings
from pytest_asyncfastapi._report.outputs import Outputs

told = {"tests": [], "end": 0.0}
gather, write = Outputs.pytest_runtest_logreport, Outputs._write
now = ["on"]  # or nothing is written at the end
Settings.records = property(lambda self: now[0] == "on")


def gathered(self, report):
    if now[0] == "on":
        gather(self, report)


def timed(self, exitstatus):
    began = time.process_time()
    write(self, exitstatus)
    told["end"] = time.process_time() - began


Outputs.pytest_runtest_logreport, Outputs._write = gathered, timed


def pytest_collection_finish():
    now[0] = os.environ["LAST_TURN"]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    now[0] = "off" if now[0] == "on" else "on"
    began = time.process_time()
    try:
        return (yield)
    finally:
        told["tests"].append((now[0], time.process_time() - began))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure():
    with open("told.json", "w") as file:
        json.dump(told, file)
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


def run(folder: Path, *flags: str, last: str = "on", failing: bool = False) -> None:
    """Run the tests, without the plugins of other tools: some act on every test."""
    plain = ("-q", "--tb=no", "-p", "no:cacheprovider", "-p", "pytest_asyncfastapi.plugin")
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plain, "-p", "anyio", *flags],
        cwd=folder,
        env={**os.environ, **alone, "PYTHONPATH": ".", "LAST_TURN": last},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != int(failing):
        raise SystemExit(done.stdout + done.stderr)


def flags(*names: str) -> list[str]:
    """The options of these reports."""
    return [f"--asyncfastapi-{name}={REPORTS[name]}" for name in names]


def turns(folder: Path, given: list[str], rounds: int) -> tuple[list[float], list[float], float]:
    """The CPU of each test, not recorded and recorded, and of the end of a run: seconds.

    The least of the rounds, in each of which a test is run both ways: noise only adds.
    """
    spent: dict[str, list[list[float]]] = {"on": [], "off": []}
    ends = []
    for _ in range(rounds):
        both: dict[str, dict[int, float]] = {"on": {}, "off": {}}
        for last in ("on", "off"):
            run(folder, "-p", "turns", *given, last=last)
            told = json.loads((folder / "told.json").read_text())
            for number, (turn, seconds) in enumerate(told["tests"]):
                both[turn][number] = seconds
            ends.append(told["end"])
        for turn, tests in both.items():
            spent[turn].append([tests[number] for number in sorted(tests)])
    off, on = ([min(test) for test in zip(*spent[turn], strict=True)] for turn in ("off", "on"))
    return off, on, min(ends)


def costs(rounds: int = ROUNDS) -> str:
    """What the reports add to the CPU of two suites."""
    contenders = {"HTML": flags("html"), "JSON, HTML, trace and SARIF": flags(*REPORTS)}
    lines = [
        f"### Reports: CPU of a run's tests, the least of {rounds} rounds each",
        "",
        "| | a test, not recorded, ms | recorded, ms | the end, ms | all in all |",
        "|---|---|---|---|---|",
    ]
    for suite, made in SUITES.items():
        for name, given in contenders.items():
            with tempfile.TemporaryDirectory() as folder:
                made(Path(folder))
                (Path(folder) / "turns.py").write_text(TURNS)
                off, on, end = turns(Path(folder), given, rounds)
            each = [sum(column) / len(off) * 1000 for column in (off, on)]
            lines.append(
                f"| {suite}: {name} | {each[0]:.2f} | {each[1]:.2f} | {end * 1000:.0f} "
                f"| **{(sum(on) + end) / sum(off):.3f}** |"
            )
    return "\n".join(lines) + "\n"


def shop(folder: Path) -> None:
    """The example shop and its suite: SQLAlchemy on aiosqlite, some of it swept."""
    shutil.copytree(SHOP, folder, dirs_exist_ok=True)


SHOP = Path(__file__).parent.parent / "examples" / "shop"
SUITES: dict[str, Callable[[Path], None]] = {
    "the shop": shop,
    f"{COUNTED} of one request": partial(project, sound=COUNTED, buggy=0),
}


def sizes(folder: Path) -> str:
    """How large the files are, and how fast a browser shows the page."""
    run(folder, *flags(*REPORTS), failing=True)
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
    parts = [versions("pytest", "fastapi", "httpx", "sqlalchemy") + "\n", costs(rounds)]
    with tempfile.TemporaryDirectory() as folder:
        project(Path(folder), sound=TESTS - BUGGY, buggy=BUGGY)
        parts.append(sizes(Path(folder)))
    return "\n".join(parts)


if __name__ == "__main__":
    print(main())
