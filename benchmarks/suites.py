"""What the guard costs a whole suite: Starlette's own, and a generated one of the same shape.

    python -m benchmarks.suites [--rounds 5] [--starlette FOLDER]

Runs each suite without the plugin and with `--asyncfastapi-blocking=fail`, in turns, and
compares the CPU time of the processes. Starlette's published source is downloaded with pip
(or given as an unpacked folder) and run in an environment of its own below `build/bench`, with
what its tests need; where that cannot be had, only the generated suite is measured.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tarfile
import venv
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from .measure import versions

HERE = Path(__file__).parents[1]
BAR = 1.15
WITHOUT = ("-p", "no:asyncfastapi")
WITH = ("--asyncfastapi-blocking=fail",)
# A pinned version: its tests change, and figures of two versions cannot be compared.
STARLETTE = "starlette==1.10.0"
NEEDS = ("httpx2[zstd]", "httpx", "trio", "pytest", "opentelemetry-sdk", "importlib-metadata")

APP = """
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute


async def index(request):
    return JSONResponse({"path": request.url.path, "query": dict(request.query_params)})

def plain(request):
    return JSONResponse([header.lower() for header in request.headers])

async def form(request):
    async with request.form() as data:
        return JSONResponse({name: str(value) for name, value in data.items()})

async def lines(request):
    async def body():
        for number in range(20):
            yield f"{number}\\n"
    return StreamingResponse(body())

async def echo(websocket):
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())
    await websocket.close()

app = Starlette(
    routes=[
        Route("/", index),
        Route("/plain", plain),
        Route("/form", form, methods=["POST"]),
        Route("/lines", lines),
        Mount("/deep", routes=[Route("/{name}/{number:int}", index)]),
        WebSocketRoute("/ws", echo),
    ],
    middleware=[Middleware(GZipMiddleware)],
)
"""
# As in Starlette's own suite: mostly sync tests of a TestClient, which runs the app in a thread.
TESTS = """
import pytest
from starlette.testclient import TestClient
from app import app

@pytest.fixture(params=["asyncio", "trio"])
def client(request):
    return TestClient(app, backend=request.param)

@pytest.mark.parametrize("number", range({each}))
class TestApp:
    def test_index(self, client, number):
        assert client.get("/", params={{"n": number}}).json()["query"] == {{"n": str(number)}}

    def test_plain(self, client, number):
        assert "host" in client.get("/plain").json()

    def test_form(self, client, number):
        assert client.post("/form", data={{"a": number}}).json() == {{"a": str(number)}}

    def test_lines(self, client, number):
        assert client.get("/lines").text.count("\\n") == 20

    def test_deep(self, client, number):
        assert client.get(f"/deep/it/{{number}}").status_code == 200

    def test_websocket(self, client, number):
        with client.websocket_connect("/ws") as session:
            session.send_text("hello")
            assert session.receive_text() == "hello"

    def test_lifespan(self, client, number):
        with client:
            assert client.get("/missing").status_code == 404
"""


@dataclass
class Suite:
    """A folder with tests, the Python that runs them, and pytest's arguments."""

    name: str
    folder: Path
    python: Path
    arguments: tuple[str, ...] = ()

    def run(self, *more: str) -> tuple[float, str]:
        """CPU seconds of one run, and pytest's last line."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [str(self.python), "-m", "pytest", "-q", *self.arguments, *more],
            cwd=self.folder,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        lines = done.stdout.strip().splitlines()
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return seconds, lines[-1] if lines else "no output"


def generated(folder: Path, tests: int) -> Suite:
    """A suite of about so many tests, for the Python that runs this."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "app.py").write_text(APP)
    for number in range(10):
        text = TESTS.format(each=max(1, tests // (10 * 14)))
        (folder / f"test_{number}.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    arguments = ("-p", "no:looptime", "-p", "no:asyncio", "-p", "no:randomly")
    return Suite("generated", folder, Path(sys.executable), arguments)


def starlette(folder: Path, given: str) -> Suite | None:
    """Starlette's suite, in an environment of its own; None where it cannot be had."""
    python = folder / "venv" / "bin" / "python"
    try:
        if given:
            source = Path(given)
        else:
            download = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps")
            options = ("--no-binary", ":all:", "--dest", str(folder), STARLETTE)
            subprocess.run([*download, *options], check=True)
            (packed,) = folder.glob("starlette-*.tar.gz")
            with tarfile.open(packed) as opened:
                opened.extractall(folder, filter="data")
            source = folder / packed.name.removesuffix(".tar.gz")
        if not python.exists():
            venv.create(folder / "venv", with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, "-e", str(HERE), f"{source}[full]", *NEEDS], check=True)
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        print(f"Starlette's suite cannot be had here, and is left out: {error}", file=sys.stderr)
        return None
    return Suite(STARLETTE, source, python.absolute())


def main() -> int:
    """Print the table; 1 where a suite is above the bar."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--tests", type=int, default=1400, help="of the generated suite")
    options.add_argument("--starlette", default="", help="its unpacked source")
    given = options.parse_args()
    folder = Path("build/bench/suites").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    found = [starlette(folder, given.starlette), generated(folder / "generated", given.tests)]
    print(versions("pytest", "starlette"))
    print("\n### A whole suite, without the plugin and with the guard in every test\n")
    print("| suite | CPU without, s | CPU with, s | ratio | quartiles | without | with |")
    print("|---|---|---|---|---|---|---|")
    above = False
    for suite in filter(None, found):
        suite.run(*WITHOUT)  # compiles everything
        pairs = [(suite.run(*WITHOUT), suite.run(*WITH)) for _ in range(given.rounds)]
        ratios = [guarded[0] / bare[0] for bare, guarded in pairs]
        low, _, high = quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        bare, guarded = (median(pair[side][0] for pair in pairs) for side in (0, 1))
        print(
            f"| {suite.name} | {bare:.2f} | {guarded:.2f} | **{median(ratios):.2f}** "
            f"| {low:.2f} - {high:.2f} | {pairs[-1][0][1]} | {pairs[-1][1][1]} |"
        )
        above = above or median(ratios) > BAR
    return int(above)


if __name__ == "__main__":
    sys.exit(main())
