"""psycopg's async connections: libpq has the socket, psycopg waits for it.

Two functions of `psycopg.waiting` are replaced: one waits for a connection, the other for
the answer to what has been sent. A connection is cut by another socket in the place of
libpq's, so the errors are libpq's. How fast bytes arrive cannot be changed.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any

from .._faults.connections import Place
from .._faults.effect import Effect
from .intercept import CONNECTIONS

if TYPE_CHECKING:
    from collections.abc import Generator

    from .scope import Connections

_NONE = Effect()
_BANDWIDTH = "psycopg reads its socket by itself: a bandwidth cannot be played"


def methods() -> list[tuple[Any, str, Any]]:
    """What is to be replaced: owner, name, and what makes ours of the original."""
    from psycopg import waiting

    return [
        (waiting, "wait_async", _wait_async_in),
        (waiting, "wait_conn_async", _wait_conn_async_in),
    ]


def _wait_async_in(original: Any) -> Any:
    @wraps(original)
    async def wait_async(gen: Any, fileno: int, *args: Any, **how: Any) -> Any:
        __tracebackhide__ = True
        scope = CONNECTIONS.current()
        # A generator that is at work already is waited for once more after a cancellation.
        if scope is None or not len(scope.faults) or not _is_new(gen):
            return await original(gen, fileno, *args, **how)
        try:
            first = next(gen)
        except StopIteration as stop:
            return stop.value
        effect = await _exchange(scope, scope.place(_peer(fileno), "psycopg"), fileno)
        try:
            found = await original(_resumed(gen, first), fileno, *args, **how)
        except Exception:
            await asyncio.sleep(effect.delay)
            raise
        await asyncio.sleep(effect.delay)
        return found

    return wait_async


def _wait_conn_async_in(original: Any) -> Any:
    @wraps(original)
    async def wait_conn_async(gen: Any, *args: Any, timeout: Any = None, **how: Any) -> Any:
        __tracebackhide__ = True
        scope = CONNECTIONS.current()
        if scope is None:
            return await original(gen, *args, timeout=timeout, **how)
        place = _place_of(scope, gen)
        refused = False
        try:
            async with asyncio.timeout(timeout):
                await scope.open(place, "connect")
        except ConnectionRefusedError:
            refused = True
        except TimeoutError:
            timeout = 0  # it is over: psycopg says so in its own words
        try:
            fileno, first = next(gen)
        except StopIteration as stop:
            return stop.value
        effect = _NONE
        if refused:
            _refuse(fileno)
        elif timeout != 0:
            try:
                async with asyncio.timeout(timeout):
                    effect = await _exchange(scope, place, fileno)
                    await asyncio.sleep(effect.delay)
            except TimeoutError:
                timeout = 0
        return await original(_resumed(gen, (fileno, first)), *args, timeout=timeout, **how)

    return wait_conn_async


async def _exchange(scope: Connections, place: Place, fileno: int) -> Effect:
    """Play what goes wrong before the answer is read; what is left to play is returned."""
    rules = scope.faults.covering(place, "exchange")
    plan = scope.exchange(place, rules) if rules else None
    if plan is None:
        return _NONE
    try:
        effect = plan.effect
        if effect.ending in ("stall", "read_timeout"):
            where = scope.where(inspect.currentframe())  # type: ignore[arg-type]
            await asyncio.sleep(scope.patience())
            scope.no_timeout(place, "exchange", where)
        if effect.ending:
            _cut(fileno, reset=effect.ending == "reset")
        for rule, part in plan.struck:
            if part.bandwidth and not (part.ending or part.delay):
                rule._unstrike(_BANDWIDTH)
        return effect
    finally:
        for rule in rules:
            rule.leave()


def _resumed(gen: Any, first: Any) -> Generator[Any, Any, Any]:
    """`gen`, which has yielded `first` already."""
    sent = yield first
    while True:
        try:
            wanted = gen.send(sent)
        except StopIteration as stop:
            return stop.value
        sent = yield wanted


def _is_new(gen: Any) -> bool:
    return not inspect.isgenerator(gen) or inspect.getgeneratorstate(gen) == inspect.GEN_CREATED


def _place_of(scope: Connections, gen: Any) -> Place:
    """From the connection string that the generator was made with."""
    from psycopg.conninfo import conninfo_to_dict

    frame = getattr(gen, "gi_frame", None)
    given = conninfo_to_dict("" if frame is None else frame.f_locals.get("conninfo", ""))
    host, port = str(given.get("host") or ""), int(given.get("port") or 5432)
    address = str(given.get("hostaddr") or "")
    if not address and (not host or host.startswith("/")):
        return Place((f"{host or '/tmp'}/.s.PGSQL.{port}",), 0, "psycopg")
    names = dict.fromkeys(name for name in (host, address) if name)
    return Place(tuple(names), port, "psycopg")


def _peer(fileno: int) -> Any:
    with socket.socket(fileno=os.dup(fileno)) as sock:
        try:
            return sock.getpeername()
        except OSError:
            return ""


def _cut(fileno: int, *, reset: bool) -> None:
    """Put a socket in its place whose other end is gone; an answer that is here goes with it."""
    ours, theirs = socket.socketpair()
    with ours:
        if reset:
            ours.send(b"x")  # unread by the other end
        theirs.close()
        os.dup2(ours.fileno(), fileno)


def _refuse(fileno: int) -> None:
    """Put a socket in its place that nobody listens to."""
    with socket.socket() as closed, socket.socket() as sock:
        closed.bind(("127.0.0.1", 0))  # and does not listen
        sock.setblocking(False)
        with suppress(BlockingIOError, ConnectionRefusedError):
            sock.connect(closed.getsockname())
        os.dup2(sock.fileno(), fileno)
