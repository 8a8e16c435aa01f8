"""No row hangs: each test of this package in a process of its own, killed when it takes too long.

    python tests/client/hangs.py [--limit 4] [--each] [-k WORD]

Under anyio's runner on asyncio and on trio, and under pytest-asyncio. Without
`--each` a file is a process, and a test that overruns the limit (seconds) ends
it; what is found that way is tried once more alone, since a busy machine is no
hang. Exits with 1 if one overruns again, or a test fails.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RUNNERS = {
    "anyio, asyncio": ["-k", "not trio"],
    "anyio, trio": ["-k", "trio"],
    "pytest-asyncio": ["-o", "asyncio_mode=auto"],
}
# These play a server, or run whole suites: seconds of work, not one row.
OTHERS = ("test_docs_of_client.py", "test_rows_runners.py", "test_rows_under_pytest.py")
START = 30.0  # seconds for a process to start and to collect, on a busy machine


def pytest(*arguments: str, patience: float) -> tuple[int, str]:
    """Run it; a process that does not even stop by itself is killed, and is -1."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    try:
        done = subprocess.run(
            [*command, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=patience
        )
    except subprocess.TimeoutExpired as killed:
        return -1, str(killed.stdout or "")
    return done.returncode, done.stdout + done.stderr


def collected(runner: list[str], word: str) -> list[str]:
    """The ids of all tests that run under this runner."""
    files = [str(path) for path in sorted(HERE.glob("test_*.py")) if path.name not in OTHERS]
    code, told = pytest(*files, "--collect-only", *runner, patience=120)
    if code not in (0, 5):
        sys.exit(f"cannot collect:\n{told}")
    return [line for line in told.splitlines() if "::" in line and word in line]


def groups(ids: list[str], each: bool) -> list[list[str]]:
    """Ids that share a process."""
    if each:
        return [[test] for test in ids]
    by_file: dict[str, list[str]] = {}
    for test in ids:
        by_file.setdefault(test.partition("::")[0], []).append(test)
    return list(by_file.values())


def hung(told: str) -> bool:
    """Did pytest-timeout end the process?"""
    return "+ Timeout +" in told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=float, default=4.0)
    parser.add_argument("--each", action="store_true")
    parser.add_argument("-k", dest="word", default="")
    options = parser.parse_args()
    limit = [f"--timeout={options.limit}", "--timeout-method=thread"]
    bad = 0
    for name, runner in RUNNERS.items():
        ids = collected(runner, options.word)
        extra = [] if runner[0] == "-k" else runner
        hangs: list[str] = []
        failures: list[str] = []
        for tests in groups(ids, options.each):
            patience = START + options.limit * len(tests)
            code, told = pytest(*tests, *limit, *extra, patience=patience)
            if code in (0, 5):
                continue
            for test in tests:
                code, told = pytest(test, *limit, *extra, patience=START + options.limit)
                if code == -1 or hung(told):
                    hangs.append(test)
                elif code not in (0, 5):
                    failures.append(test)
        bad += len(hangs) + len(failures)
        print(f"{name}: {len(ids)} tests, {len(hangs)} hang, {len(failures)} fail", flush=True)
        for test in (*hangs, *failures):
            print(f"    {test}")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
