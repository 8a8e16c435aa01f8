"""The calls of urllib3, which requests and botocore are built on: answered over memory.

Replaced while a scope is active: `_make_request` of its pools, which sends one request; and the
two functions below it that open a connection and wrap it in TLS. Time is real, as for every
client in a thread. urllib3 2 is needed. Knows no routes.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from . import other_libraries
from .decision import MissingTimeout
from .http_client_socket import SENT, HttpClientSocket, create_connection_in, wrap_in
from .script import REAL, SCRIPT
from .sent_calls import ForeignCall, Named

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from .decision import Decision
    from .scope import UpstreamScope
    from .sent_calls import SentCall

_URLLIB3 = Named("urllib3")


def methods(scope_of: Callable[[], Any]) -> list[tuple[Any, str, Any]]:
    """What is to be replaced: owner, name, and what makes ours of the original."""
    from urllib3 import connection, connectionpool
    from urllib3.util import connection as opening

    pool = connectionpool.HTTPConnectionPool
    found: list[tuple[Any, str, Any]] = [
        (pool, "_make_request", lambda original: _make_request_in(scope_of, original)),
        (opening, "create_connection", create_connection_in),
    ]
    if hasattr(connection, "_ssl_wrap_socket_and_match_hostname"):
        return [*found, (connection, "_ssl_wrap_socket_and_match_hostname", wrap_in)]
    return []  # urllib3 1


def _instant() -> tuple[float, str]:
    return time.monotonic(), ""


def _make_request_in(scope_of: Callable[[], Any], original: Any) -> Any:
    def make_request(self: Any, conn: Any, method: str, url: str, *args: Any, **given: Any) -> Any:
        __tracebackhide__ = True
        scope: UpstreamScope | None = scope_of()
        others = type(conn).__module__.startswith("vcr.")
        if scope is None or scope.is_idle or REAL.get() or args or others:
            return original(self, conn, method, url, *args, **given)
        seen = _seen(self, method, url, given)
        call = ForeignCall(_URLLIB3, seen, self, proxy="http" if conn.proxy else "")
        if call.is_left_alone(scope):
            return original(self, conn, method, url, **given)
        sent = other_libraries.begin(scope, call, _instant, sys._getframe(), in_thread=True)
        return _take(scope, sent, conn, lambda: original(self, conn, method, url, **given))

    return make_request


def _take(scope: UpstreamScope, sent: SentCall, conn: Any, send: Callable[[], Any]) -> Any:
    __tracebackhide__ = True
    error: BaseException
    try:
        decision = other_libraries.decide(scope, sent)
        if other_libraries.goes_out(decision):
            return _to_the_network(sent, conn, send)
        return _in_memory(scope, sent, conn, decision, send)
    except MissingTimeout as stalled:
        sent.out.fault = stalled.plan
        error = scope.call_policy.no_timeout(sent.call.request, stalled.phase, sent.out)
    except BaseException as raised:
        error = raised
    sent.on_failure(error)
    raise error


def _to_the_network(sent: SentCall, conn: Any, send: Callable[[], Any]) -> Any:
    if isinstance(conn.sock, HttpClientSocket):
        conn.close()
    tokens = SCRIPT.set(None), REAL.set(True)
    try:
        return send()
    finally:
        SCRIPT.reset(tokens[0])
        REAL.reset(tokens[1])
        sent.on_closed("")


def _in_memory(
    scope: UpstreamScope, sent: SentCall, conn: Any, decision: Decision, send: Callable[[], Any]
) -> Any:
    if decision.way == "pool":
        from urllib3.exceptions import EmptyPoolError

        raise EmptyPoolError(sent.call.owner, "Pool is empty and a new connection can't be opened")
    script = other_libraries.script(
        scope, sent, decision, lambda decided: other_libraries.answer_sync(scope, sent, decided)
    )
    kept = conn.sock
    fits = isinstance(kept, HttpClientSocket) and kept.is_current
    if kept is not None and (script.effect.before_request or not fits):
        conn.close()
    elif isinstance(kept, HttpClientSocket):
        kept.sent = sent
    tokens = SCRIPT.set(script), SENT.set(sent)
    try:
        return send()
    finally:
        SCRIPT.reset(tokens[0])
        SENT.reset(tokens[1])


def _seen(pool: Any, method: str, url: str, given: dict[str, Any]) -> httpx.Request:
    from urllib3.util.timeout import Timeout

    whole = url if "://" in url else f"{pool.scheme}://{_host(pool.host)}:{pool.port}{url}"
    body = given.get("body")
    content = body.encode() if isinstance(body, str) else body
    if not isinstance(content, (bytes, bytearray)):
        content = b""
    headers = [(_text(k), _text(v)) for k, v in dict(given.get("headers") or {}).items()]
    limits = pool._get_timeout(given.get("timeout"))
    connect, read = (
        Timeout.resolve_default_timeout(limit) for limit in (limits.connect_timeout, limits._read)
    )
    timeouts = {"connect": connect, "read": read, "write": read, "pool": 0.0}
    return other_libraries.as_seen(method, whole, headers, bytes(content), timeouts)


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
