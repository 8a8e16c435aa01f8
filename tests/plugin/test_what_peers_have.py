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


def test_overrides_that_a_test_leaves(pytester: pytest.Pytester) -> None:
    """A warning, where the tests that follow have the same app."""
    files = {}
    for number, (body, fixture, _) in enumerate(LEAVES.values()):
        mark = f"pytestmark = pytest.mark.asyncfastapi(app='shop_{number}:app')"
        if fixture == "own":
            mark = ""
            fixture = "@pytest.fixture\ndef asgi_app(): return shop.create_app()\n"
            body = "app = asgi_app; " + body
        files[f"shop_{number}"] = APP
        files[f"test_{number}"] = (
            f"import pytest, shop_{number} as shop\n"
            f"{mark}\n{fixture}\n"
            "async def test_first(asgi_client): pass\n"
            f"async def test_it(asgi_client, asgi_app, overrides):\n    {body or 'pass'}\n"
        )
    pytester.makepyfile(**files)
    done = pytester.inline_run("-q", "-p", "no:randomly")
    done.assertoutcome(passed=2 * len(LEAVES))
    told: dict[str, list[str]] = {}
    for report in done.getreports("pytest_runtest_logreport"):
        for item in getattr(report, "asyncfastapi", {}).get("findings", ()):
            told.setdefault(report.nodeid.partition("::")[0], []).append(item["title"])
    for number, (case, (_, _, found)) in enumerate(LEAVES.items()):
        assert set(told.get(f"test_{number}.py", ())) == ({f"{LEFT}get_db"} if found else set()), (
            case
        )


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


def test_an_async_fixture_by_its_name_in_the_body(pytester: pytest.Pytester) -> None:
    """One sentence; one that is set up already is given, and a plain one too."""
    result = run(
        pytester,
        """
@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param

@pytest.mark.parametrize("name", ["asgi_client", "clock"])
async def test_late(request, upstream, name):
    request.getfixturevalue(name)

@pytest.mark.parametrize("name", ["asgi_client", "clock"])
async def test_early(request, asgi_client, clock, name):
    assert request.getfixturevalue(name) in (asgi_client, clock)
    request.getfixturevalue("upstream").get("https://a.example").optional()
""",
    )
    result.assert_outcomes(passed=4, failed=4)
    printed = result.stdout.str()
    for name in ("asgi_client", "clock"):
        told = f"the async fixture `{name}` cannot be set up by request.getfixturevalue() in the"
        assert printed.count(told) == 2
    assert "pytest_asyncfastapi/" not in printed
