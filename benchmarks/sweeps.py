"""What a sweep, or many orders, cost a point: CPU of pytest with them, less that without.

The test makes one request whose endpoint calls two upstreams; each point is the whole test
again, with fresh fixtures and the app's lifespan. Each run is a pytest of its own. The
checkout of the example shop (SQLAlchemy on aiosqlite) is swept beside it, by the clock too.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .measure import versions

ROUNDS = 3
APP = """
import httpx
from fastapi import FastAPI, HTTPException

app = FastAPI()

@app.get("/")
async def both():
    async with httpx.AsyncClient(timeout=5) as http:
        try:
            a = (await http.get("https://a.example/")).raise_for_status().json()
            b = (await http.get("https://b.example/")).raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            raise HTTPException(502) from None
    return [a, b]
"""
TEST = """
import pytest

{mark}
async def test_both(asgi_client, upstream):
    upstream.get("https://a.example/").respond(json=1)
    upstream.get("https://b.example/").respond(json=2)
    assert (await asgi_client.get("/")).json() == [1, 2]
"""
MARKS = {
    "the test once": "",
    "fault sweep": "@pytest.mark.fault_sweep",
    "disconnect sweep": "@pytest.mark.disconnect_sweep",
    "200 orders": "@pytest.mark.schedules(200)",
}


SHOP = Path(__file__).parent.parent / "examples" / "shop"
CHECKOUT = """
import pytest

@pytest.mark.{mark}
async def test_checkout(shopper, stock, payments):
    stock.delete("https://stock.example/reservations/r-1").respond(204)
    cart = {{"items": {{"mug": 2, "kettle": 1}}, "card": "tok-visa"}}
    assert (await shopper.post("/checkout", json=cart)).status_code == 201
"""
SWEEPS = ("fault_sweep", "disconnect_sweep")


def run(folder: str, mark: str, template: str = TEST) -> tuple[float, int]:
    """(CPU seconds, points) of one run."""
    Path(folder, "test_it.py").write_text(template.format(mark=mark))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "pytest", "-v", "-p", "pytest_asyncfastapi.plugin"]
    done = subprocess.run(
        [*command, "-p", "anyio", "test_it.py"],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    told = re.search(r": (\d+) (?:points|orders|schedules)", done.stdout)
    points = int(told[1]) if told else 0
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime), points


def checkout() -> str:
    """The table of the shop's checkout, guard and all."""
    lines = ["### The checkout of the shop", "", "| | points | CPU of all, s | wall time, s |"]
    lines += ["|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        shop = shutil.copytree(SHOP, Path(folder, "shop"))
        for mark in SWEEPS:
            spent = []
            for _ in range(ROUNDS):
                began = time.perf_counter()
                cpu, points = run(str(shop), mark, CHECKOUT)
                spent.append((cpu, time.perf_counter() - began))
            cpu, wall = (statistics.median(one) for one in zip(*spent, strict=True))
            name = mark.replace("_", " ")
            lines.append(f"| {name} | {points} | **{cpu:.1f}** | **{wall:.1f}** |")
    return "\n".join(lines)


def main() -> str:
    """The table of this file."""
    spent: dict[str, list[float]] = {name: [] for name in MARKS}
    points = dict.fromkeys(MARKS, 0)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pytest.ini").write_text("[pytest]\nasyncfastapi_app = shop:app\n")
        Path(folder, "shop.py").write_text(APP)
        for _ in range(ROUNDS):
            for name, mark in MARKS.items():
                cpu, points[name] = run(folder, mark)
                spent[name].append(cpu)
    once, *_ = MARKS
    base = statistics.median(spent[once])
    lines = ["### Once more, and once more", "", "| | points | CPU of all, s | a point, ms |"]
    lines += ["|---|---|---|---|", f"| {once}, with the start of pytest | | {base:.2f} | |"]
    for name in [*MARKS][1:]:
        number = points[name] or int(name.split()[0])
        whole = statistics.median(spent[name])
        each = (whole - base) / number * 1000
        lines.append(f"| {name} | {number} | {whole:.2f} | **{each:.1f}** |")
    about = versions("pytest", "httpx", "fastapi", "sqlalchemy", "aiosqlite")
    return "\n\n".join((about, "\n".join(lines), checkout())) + "\n"


if __name__ == "__main__":
    print(main())
