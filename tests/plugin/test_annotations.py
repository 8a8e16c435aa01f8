"""Annotations that only a type checker can read, on every function that the plugin is given.

From Python 3.14 on they need no `from __future__ import annotations`, and are evaluated when
somebody asks for them.
"""

from __future__ import annotations

import sys

import pytest

LATE = "" if sys.version_info >= (3, 14) else "from __future__ import annotations\n"
LATE += """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from nowhere import Missing
"""

SHOP = """
from typing import Annotated

from fastapi import Depends, FastAPI

def stock(q: int = 2) -> Missing:
    return q

def make() -> Missing:
    app = FastAPI()

    @app.get("/")
    async def root(left: Annotated[int, Depends(stock)]) -> int:
        return left

    return app

class Bare:
    async def __call__(self, scope: Missing, receive: Missing, send: Missing) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

app = make()
bare = Bare()
"""


def run(pytester: pytest.Pytester, test: str, *flags: str, app: str = "app") -> pytest.RunResult:
    """One file of tests, with and for functions whose annotations are only to be read."""
    pytester.makeini(f"[pytest]\nasyncfastapi_app = shop:{app}\nanyio_mode = strict\n")
    test = "import pytest\nimport shop\n\n" + test
    pytester.makepyfile(shop=LATE + SHOP, test_it=LATE + test)
    return pytester.runpytest_inprocess("-q", *flags)


TESTS = """
@pytest.fixture
async def left(asgi_client: Missing) -> Missing:
    return (await asgi_client.get("/")).json()

async def test_function(left: Missing) -> None:
    assert left == 2

async def test_without_ours() -> Missing:
    pass

@pytest.mark.anyio
async def test_of_anyio(anyio_backend: Missing, left: Missing) -> None:
    assert left == 2

class TestClass:
    async def test_method(self, left: Missing) -> None:
        assert left == 2
"""


def test_tests_and_fixtures(pytester: pytest.Pytester) -> None:
    """Collected and run, whoever runs them."""
    run(pytester, TESTS, "-p", "no:asyncio").assert_outcomes(passed=5)


def test_tests_of_pytest_asyncio(pytester: pytest.Pytester) -> None:
    """Under another runner too."""
    tests = TESTS.replace("mark.anyio", "mark.asyncio").replace("anyio_backend: Missing, ", "")
    run(pytester, tests, "-o", "asyncio_mode=auto").assert_outcomes(passed=4)


@pytest.mark.parametrize("app", ["make", "bare"])
def test_factories_and_bare_apps(pytester: pytest.Pytester, app: str) -> None:
    """A factory without arguments is called; a class with `__call__` is ASGI 3."""
    test = """
async def test_it(asgi_client):
    assert (await asgi_client.get("/")).is_success
"""
    run(pytester, test, app=app).assert_outcomes(passed=1)


def test_dependencies_that_fail(pytester: pytest.Pytester) -> None:
    """Gated, and injected with what can be read of its parameters."""
    test = """
async def test_it(asgi_client, faults):
    faults.dependency(shop.stock).raises(LookupError("no stock")).nth(2)
    assert (await asgi_client.get("/?q=5")).json() == 5
    with pytest.raises(LookupError, match="no stock"):
        await asgi_client.get("/")
"""
    run(pytester, test).assert_outcomes(passed=1)


def test_overrides(pytester: pytest.Pytester) -> None:
    """A function that takes anything is given nothing."""
    test = """
def other(*anything: Missing, **more: Missing) -> Missing:
    assert not (anything or more)
    return 3

async def test_it(asgi_client, overrides):
    overrides[shop.stock] = other
    assert (await asgi_client.get("/")).json() == 3
"""
    run(pytester, test).assert_outcomes(passed=1)


def test_requests_of_a_load(pytester: pytest.Pytester) -> None:
    """With the number of the request, and without."""
    test = """
async def test_it(asgi_client, load):
    def numbered(number: Missing) -> Missing:
        return asgi_client.get(f"/?q={number}")
    report = await load(numbered, n=3, concurrency=3)
    assert report.statuses == {200: 3}
"""
    run(pytester, test).assert_outcomes(passed=1)


def test_invariants(pytester: pytest.Pytester) -> None:
    """Asked for their fixtures by name, by mark and by call."""
    test = """
from pytest_asyncfastapi import explore_disconnects

def held(asgi_client: Missing, answers: Missing) -> Missing:
    assert asgi_client is not None

@pytest.mark.disconnect_sweep(invariant=held)
async def test_marked(asgi_client):
    assert (await asgi_client.get("/")).json() == 2

async def test_called(asgi_client):
    async def ask() -> Missing:
        assert (await asgi_client.get("/")).json() == 2
    (await explore_disconnects(ask, invariant=held)).assert_none()
"""
    run(pytester, test).assert_outcomes(passed=2)
