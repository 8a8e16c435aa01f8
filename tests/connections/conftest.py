import pytest

from pytest_asyncfastapi._connections.scope import Connections
from pytest_asyncfastapi._core.frames import UserCode
from pytest_asyncfastapi._faults import Faults


@pytest.fixture
def log():
    return []


@pytest.fixture
def faults(request, log):
    """Faults of a test, and its connections below them."""
    users = UserCode(request.config.rootpath)
    faults = Faults(1, "tests::here", user_code=users)
    connections = Connections(
        faults.connections, where=users.where, patience=lambda: 600.0, log=log.append
    )
    connections.activate()
    yield faults
    connections.deactivate()
