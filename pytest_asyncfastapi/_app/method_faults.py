"""Faults in one method of what a dependency gives, by what a call of it returns.

`async def` is not the only form of an asynchronous method: those of redis.asyncio, motor and
aiobotocore are plain functions that return an awaitable, asyncpg's `acquire()` returns an object
to await or to enter, `scan_iter()` is an async generator. What happens to such a call happens
when its result is awaited. Knows neither FastAPI nor how a fault is chosen.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import anyio

from .._core.current_loop import current_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_ASYNC = ("__aenter__", "__aiter__", "__anext__", "__await__")


class MethodFaults:
    """The faults of one method. `strike(spared)` says what happens to a call of it now.

    With `spared` the rules that let time pass are left out, and marked as having had no effect.
    """

    def __init__(self, strike: Callable[..., Any], original: Callable[..., Any]) -> None:
        self._strike = strike
        self._original = original

    def wrapped(self) -> Callable[..., Any]:
        """The method, with its faults."""
        original = self._original

        @functools.wraps(original)
        async def slow(*args: Any, **kwargs: Any) -> Any:
            await self._apply(self._strike())
            return await original(*args, **kwargs)

        @functools.wraps(original)
        def plain(*args: Any, **kwargs: Any) -> Any:
            if not _is_on_loop():
                return self._in_a_thread(args, kwargs)
            if not _is_asynchronous(original):
                self._fail(self._strike(spared=True))
                return original(*args, **kwargs)
            # Nothing has happened yet where it returns a coroutine: it is not awaited.
            result = original(*args, **kwargs)
            if isinstance(result, asyncio.Future) or _has(result, *_ASYNC):
                return self._late(result, self._strike())
            self._fail(self._strike(spared=True))
            return result

        return slow if inspect.iscoroutinefunction(original) else plain

    def _in_a_thread(self, args: Any, kwargs: Any) -> Any:
        strike = self._strike()
        if strike.delay:
            time.sleep(strike.delay)  # as a sync driver: whoever calls it is held
        self._fail(strike)
        return self._original(*args, **kwargs)

    def _late(self, result: Any, strike: Any) -> Any:
        """The same kind of thing as `result`, which suffers the strike before it begins."""
        if isinstance(result, asyncio.Future):
            return asyncio.ensure_future(self._awaited(result, strike))
        if inspect.isasyncgen(result):
            return self._items(result, strike)
        if inspect.iscoroutine(result):
            late: Any = self._awaited(result, strike)
            late.__qualname__ = result.__qualname__
            return late
        return _Late(result, lambda: self._apply(strike))

    async def _awaited(self, result: Any, strike: Any) -> Any:
        try:
            await self._apply(strike)
        except BaseException:
            end = result.cancel if isinstance(result, asyncio.Future) else result.close
            end()
            raise
        return await result

    async def _items(self, result: Any, strike: Any) -> Any:
        async with aclosing(result):
            await self._apply(strike)
            async for item in result:
                yield item

    async def _apply(self, strike: Any) -> None:
        if strike.delay:
            await anyio.sleep(strike.delay)
        self._fail(strike)

    @staticmethod
    def _fail(strike: Any) -> None:
        if strike.error is not None:
            raise strike.error


class _Late:
    """An object to await, to enter or to iterate over, after something has happened first."""

    def __init__(self, result: Any, before: Callable[[], Any]) -> None:
        self._asyncfastapi = result, before

    def __await__(self) -> Generator[Any, Any, Any]:
        result, before = self._asyncfastapi
        yield from before().__await__()
        return (yield from result.__await__())

    async def __aenter__(self) -> Any:
        result, before = self._asyncfastapi
        await before()
        return await result.__aenter__()

    async def __aexit__(self, *error: Any) -> Any:
        return await self._asyncfastapi[0].__aexit__(*error)

    async def __aiter__(self) -> Any:
        result, before = self._asyncfastapi
        await before()
        async for item in result:
            yield item

    def __getattr__(self, name: str) -> Any:
        return getattr(self._asyncfastapi[0], name)


def _has(value: Any, *names: str) -> bool:
    return any(hasattr(type(value), name) for name in names)


def _is_asynchronous(method: Callable[..., Any]) -> bool:
    """May a call of it return something to await? Then it can be called to find out.

    Yes for what is written so, and for the methods of a class that has asynchronous ones.
    """
    if inspect.isasyncgenfunction(method):
        return True
    owner = type(getattr(method, "__self__", None))
    for name in {name for kind in owner.__mro__ for name in vars(kind)}:
        made = inspect.getattr_static(owner, name, None)
        if name in _ASYNC or inspect.iscoroutinefunction(made) or inspect.isasyncgenfunction(made):
            return True
    return False


def _is_on_loop() -> bool:
    """Does a loop run in this thread?"""
    return current_loop() is not None


def replace(value: Any, name: str, faulty: Any) -> Callable[[], Any]:
    """Let `value.name` be `faulty`, on this object only; returns the undo."""
    try:
        setattr(value, name, faulty)
    except AttributeError:  # it has `__slots__`, as asyncpg's pool: a class of its own, then
        kind: Any = type(value)
        above = type(kind)(kind.__name__, (kind,), {"__slots__": (), name: staticmethod(faulty)})
        above.__module__, above.__qualname__ = kind.__module__, kind.__qualname__
        value.__class__ = above

        def undo() -> None:
            value.__class__ = kind

        return undo
    return lambda: vars(value).pop(name, None)
