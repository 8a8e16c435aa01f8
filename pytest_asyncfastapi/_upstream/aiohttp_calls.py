"""aiohttp's calls: decided as those of httpx are, answered over a transport in memory.

Four methods of aiohttp's connectors are replaced while a scope is active: `connect`, which is
called for a connection once for each request; and those that look a name up and open a
connection (`aiohttp_network.py`). Knows no routes.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import anyio

from .._core.current_loop import now_with_clock
from . import other_libraries
from .aiohttp_network import open_in, open_through_proxy_in, resolve_host_in
from .asyncio_transport import MemoryTransport
from .call_log import DEFAULT_TIMEOUT
from .decision import MissingTimeout
from .script import REAL, SCRIPT
from .sent_calls import ForeignCall, Named

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from .decision import Decision
    from .scope import UpstreamScope
    from .sent_calls import SentCall

_AIOHTTP = Named("aiohttp")
# The payloads that are in memory, and can be written more than once.
_IN_MEMORY = ("BytesPayload", "StringPayload", "JsonPayload", "MultipartWriter")


def methods(scope_of: Callable[[], Any]) -> list[tuple[Any, str, Any]]:
    """What is to be replaced: owner, name, and what makes ours of the original."""
    from aiohttp import connector

    base, tcp = connector.BaseConnector, connector.TCPConnector
    return [
        (base, "connect", lambda original: _connect_in(scope_of, original)),
        (tcp, "_resolve_host", resolve_host_in),
        (tcp, "_wrap_create_connection", open_in),
        (tcp, "_create_proxy_connection", open_through_proxy_in),
    ]


def _connect_in(scope_of: Callable[[], Any], original: Any) -> Any:
    async def connect(self: Any, req: Any, traces: Any, timeout: Any) -> Any:
        __tracebackhide__ = True
        scope: UpstreamScope | None = scope_of()
        if scope is None or scope.is_idle or REAL.get():
            return await original(self, req, traces, timeout)
        limit = getattr(self, "_limit", 0) or sys.maxsize
        call = ForeignCall(
            _AIOHTTP, await _seen(req, timeout), self, limit, "http" if req.proxy else ""
        )
        if call.is_left_alone(scope):
            return await original(self, req, traces, timeout)
        way_out = _WayOut(scope, req, timeout, lambda: original(self, req, traces, timeout))
        return await way_out.take(
            other_libraries.begin(scope, call, now_with_clock, sys._getframe())
        )

    return connect


class _WayOut:
    """One request on its way to a connection; `connect` asks the connector for one."""

    def __init__(
        self,
        scope: UpstreamScope,
        req: Any,
        timeout: Any,
        connect: Callable[[], Awaitable[Any]],
    ) -> None:
        self._scope = scope
        self._req = req
        self._timeout = timeout
        self._connect = connect

    async def take(self, sent: SentCall) -> Any:
        """Give it the connection that it is to have."""
        __tracebackhide__ = True
        error: BaseException
        try:
            decision = other_libraries.decide(self._scope, sent)
            if other_libraries.goes_out(decision):
                return await self._to_the_network(sent)
            return await self._in_memory(sent, decision)
        except MissingTimeout as stalled:
            sent.out.fault = stalled.plan
            seen = sent.call.request
            error = await self._scope.stall(seen, stalled.phase, sent.out)
        except BaseException as raised:
            error = raised
        sent.on_failure(error)
        raise error

    async def _to_the_network(self, sent: SentCall) -> Any:
        """Nobody looks at its answer."""
        self._close_unfit(sent, scripted=False)
        tokens = SCRIPT.set(None), REAL.set(True)
        try:
            return await self._connect()
        finally:
            SCRIPT.reset(tokens[0])
            REAL.reset(tokens[1])
            sent.on_closed("")

    async def _in_memory(self, sent: SentCall, decision: Decision) -> Any:
        if decision.way == "pool":
            from aiohttp.helpers import ceil_timeout

            async with ceil_timeout(self._timeout.connect or self._timeout.total):
                await anyio.sleep_forever()

        def answer(decided: Decision) -> Any:
            return other_libraries.answer_async(self._scope, sent, decided)

        script = other_libraries.script(self._scope, sent, decision, answer)
        self._close_unfit(sent, scripted=True, fresh=script.effect.before_request)
        token = SCRIPT.set(script)
        try:
            connection = await self._connect()
            last = SCRIPT.get()
        finally:
            SCRIPT.reset(token)
        transport = connection.protocol.transport
        if last is not None and isinstance(transport, MemoryTransport):
            transport.begin(last, sent)
        else:  # the next attempt has led to the real network
            sent.on_closed("")
        return connection

    def _close_unfit(self, sent: SentCall, *, scripted: bool, fresh: bool = False) -> None:
        """Close the idle connections of the pool that lead elsewhere than this call is to go."""
        pools, key = sent.call.owner._conns, self._req.connection_key
        idle = pools.get(key)
        for pair in list(idle or ()):
            transport = pair[0].transport
            in_memory = isinstance(transport, MemoryTransport)
            if in_memory != scripted or (in_memory and (fresh or not transport.is_current)):
                idle.remove(pair)
                pair[0].close()
        if idle is not None and not idle:
            pools.pop(key, None)


async def _seen(req: Any, timeout: Any) -> httpx.Request:
    from aiohttp import client

    headers = [(str(name), str(value)) for name, value in req.headers.items()]
    body = req.body
    if not isinstance(body, (bytes, bytearray)):
        body = await _written(body) if type(body).__name__ in _IN_MEMORY else b""
    seen = other_libraries.as_seen(
        req.method, str(req.url), headers, bytes(body), _timeouts(timeout)
    )
    if timeout is client.DEFAULT_TIMEOUT:
        seen.extensions[DEFAULT_TIMEOUT] = timeout.total
    return seen


async def _written(payload: Any) -> bytes:
    """The bytes of a payload that is in memory, as the client would write them."""
    writer = _Written()
    await payload.write(writer)
    return bytes(writer.data)


class _Written:
    """Collects what a payload writes."""

    def __init__(self) -> None:
        self.data = bytearray()

    async def write(self, chunk: Any) -> None:
        """Take a piece."""
        self.data += chunk

    async def write_eof(self, chunk: bytes = b"") -> None:
        """Take the last piece."""
        self.data += chunk


def _timeouts(timeout: Any) -> dict[str, float | None]:
    """The limits in httpx's words, in seconds; the one for all of the call counts for each."""
    total, connect = timeout.total or None, timeout.connect or None
    opening, reading = timeout.sock_connect or None, timeout.sock_read or None

    def least(*limits: float | None) -> float | None:
        known = [limit for limit in limits if limit is not None]
        return min(known) if known else None

    return {
        "connect": least(opening, connect, total),
        "read": least(reading, total),
        "write": total,
        "pool": least(connect, total),
    }
