"""`overrides` replaces dependencies and puts back exactly what was there."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI

from pytest_asyncfastapi import open_app
from pytest_asyncfastapi.app.overrides import Overrides


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
