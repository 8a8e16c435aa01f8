"""An app, or what makes one: `create_app`, `async def create_app()`, a class.

A factory is recognised by how it can be called: an ASGI app needs its `scope`,
a factory needs nothing.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from .._core.base_error import AsyncFastAPIError
from .._core.signatures import signature

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class NotAnApp(AsyncFastAPIError):
    """What was given makes no app; the text says what it is instead."""


class AsyncFactory:
    """The app of an `async def` factory, made in the event loop of the test that first runs it."""

    def __init__(self, making: Callable[[], Awaitable[Any]], name: str) -> None:
        self.app: Any = None
        self._making = making
        self._name = name
        self._waiting: list[Callable[[Any], None]] = []

    def when_made(self, tell: Callable[[Any], None]) -> None:
        """Give the app to somebody, as soon as it is there."""
        if self.app is not None:
            tell(self.app)
        else:
            self._waiting.append(tell)

    async def make(self) -> Callable[..., Any]:
        """The app; the factory is called once."""
        if self.app is None:
            self.app = _checked(await self._making(), self._name)
            while self._waiting:
                self._waiting.pop(0)(self.app)
        made: Callable[..., Any] = self.app
        return made

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """As an app itself."""
        app = await self.make()
        await app(scope, receive, send)

    def __repr__(self) -> str:
        return f"<AsyncFactory {self._name}>"


def app_of(target: Any, name: str, *, is_factory: bool = False) -> Callable[..., Any]:
    """The app that `target` is or makes. Raises `NotAnApp`; what a factory raises stays itself.

    `is_factory` says that it is one, whatever it looks like.
    """
    if not callable(target):
        raise NotAnApp(
            f"{name} is a {type(target).__name__}, not an ASGI app: it cannot be called with "
            "(scope, receive, send)"
        )
    if isinstance(target, AsyncFactory) or not (is_factory or _makes(target, name)):
        checked: Callable[..., Any] = target
        return checked
    if inspect.iscoroutinefunction(target):
        return AsyncFactory(target, name)
    made = target()
    if inspect.isawaitable(made):
        return AsyncFactory(lambda: made, name)
    return _checked(made, name)


async def made(app: Any) -> Callable[..., Any]:
    """The same, where an event loop runs: an app and nothing that has yet to be made."""
    if inspect.isawaitable(app):
        app = await app  # an async factory that was called
    try:
        found = app_of(app, getattr(app, "__qualname__", repr(app)))
    except NotAnApp as error:
        advice = "" if "Fix: " in str(error) else ". Fix: return the app, from the fixture asgi_app"
        raise NotAnApp(f"{error}{advice}") from None
    return await found.make() if isinstance(found, AsyncFactory) else found


def _makes(target: Any, name: str) -> bool:
    """Is it called without arguments, as no ASGI app is?"""
    try:
        parameters = signature(target).parameters.values()
    except (TypeError, ValueError):
        return False
    needed = [
        each.name
        for each in parameters
        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    if needed:
        plain = inspect.isfunction(target) and needed != ["scope"]
        if plain and len(needed) < 3:
            raise NotAnApp(
                f"{name} needs {' and '.join(map(repr, needed))}: it is neither an ASGI app, which "
                "takes (scope, receive, send), nor a factory without arguments. Fix: define a "
                "fixture `asgi_app` that calls it and returns the app"
            )
        return False
    anything = any(each.kind is each.VAR_POSITIONAL for each in parameters)
    # A decorated app may take `*args`: it is a coroutine function then, or an object.
    return not anything or (inspect.isroutine(target) and not inspect.iscoroutinefunction(target))


def _checked(made: Any, name: str) -> Callable[..., Any]:
    if callable(made):
        app: Callable[..., Any] = made
        return app
    raise NotAnApp(
        f"{name} was called without arguments and returned {made!r}, which is not an ASGI app. "
        "Fix: return the app"
    )
