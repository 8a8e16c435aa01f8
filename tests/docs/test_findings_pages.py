"""Each rule id has a page, each kind in the code has a rule, and the pages' examples are true."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

import pytest_asyncfastapi
from pytest_asyncfastapi._checks import rules as check_rules
from pytest_asyncfastapi._concurrency import leak_findings
from pytest_asyncfastapi._core.rules import RULES, page_of, rule_of
from pytest_asyncfastapi._explore import disconnect_messages, fault_findings
from tests import pages

FOLDER = pages.ROOT / "docs/findings"
SECTIONS = ["What it means", "Why it matters", "How to fix it", "How to allow it"]
EXAMPLES = sorted(
    path.stem for path in FOLDER.glob("*.md") if "# file: shop_fixed.py" in path.read_text("utf-8")
)


def kinds() -> set[str]:
    """Every `kind=` of a `Finding(...)` that the package writes as a plain string."""
    found = set()
    for path in Path(pytest_asyncfastapi.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding":
                values = [keyword.value for keyword in node.keywords if keyword.arg == "kind"]
                found |= {each.value for each in values if isinstance(each, ast.Constant)}
    return found


def test_every_kind_of_the_code_has_a_rule() -> None:
    """A new kind of finding needs a row in `_core/rules.py`, and so a page."""
    found = kinds()
    assert len(found) > 20
    assert sorted(kind for kind in found if not rule_of(kind)) == []


def test_every_check_and_leak_has_a_rule() -> None:
    """They are named by a table of their package."""
    assert [kind for kind in check_rules.KINDS if rule_of(kind) != kind] == []
    assert [kind for kind in leak_findings.KINDS if rule_of(f"leak.{kind}") != f"leak.{kind}"] == []


def test_every_verdict_of_a_sweep_has_a_rule() -> None:
    """Those that are written as `Problem("...")` or in a table of reasons."""
    found = {*fault_findings._WHY, *disconnect_messages.WHY}
    for path in (Path(pytest_asyncfastapi.__file__).parent / "_explore").glob("*.py"):
        found |= set(re.findall(r'\bProblem\(\s*"([a-z -]+)"', path.read_text("utf-8")))
    verdicts = {f"sweep.{name.replace(' ', '-')}" for name in found - {"ok"}}
    assert len(verdicts) > 15
    assert sorted(kind for kind in verdicts if not rule_of(kind)) == []


def test_every_rule_has_a_page_with_the_same_sections() -> None:
    """And there is no page of a rule that is gone."""
    assert {path.stem for path in FOLDER.glob("*.md")} == {*RULES, "index"}
    listed = (FOLDER / "index.md").read_text("utf-8")
    for rule, summary in RULES.items():
        text = (FOLDER / f"{rule}.md").read_text("utf-8")
        assert text.startswith(f"# {rule}\n\n{summary}\n"), rule
        headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
        assert [name for name in headings if name != "Example"] == SECTIONS, rule
        assert f"| [{rule}]({rule}.md) | {summary} |" in listed


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("blocking", "blocking"),
        ("leak.task.resisting", "leak.task"),
        ("sweep.blocking", "blocking"),
        ("sweep.teardown", "sweep.failed"),
        ("sweep.unhandled", "sweep.unhandled"),
        ("of-another-plugin", ""),
    ],
)
def test_a_form_of_a_kind_has_the_page_of_its_rule(kind: str, rule: str) -> None:
    """A path in the source tree without a site, an address with one."""
    assert rule_of(kind) == rule
    assert page_of(kind) == (rule and f"docs/findings/{rule}.md")
    assert page_of(kind, "https://docs.example/x/") == (
        rule and f"https://docs.example/x/findings/{rule}/"
    )
    assert not rule or (pages.ROOT / page_of(kind)).is_file()


@pytest.mark.parametrize("rule", EXAMPLES)
def test_the_example_has_the_finding_and_its_fix_has_not(
    pytester: pytest.Pytester, rule: str
) -> None:
    """The same test, with the app that has the bug and with the one that has not."""
    assert pages.write(pytester.path, f"docs/findings/{rule}.md") == 1
    pytester.makeini(pages.INI)
    found = {}
    for app in ("shop", "shop_fixed"):
        flags = (f"--asyncfastapi-app={app}:app", f"--asyncfastapi-json={app}.json")
        pytester.runpytest("-q", "-p", "no:cacheprovider", *flags)
        report = json.loads((pytester.path / f"{app}.json").read_text("utf-8"))
        (test,) = report["tests"]
        found[app] = {rule_of(finding["kind"]) for finding in test["findings"]}
        if app == "shop_fixed":
            assert test["outcome"] == "passed"
    assert rule in found["shop"]
    assert found["shop_fixed"] == set()


def test_there_are_enough_examples() -> None:
    """The rules that people meet first."""
    first = {"blocking", "leak.task", "no-timeout", "unrouted", "schedules.race", "sweep.unhandled"}
    assert first <= set(EXAMPLES)
