"""The page of questions: every answer is run, as one project."""

from __future__ import annotations

import pytest

from tests import pages


def test_every_answer_holds(pytester: pytest.Pytester) -> None:
    """Without a finding."""
    tests = pages.write(pytester.path, "docs/how_to_test.md")
    pytester.makeini(f"{pages.INI}asyncfastapi_app = shop:app\nfilterwarnings = error\n")
    result = pytester.runpytest("-q", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=tests)
    result.stdout.no_fnmatch_line("*pytest-asyncfastapi =*")
    assert tests > 15


@pytest.mark.parametrize(
    ("sound", "broken", "test", "told"),
    [
        (
            "(httpx.HTTPError, ValueError)",
            "httpx.HTTPError",
            "price_or",
            "*meets bad_json, no_body",
        ),
        ("timeout=5)", "timeout=None)", "silent", "no read timeout is set on GET https://price*"),
        ("except BaseException:", "except Exception:", "seat_is", "*side effect when * cancelled*"),
        ("await asyncio.sleep(1)\n", "time.sleep(0.01)\n", "lines", "blocking call: time.sleep*"),
    ],
)
def test_what_the_page_says_would_be_found(
    pytester: pytest.Pytester, sound: str, broken: str, test: str, told: str
) -> None:
    """With the bug planted in the app of the page."""

    def planted(text: str) -> str:
        return text.replace(sound, broken) if text.startswith("# file: shop") else text

    pages.write(pytester.path, "docs/how_to_test.md", change=planted)
    pytester.makeini(f"{pages.INI}asyncfastapi_app = shop:app\n")
    result = pytester.runpytest("-q", "-p", "no:cacheprovider", "-k", test)
    result.stdout.fnmatch_lines([told])
