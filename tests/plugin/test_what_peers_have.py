"""The app's state on the client, overrides left behind, client faults everywhere, late fixtures."""

from __future__ import annotations

import pytest

APP = """
from contextlib import asynccontextmanager
from fastapi import Depends, FastAPI

def get_db(): return "real"
def get_user(): return "real"

@asynccontextmanager
async def lifespan(app):
    yield {"pool": ["a", "b"]}

app = FastAPI(lifespan=lifespan)

@app.get("/")
async def root(db=Depends(get_db)): return db

def create_app(): return FastAPI()
"""


def run(pytester: pytest.Pytester, test: str, *flags: str) -> pytest.RunResult:
    """Tests of the app above."""
    pytester.makeini("[pytest]\nasyncfastapi_app = shop:app\n")
    pytester.makepyfile(shop=APP, test_it="import httpx, pytest, shop\n" + test)
    return pytester.runpytest_inprocess("-q", "-p", "no:randomly", *flags)


def test_the_state_of_the_lifespan(pytester: pytest.Pytester) -> None:
    """What the lifespan has yielded; nothing for an app without."""
    run(
        pytester,
        """
from pytest_asyncfastapi import open_app

async def test_it(asgi_client):
    assert asgi_client.app_state["pool"] == ["a", "b"]
    assert asgi_client.as_(headers={"x": "1"}).app_state is asgi_client.app_state
    async with open_app(shop.create_app) as other:
        assert other.app_state == {}
""",
    ).assert_outcomes(passed=1)


LEFT = "left behind in app.dependency_overrides: "
LEAVES = {
    "in the test": ("shop.app.dependency_overrides[shop.get_db] = lambda: 1", "", True),
    "in a fixture": (
        "",
        "@pytest.fixture(autouse=True)\ndef mine(asgi_client):\n"
        "    shop.app.dependency_overrides[shop.get_db] = lambda: 1\n",
        True,
    ),
    "in a fixture before the client": (
        "",
        "@pytest.fixture(autouse=True)\ndef mine():\n"
        "    shop.app.dependency_overrides[shop.get_db] = lambda: 1\n",
        True,
    ),
    "put back": (
        "",
        "@pytest.fixture(autouse=True)\ndef mine():\n"
        "    shop.app.dependency_overrides[shop.get_db] = lambda: 1\n    yield\n"
        "    shop.app.dependency_overrides.clear()\n",
        False,
    ),
    "by a wider fixture": (
        "",
        "@pytest.fixture(autouse=True, scope='module')\ndef mine():\n"
        "    shop.app.dependency_overrides[shop.get_db] = lambda: 1\n    yield\n"
        "    shop.app.dependency_overrides.clear()\n",
        False,
    ),
    "by our fixture": ("overrides[shop.get_db] = 1", "", False),
    "in an app of the test's own": ("app.dependency_overrides[shop.get_db] = 1", "own", False),
}


@pytest.mark.parametrize("case", LEAVES)
def test_overrides_that_a_test_leaves(pytester: pytest.Pytester, case: str) -> None:
    """A warning, where the tests that follow have the same app."""
    body, fixture, found = LEAVES[case]
    if fixture == "own":
        fixture = "@pytest.fixture\ndef asgi_app(): return shop.create_app()\n"
        body = "app = asgi_app; " + body
    result = run(
        pytester,
        f"{fixture}\n"
        "async def test_first(asgi_client): pass\n"
        f"async def test_it(asgi_client, asgi_app, overrides):\n    {body or 'pass'}\n",
    )
    result.assert_outcomes(passed=2)
    printed = result.stdout.str()
    assert (f"{LEFT}get_db" in printed) is found
    if found and "fixture" not in case:
        assert "seen in test_it.py::test_it" in printed


def test_client_faults_of_a_client_that_the_test_opens(pytester: pytest.Pytester) -> None:
    """In its body, and in a fixture of its own; no other test is concerned."""
    run(
        pytester,
        """
from pytest_asyncfastapi import open_app

@pytest.fixture
async def admin():
    async with open_app(shop.app) as client:
        yield client

@pytest.fixture
def anyio_backend():
    return "asyncio"

async def test_body(faults):
    faults.client.disconnect(at="request").first(1)
    async with open_app(shop.app) as client:
        with pytest.raises(httpx.ReadError):
            await client.get("/")
        assert (await client.get("/")).json() == "real"

async def test_fixture(admin, faults):
    faults.client.disconnect(at="request")
    with pytest.raises(httpx.ReadError):
        await admin.get("/")

async def test_none(admin):
    assert (await admin.get("/")).json() == "real"
""",
    ).assert_outcomes(passed=3)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("name", ["asgi_client", "clock"])
def test_an_async_fixture_by_its_name_in_the_body(
    pytester: pytest.Pytester, name: str, backend: str
) -> None:
    """One sentence; one that is set up already is given, and a plain one too."""
    result = run(
        pytester,
        f"""
@pytest.fixture
def anyio_backend():
    return "{backend}"

async def test_late(request, upstream):
    request.getfixturevalue("{name}")

async def test_early(request, {name}):
    assert request.getfixturevalue("{name}") is {name}
    request.getfixturevalue("upstream").get("https://a.example").optional()
""",
    )
    result.assert_outcomes(passed=1, failed=1)
    printed = result.stdout.str()
    assert (
        f"the async fixture `{name}` cannot be set up by request.getfixturevalue() in the body"
    ) in printed
    assert "pytest_asyncfastapi/" not in printed
