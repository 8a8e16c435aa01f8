"""The script that makes Pythons for CI: what it cannot do it says, and deletes nothing for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent.parent / ".ci" / "pythons"
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not SCRIPT.exists(), reason="made for CI, on Linux"
)


def pythons(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        ["sh", SCRIPT, *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    """One line that says why, and the exit status that means "not to be had here"."""
    (tmp_path / "mine.txt").write_text("mine")
    code, said = pythons(str(tmp_path), "venv", "3.14", "pip")
    assert (code, said) == (75, f"Python 3.14 and 3.15 cannot be had: {tmp_path} is not empty\n")
    assert [each.name for each in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("arguments", [(), ("DIR", "make"), ("DIR", "remove", "it")])
def test_other_arguments_are_answered_by_the_usage(tmp_path: Path, arguments) -> None:
    """And nothing is made."""
    tree = tmp_path / "tree"
    code, said = pythons(*(str(tree) if each == "DIR" else each for each in arguments))
    assert code == 2
    assert ".ci/pythons DIR venv VERSION" in said
    assert not tree.exists()
