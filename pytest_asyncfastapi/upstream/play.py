"""Play a script to one call: through the client's own pool, or beside it.

The own pool is used where nobody else has replaced it and where the answer
does not need it too. Otherwise (respx's or another mock sits on it, or the real
upstream answers after a delay) one HTTP/1.1 connection of the same httpcore is
driven directly: same h11, same timeouts, same errors, but no pool, no retries.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .intercept import INTERCEPTION, Call
from .network import Wire, dial, dial_sync
from .peer import SCRIPT, Script

if TYPE_CHECKING:
    from collections.abc import Callable


async def play(call: Call, script: Script, *, beside: bool = False) -> Any:
    """Send an async call over the in-memory network; gives the library's response."""
    INTERCEPTION.open_network(call.library)
    token = SCRIPT.set(replace(script, answer=_apart_async(script.answer)))
    try:
        if beside or not _own_pool(call, "async"):
            return await _beside(call, script)
        for connection in _foreign(call):
            await connection.aclose()
        return await call.forward()
    finally:
        SCRIPT.reset(token)


def play_sync(call: Call, script: Script, *, beside: bool = False) -> Any:
    """Send a sync call over the in-memory network; gives the library's response."""
    INTERCEPTION.open_network(call.library)
    token = SCRIPT.set(replace(script, answer=_apart(script.answer)))
    try:
        if beside or not _own_pool(call, "sync"):
            return _beside_sync(call, script)
        for connection in _foreign(call):
            connection.close()
        return call.forward()
    finally:
        SCRIPT.reset(token)


async def wait_for_pool(call: Call, limit: float) -> Any:
    """Wait for a connection that never comes, as the pool does; raises PoolTimeout."""
    with call.library.transports.map_httpcore_exceptions():
        await call.library.core_part("_synchronization").AsyncEvent().wait(timeout=limit)


def wait_for_pool_sync(call: Call, limit: float) -> Any:
    """Wait for a connection that never comes, as the pool does; raises PoolTimeout."""
    with call.library.transports.map_httpcore_exceptions():
        call.library.core_part("_synchronization").Event().wait(timeout=limit)


def timeouts(call: Call) -> dict[str, float | None]:
    """The call's four budgets in seconds; a missing one is no budget."""
    return dict(call.request.extensions.get("timeout", {}))


def _apart(answer: Callable[[], Any]) -> Callable[[], Any]:
    # A side effect that calls out itself must not run on this call's script.
    def run() -> Any:
        token = SCRIPT.set(None)
        try:
            return answer()
        finally:
            SCRIPT.reset(token)

    return run


def _apart_async(answer: Callable[[], Any]) -> Callable[[], Any]:
    async def run() -> Any:
        token = SCRIPT.set(None)
        try:
            return await answer()
        finally:
            SCRIPT.reset(token)

    return run


def _own_pool(call: Call, mode: str) -> bool:
    """Is the way from the transport down to `connect_tcp` the library's own code?"""
    pool = getattr(call.transport, "_pool", None)
    if pool is None:
        return False
    core = call.library.core
    method = "handle_async_request" if mode == "async" else "handle_request"
    connection = core.AsyncHTTPConnection if mode == "async" else core.HTTPConnection
    below = (getattr(type(pool), method, None), getattr(connection, method, None))
    return _root(call.original) == call.library.name and all(
        _root(item) == call.library.core_name for item in below
    )


def _root(function: Any) -> str:
    return str(getattr(function, "__module__", "")).partition(".")[0]


def _foreign(call: Call) -> list[Any]:
    """Idle connections to this origin that lead to the real network."""
    found = []
    for connection in call.transport._pool.connections:
        inner = getattr(connection, "_connection", None)
        stream = getattr(inner, "_network_stream", None)
        if stream is None or isinstance(stream, Wire) or not connection.is_idle():
            continue
        if connection.can_handle_request(_core_request(call).url.origin):
            found.append(connection)
    return found


def _core_request(call: Call) -> Any:
    core, request = call.library.core, call.request
    url = core.URL(
        scheme=request.url.raw_scheme,
        host=request.url.raw_host,
        port=request.url.port,
        target=request.url.raw_path,
    )
    return core.Request(
        method=request.method,
        url=url,
        headers=request.headers.raw,
        content=request.stream,
        extensions=request.extensions,
    )


async def _beside(call: Call, script: Script) -> Any:
    library, request = call.library, _core_request(call)
    origin = request.url.origin
    with library.transports.map_httpcore_exceptions():
        limit = timeouts(call).get("connect")
        host = origin.host.decode()
        wire = await dial(library, script, host, origin.port, limit)
        if origin.scheme in (b"https", b"wss"):
            wire = await wire.start_tls(None, host, limit)
        connection = library.core.AsyncHTTP11Connection(origin, wire)
        response = await connection.handle_async_request(request)
    return _own_response(call, response, library.transports.AsyncResponseStream)


def _beside_sync(call: Call, script: Script) -> Any:
    library, request = call.library, _core_request(call)
    with library.transports.map_httpcore_exceptions():
        origin, limit = request.url.origin, timeouts(call).get("connect")
        wire = dial_sync(library, script, limit)
        if origin.scheme in (b"https", b"wss"):
            wire = wire.start_tls(None, origin.host.decode(), limit)
        connection = library.core.HTTP11Connection(origin, wire)
        response = connection.handle_request(request)
    return _own_response(call, response, library.transports.ResponseStream)


def _own_response(call: Call, response: Any, stream: Callable[[Any], Any]) -> Any:
    return call.library.module.Response(
        status_code=response.status,
        headers=response.headers,
        stream=stream(response.stream),
        extensions=response.extensions,
    )
