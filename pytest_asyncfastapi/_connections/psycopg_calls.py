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
import sys
from contextlib import suppress
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from .._faults.connections import Place
from .._faults.effect import Effect
from .statements import CONNECT, Statement, sql_command

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from .participant import Participant

    Current = Callable[[], Participant | None]

_NONE = Effect()
_COMMANDS = {"_commit_gen": "COMMIT", "_rollback_gen": "ROLLBACK"}
_BANDWIDTH = "psycopg reads its socket by itself: a bandwidth cannot be played"


def methods(current: Current) -> list[tuple[Any, str, Any]]:
    """What is to be replaced: owner, name, and what makes ours of the original.

    `current` gives who takes part in the connections of this context.
    """
    from psycopg import waiting

    return [
        (waiting, "wait_async", partial(_wait_async_in, current)),
        (waiting, "wait_conn_async", partial(_wait_conn_async_in, current)),
    ]


def _wait_async_in(current: Current, original: Any) -> Any:
    @wraps(original)
    async def wait_async(gen: Any, fileno: int, *args: Any, **how: Any) -> Any:
        __tracebackhide__ = True
        scope = current()
        # A generator that is at work already is waited for once more after a cancellation.
        seen = scope is not None and (scope.watches or len(scope.faults))
        if scope is None or not (seen and _is_new(gen)):
            return await original(gen, fileno, *args, **how)
        command = _command(gen)
        try:
            first = next(gen)
        except StopIteration as stop:
            return stop.value
        place = scope.place(_peer(fileno), "psycopg")
        with scope.recorded(Statement(command, place), sys._getframe(1)) as call:
            effect = await _exchange(scope, place, fileno, call)
            try:
                found = await original(_resumed(gen, first), fileno, *args, **how)
            except Exception:
                await asyncio.sleep(effect.delay)
                raise
            await asyncio.sleep(effect.delay)
            return found

    return wait_async


def _wait_conn_async_in(current: Current, original: Any) -> Any:
    @wraps(original)
    async def wait_conn_async(gen: Any, *args: Any, timeout: Any = None, **how: Any) -> Any:
        __tracebackhide__ = True
        scope = current()
        if scope is None:
            return await original(gen, *args, timeout=timeout, **how)
        place = _place_of(scope, gen)
        with scope.recorded(Statement(CONNECT, place), sys._getframe(1)) as call:
            refused = False
            try:
                async with asyncio.timeout(timeout):
                    await scope.open(place, "connect", call=call)
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
                        effect = await _exchange(scope, place, fileno, None)
                        await asyncio.sleep(effect.delay)
                except TimeoutError:
                    timeout = 0
            return await original(_resumed(gen, (fileno, first)), *args, timeout=timeout, **how)

    return wait_conn_async


def _command(gen: Any) -> str:
    """What a generator that has not begun is about to send."""
    if name := _COMMANDS.get(getattr(gen, "__name__", "")):
        return name
    frame = getattr(gen, "gi_frame", None)
    query = None if frame is None else frame.f_locals.get("query")
    return sql_command(query)


async def _exchange(scope: Participant, place: Place, fileno: int, call: Any) -> Effect:
    """Play what goes wrong before the answer is read; what is left to play is returned."""
    rules = [r for r in scope.faults.covering(place, "exchange") if r.where.picks(call)]
    plan = scope.exchange(place, rules, call) if rules else None
    if plan is None:
        return _NONE
    try:
        effect = plan.effect
        if effect.kind.end == "stall":
            where = scope.where(inspect.currentframe())  # type: ignore[arg-type]
            await asyncio.sleep(scope.patience())
            scope.no_timeout(place, "exchange", where)
        if effect.ending:
            _cut(fileno, reset=effect.kind.end == "reset")
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


def _place_of(scope: Participant, gen: Any) -> Place:
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
