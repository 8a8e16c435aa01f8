"""`--asyncfastapi-doctor`: what the plugin found, in one screen."""

from __future__ import annotations

import pytest

DOCTOR = "--asyncfastapi-doctor"


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(
        shop="from fastapi import FastAPI\n\napp = FastAPI()\n",
        test_shop="def test_that_must_not_run(): assert False\n",
    )
    return pytester


def test_settings_and_where_each_is_given(project: pytest.Pytester) -> None:
    """Flag, configuration file and both, for a list."""
    project.makepyprojecttoml(
        """
        [tool.pytest.ini_options]
        asyncfastapi_app = "shop:app"
        asyncfastapi_allow_blocking = ["sleep"]
        """
    )
    flags = ("--asyncfastapi-leaks=fail", "--asyncfastapi-allow-blocking=dns")
    result = project.runpytest(DOCTOR, *flags)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "versions    pytest-asyncfastapi *, pytest *, CPython 3.*",
            "config      */pyproject.toml",
            "app         shop:app: FastAPI, * routes",
            "            given by asyncfastapi_app in pyproject.toml",
            "runner      async tests run without a marker*",
            "settings    asyncfastapi_app = shop:app  (pyproject.toml)",
            "* asyncfastapi_allow_blocking = sleep, dns  (--asyncfastapi-allow-blocking and "
            "pyproject.toml)",
            "* asyncfastapi_leaks = fail  (--asyncfastapi-leaks)",
            "not watched *",
            "No problem was found.",
        ]
    )
    result.stdout.no_fnmatch_line("*test_that_must_not_run*")
    assert len(result.outlines) <= 24


def test_no_app(pytester: pytest.Pytester) -> None:
    """Where it was looked for, and status 1."""
    result = pytester.runpytest(DOCTOR)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "app         not found",
            "*no app to test was found*",
            "*main.py: no such file*",
            "Problem:*",
        ]
    )


def test_an_app_that_cannot_be_imported(pytester: pytest.Pytester) -> None:
    """The error of its module, in a line; not a traceback."""
    pytester.makepyfile(shop="raise KeyError('SHOP_URL')")
    result = pytester.runpytest(DOCTOR, "--asyncfastapi-app=shop:app")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["app         not found", "*KeyError: 'SHOP_URL'*", "*raised at *shop.py:1: raise*"]
    )
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_a_fixture_gives_the_app(project: pytest.Pytester) -> None:
    """In a conftest.py that pytest loads at its start."""
    project.makeconftest(
        "import pytest, shop\n\n\n@pytest.fixture\ndef asgi_app():\n    return shop.app\n"
    )
    result = project.runpytest(DOCTOR)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["app         a fixture asgi_app in *conftest.py gives it"])


def test_a_wrong_setting_is_the_usual_sentence(project: pytest.Pytester) -> None:
    """As in a run."""
    result = project.runpytest(DOCTOR, "--asyncfastapi-leaks=maybe")
    assert result.ret != 0
    result.stderr.fnmatch_lines(["*'maybe' must be one of auto, fail, warn, off*"])


def test_a_run_without_it_is_a_run(project: pytest.Pytester) -> None:
    """The flag is off by default."""
    project.runpytest("-q").assert_outcomes(failed=1)
