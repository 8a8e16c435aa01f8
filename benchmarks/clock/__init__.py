"""What virtual time costs, and whether it is right: `python -m benchmarks.clock`."""
