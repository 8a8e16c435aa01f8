"""What the plugin costs a project that does not use it: `pytest --collect-only`."""

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
        env=_environment(folder),
        capture_output=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def _environment(folder: str) -> dict[str, str]:
    """Bare pytest on both sides: other plugins would only dilute the figure.

    And both compiled, wherever they are installed: the first round writes the bytecode.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    cache = str(Path(folder, "cache"))
    return {**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPYCACHEPREFIX": cache}


def compare(title: str, files: dict[str, str], rounds: int) -> str:
    """Bare pytest and pytest with us, in turns, on a project of these files."""
    without, installed = [], []
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            Path(folder, name).write_text(text)
        for number in range(rounds + 1):
            pair = cpu(folder=folder), cpu("-p", "pytest_asyncfastapi.plugin", folder=folder)
            if number:
                without.append(pair[0])
                installed.append(pair[1])
    middle = statistics.median(b / a for a, b in zip(without, installed, strict=True))
    return (
        f"### {title}\n\n"
        "| | CPU, ms (least) | ratio of the least | median ratio |\n|---|---|---|---|\n"
        f"| bare pytest | {min(without) * 1000:.0f} | **1.000** | 1.000 |\n"
        f"| installed, unused | {min(installed) * 1000:.0f} "
        f"| **{min(installed) / min(without):.3f}** | {middle:.3f} |\n"
    )


def main(rounds: int = 11) -> str:
    """The tables of this file. A start is short and noise only adds: the least of each counts."""
    empty = {"pytest.ini": "[pytest]\n"}
    plain = "".join(f"def test_{number}():\n    pass\n\n\n" for number in range(1000))
    return (
        compare("`pytest --collect-only` of an empty project", empty, rounds)
        + "\n"
        + compare(
            "`pytest --collect-only` of 1,000 plain tests", {**empty, "test_it.py": plain}, rounds
        )
    )
