"""How much memory it takes to stream 200 MB through `asgi_client`, each way.

    python -m benchmarks.client_memory [--size 200]

Each direction runs in a process of its own; the figure is how much its resident
set (MB) grew at most, from when the client is open. Exits with 1 above the bar.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from pytest_asyncfastapi import open_app

BAR = 64.0  # MB
PIECE = 100_000  # bytes


async def pieces(size: int, seen: list[float]) -> Any:
    """The body, in either direction; looks at the memory once a megabyte."""
    for number in range(size * 10):
        if not number % 10:
            seen.append(resident())
        yield b"x" * PIECE


def resident() -> float:
    """The resident set of this process, in MB; where Linux does not tell, its peak so far."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        # In bytes on macOS.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return pages * resource.getpagesize() / 1e6


async def measure(way: str, size: int) -> tuple[float, float]:
    """(MB that went through, growth of the peak in MB)."""
    seen: list[float] = []

    async def download(request: Any) -> StreamingResponse:
        return StreamingResponse(pieces(size, seen))

    async def upload(request: Any) -> PlainTextResponse:
        read = 0
        async for chunk in request.stream():
            read += len(chunk)
        return PlainTextResponse(str(read))

    routes = [Route("/down", download), Route("/up", upload, methods=["POST"])]
    async with open_app(Starlette(routes=routes)) as client:
        await client.post("/up", content=b"warm")
        before, moved = resident(), 0
        if way == "download":
            async with client.stream("GET", "/down") as response:
                async for chunk in response.aiter_raw():
                    moved += len(chunk)
        else:
            moved = int((await client.post("/up", content=pieces(size, seen))).text)
        return moved / 1e6, max(seen) - before


def in_its_own_process(way: str, size: int) -> tuple[float, float]:
    command = [sys.executable, "-m", "benchmarks.client_memory", "--way", way, "--size", str(size)]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    moved, growth = json.loads(found)
    return moved, growth


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=200)
    parser.add_argument("--way", choices=["download", "upload"])
    options = parser.parse_args()
    if options.way:
        print(json.dumps(asyncio.run(measure(options.way, options.size))))
        return 0
    worst = 0.0
    for way in ("download", "upload"):
        moved, growth = in_its_own_process(way, options.size)
        worst = max(worst, growth)
        print(f"{way}: {moved:.0f} MB, resident set grew by {growth:.1f} MB (bar {BAR:.0f})")
    return int(worst > BAR)


if __name__ == "__main__":
    sys.exit(main())
