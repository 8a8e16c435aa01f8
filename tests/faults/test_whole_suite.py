"""A fault from the command line on a whole existing suite: the seed decides, and nothing else."""

import re
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests import warm

SHOP = Path(__file__).parents[2] / "examples" / "shop"
FAULT = "*: status=503, p=0.3"


@pytest.fixture
def outcomes(tmp_path):
    """Run a copy of the shop's sound suite; the outcome and the findings of each test."""
    shop = tmp_path / "shop"
    # The tests that are about what goes out; some others are sweeps, and run again and again.
    left_out = shutil.ignore_patterns(
        "__pycache__", "test_[!cu]*.py", "test_cat*.py", "tests_buggy"
    )
    shutil.copytree(SHOP, shop, ignore=left_out)

    def run(*arguments):
        plain = ("-p", "no:cacheprovider", "-p", "no:asyncio", "-q", "--junitxml=out.xml")
        # What blocks the loop depends on how busy the machine is, and is not what this is about.
        done = warm.run(*plain, "--asyncfastapi-blocking=off", *arguments, cwd=shop)
        assert done.returncode in (0, 1), done.stdout + done.stderr
        found = {}
        for case in ElementTree.parse(shop / "out.xml").iter("testcase"):
            failures = case.findall("failure") + case.findall("error")
            text = "".join(f"{item.get('message')}{item.text}" for item in failures)
            findings = re.findall(r"(?:fault never hit|route never called|no route)[^\n]*", text)
            name = f"{case.get('classname')}::{case.get('name')}"
            found[name] = (bool(failures), tuple(findings))
        assert len(found) > 10
        return found, done.stdout

    return run


def failed(found):
    return {name for name, (bad, _) in found.items() if bad}


def test_the_seed_decides_with_and_without_xdist(outcomes):
    """The same seed: the same outcomes and findings, in one process or two; another differs."""
    fault = ("--asyncfastapi-fault", FAULT, "--asyncfastapi-seed")
    one, shown = outcomes(*fault, "1")
    assert failed(one)
    assert failed(one) != set(one)
    assert "replay with --asyncfastapi-seed=1" in shown
    assert outcomes(*fault, "1", "-n", "2")[0] == one
    assert any(outcomes(*fault, seed)[0] != one for seed in "2345")


def test_a_fault_that_never_strikes_changes_nothing(outcomes):
    """On the command line a fault is optional: the sound suite stays green."""
    found, _ = outcomes("--asyncfastapi-fault", "https://nowhere.example/*: reset")
    assert failed(found) == set()
