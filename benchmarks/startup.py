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
    """The table of this file. A start is short and noise only adds: the least of each counts."""
    without, installed = [], []
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pytest.ini").write_text("[pytest]\n")
        for number in range(rounds + 1):
            pair = cpu(folder=folder), cpu("-p", "pytest_asyncfastapi.plugin", folder=folder)
            if number:
                without.append(pair[0])
                installed.append(pair[1])
    middle = statistics.median(b / a for a, b in zip(without, installed, strict=True))
    return (
        "### `pytest --collect-only` of an empty project\n\n"
        "| | CPU, ms (least) | ratio of the least | median ratio |\n|---|---|---|---|\n"
        f"| bare pytest | {min(without) * 1000:.0f} | **1.000** | 1.000 |\n"
        f"| installed, unused | {min(installed) * 1000:.0f} "
        f"| **{min(installed) / min(without):.3f}** | {middle:.3f} |\n"
    )
