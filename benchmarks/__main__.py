"""`python -m benchmarks`: every table, as in RESULTS.md."""

from __future__ import annotations

import datetime

from . import requests, startup, upstream, virtual_time

if __name__ == "__main__":
    print(f"Measured on {datetime.datetime.now(tz=datetime.UTC):%Y-%m-%d}.\n")
    for part in (requests, startup, upstream, virtual_time):
        print(part.main(), flush=True)
