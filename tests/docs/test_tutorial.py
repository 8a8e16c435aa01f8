"""The quick start and the tutorial: each as one project, with the bugs that they show."""

from __future__ import annotations

import sys

import pytest

from tests import pages


@pytest.mark.skipif(
    sys.version_info < (3, 12), reason="Python 3.11 does not show the arguments of a call"
)
def test_the_quick_start(pytester: pytest.Pytester) -> None:
    """The first test fails with the output of the page; the second one passes."""
    assert pages.write(pytester.path, "docs/quickstart.md") == 2
    (config,) = pages.blocks("docs/quickstart.md", "toml")
    pytester.makepyprojecttoml(config.text)
    result = pytester.runpytest("-q", "-p", "no:asyncio")
    result.assert_outcomes(passed=1, failed=1)
    (shown,) = pages.blocks("docs/quickstart.md", "text")
    assert pages.is_shown_by(shown.text, result.stdout.str())


def test_the_quick_start_after_the_fix(pytester: pytest.Pytester) -> None:
    """With the line that the page says."""

    def fixed(text: str) -> str:
        return text.replace("time.sleep(", "await asyncio.sleep(").replace(
            "import time\n", "import asyncio\n"
        )

    pages.write(pytester.path, "docs/quickstart.md", change=fixed)
    pytester.makeini(f"{pages.INI}asyncfastapi_app = shop:app\n")
    result = pytester.runpytest("-q", "-k", "test_checkout")
    result.assert_outcomes(passed=1, deselected=1)


def test_the_tutorial(pytester: pytest.Pytester) -> None:
    """Every lesson, without a finding."""
    tests = pages.write(pytester.path, "docs/tutorial.md")
    pytester.makeini(f"{pages.INI}filterwarnings = error\n")
    result = pytester.runpytest("-q", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=tests)
    result.stdout.no_fnmatch_line("*pytest-asyncfastapi =*")
    assert tests == 12


@pytest.mark.parametrize(
    ("lesson", "told"),
    [
        ("1", "*httpx.ReadTimeout*"),
        ("5", "blocking call: time.sleep* held the event loop*"),
        ("6", "*blocking computation: hashlib.pbkdf2_hmac*"),
    ],
)
def test_what_the_tutorial_says_would_be_found(
    pytester: pytest.Pytester, lesson: str, told: str
) -> None:
    """The tests of a lesson with the article's version, or with the change that the page names."""

    def planted(text: str) -> str:
        text = text.replace("await asyncio.to_thread(fingerprint, text)", "fingerprint(text)")
        return text if text.startswith("# file: fixed") else text.replace("fixed_", "article_")

    pages.write(pytester.path, "docs/tutorial.md", change=planted)
    pytester.makeini(pages.INI)
    result = pytester.runpytest("-q", "-p", "no:cacheprovider", "-k", f"test_{lesson}_")
    assert result.parseoutcomes()["failed"] >= 1
    result.stdout.fnmatch_lines([told])
