"""`python -m pytest_asyncfastapi merge a.json b.json -o all.json`: one report of several."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ._report.merge import MergeError, merge, read
from ._report.sweeps import headline


def main(arguments: list[str] | None = None) -> int:
    """Merge the reports that are named; returns the exit status: 2 where they do not fit."""
    parser = argparse.ArgumentParser(prog="python -m pytest_asyncfastapi")
    commands = parser.add_subparsers(dest="command", required=True)
    merging = commands.add_parser("merge", help="JSON reports of several machines become one")
    merging.add_argument(
        "reports", nargs="+", metavar="FILE", help="written by --asyncfastapi-json"
    )
    merging.add_argument("-o", "--output", metavar="FILE", help="instead of standard output")
    chosen = parser.parse_args(arguments)
    try:
        merged = merge([(path, read(path)) for path in chosen.reports])
    except MergeError as error:
        print(error, file=sys.stderr)
        return 2
    text = json.dumps(merged, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if not chosen.output:
        print(text, end="")
        return 0
    Path(chosen.output).write_text(text, encoding="utf-8")
    for test in merged["tests"]:
        for sweep in test["sweeps"]:
            print(headline(sweep))
    counts = ", ".join(f"{number} {name}" for name, number in merged["summary"].items() if number)
    print(f"{len(chosen.reports)} reports in {chosen.output}: {counts or 'no test'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
