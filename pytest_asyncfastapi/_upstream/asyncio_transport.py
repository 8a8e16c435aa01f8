"""An asyncio transport whose other end is a `Peer` in memory: for clients that have protocols.

Such a client is pushed what arrives, so a task plays the server while there is anything to
say. An idle connection has none. Knows no HTTP client library.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import anyio

from .._core.tasks import spawn
from .memory_stream import PushedMemoryStream, reset_in_upload
from .network import MemoryNetworkStream
from .script import SCRIPT
from .tls_alerts import connection_reset

if TYPE_CHECKING:
    from .._core.tasks import SpawnedTask
    from .peer import Peer
    from .script import Script
    from .sent_calls import SentCall

# What a client may write before it has to wait for a server that does not read, in bytes:
# asyncio's own mark, and what the two sockets of a loopback connection hold.
_HIGH_WATER = 64 * 1024
_IN_SOCKETS = 256 * 1024


class MemoryTransport(asyncio.Transport):
    """One connection; `begin` says which call it carries from then on."""

    def __init__(self, protocol: Any, peer: Peer, extra: dict[str, Any]) -> None:
        super().__init__(extra)
        self._protocol = protocol
        self._peer = peer
        self._end = PushedMemoryStream(peer)
        self._age = MemoryNetworkStream.age
        self._script: Script | None = None
        self._sent: SentCall | None = None
        self._player: SpawnedTask | None = None
        self._broken_off = False
        self._uploads: list[bytes] = []
        self._unread = 0
        self._writing = True
        self._resumed = asyncio.Event()
        self._resumed.set()
        self._closing = self._lost = False

    def begin(self, script: Script, sent: SentCall) -> None:
        """The next request on this connection is this call's."""
        self._script, self._sent = script, sent

    @property
    def is_current(self) -> bool:
        """Was it made for the scopes that are active, and is it still open?"""
        return self._age is MemoryNetworkStream.age and not (self._closing or self._peer.ended)

    # What the client writes

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Give it to the server."""
        if self._closing or not data:
            return
        script = self._script
        if reset_in_upload(self._peer, script):
            self._fail(connection_reset())
            return
        if self._peer.answers_early():
            self._broken_off = True
            self._play()
            return
        if script is not None and script.effect.stops_reading:
            self._is_not_read(len(data))
        elif script is not None and script.effect.upload_rate and self._peer.in_request:
            self._uploads.append(bytes(data))
            self._is_not_read(0)
            self._play()
        else:
            self._receive_data(bytes(data))
            self._play()

    def writelines(self, list_of_data: Any) -> None:
        """Give it to the server, in one piece."""
        self.write(b"".join(list_of_data))

    def _receive_data(self, data: bytes) -> None:
        token = SCRIPT.set(self._script)
        try:
            self._peer.receive_data(data)
        finally:
            SCRIPT.reset(token)

    def _is_not_read(self, size: int) -> None:
        """These bytes stay where they are; at some number the client has to wait."""
        self._unread += size
        if self._writing and (not size or self._unread > _HIGH_WATER + _IN_SOCKETS):
            self._writing = False
            self._protocol.pause_writing()

    def can_write_eof(self) -> bool:
        """The client may not close one direction only."""
        return False

    def get_write_buffer_size(self) -> int:
        """How many bytes wait to be sent."""
        return max(0, self._unread - _IN_SOCKETS) + sum(map(len, self._uploads))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """The marks stay as they are."""

    # What the client reads

    def pause_reading(self) -> None:
        """Deliver nothing more for now."""
        self._resumed.clear()

    def resume_reading(self) -> None:
        """Deliver again."""
        self._resumed.set()
        self._play()

    def is_reading(self) -> bool:
        """Is what arrives delivered?"""
        return self._resumed.is_set()

    def set_protocol(self, protocol: Any) -> None:
        """What arrives from now on goes to this protocol."""
        self._protocol = protocol

    def get_protocol(self) -> Any:
        """The protocol that what arrives goes to."""
        return self._protocol

    def _play(self) -> None:
        if self._player is None and not self._lost and self._has_something():
            # Not at once: the client is still writing.
            self._player, _ = spawn(
                self._run(), copy_context(), "asyncfastapi upstream answer", at_once=False
            )

    def _has_something(self) -> bool:
        peer = self._peer
        return bool(self._uploads) or peer.ended or not peer.idle

    async def _run(self) -> None:
        try:
            await self._upload()
            while self._has_something():
                await self._resumed.wait()
                data = await self._end.receive(_HIGH_WATER)
                if self._closing:
                    return
                if not data:
                    self._protocol.eof_received()
                    self._fail(None, "ServerDisconnectedError")
                    return
                if self._sent is not None:
                    self._sent.on_data(data, whole=self._peer.idle)
                self._protocol.data_received(data)
            if self._broken_off:
                raise connection_reset()
        except (ConnectionResetError, ssl.SSLError) as error:
            self._fail(error)
        except Exception as error:  # of whoever makes the answer: the app's call ends in it
            self._fail(error)
        finally:
            self._player = None
            if self._closing:
                await self._end.aclose()

    async def _upload(self) -> None:
        """At the rate that the server takes it; then the client may go on."""
        script = self._script
        while self._uploads and script is not None:
            data = self._uploads.pop(0)
            await anyio.sleep(len(data) / script.effect.upload_rate)
            self._receive_data(data)
        if not self._writing and not self._unread:
            self._writing = True
            self._protocol.resume_writing()

    # The end

    def is_closing(self) -> bool:
        """Has the client, or the server, hung up?"""
        return self._closing

    def close(self) -> None:
        """The client hangs up."""
        if not self._closing:
            error = sys.exception()  # what the client gives it up for
            self._over("" if error is None else type(error).__name__)
            self._hang_up(None)

    def abort(self) -> None:
        """The same, at once."""
        self.close()

    def _fail(self, error: BaseException | None, name: str = "") -> None:
        """The connection is lost; `name` says how a call that is not over ends in it."""
        if not self._closing:
            self._over(name or type(error).__name__)
            self._hang_up(error)

    def _over(self, error: str) -> None:
        if self._sent is not None:
            self._sent.on_closed(error)

    def _hang_up(self, error: BaseException | None) -> None:
        self._closing = self._peer.ended = True
        player = self._player
        if player is not None and player is not asyncio.current_task():
            player.cancel()
        asyncio.get_running_loop().call_soon(self._tell_lost, error)

    def _tell_lost(self, error: BaseException | None) -> None:
        if not self._lost:
            self._lost = True
            self._protocol.connection_lost(error)

    def __repr__(self) -> str:
        return f"<MemoryTransport {self._peer!r}>"
