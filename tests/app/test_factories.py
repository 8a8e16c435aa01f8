"""An app, or what makes one: told apart by how it can be called, and by what it returns."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI

from pytest_asyncfastapi import open_app
from pytest_asyncfastapi._app.factory import AsyncFactory, NotAnApp, app_of
from pytest_asyncfastapi._app.overrides import Overrides


def get_user() -> str:
    return "real"


APP = FastAPI()


def create_app(title: str = "made", debug: bool = False, db: str = "") -> FastAPI:
    return FastAPI(title=title)


def takes_anything(*args: Any, **kwargs: Any) -> FastAPI:
    return FastAPI(title="made")


async def create_later(title: str = "made") -> FastAPI:
    return FastAPI(title=title)


class Maker:
    """A factory that is an object."""

    def __call__(self) -> FastAPI:
        return FastAPI(title="made")


async def asgi3(scope: Any, receive: Any, send: Any) -> None: ...


async def decorated(*args: Any) -> None: ...


def asgi2(scope: Any) -> Any:
    return asgi3


class Asgi2:
    """An app of ASGI 2."""

    def __init__(self, scope: Any) -> None: ...


class Asgi3:
    """An app of ASGI 3 that is an object, wrapped."""

    async def __call__(self, *args: Any) -> None: ...


@pytest.mark.parametrize("app", [APP, asgi3, asgi2, Asgi2, Asgi3(), decorated])
def test_what_is_an_app_is_left_alone(app: Any) -> None:
    """None of these is called."""
    assert app_of(app, "app") is app


@pytest.mark.parametrize("factory", [create_app, takes_anything, Maker(), lambda: FastAPI()])
def test_what_is_a_factory_is_called(factory: Any) -> None:
    """With or without parameters that have a default."""
    assert isinstance(app_of(factory, "factory"), FastAPI)


async def test_an_async_factory() -> None:
    """It is called once, in the loop in which the app runs."""
    made = app_of(create_later, "create_later")
    assert isinstance(made, AsyncFactory)
    assert await made.make() is await made.make()
    async with open_app(create_later) as client:
        assert (await client.get("/openapi.json")).json()["info"]["title"] == "made"


async def test_overrides_before_an_async_factory_has_made_the_app() -> None:
    """They are kept for it; and put back."""
    app = FastAPI()

    async def create() -> FastAPI:
        return app

    factory = app_of(create, "create")
    overrides = Overrides(factory)
    overrides[get_user] = "ann"
    assert get_user in overrides
    assert overrides[get_user] == "ann"
    overrides[create_app] = "gone"
    del overrides[create_app]
    async with open_app(factory):
        assert list(app.dependency_overrides) == [get_user]
        assert app.dependency_overrides[get_user]() == "ann"
    overrides.restore()
    assert app.dependency_overrides == {}


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (7, "it is a int, not an ASGI app: it cannot be called with"),
        (lambda: None, "it was called without arguments and returned None, which is not an ASGI"),
        (lambda settings: APP, "it needs 'settings': it is neither an ASGI app"),
        (lambda a, b: APP, "it needs 'a' and 'b': it is neither an ASGI app"),
    ],
)
def test_what_makes_no_app(target: Any, words: str) -> None:
    """One sentence with what it is instead."""
    with pytest.raises(NotAnApp) as caught:
        app_of(target, "it")
    assert words in str(caught.value)


async def test_an_async_factory_that_makes_no_app() -> None:
    """Known once it has run."""

    async def create() -> None: ...

    with pytest.raises(NotAnApp, match="create was called without arguments and returned None"):
        async with open_app(create):
            pass  # pragma: no cover


TWO = """
from fastapi import FastAPI

def made(name):
    app = FastAPI(title=name)

    @app.get("/")
    async def root(): return name
    return app

public, admin = made("public"), made("admin")

def create_app(): return made("made")

async def create_later(): return made("later")
"""


def test_marker_fixture_and_setting(pytester: pytest.Pytester) -> None:
    """The nearer to the test wins; where both stand at one place, the marker."""
    pytester.makeini("[pytest]\nasyncfastapi_app = two:public")
    pytester.makepyfile(
        two=TWO,
        test_it="""
        import pytest, two

        async def name(client):
            return (await client.get("/")).json()

        async def test_setting(asgi_client):
            assert await name(asgi_client) == "public"

        @pytest.mark.parametrize("app, expected", [
            pytest.param(0, "admin", marks=pytest.mark.asyncfastapi(app="two:admin")),
            pytest.param(0, "made", marks=pytest.mark.asyncfastapi(app="two:create_app")),
            pytest.param(0, "made", marks=pytest.mark.asyncfastapi(app="two:create_app()")),
            pytest.param(0, "later", marks=pytest.mark.asyncfastapi(app="two:create_later")),
            pytest.param(0, "admin", marks=pytest.mark.asyncfastapi(app=two.admin)),
            pytest.param(0, "made", marks=pytest.mark.asyncfastapi(app=two.create_app)),
            pytest.param(0, "later", marks=pytest.mark.asyncfastapi(app=two.create_later)),
            pytest.param(0, "public", id="none"),
        ])
        async def test_marker(asgi_client, overrides, faults, app, expected):
            assert await name(asgi_client) == expected

        class TestFixture:
            @pytest.fixture
            def asgi_app(self):
                return two.admin

            async def test_it(self, asgi_client):
                assert await name(asgi_client) == "admin"

            @pytest.mark.asyncfastapi(app="two:create_app")
            async def test_marked(self, asgi_client):
                assert await name(asgi_client) == "made"

            @pytest.mark.asyncfastapi(blocking="off")
            async def test_marked_with_something_else(self, asgi_client):
                assert await name(asgi_client) == "admin"

        @pytest.mark.asyncfastapi(app="two:create_app")
        class TestBoth:
            @pytest.fixture
            def asgi_app(self):
                return two.admin

            async def test_it(self, asgi_client):
                assert await name(asgi_client) == "made"

        @pytest.mark.asyncfastapi(app="two:public")
        class TestFixtureBelow:
            class TestInside:
                @pytest.fixture
                def asgi_app(self):
                    return two.admin

                async def test_it(self, asgi_client):
                    assert await name(asgi_client) == "admin"

        @pytest.fixture
        def factory_app():
            return two.create_app

        class TestFactoryFromAFixture:
            @pytest.fixture
            def asgi_app(self, factory_app):
                return factory_app

            async def test_it(self, asgi_client):
                assert await name(asgi_client) == "made"
        """,
    )
    pytester.runpytest_inprocess("-q").assert_outcomes(passed=15)


@pytest.mark.parametrize(
    ("app", "told"),
    [("nowhere:app", "there is no module 'nowhere'"), ("broken:app", "KeyError: 'TOKEN'")],
)
def test_a_missing_app_is_told_once_a_run(pytester: pytest.Pytester, app: str, told: str) -> None:
    """The other tests say where."""
    pytester.makeini(f"[pytest]\nasyncfastapi_app = {app}")
    pytester.makepyfile(
        broken="{}['TOKEN']",
        test_it="import pytest\n@pytest.mark.parametrize('n', range(4))\n"
        "async def test_it(asgi_client, n): pass",
    )
    result = pytester.runpytest_inprocess("-q", "-rN")
    result.assert_outcomes(errors=4)
    printed = result.stdout.str()
    assert printed.count("(from asyncfastapi_app in tox.ini)") == 1
    assert told in printed
    assert printed.count("no app to test: see test_it.py::test_it[0] for the reason") == 3
    assert "pytest_asyncfastapi/" not in printed
