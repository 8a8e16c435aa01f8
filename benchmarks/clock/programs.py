"""Spurious timeouts in random programs, by policy and backend.

`python -m benchmarks.clock.programs [COUNT] [BACKEND...]` prints one row a policy and backend.
The programs and their model are those of the suite, with other seeds.
"""

from __future__ import annotations

import platform
import sys

import anyio

from tests.clock.random_programs import Outcome, outside_server, run_programs

BATCH = 50
FIRST_SEED = 10_000


def measure(policy: str, backend: str, count: int, outer: int) -> Outcome:
    """Run programs, a new loop every 50 seeds, until there are `count`."""
    total, seed = Outcome(), FIRST_SEED
    while total.programs < count:
        seeds = range(seed, seed + min(BATCH, count - total.programs))
        seed = seeds.stop
        got = anyio.run(run_programs, seeds, policy, outer, backend=backend)
        total.programs += got.programs
        total.timeouts += got.timeouts
        total.spurious += got.spurious
        total.wrong += got.wrong
        total.notes += got.notes
    return total


def main(count: int, backends: list[str]) -> None:
    print("| Python | backend | policy | programs | timeouts | spurious | otherwise wrong |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for backend in backends:
        for policy in ("freeze", "flow"):
            with outside_server() as outer:
                got = measure(policy, backend, count, outer)
            print(
                f"| {platform.python_version()} | {backend} | {policy} | {got.programs} "
                f"| {got.timeouts} | {got.spurious} | {len(set(got.wrong))} |",
                flush=True,
            )
            if got.wrong or (policy == "freeze" and got.notes):
                print("seeds:", sorted(set(got.wrong)), "notes:", got.notes[:3], file=sys.stderr)


if __name__ == "__main__":
    main(int((sys.argv[1:] or ["2000"])[0]), sys.argv[2:] or ["asyncio", "trio"])
