"""Plays every row on both sides, and writes the table that `docs/client.md` shows."""

from __future__ import annotations

import asyncio
from importlib.metadata import version

from .rows_http import ROWS as HTTP
from .rows_websocket import ROWS as WEBSOCKET
from .stage import Row, Stage, play_ours, play_uvicorn, uvicorn_running
from .why import WHY

BEGIN = "<!-- measured: begin -->"
END = "<!-- measured: end -->"
ROWS = [*HTTP, *WEBSOCKET]
Result = tuple[Row, str, str]


def measured() -> list[Result]:
    """Each row with what our client and what uvicorn made of it."""
    results: list[Result] = []
    plain = Stage()
    with uvicorn_running(plain) as address:
        for row in ROWS:
            ours = asyncio.run(play_ours(row))
            if row.server:
                stage = Stage()
                with uvicorn_running(stage, **row.server) as special:
                    theirs = asyncio.run(play_uvicorn(row, stage, special))
            else:
                theirs = asyncio.run(play_uvicorn(row, plain, address))
            results.append((row, ours, theirs))
    return results


def table(results: list[Result]) -> str:
    """The rows as a Markdown table."""
    lines = ["| row | what | our client | uvicorn | same? |", "|---|---|---|---|---|"]
    for row, ours, theirs in results:
        same = "yes" if ours == theirs else f"**no**: {WHY.get(row.what, '?')}"
        lines.append(f"| {row.id} | {row.what} | {_cell(ours)} | {_cell(theirs)} | {same} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|") or "nothing"


def versions() -> str:
    """What it was measured with."""
    names = ("uvicorn", "h11", "websockets", "httpx")
    return "Measured with " + ", ".join(f"{name} {version(name)}" for name in names) + ".\n"


def replaced(document: str, block: str) -> str:
    """The document with `block` between its markers."""
    head, _, rest = document.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{block}{END}{tail}"
