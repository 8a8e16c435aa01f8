"""Flags, ini keys and markers: one table; a wrong value is one sentence with its place."""

from __future__ import annotations

import pytest

from pytest_asyncfastapi._plugin.options import OPTIONS


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--asyncfastapi-blocking=loud", "'loud' must be one of auto, fail, raise, warn, off"),
        ("--asyncfastapi-blocking-profile=x", "'x' must be one of default, strict"),
        ("--asyncfastapi-runner=x", "'x' must be one of auto, off"),
        ("--asyncfastapi-unrouted=x", "'x' must be one of fail, warn, pass"),
        ("--asyncfastapi-seed=x", "'x' is not a whole number"),
        ("--asyncfastapi-client-timeout=soon", "'soon' is not a duration"),
        ("--asyncfastapi-startup-timeout=-1", "'-1' is not a duration"),
        ("--asyncfastapi-allow-blocking=noise@shop", "'noise@shop' is not an allow rule"),
        ("--asyncfastapi-blocking-category=noise=off", "'noise=off' is not CATEGORY=WORD"),
        ("--asyncfastapi-blocking-category=file=loud", "fail, warn or off"),
        ("--asyncfastapi-app= ", "' ' is neither a text such as 'pkg.mod:app' nor an app"),
        ("--asyncfastapi-fault=https://x.example/*: explode", "explode"),
    ],
)
def test_a_wrong_flag_stops_the_run(pytester: pytest.Pytester, flag: str, words: str) -> None:
    """Before any test, naming the flag."""
    result = pytester.runpytest(flag)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stderr.str()
    assert words in text
    assert flag.partition("=")[0] in text


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("asyncfastapi_blocking = loud", "asyncfastapi_blocking in tox.ini: 'loud' must be one of"),
        ("asyncfastapi_seed = many", "asyncfastapi_seed in tox.ini: 'many' is not a whole number"),
        ("asyncfastapi_fault = nonsense", "asyncfastapi_fault in tox.ini:"),
    ],
)
def test_a_wrong_ini_value_stops_the_run(pytester: pytest.Pytester, line: str, words: str) -> None:
    """Naming the key and the file."""
    pytester.makeini(f"[pytest]\n{line}\n")
    result = pytester.runpytest()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert words in result.stderr.str()


def test_a_wrong_type_in_native_toml(pytester: pytest.Pytester) -> None:
    """`[tool.pytest]` (pytest 9) keeps TOML's types: a number where a text belongs is named."""
    if not hasattr(pytest, "version_tuple") or pytest.version_tuple < (9,):
        pytest.skip("[tool.pytest] came with pytest 9")
    pytester.makepyprojecttoml("[tool.pytest]\nasyncfastapi_seed = 7\n")
    result = pytester.runpytest()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stderr.str()
    assert "pyproject.toml" in text
    assert "asyncfastapi_seed" in text
    assert "string" in text


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ("asyncfastapi('x')", "takes keywords only"),
        ("asyncfastapi(bloking='off')", "has no argument 'bloking'; did you mean 'blocking'?"),
        ("asyncfastapi(blocking='loud')", "(blocking='loud'): 'loud' must be one of"),
        ("allow_blocking()", "takes what is allowed as text"),
        ("allow_blocking('open', why='x')", "takes what is allowed as text"),
        ("allow_blocking('noise@shop')", "@pytest.mark.allow_blocking:"),
        ("faults(3)", "takes one text a fault"),
        ("faults('https://x.example/*: explode')", "@pytest.mark.faults:"),
    ],
)
def test_a_wrong_marker_fails_its_test(pytester: pytest.Pytester, mark: str, words: str) -> None:
    """Naming the test and the fix, without a traceback of ours."""
    pytester.makepyfile(f"import pytest\n@pytest.mark.{mark}\nasync def test_a(blocking): pass")
    result = pytester.runpytest()
    result.assert_outcomes(errors=1)
    text = result.stdout.str()
    assert words in text
    assert "::test_a: @pytest.mark." in text
    assert "site-packages" not in text
    assert "Traceback" not in text


def test_marker_over_flag_over_ini(pytester: pytest.Pytester) -> None:
    """The nearest to the test wins; lists add up."""
    pytester.makeini("[pytest]\nasyncfastapi_seed = 1\nasyncfastapi_allow_blocking =\n    open\n")
    pytester.makepyfile(
        """
        import pytest
        from pytest_asyncfastapi._plugin.state import state_of

        def test_flag(request):
            settings = state_of(request.node).settings
            assert settings.seed == 2
            assert settings.allow_blocking == ("open", "sleep")

        @pytest.mark.asyncfastapi(seed=3, allow_blocking=["dns"], client_timeout="2m")
        def test_marker(request):
            settings = state_of(request.node).settings
            assert settings.seed == 3
            assert settings.allow_blocking == ("open", "sleep", "dns")
            assert settings.client_timeout == 120.0
        """
    )
    result = pytester.runpytest("--asyncfastapi-seed=2", "--asyncfastapi-allow-blocking=sleep")
    result.assert_outcomes(passed=2)


def test_every_option_and_marker_is_registered_and_explained(pytester: pytest.Pytester) -> None:
    """`--help` and `--markers` have them all; `--strict-markers` is satisfied."""
    text = pytester.runpytest("--help").stdout.str()
    for option in OPTIONS:
        assert option.flag in text
        assert option.ini in text
    markers = pytester.runpytest("--markers").stdout.str()
    for name in ("asyncfastapi(", "allow_blocking(", "faults("):
        assert f"@pytest.mark.{name}" in markers


def test_an_app_that_cannot_be_found_is_one_failure(pytester: pytest.Pytester) -> None:
    """With the list of places, and no traceback of ours."""
    pytester.makepyfile("async def test_a(asgi_client): pass")
    result = pytester.runpytest()
    result.assert_outcomes(errors=1)
    text = result.stdout.str()
    assert "no app to test was found. Looked below" in text
    assert "During handling" not in text
