"""`python -m benchmarks.clock`: every table but that of the random programs."""

from __future__ import annotations

from . import cases, costs

if __name__ == "__main__":
    print(costs.main(), flush=True)
    print()
    print(cases.main())
