"""What is public: nothing of it changes without a decision."""

from __future__ import annotations

import importlib.metadata
import inspect

import pytest

import pytest_asyncfastapi
from pytest_asyncfastapi import errors
from tests import public_api

EXPORTED = sorted(pytest_asyncfastapi.__all__)


def test_it_is_as_written_down() -> None:
    """`python -m tests.public_api` writes it anew, after a decision."""
    assert public_api.described() == public_api.FILE.read_text(encoding="utf-8")


def test_it_is_small() -> None:
    """Names that a user can import from the root."""
    assert len(EXPORTED) <= 80


@pytest.mark.parametrize("name", EXPORTED)
def test_it_is_documented(name: str) -> None:
    """With a docstring, also of each public method."""
    value = getattr(pytest_asyncfastapi, name)
    assert inspect.getdoc(value)
    for key, member in vars(value).items() if inspect.isclass(value) else ():
        if not key.startswith("_") and inspect.isfunction(member):
            assert inspect.getdoc(member), f"{name}.{key}"


def test_all_exceptions_have_one_base() -> None:
    """The root exports each, and so does `errors`."""
    exported = {name: getattr(pytest_asyncfastapi, name) for name in EXPORTED}
    kinds = {n for n, v in exported.items() if inspect.isclass(v) and issubclass(v, Exception)}
    assert kinds == set(errors.__all__)
    for name in kinds:
        assert issubclass(exported[name], pytest_asyncfastapi.AsyncFastAPIError)
        assert getattr(errors, name) is exported[name]
    with pytest.raises(AttributeError, match="has no attribute 'Load'"):
        errors.Load


def test_the_version_is_the_installed_one() -> None:
    """It is nowhere in the code: the build takes it from the git tag."""
    installed = importlib.metadata.version("pytest-asyncfastapi")
    assert pytest_asyncfastapi.__version__ == installed
