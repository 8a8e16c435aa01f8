"""`python -m benchmarks.blocking`: the table of RESULTS.md.

With `--loops`: the corpus on asyncio, trio and uvloop. With `--hog`: the harmless cases 20 times
while every processor is busy; the goal is 0 findings.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import platform
import subprocess
import sys
import warnings
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from tests.blocking.corpus import BLOCKING, CLEAN, Case
from tests.blocking.corpus.judge_case import judge_case
from tests.blocking.corpus.resources import open_resources
from tests.blocking.corpus.run_case import run_case

from .tools import TOOLS, inside, installed

ROUNDS = 20


def measure_case(name: str, case: Case) -> tuple[bool, bool]:
    """(reported, reported and swallowed by the app) for one case."""
    if not case.category:
        with open_resources(*case.resources) as resources:
            run_case(case, resources)
    status = 500  # the error was not swallowed
    with (
        open_resources(*case.resources) as resources,
        TOOLS[name]() as report,
        contextlib.suppress(Exception),
    ):
        status = run_case(case, resources, around=lambda: inside(name, report))
    lost = bool(report.swallowed) and status < 500
    return bool(report.found or report.swallowed) and not lost, lost


def measure_tool(name: str) -> dict[str, Any]:
    """All cases under one tool, in this process."""
    warnings.simplefilter("ignore")
    found, swallowed, alarms, missed = 0, 0, [], []
    for case in (case for case in (*BLOCKING, *CLEAN) if not case.skip_reason()):
        seen, lost = measure_case(name, case)
        if case.category:
            found, swallowed = found + seen, swallowed + lost
            missed += [] if seen else [case.name]
        elif seen:
            alarms.append(case.name)
    return {"found": found, "swallowed": swallowed, "alarms": alarms, "missed": missed}


def table() -> str:
    """Each tool in a subprocess."""
    of = len([case for case in BLOCKING if not case.skip_reason()])
    clean = len([case for case in CLEAN if not case.skip_reason()])
    lines = [
        f"CPython {platform.python_version()}, {platform.system()}, asyncio; "
        f"{datetime.datetime.now(tz=datetime.UTC):%Y-%m-%d}. Threshold of each tool that has one: "
        "50 ms.",
        "",
        f"| | version | blocking, found of {of} | raised, but swallowed by the app "
        f"| false alarms of {clean} |",
        "|---|---|---|---|---|",
    ]
    for name in TOOLS:
        if not installed(name):
            lines.append(f"| {name} | not installed here | | | |")
            continue
        program = [sys.executable, "-m", __spec__.name, "--one", name]
        try:
            done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=600)
        except subprocess.TimeoutExpired:
            lines.append(f"| {name} | {_version(name)} | not over after 600 s | | |")
            continue
        if done.returncode:
            lines.append(f"| {name} | {_version(name)} | did not end: {done.returncode} | | |")
            continue
        told = json.loads(done.stdout.rpartition("JSON ")[2])
        lines.append(
            f"| {name} | {_version(name)} | **{told['found']}** | {told['swallowed']} "
            f"| **{len(told['alarms'])}** |"
        )
        print(name, "missed:", *told["missed"], "| alarms:", *told["alarms"], file=sys.stderr)
    return "\n".join(lines) + "\n"


def _version(name: str) -> str:
    try:
        return version(name.partition(" ")[0])
    except PackageNotFoundError:
        return platform.python_version()


def loops() -> str:
    """The guard over the whole corpus, on each kind of loop."""
    warnings.simplefilter("ignore")
    lines = [
        f"CPython {platform.python_version()}",
        "",
        "| | blocking, found | line, category and endpoint right | false alarms |",
        "|---|---|---|---|",
    ]
    for backend in ("asyncio", "trio", "uvloop"):
        told = [judge_case(case, backend) for case in BLOCKING if not case.skip_reason(backend)]
        clean = [judge_case(case, backend) for case in CLEAN if not case.skip_reason(backend)]
        found, right = sum(one.found for one in told), sum(one.as_expected for one in told)
        alarms = sum(one.found for one in clean)
        lines.append(
            f"| {backend} | **{found}** of {len(told)} | {right} ({right / len(told):.1%}) "
            f"| **{alarms}** of {len(clean)} |"
        )
        for one in (*told, *clean):
            if not one.as_expected:
                print(backend, one, file=sys.stderr)
    return "\n".join(lines) + "\n"


# It ends with its parent, however that ends.
_BUSY = "import os; me = os.getppid()\nwhile os.getppid() == me: sum(range(1000))"


def hog(rounds: int) -> int:
    """The harmless cases under full load; returns the number of findings."""
    warnings.simplefilter("ignore")
    cases, found = [case for case in CLEAN if not case.skip_reason()], 0
    # Not more than so many processors' worth of noise.
    busy = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(os.cpu_count() or 1)]
    try:
        for _ in range(rounds):
            for case in cases:
                verdict = judge_case(case)
                found += len(verdict.reported)
                if verdict.reported:
                    print(verdict, file=sys.stderr)
        alive = sum(process.poll() is None for process in busy)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    runs = rounds * len(cases)
    print(f"{found} findings in {runs} runs of harmless cases, with {alive} busy processes")
    return found


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print("JSON " + json.dumps(measure_tool(sys.argv[2])))
    elif sys.argv[1:2] == ["--loops"]:
        print(loops())
    elif sys.argv[1:2] == ["--hog"]:
        sys.exit(hog(int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS) > 0)
    else:
        print(table())
