"""What the plugin costs a project that does not use it: `pytest --collect-only`, empty."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path


def cpu(*flags: str, folder: str) -> float:
    """CPU seconds of one run of pytest."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", *flags],
        cwd=folder,
        # Bare pytest on both sides: other plugins would only dilute the figure.
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def main(rounds: int = 25) -> str:
    """The table of this file."""
    ratios, base = [], []
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pytest.ini").write_text("[pytest]\n")
        for number in range(rounds + 1):
            without = cpu(folder=folder)
            with_it = cpu("-p", "pytest_asyncfastapi.plugin", folder=folder)
            if number:
                ratios.append(with_it / without)
                base.append(without)
    low, _, high = statistics.quantiles(ratios, n=4)
    return (
        "### `pytest --collect-only` of an empty project\n\n"
        "| | CPU, ms | ratio | quartiles |\n|---|---|---|---|\n"
        f"| bare pytest | {statistics.median(base) * 1000:.0f} | **1.00** | |\n"
        f"| installed, unused | | **{statistics.median(ratios):.3f}** | {low:.3f} - {high:.3f} |\n"
    )
