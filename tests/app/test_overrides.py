"""`overrides` replaces dependencies and puts back exactly what was there."""

from __future__ import annotations

from typing import Annotated, Any
from unittest import mock

import pytest
from fastapi import Depends, FastAPI

from pytest_asyncfastapi import open_app
from pytest_asyncfastapi._app.overrides import Overrides


def get_user() -> str:
    return "real"


def make_app() -> FastAPI:
    app = FastAPI()

    @app.get("/me")
    async def me(user: Annotated[str, Depends(get_user)]) -> str:
        return user

    return app


async def test_values_and_callables() -> None:
    """A value is what the dependency gives; a callable is the dependency."""
    app = make_app()
    overrides = Overrides(app)
    async with open_app(app) as client:
        assert (await client.get("/me")).json() == "real"
        overrides[get_user] = "ann"
        assert (await client.get("/me")).json() == "ann"
        overrides[get_user] = lambda: "bob"
        assert (await client.get("/me")).json() == "bob"
        overrides.restore()
        assert (await client.get("/me")).json() == "real"


async def test_sub_apps_and_wrapped_apps() -> None:
    """Mounted applications are reached, behind a plain ASGI wrapper too."""
    outer, inner = FastAPI(), make_app()
    outer.mount("/inner", inner)

    class Wrapper:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app(scope, receive, send)

    app = Wrapper(outer)
    overrides = Overrides(app)
    overrides.update({get_user: "ann"})
    async with open_app(app) as client:
        assert (await client.get("/inner/me")).json() == "ann"
    overrides.restore()
    assert outer.dependency_overrides == inner.dependency_overrides == {}


def test_what_was_there_before_comes_back() -> None:
    """Also after two overrides of one dependency, and after `del`."""

    def before() -> str:
        return "before"

    app = make_app()
    app.dependency_overrides[get_user] = before
    overrides = Overrides(app)
    overrides[get_user] = "one"
    overrides[get_user] = "two"
    assert overrides[get_user]() == "two"
    assert get_user in overrides
    del overrides[get_user]
    assert app.dependency_overrides == {get_user: before}
    assert get_user not in overrides
    with pytest.raises(KeyError):
        del overrides[get_user]


def test_wrong_use_is_a_sentence() -> None:
    """No FastAPI app, and a key that is no dependency."""

    async def bare(scope: Any, receive: Any, send: Any) -> None: ...

    with pytest.raises(TypeError, match="overrides needs a FastAPI app.*Fix:"):
        Overrides(bare)
    with pytest.raises(TypeError, match="the key must be the dependency itself"):
        Overrides(make_app())["get_user"] = 1  # type: ignore[index]


class Users:
    """Something that a dependency gives."""

    def name(self) -> str:
        """Of the current user."""
        return "real"


def get_users() -> Users:
    return Users()


MOCKS: list[tuple[str, Any]] = [
    ("a value", lambda: _named(mock.MagicMock())),
    ("a value with a spec", lambda: _named(mock.MagicMock(spec=Users))),
    ("an instance", lambda: _named(mock.create_autospec(Users, instance=True))),
    ("an async value", lambda: _named(mock.AsyncMock(name=mock.Mock()))),
    ("called", lambda: mock.Mock(return_value=_named(mock.Mock()))),
    ("awaited", lambda: mock.AsyncMock(return_value=_named(mock.Mock()))),
    ("a side effect", lambda: mock.Mock(side_effect=lambda: _named(mock.Mock()))),
    ("a function that takes anything", lambda: lambda *args, **kwargs: _named(mock.Mock())),
]


def _named(users: Any) -> Any:
    users.name = mock.Mock(return_value="ann")
    return users


@pytest.mark.parametrize("make", [make for _, make in MOCKS], ids=[name for name, _ in MOCKS])
async def test_a_mock_is_an_override(make: Any) -> None:
    """FastAPI would ask the caller for the query parameters `args` and `kwargs`."""
    app = FastAPI()

    @app.get("/me")
    async def me(users: Annotated[Any, Depends(get_users)]) -> str:
        name: str = users.name()
        return name

    overrides = Overrides(app)
    given = make()
    overrides[get_users] = given
    async with open_app(app) as client:
        response = await client.get("/me")
        assert (response.status_code, response.json()) == (200, "ann")
        if isinstance(given, mock.Mock) and given.call_count:
            given.assert_called_once_with()
    overrides.restore()
    assert app.dependency_overrides == {}


async def test_a_mock_that_raises() -> None:
    """Its side effect is the dependency's."""
    app = make_app()
    Overrides(app)[get_user] = mock.Mock(side_effect=KeyError("gone"))
    async with open_app(app) as client:
        with pytest.raises(KeyError, match="gone"):
            await client.get("/me")
