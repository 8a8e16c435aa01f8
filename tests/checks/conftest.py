"""Small projects, each run once for all the tests that read its report."""

from __future__ import annotations

import pytest

from tests.concurrency.conftest import Projects


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Projects:
    return Projects(tmp_path_factory)
