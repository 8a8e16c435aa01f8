"""A TLS handshake that fails, or takes its time: as each backend reports it.

No handshake takes place; its time begins when the server has accepted. The
errors are the ones that OpenSSL gives, wrapped as anyio, trio and the socket
module wrap them, and mapped by httpcore's rules.
"""

from __future__ import annotations

import ipaddress
import ssl
import time
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from .socket_end import wait_or_time_out

if TYPE_CHECKING:
    from ..faults import Effect
    from .libraries import Library

# The line in OpenSSL's wrapper that a message ends with; it differs between Pythons.
_LINE = "(_ssl.c:1020)"
_TIMED_OUT = "_ssl.c:1003: The handshake operation timed out"


class Agreed:
    """What a handshake came to: the protocol of the connection, as httpcore asks for it."""

    def __init__(self, http2: bool) -> None:
        self._protocol = "h2" if http2 else "http/1.1"

    def selected_alpn_protocol(self) -> str:
        """The protocol that both sides speak."""
        return self._protocol

    def __repr__(self) -> str:
        return f"<Agreed {self._protocol}>"


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
            if effect.ending == "tls_error":
                raise trio.BrokenResourceError from tls_error(effect.detail, host)
        return
    mapping = {
        TimeoutError: core.ConnectTimeout,
        anyio.EndOfStream: core.ConnectError,
        ssl.SSLError: core.ConnectError,
    }
    with map_exceptions(mapping), anyio.fail_after(limit):
        await _asyncio_handshake(effect, host)


async def _asyncio_handshake(effect: Effect, host: str | None) -> None:
    try:
        # anyio waits for the peer while it handles OpenSSL's wish to read.
        raise ssl.SSLWantReadError(2, f"The operation did not complete (read) {_LINE}")
    except ssl.SSLWantReadError:
        await anyio.sleep(effect.accept + effect.tls)
        if effect.detail == "stall":
            await anyio.sleep_forever()
    if effect.ending == "tls_error":
        error = tls_error(effect.detail, host)
        if effect.detail == "eof":
            raise anyio.EndOfStream from error
        raise error


def handshake_sync(library: Library, effect: Effect, host: str | None, limit: float | None) -> None:
    """The same for a sync client."""
    core = library.core
    mapping = {TimeoutError: core.ConnectTimeout, OSError: core.ConnectError}
    deadline = None if limit is None else time.monotonic() + limit
    with library.core_part("_exceptions").map_exceptions(mapping):
        wait = None if effect.detail == "stall" else effect.accept + effect.tls
        wait_or_time_out(wait, deadline, _TIMED_OUT)
        if effect.ending == "tls_error":
            raise tls_error(effect.detail, host)


def tls_error(kind: str, host: str | None) -> ssl.SSLError:
    """The error that OpenSSL gives for this kind."""
    if kind in ("untrusted", "hostname", "expired"):
        return _unverified(kind, host or "")
    if kind == "eof":
        text = f"[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol {_LINE}"
        return _named(ssl.SSLEOFError(8, text), "UNEXPECTED_EOF_WHILE_READING")
    if kind == "plain_http":
        text = f"[SSL: WRONG_VERSION_NUMBER] wrong version number {_LINE}"
        return _named(ssl.SSLError(1, text), "WRONG_VERSION_NUMBER")
    text = f"[SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version {_LINE}"
    return _named(ssl.SSLError(1, text), "TLSV1_ALERT_PROTOCOL_VERSION")


def _unverified(kind: str, host: str) -> ssl.SSLError:
    code, why = {
        "untrusted": (20, "unable to get local issuer certificate"),
        "expired": (10, "certificate has expired"),
        "hostname": (62, f"Hostname mismatch, certificate is not valid for '{host}'."),
    }[kind]
    if kind == "hostname" and _is_address(host):
        code, why = 64, f"IP address mismatch, certificate is not valid for '{host}'."
    text = f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {why} {_LINE}"
    error = ssl.SSLCertVerificationError(1, text)
    error.verify_code = code
    error.verify_message = why
    return _named(error, "CERTIFICATE_VERIFY_FAILED")


def _named(error: ssl.SSLError, reason: str) -> ssl.SSLError:
    error.library = "SSL"
    error.reason = reason
    return error


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
