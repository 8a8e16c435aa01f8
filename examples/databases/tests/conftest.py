"""Which databases there are to test with."""

import os

import pytest

POSTGRESQL = "NOTES_POSTGRESQL_URL"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """One for all tests. PostgreSQL has to run, and the environment says where."""
    url = f"sqlite:///{tmp_path_factory.getbasetemp() / 'notes.db'}"
    if request.param == "postgresql":
        url = os.environ.get(POSTGRESQL, "")
        if not url:
            pytest.skip(f"no PostgreSQL to test with: set {POSTGRESQL}=postgresql://user@host/name")
    monkeypatch.setenv("NOTES_DATABASE_URL", url)
    return url
