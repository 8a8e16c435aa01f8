"""How soon schedules find planted races, and at what price: `python -m benchmarks.explore`."""
