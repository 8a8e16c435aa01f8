"""`python -m benchmarks [part ...]`: what things cost, as tables and as JSON in build/bench.

A part runs in a process of its own, so that none is in the way of another. What needs
a tool that is not installed is left out by the part itself.
"""

from __future__ import annotations

import datetime
import json
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

OUT = Path("build/bench")
_PRINT_MAIN = "import sys, importlib; print(importlib.import_module(sys.argv[1]).main())"
# The name of a part, and how it is run: a module with a `main()` that gives its text, or `-m`.
PARTS: dict[str, tuple[str, ...]] = {
    "request-cost": ("-c", _PRINT_MAIN, "benchmarks.request_cost"),
    "request-kinds": ("-m", "benchmarks.client", "--rounds", "5"),
    "guard-cost": ("-c", _PRINT_MAIN, "benchmarks.requests"),
    "start-up": ("-c", _PRINT_MAIN, "benchmarks.startup"),
    "upstream": ("-c", _PRINT_MAIN, "benchmarks.upstream"),
    "connections": ("-c", _PRINT_MAIN, "benchmarks.connections"),
    "virtual-time": ("-c", _PRINT_MAIN, "benchmarks.virtual_time"),
    "clock-cost": ("-m", "benchmarks.clock.costs"),
    "sweeps": ("-c", _PRINT_MAIN, "benchmarks.sweeps"),
    "reports": ("-c", _PRINT_MAIN, "benchmarks.reporting"),
    "schedules": ("-m", "benchmarks.explore", "4"),
    "orders": ("-m", "benchmarks.explore.every_order"),
}
# Not what things cost, but who is right, case by case; minutes, so only by name.
BY_NAME: dict[str, tuple[str, ...]] = {
    "guard-corpus": ("-m", "benchmarks.blocking"),
    "clock-cases": ("-m", "benchmarks.clock.cases"),
    "memory": ("-m", "benchmarks.client_memory"),
    "soak": ("-m", "benchmarks.soak"),
    "suites": ("-m", "benchmarks.suites"),
}


def tables(text: str) -> list[dict[str, Any]]:
    """The Markdown tables of a text, with their titles and rows."""
    found: list[dict[str, Any]] = []
    title, rows = "", []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip().strip("*") for cell in line.strip().strip("|").split("|")])
            continue
        if len(rows) > 2:
            columns, _, *body = rows
            found.append({"title": title, "columns": columns, "rows": body})
        rows = []
        if line.startswith("#"):
            title = line.lstrip("# ")
    return found


def run(name: str) -> bool:
    """Run a part, print what it says, and write it down; did it end well?"""
    began = time.monotonic()
    command = [sys.executable, *(PARTS | BY_NAME)[name]]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    seconds = time.monotonic() - began
    print(f"## {name} ({seconds:.0f} s)\n\n{done.stdout.strip()}\n", flush=True)
    record = {
        "part": name,
        "measured": f"{datetime.datetime.now(tz=datetime.UTC):%Y-%m-%d}",
        "python": platform.python_version(),
        "exit": done.returncode,
        "tables": tables(done.stdout),
        "text": done.stdout,
    }
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{name}.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    return not done.returncode


def main() -> int:
    """The parts that are named, or all of `PARTS`; 1 where one has failed or missed a bar."""
    wanted = sys.argv[1:] or list(PARTS)
    if unknown := [name for name in wanted if name not in PARTS | BY_NAME]:
        print(f"no part {', '.join(unknown)}; there are {', '.join(PARTS | BY_NAME)}")
        return 2
    failed = [name for name in wanted if not run(name)]
    print(
        f"As JSON in {OUT}/." + (f" Failed, or above a bar: {', '.join(failed)}" if failed else "")
    )
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
