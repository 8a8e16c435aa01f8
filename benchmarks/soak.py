"""Thousands of tests in one process, with every fixture in use: do later ones cost more?

    python -m benchmarks.soak [--tests 5000]

Runs the same project as it is by default and without the leak watch; and as many async tests
that use no fixture, without this plugin: what pytest itself keeps of each. Exits with 1 where
memory or CPU time grow from test to test, or the leak watch is above its bar. What that takes
is measured in one process, in which tests with it and without it take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from .measure import versions

MEMORY_BAR = 4.0  # KB a test more than pytest itself keeps
LEAKS_BAR = 1.0  # ms a test
GROWTH_BAR = 1.5  # CPU time of the tests of the last fifth, against those of the second

APP = """
import contextlib, time
import anyio, httpx
from fastapi import Depends, FastAPI
from fastapi.responses import StreamingResponse

@contextlib.asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(timeout=5) as app.state.http:
        yield

app = FastAPI(lifespan=lifespan)

async def settings():
    yield {"name": "real"}

async def lines():
    for number in range(100):
        yield f"{number}\\n"
        await anyio.sleep(0.01)

@app.get("/price")
async def price():
    return (await app.state.http.get("https://up.example/a")).json()

@app.get("/own")
async def own():
    async with httpx.AsyncClient(timeout=5) as client, client.stream(
        "GET", "https://up.example/a"
    ) as response:
        return len(await response.aread())

@app.get("/report")
def report(given=Depends(settings)):
    return given

@app.get("/lines")
async def stream():
    return StreamingResponse(lines())
"""

TESTS = """
import anyio, httpx, pytest
import app as shop

pytestmark = pytest.mark.parametrize("n", range({each}))

async def test_upstream(asgi_client, upstream, n):
    upstream.get("https://up.example/a").respond(json=n)
    assert (await asgi_client.get("/price")).json() == n
    assert (await asgi_client.get("/own")).json() == len(str(n))

async def test_faults(asgi_client, upstream, faults, clock, n):
    upstream.get("https://up.example/a").respond(json=n)
    faults.on("https://up.example/*").latency("3s")
    assert (await asgi_client.get("/price")).json() == n
    assert clock.time() == 3

async def test_load(asgi_client, load, threads, overrides, n):
    overrides[shop.settings] = lambda: {{"name": n}}
    report = await load(lambda: asgi_client.get("/report"), n=3, concurrency=2)
    assert report.statuses == {{200: 3}}
    threads.assert_not_exhausted()

async def test_blocking(asgi_client, blocking, n):
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(asgi_client.get, "/report")
    blocking.assert_none()

async def test_client_that_leaves(asgi_client, clock, n):
    async with asgi_client.stream("GET", "/lines") as response:
        async for line in response.aiter_lines():
            if line == "3":
                break
"""

BARE = """
import pytest

@pytest.mark.parametrize("n", range({tests}))
async def test_nothing(n):
    pass
"""

# Samples of (tests, resident KB, CPU seconds), 50 of them; CPU seconds of each test, by its kind.
CONFTEST = """
import json, os, resource, time
from pathlib import Path
import pytest

count, samples, costs = 0, [], {{}}

def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.callspec.params["n"])  # the kinds in turn
    for item in items:
        if {turns} and item.callspec.params["n"] % 2:
            item.add_marker(pytest.mark.asyncfastapi(leaks="off"))

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    began = time.process_time()
    try:
        return (yield)
    finally:
        kinds = costs.setdefault(item.originalname, [[], []])
        kinds[item.callspec.params["n"] % 2].append(time.process_time() - began)

def pytest_runtest_logfinish():
    global count
    count += 1
    if not count % {step}:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        kilobytes = pages * resource.getpagesize() / 1024
        samples.append((count, kilobytes, time.process_time()))

def pytest_unconfigure():
    Path("samples.json").write_text(json.dumps(samples))
    Path("costs.json").write_text(json.dumps(list(costs.values())))
"""

RUNS: dict[str, tuple[str, ...]] = {
    "by default": (),
    "leaks off": ("--asyncfastapi-leaks=off",),
    "pytest alone": ("-p", "no:asyncfastapi"),
}


@dataclass(frozen=True)
class Figures:
    """What a test of one run takes: ms of CPU, how that grows, KB that stay."""

    name: str
    cpu: float
    growth: float
    memory: float
    start: float
    end: float


def figures(name: str, samples: list[tuple[int, float, float]]) -> Figures:
    """From the second fifth on: by then everything is imported and every cache is warm."""
    fifth = len(samples) // 5

    def cpu(first: int, last: int) -> float:
        (begin, _, since), (end, _, until) = samples[first], samples[last]
        return (until - since) / (end - begin) * 1000

    (begin, low, _), (end, high, _) = samples[fifth], samples[-1]
    growth = cpu(-fifth - 1, -1) / cpu(fifth, 2 * fifth)
    memory = (high - low) / (end - begin)
    return Figures(name, cpu(fifth, -1), growth, memory, low / 1024, high / 1024)


def run(name: str, tests: int) -> Figures:
    """Run the project once. Raises `RuntimeError` where a test fails."""
    return figures(name, measure(name, tests)[0])


def cost_of_leaks(tests: int) -> float:
    """ms of CPU that the leak watch takes a test: the medians of each kind, with and without."""
    costs = measure("by default", tests, turns=True)[1]
    kinds = [median(on) - median(off) for on, off in costs]
    return sum(kinds) / len(kinds) * 1000


def measure(name: str, tests: int, *, turns: bool = False) -> tuple[Any, Any]:
    """The samples and the costs of one run."""
    bare = name == "pytest alone"
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        body = BARE.format(tests=tests) if bare else TESTS.format(each=tests // 5)
        (place / "test_soak.py").write_text(body)
        (place / "app.py").write_text(APP)
        (place / "conftest.py").write_text(CONFTEST.format(step=tests // 50, turns=turns))
        ini = "anyio_mode = auto\n" if bare else "asyncfastapi_app = app:app\n"
        (place / "pytest.ini").write_text(f"[pytest]\npythonpath = .\n{ini}")
        flags = ["-q", "-p", "no:cacheprovider", "-p", "anyio", *RUNS[name]]
        flags += [] if bare else ["-p", "asyncfastapi"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *flags],
            cwd=folder,
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
        samples, costs = ((place / f"{each}.json").read_text() for each in ("samples", "costs"))
        return json.loads(samples), json.loads(costs)


def missed(found: dict[str, Figures], leaks: float) -> list[str]:
    """What is above its bar, in sentences."""
    kept = found["pytest alone"].memory
    wrong = []
    for one in (found["by default"], found["leaks off"]):
        if one.memory > kept + MEMORY_BAR:
            wrong.append(
                f"{one.name}: {one.memory:.1f} KB a test stay, bar {kept:.1f} + {MEMORY_BAR}"
            )
        if one.growth > GROWTH_BAR:
            wrong.append(
                f"{one.name}: the last tests take {one.growth:.2f} of the CPU time of earlier "
                f"ones, bar {GROWTH_BAR}"
            )
    if leaks > LEAKS_BAR:
        wrong.append(f"the leak watch takes {leaks:.2f} ms a test, bar {LEAKS_BAR}")
    return wrong


def main() -> int:
    """Print the table; 1 where something is above its bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", type=int, default=5000)
    tests = parser.parse_args().tests
    found = {name: run(name, tests) for name in RUNS}
    print(f"### {tests} tests in one process, every fixture in use\n")
    print("| | CPU a test, ms | last / second fifth | memory, MB | KB a test |")
    print("|---|---|---|---|---|")
    for one in found.values():
        print(
            f"| {one.name} | {one.cpu:.2f} | {one.growth:.2f} | {one.start:.0f} - {one.end:.0f} "
            f"| **{one.memory:.1f}** |"
        )
    leaks = cost_of_leaks(tests // 5)
    print(f"\nThe leak watch, in turns: {leaks:.2f} ms of CPU a test.")
    print(f"\n{versions('pytest', 'anyio', 'httpx', 'fastapi')}")
    wrong = missed(found, leaks)
    print(*wrong, sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
