"""The in-memory network below httpcore and httpcore2.

Replaces `connect_tcp` and `connect_unix_socket` of the backends. A call without
a script connects the original way; one with a script gets a stream to a `Peer`,
guarded by httpcore's own stream class, so pool, retries, h11, timeouts and the
mapping of errors are the client's real ones. Knows no routes.
"""

from __future__ import annotations

import errno
import inspect
import os
import socket
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import anyio

from .._core.current_loop import now
from .._core.signatures import signature
from .handshake import FakeSSLObject, handshake, handshake_sync
from .memory_socket import MemorySocket
from .memory_stream import AnyioMemoryStream, memory_stream_for, takes_at_once
from .peer import Peer
from .proxies import NO_EFFECT, at_proxy
from .real_waits import wait_or_time_out
from .script import REAL, SCRIPT, SCRIPTS, Script

if TYPE_CHECKING:
    from .._faults import Effect
    from .httpx_libraries import Library


class MemoryNetworkStream:
    """A network stream of httpcore over an in-memory peer; TLS is a formality."""

    age: ClassVar[object] = object()

    def __init__(self, library: Library, guarded: Any, peer: Peer) -> None:
        self._library = library
        self._guarded = guarded
        self._peer = peer
        self._age = MemoryNetworkStream.age
        self._tls: FakeSSLObject | None = None

    @staticmethod
    def forget_all() -> None:
        """No connection that exists now may be used again."""
        MemoryNetworkStream.age = object()

    @property
    def is_current(self) -> bool:
        """Was it made for the scopes that are active, and is it still open?"""
        return self._age is MemoryNetworkStream.age and not self._peer.ended

    def _refuse_if_old(self) -> None:
        # A pool does not check an HTTP/2 connection before it sends; if refused, it opens another.
        if self._peer.http2 is not None and self._age is not MemoryNetworkStream.age:
            raise self._library.core_part("_exceptions").ConnectionNotAvailable

    def get_extra_info(self, info: str) -> Any:
        """`is_readable` tells the pool to drop an idle connection.

        A kept connection serves the next scripted request, unless that one
        needs a new connection. Nothing real may ever be sent on it, and it
        does not outlive the scopes that it was made for.
        """
        if info == "ssl_object":
            return self._tls
        if info != "is_readable":
            return None
        script = SCRIPT.get()
        needs_new = script is not None and script.effect.before_request
        return needs_new or REAL.get() or not self.is_current

    def _handshake(self) -> Effect:
        """What is done to the next TLS handshake, which may be the one with the proxy."""
        script = SCRIPT.get()
        with_proxy = script is not None and script.proxy_tls and not self._peer.secure
        self._peer.secure = True
        if with_proxy:
            self._tls = FakeSSLObject(http2=False)
            return at_proxy(script.effect)  # type: ignore[union-attr]
        self._tls = FakeSSLObject(
            script is not None and script.http2 and not script.effect.no_http2
        )
        return NO_EFFECT if script is None else script.effect

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._peer!r}>"


class AsyncMemoryNetworkStream(MemoryNetworkStream):
    """The async stream."""

    def __init__(self, library: Library, guarded: Any, peer: Peer, end: Any = None) -> None:
        super().__init__(library, guarded, peer)
        self._end: AnyioMemoryStream | None = end if isinstance(end, AnyioMemoryStream) else None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """As httpcore's own stream, over memory; no guard where the time of it all is known."""
        if self._end is not None:
            data = await self._end.read_known(max_bytes, timeout)
            if data is not None:
                return data
        return await self._guarded.read(max_bytes, timeout)  # type: ignore[no-any-return]

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """As httpcore's own stream, over memory; no guard where nothing can go wrong."""
        self._refuse_if_old()
        if not takes_at_once(self._peer, buffer):
            await self._guarded.write(buffer, timeout)

    async def aclose(self) -> None:
        """Hang up."""
        await self._guarded.aclose()

    async def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> AsyncMemoryNetworkStream:
        """No handshake takes place; it fails, or takes its time, as the script says."""
        effect = self._handshake()
        if effect.needs_tls or effect.accept:
            await handshake(self._library, effect, server_hostname, timeout)
        return self


class SyncMemoryNetworkStream(MemoryNetworkStream):
    """The sync stream."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """As httpcore's own stream, over memory."""
        return self._guarded.read(max_bytes, timeout)  # type: ignore[no-any-return]

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """As httpcore's own stream, over memory."""
        self._refuse_if_old()
        self._guarded.write(buffer, timeout)

    def close(self) -> None:
        """Hang up."""
        self._guarded.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> SyncMemoryNetworkStream:
        """No handshake takes place; it fails, or takes its time, as the script says."""
        effect = self._handshake()
        if effect.needs_tls or effect.accept:
            handshake_sync(self._library, effect, server_hostname, timeout)
        return self


def patched_connect(library: Library, original: Any) -> Any:
    """The replacement for a backend's `connect_tcp` or `connect_unix_socket`."""
    called = signature(original)
    if inspect.iscoroutinefunction(original):

        async def connect(self: Any, *args: Any, **kwargs: Any) -> Any:
            script = next_attempt()
            if script is None:
                return await original(self, *args, **kwargs)
            given = called.bind(self, *args, **kwargs).arguments
            return await connect_stream(library, script, Address.of(given), given.get("timeout"))

        return connect

    def connect_sync(self: Any, *args: Any, **kwargs: Any) -> Any:
        script = next_attempt()
        if script is None:
            return original(self, *args, **kwargs)
        given = called.bind(self, *args, **kwargs).arguments
        return connect_stream_sync(library, script, Address.of(given), given.get("timeout"))

    return connect_sync


def next_attempt() -> Script | None:
    """The script for this attempt of the call to connect; None: to the real network."""
    script = SCRIPT.get()
    if script is None:
        return None
    if script.attempted and script.again is not None:
        renewed = script.again()
        if renewed is None:
            SCRIPT.set(None)
            return None
        script = replace(
            script,
            answer=renewed.answer,
            effect=renewed.effect,
            again=renewed.again,
            ready=renewed.ready,
        )
    script.attempted.append(True)
    SCRIPT.set(script)
    if script.number:
        SCRIPTS[script.number] = script
    return script


@dataclass(frozen=True, slots=True)
class Address:
    """Where a connection leads: a host and a port, or the path of a Unix socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def of(cls, given: dict[str, Any]) -> Address:
        """From the arguments of a backend's method."""
        if "path" in given:
            return cls(path=given["path"])
        return cls(given["host"], given["port"])

    def refused_error(self, backend: str) -> OSError:
        """The error where nothing listens, as the backend gives it."""
        if self.path or backend == "sync":
            return _refused()
        if backend == "trio":
            return _trio_refusal(self.host, self.port)
        return _anyio_refusal()

    def unknown_host_error(self, kind: str = "") -> OSError:
        """The error where the name leads nowhere."""
        if self.path:
            return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if kind == "temporary":
            return socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return socket.gaierror(socket.EAI_NONAME, "Name or service not known")


async def connect_stream(
    library: Library, script: Script, place: Address, timeout: float | None
) -> AsyncMemoryNetworkStream:
    """Connect an async client, or fail as the script says."""
    core, effect = library.core, script.effect
    backend = library.core_part("_synchronization").current_async_library()
    mapping: dict[Any, Any] = {TimeoutError: core.ConnectTimeout, OSError: core.ConnectError}
    map_exceptions = library.core_part("_exceptions").map_exceptions
    if backend == "trio":
        import trio

        mapping = {trio.TooSlowError: core.ConnectTimeout, OSError: core.ConnectError}
        with map_exceptions(mapping), trio.fail_after(float("inf") if timeout is None else timeout):
            async with trio.open_nursery():
                # trio resolves names in a thread, which nothing interrupts.
                with trio.CancelScope(shield=True):
                    await trio.sleep(effect.dns if place.host else 0)
                await _reach(effect)
            _fail_to_connect(effect, place, "trio")
    else:
        with map_exceptions(mapping), anyio.fail_after(timeout):
            if effect.dns and place.host:
                await anyio.sleep(effect.dns)
            await _reach(effect)
            _fail_to_connect(effect, place, "anyio")
    peer = Peer(now() + effect.accept if effect.accept else 0.0)
    stream = "TrioStream" if backend == "trio" else "AnyIOStream"
    part = library.core_part("_backends.trio" if backend == "trio" else "_backends.anyio")
    end = memory_stream_for(backend, peer)
    return AsyncMemoryNetworkStream(library, getattr(part, stream)(end), peer, end)


async def _reach(effect: Effect) -> None:
    await anyio.lowlevel.checkpoint()
    if effect.never_connects:
        await anyio.sleep_forever()
    elif effect.connect:
        await anyio.sleep(effect.connect)


def connect_stream_sync(
    library: Library, script: Script, place: Address, timeout: float | None
) -> SyncMemoryNetworkStream:
    """Connect a sync client, or fail as the script says."""
    core, effect = library.core, script.effect
    mapping = {TimeoutError: core.ConnectTimeout, OSError: core.ConnectError}
    with library.core_part("_exceptions").map_exceptions(mapping):
        # A sync client resolves names before its budget begins.
        if effect.dns and place.host:
            wait_or_time_out(effect.dns, None)
        deadline = None if timeout is None else time.monotonic() + timeout
        if effect.never_connects:
            wait_or_time_out(None, deadline)
        elif effect.connect:
            wait_or_time_out(effect.connect, deadline)
        _fail_to_connect(effect, place, "sync")
    peer = Peer(time.monotonic() + effect.accept if effect.accept else 0.0)
    stream = library.core_part("_backends.sync").SyncStream(MemorySocket(peer))
    return SyncMemoryNetworkStream(library, stream, peer)


def _fail_to_connect(effect: Effect, place: Address, backend: str) -> None:
    if effect.is_refused:
        raise place.refused_error(backend)
    if effect.kind.stage == "resolve":
        raise place.unknown_host_error(effect.detail)


def _refused() -> ConnectionRefusedError:
    return ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))


def _anyio_refusal() -> OSError:
    error = OSError("All connection attempts failed")
    error.__cause__ = _refused()
    return error


def _trio_refusal(host: str, port: int) -> OSError:
    message = f"all attempts to connect to {host}:{port} failed"
    error = OSError(message)
    error.__cause__ = ExceptionGroup(message, [_refused()])
    return error
