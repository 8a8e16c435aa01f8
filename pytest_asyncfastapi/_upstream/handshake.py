"""A TLS handshake that fails, or takes its time: as each backend reports it.

No handshake takes place; its time begins when the server has accepted. The
errors are the ones that OpenSSL gives, wrapped as anyio, trio and the socket
module wrap them, and mapped by httpcore's rules.
"""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from .real_waits import wait_or_time_out
from .tls_alerts import LINE, tls_error

if TYPE_CHECKING:
    from .._faults import Effect
    from .httpx_libraries import Library

TIMED_OUT = "_ssl.c:1003: The handshake operation timed out"


class FakeSSLObject:
    """What a handshake came to: the protocol of the connection, as httpcore asks for it."""

    def __init__(self, http2: bool) -> None:
        self._protocol = "h2" if http2 else "http/1.1"

    def selected_alpn_protocol(self) -> str:
        """The protocol that both sides speak."""
        return self._protocol

    def __repr__(self) -> str:
        return f"<FakeSSLObject {self._protocol}>"


async def handshake(library: Library, effect: Effect, host: str | None, limit: float | None) -> Any:
    """Take the time that the effect says, within the connect budget, then fail if it says so."""
    core = library.core
    map_exceptions = library.core_part("_exceptions").map_exceptions
    if library.core_part("_synchronization").current_async_library() == "trio":
        import trio

        mapping: dict[Any, Any] = {
            trio.TooSlowError: core.ConnectTimeout,
            trio.BrokenResourceError: core.ConnectError,
        }
        with map_exceptions(mapping), trio.fail_after(float("inf") if limit is None else limit):
            await trio.sleep(effect.accept + effect.tls)
            if effect.detail == "stall":
                await trio.sleep_forever()
            if fails_here(effect):
                error = tls_error(effect.detail, host)
                if effect.detail == "reset":
                    raise trio.BrokenResourceError(f"socket connection broken: {error}") from error
                raise trio.BrokenResourceError from error
        return
    mapping = {
        TimeoutError: core.ConnectTimeout,
        anyio.EndOfStream: core.ConnectError,
        ssl.SSLError: core.ConnectError,
        anyio.BrokenResourceError: core.ConnectError,
    }
    with map_exceptions(mapping), anyio.fail_after(limit):
        await _asyncio_handshake(effect, host)


async def _asyncio_handshake(effect: Effect, host: str | None) -> None:
    try:
        # anyio waits for the peer while it handles OpenSSL's wish to read.
        raise ssl.SSLWantReadError(2, f"The operation did not complete (read) {LINE}")
    except ssl.SSLWantReadError:
        await anyio.sleep(effect.accept + effect.tls)
        if effect.detail == "stall":
            await anyio.sleep_forever()
    if fails_here(effect):
        error = tls_error(effect.detail, host)
        if effect.detail == "eof":
            raise anyio.EndOfStream from error
        if effect.detail == "reset":
            raise anyio.BrokenResourceError from error
        raise error


def handshake_sync(library: Library, effect: Effect, host: str | None, limit: float | None) -> None:
    """The same for a sync client."""
    core = library.core
    mapping = {TimeoutError: core.ConnectTimeout, OSError: core.ConnectError}
    deadline = None if limit is None else time.monotonic() + limit
    with library.core_part("_exceptions").map_exceptions(mapping):
        wait = None if effect.detail == "stall" else effect.accept + effect.tls
        wait_or_time_out(wait, deadline, TIMED_OUT)
        if fails_here(effect):
            raise tls_error(effect.detail, host)


def fails_here(effect: Effect) -> bool:
    """Does the client see the handshake fail?"""
    # With TLS 1.3 the client is done before the server has looked at its certificate.
    return effect.kind.stage == "tls" and effect.detail != "client_certificate"
