"""How aiohttp opens a connection in memory: the name, the connect, the handshake.

`_resolve_host` and `_wrap_create_connection` of its connector, where a call has a script;
the errors are those of the system, wrapped as the connector wraps them. Knows no routes.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING, Any

import anyio

from .._core.current_loop import now
from .asyncio_transport import MemoryTransport
from .handshake import FakeSSLObject, fails_here
from .network import Address, next_attempt
from .peer import Peer
from .script import SCRIPT
from .tls_alerts import tls_error

if TYPE_CHECKING:
    from .._faults import Effect

_ADDRESS = "198.51.100.1"  # of a range that leads nowhere (RFC 5737)


def resolve_host_in(original: Any) -> Any:
    """The replacement for `TCPConnector._resolve_host`."""

    async def resolve_host(self: Any, host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        script = SCRIPT.get()
        if script is None:
            return await original(self, host, port, *args, **kwargs)
        if script.effect.dns:
            await anyio.sleep(script.effect.dns)
        if script.effect.kind.stage == "resolve":
            raise Address(host, port).unknown_host_error(script.effect.detail)
        place = {"hostname": host, "host": _ADDRESS, "port": port}
        return [{**place, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    return resolve_host


def open_in(original: Any) -> Any:
    """The replacement for `TCPConnector._wrap_create_connection`."""

    async def wrap_create_connection(
        self: Any, *args: Any, req: Any, timeout: Any, client_error: Any = None, **kwargs: Any
    ) -> Any:
        from aiohttp import client_exceptions

        errors: Any = client_exceptions
        client_error = client_error or errors.ClientConnectorError
        script = next_attempt()
        if script is None:
            return await original(
                self, *args, req=req, timeout=timeout, client_error=client_error, **kwargs
            )
        effect = script.effect
        try:
            async with _limited(timeout):
                await _reach(effect)
                secure = bool(kwargs.get("ssl"))
                if secure:
                    await _shake_hands(effect, kwargs.get("server_hostname"))
        except ssl.CertificateError as error:
            raise errors.ClientConnectorCertificateError(req.connection_key, error) from error
        except ssl.SSLError as error:
            raise errors.ClientConnectorSSLError(req.connection_key, error) from error
        except OSError as error:
            if error.errno is None and isinstance(error, asyncio.TimeoutError):
                raise
            raise client_error(req.connection_key, error) from error
        peer = Peer(now() + effect.accept if effect.accept and not secure else 0.0)
        peer.secure = secure
        protocol = args[0]()
        extra = {
            "peername": (_ADDRESS, req.port),
            "ssl_object": FakeSSLObject(False) if secure else None,
        }
        transport = MemoryTransport(protocol, peer, extra)
        protocol.connection_made(transport)
        return transport, protocol

    return wrap_create_connection


def open_through_proxy_in(original: Any) -> Any:
    """The replacement for `TCPConnector._create_proxy_connection`."""

    async def create_proxy_connection(self: Any, req: Any, traces: Any, timeout: Any) -> Any:
        """The tunnel of a proxy is not played: what is behind it answers."""
        if SCRIPT.get() is None:
            return await original(self, req, traces, timeout)
        from aiohttp import client_exceptions

        return await self._wrap_create_connection(
            self._factory,
            req=req,
            timeout=timeout,
            ssl=self._get_ssl_context(req),
            server_hostname=req.url.host,
            client_error=client_exceptions.ClientProxyConnectionError,
        )

    return create_proxy_connection


def _limited(timeout: Any) -> Any:
    from aiohttp.helpers import ceil_timeout

    threshold = getattr(timeout, "ceil_threshold", 5)
    return ceil_timeout(timeout.sock_connect, ceil_threshold=threshold)


async def _reach(effect: Effect) -> None:
    await asyncio.sleep(0)
    if effect.never_connects:
        await anyio.sleep_forever()
    elif effect.connect:
        await anyio.sleep(effect.connect)
    if effect.is_refused:
        raise Address(_ADDRESS, 0).refused_error("sync")


async def _shake_hands(effect: Effect, host: str | None) -> None:
    await anyio.sleep(effect.accept + effect.tls)
    if effect.handshake_stalls:
        await anyio.sleep_forever()
    if fails_here(effect):
        if effect.detail in ("eof", "reset"):
            raise ConnectionResetError
        raise tls_error(effect.detail, host)
