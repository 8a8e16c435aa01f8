"""Play a script to one call: through the client's own pool, or beside it.

The own pool is used where nobody else has replaced it and where the answer
does not need it too. Otherwise (respx's or another mock sits on it, or the real
upstream answers after a delay) one connection of the same httpcore is driven
directly: same h11 or h2, same timeouts, same errors, but no pool, no retries.
"""

from __future__ import annotations

from contextvars import copy_context
from dataclasses import replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import anyio

from .intercept import INTERCEPTION
from .network import Address, MemoryNetworkStream, connect_stream, connect_stream_sync
from .outgoing import timeouts
from .outgoing_call import Call, connections_to_close
from .script import NUMBER, SCRIPT, SCRIPTS, Script

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token

_NUMBERS = count(1)


async def send_over_memory(call: Call, script: Script, *, bypass_pool: bool = False) -> Any:
    """Send an async call over the in-memory network; gives the library's response."""
    INTERCEPTION.open_network(call.library)
    failed: list[BaseException] = []
    call, script = _prepared(call, script)
    script = _wrapped(script, partial(_without_script_async, failed=failed))
    token = _activate(script)
    error: BaseException
    try:
        if bypass_pool or not _uses_own_pool(call, "async"):
            return await _send_without_pool(call, script)
        fresh = script.effect.before_request
        for connection in connections_to_close(call, scripted=True, fresh=fresh):
            await connection.aclose()
        return await call.forward()
    except Exception as raised:
        # Over HTTP/2 a failed answer is only a reset for the client: others use the connection.
        error = failed[0] if failed and script.number else raised
    finally:
        SCRIPT.reset(token)
    raise error


def send_over_memory_sync(call: Call, script: Script, *, bypass_pool: bool = False) -> Any:
    """Send a sync call over the in-memory network; gives the library's response."""
    INTERCEPTION.open_network(call.library)
    failed: list[BaseException] = []
    call, script = _prepared(call, script)
    script = _wrapped(script, partial(_without_script, failed=failed))
    token = _activate(script)
    error: BaseException
    try:
        if bypass_pool or not _uses_own_pool(call, "sync"):
            return _send_without_pool_sync(call, script)
        fresh = script.effect.before_request
        for connection in connections_to_close(call, scripted=True, fresh=fresh):
            connection.close()
        return call.forward()
    except Exception as raised:
        error = failed[0] if failed and script.number else raised
    finally:
        SCRIPT.reset(token)
    raise error


def _prepared(call: Call, script: Script) -> tuple[Call, Script]:
    """Where the client may speak HTTP/2, the request says on the wire which call it is."""
    if call.proxy == "https":
        script = replace(script, proxy_tls=True)
    if not getattr(getattr(call.transport, "_pool", None), "_http2", False):
        return call, script
    number = next(_NUMBERS)
    old, library = call.request, call.library.module
    request = library.Request(
        old.method,
        old.url,
        headers=[*old.headers.raw, (NUMBER, b"%d" % number)],
        stream=old.stream,
        extensions=old.extensions,
    )
    marked = replace(call, request=request)
    return marked, replace(script, http2=True, number=number, context=copy_context())


def _wrapped(script: Script, wrap: Callable[[Any], Any]) -> Script:
    """The same, with an answer that is made apart; on each attempt to connect."""

    def retry() -> Script | None:
        found = script.again() if script.again is not None else script
        return None if found is None else _wrapped(found, wrap)

    return Script(
        wrap(script.answer),
        script.effect,
        script.http2,
        script.number,
        script.context,
        retry,
        script.attempted,
        script.ready,
        script.proxy_tls,
    )


def _activate(script: Script) -> Token[Script | None]:
    if script.number:
        SCRIPTS[script.number] = script
    return SCRIPT.set(script)


async def wait_for_pool(call: Call, limit: float) -> Any:
    """Wait for a connection that never comes, as the pool does; raises PoolTimeout."""
    with call.library.transports.map_httpcore_exceptions():
        await call.library.core_part("_synchronization").AsyncEvent().wait(timeout=limit)


def wait_for_pool_sync(call: Call, limit: float) -> Any:
    """Wait for a connection that never comes, as the pool does; raises PoolTimeout."""
    with call.library.transports.map_httpcore_exceptions():
        call.library.core_part("_synchronization").Event().wait(timeout=limit)


def _without_script(answer: Callable[[], Any], failed: list[BaseException]) -> Callable[[], Any]:
    # A side effect that calls out itself must not run on this call's script.
    def run() -> Any:
        token = SCRIPT.set(None)
        try:
            return answer()
        except BaseException as error:
            failed.append(error)
            raise
        finally:
            SCRIPT.reset(token)

    return run


def _without_script_async(
    answer: Callable[[], Any], failed: list[BaseException]
) -> Callable[[], Any]:
    async def run() -> Any:
        token = SCRIPT.set(None)
        try:
            return await answer()
        except BaseException as error:
            if not isinstance(error, anyio.get_cancelled_exc_class()):
                failed.append(error)
            raise
        finally:
            SCRIPT.reset(token)

    return run


def _uses_own_pool(call: Call, mode: str) -> bool:
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


async def _send_without_pool(call: Call, script: Script) -> Any:
    library, request = call.library, _core_request(call)
    origin = request.url.origin
    with library.transports.map_httpcore_exceptions():
        limit = timeouts(call).get("connect")
        host = origin.host.decode()
        wire = await connect_stream(library, script, Address(host, origin.port), limit)
        if origin.scheme in (b"https", b"wss"):
            wire = await wire.start_tls(None, host, limit)
        kind = "AsyncHTTP2Connection" if _speaks_http2(wire) else "AsyncHTTP11Connection"
        connection = getattr(library.core, kind)(origin, wire)
        response = await connection.handle_async_request(request)
    return _own_response(call, response, library.transports.AsyncResponseStream)


def _send_without_pool_sync(call: Call, script: Script) -> Any:
    library, request = call.library, _core_request(call)
    with library.transports.map_httpcore_exceptions():
        origin, limit = request.url.origin, timeouts(call).get("connect")
        host = origin.host.decode()
        wire = connect_stream_sync(library, script, Address(host, origin.port), limit)
        if origin.scheme in (b"https", b"wss"):
            wire = wire.start_tls(None, host, limit)
        kind = "HTTP2Connection" if _speaks_http2(wire) else "HTTP11Connection"
        connection = getattr(library.core, kind)(origin, wire)
        response = connection.handle_request(request)
    return _own_response(call, response, library.transports.ResponseStream)


def _speaks_http2(wire: MemoryNetworkStream) -> bool:
    agreed = wire.get_extra_info("ssl_object")
    return agreed is not None and agreed.selected_alpn_protocol() == "h2"


def _own_response(call: Call, response: Any, stream: Callable[[Any], Any]) -> Any:
    return call.library.module.Response(
        status_code=response.status,
        headers=response.headers,
        stream=stream(response.stream),
        extensions=response.extensions,
    )
