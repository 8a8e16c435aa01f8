"""Where asyncio opens connections, replaced while a test needs it.

Methods of asyncio's own event loops, for all of them: `create_connection`,
`create_unix_connection` and `start_tls`; `getaddrinfo` and `sock_connect` for drivers that
do these two by themselves; psycopg's are in `psycopg_calls.py`. uvloop has loops of its own.
One table of what is to be restored.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import sys
from asyncio import base_events, selector_events
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any

from .._core.active_scopes import ActiveScopes
from .._core.import_hook import PostImportHook
from .._faults.connections import Place
from . import psycopg_calls
from .drivers import driver_of
from .statements import CONNECT, Statement

if TYPE_CHECKING:
    from collections.abc import Callable

    from .participant import Participant

# A method of the loop that is at work has counted the attempt already.
_INSIDE: ContextVar[bool] = ContextVar("asyncfastapi_connection", default=False)


class Interception(ActiveScopes["Participant"]):
    """Who is active, and what has been replaced; one object for the process."""

    def __init__(self) -> None:
        super().__init__("asyncfastapi_connections")
        self._watches: list[PostImportHook] = []

    def _install(self) -> None:
        base, selector = base_events.BaseEventLoop, selector_events.BaseSelectorEventLoop
        for owner, name, make in (
            (base, "create_connection", _create_connection),
            (base, "start_tls", _start_tls),
            (base, "getaddrinfo", _getaddrinfo),
            (selector, "sock_connect", _sock_connect),
            (getattr(asyncio, "SelectorEventLoop", base), "create_unix_connection", _create_unix),
        ):
            self._make(owner, name, make)
        if "psycopg.waiting" in sys.modules:
            self._patch_psycopg()
        else:
            watch = PostImportHook("psycopg.waiting", self._patch_psycopg)
            watch.install()
            self._watches.append(watch)

    def _patch_psycopg(self) -> None:
        with self._lock:
            for owner, name, make in psycopg_calls.methods(self.current):
                self._make(owner, name, make)

    def _make(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        original = owner.__dict__.get(name)
        if original is not None:
            self._patches.replace(owner, name, make(original))

    def _restore(self) -> None:
        super()._restore()
        while self._watches:
            self._watches.pop().remove()

    def __repr__(self) -> str:
        return f"<Interception scopes={len(self._active)} patches={len(self._patches)}>"


CONNECTIONS = Interception()


def _scope() -> Participant | None:
    return None if _INSIDE.get() else CONNECTIONS.current()


def _create_connection(original: Any) -> Any:
    @wraps(original)
    async def create_connection(
        self: Any, protocol_factory: Any, host: Any = None, port: Any = None, **how: Any
    ) -> Any:
        __tracebackhide__ = True
        scope, sock = _scope(), how.get("sock")
        if scope is None:
            return await original(self, protocol_factory, host, port, **how)
        package = driver_of(sys._getframe(1), protocol_factory)
        if sock is None:
            number = int(port) if str(port or "0").isdecimal() else 0
            place = Place(scope.named(_text(host)), number, package)
        else:
            place = scope.place(sock.getpeername(), package)
        token = _INSIDE.set(True)
        try:
            factory = _linked(scope, place, protocol_factory)
            if sock is not None:
                return scope.opened(place, await original(self, factory, host, port, **how))
            with scope.recorded(Statement(CONNECT, place), sys._getframe(1)) as call:
                await scope.open(place, "resolve", "connect", call=call)
                made = await original(self, factory, host, port, **how)
            return scope.opened(place, made)
        finally:
            _INSIDE.reset(token)

    return create_connection


def _create_unix(original: Any) -> Any:
    @wraps(original)
    async def create_unix_connection(
        self: Any, protocol_factory: Any, path: Any = None, **how: Any
    ) -> Any:
        __tracebackhide__ = True
        scope, sock = _scope(), how.get("sock")
        if scope is None:
            return await original(self, protocol_factory, path, **how)
        name = os.fsdecode(path if sock is None else sock.getpeername())
        place = Place((name,), 0, driver_of(sys._getframe(1), protocol_factory))
        token = _INSIDE.set(True)
        try:
            factory = _linked(scope, place, protocol_factory)
            if sock is not None:
                return scope.opened(place, await original(self, factory, path, **how))
            with scope.recorded(Statement(CONNECT, place), sys._getframe(1)) as call:
                await scope.open(place, "connect", call=call)
                made = await original(self, factory, path, **how)
            return scope.opened(place, made)
        finally:
            _INSIDE.reset(token)

    return create_unix_connection


def _linked(scope: Participant, place: Place, factory: Any) -> Any:
    return lambda: scope.protocol(place, factory())


def _start_tls(original: Any) -> Any:
    @wraps(original)
    async def start_tls(
        self: Any, transport: Any, protocol: Any, sslcontext: Any, **how: Any
    ) -> Any:
        __tracebackhide__ = True
        scope = CONNECTIONS.current()
        place = None if scope is None else scope.let_go(transport)
        secured = await original(self, transport, protocol, sslcontext, **how)
        if scope is not None and place is not None:
            scope.moved(place, secured)
        return secured

    return start_tls


def _getaddrinfo(original: Any) -> Any:
    @wraps(original)
    async def getaddrinfo(self: Any, host: Any, port: Any, **how: Any) -> Any:
        __tracebackhide__ = True
        scope, name = CONNECTIONS.current(), _text(host)
        if scope is None or not name:
            return await original(self, host, port, **how)
        if not _INSIDE.get():
            number = int(port) if str(port or "0").isdecimal() else 0
            place = Place(scope.named(name), number, driver_of(sys._getframe(1)))
            await scope.open(place, "resolve")
        found = await original(self, host, port, **how)
        if not _is_address(name):
            scope.resolved(name, [str(item[4][0]) for item in found])
        return found

    return getaddrinfo


def _sock_connect(original: Any) -> Any:
    @wraps(original)
    async def sock_connect(self: Any, sock: Any, address: Any) -> Any:
        __tracebackhide__ = True
        scope = _scope()
        if scope is None:
            return await original(self, sock, address)
        place = scope.place(address, driver_of(sys._getframe(1)))
        with scope.recorded(Statement(CONNECT, place), sys._getframe(1)) as call:
            await scope.open(place, "connect", call=call)
            return await original(self, sock, address)

    return sock_connect


def _text(host: Any) -> str:
    return "" if host is None else os.fsdecode(host) if isinstance(host, bytes) else str(host)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
