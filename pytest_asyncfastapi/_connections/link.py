"""One open connection of the app: what the server sends is held back, cut off or withheld.

A link stands in for the client's protocol, and for the methods by which the client writes
to its transport. Both stay what they are: the transport is asyncio's, the errors are those
of a socket, and all above is the driver's own.
"""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from asyncio import protocols
from functools import partial
from typing import TYPE_CHECKING, Any

from .._core.call_each import call_each
from .._core.held_bytes import AT_REST, HELD
from .._faults.effect import Effect
from .held_data import Held
from .statements import Commands

if TYPE_CHECKING:
    from types import FrameType

    from .._core.findings import Location
    from .._faults.connections import ConnectionRule, Place
    from .participant import Participant

_HOOKS = ("write", "writelines", "set_protocol", "get_protocol", "close", "abort")
_NONE = Effect()
_PIECES = 10  # that a second's worth of bytes comes in, under a bandwidth

# What is in the queue beside bytes: the server has closed its side, or the answer ends so.
_EOF, _LOST, _END = "eof", "lost", "end"


def connection_reset() -> ConnectionResetError:
    """As the kernel says it."""
    return ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))


class Link(asyncio.Protocol):
    """In front of the client's protocol; `rules` are those about what is exchanged here."""

    def __init__(self, scope: Participant, place: Place, inner: Any) -> None:
        self._scope = scope
        self.place = place
        self.rules: list[ConnectionRule] = []
        self._asked: list[ConnectionRule] = []
        self._commands = Commands(place)
        self._call: Any = None  # the exchange that was begun last, as it is recorded
        self.transport: Any = None
        self._fd = -1
        self._waiting = False  # has something been written that is not answered yet?
        self._effect = _NONE
        self._passed = 0  # bytes of the answer to this exchange
        self._begun = False  # has its answer?
        self._held = Held(self._take)
        self._patience: asyncio.TimerHandle | None = None  # of a stall
        self._silent = self._closed = self._hung_up = self._over = False
        self._where: Location | None = None
        self._lost: Exception | None = None
        self._error: BaseException | None = None
        self.set_protocol(inner)

    def attach(self, transport: Any) -> None:
        """Stand in for the methods of this transport."""
        self.transport = transport
        sock = transport.get_extra_info("socket")
        self._fd = -1 if sock is None else sock.fileno()
        self._loop = transport._loop
        self._write = transport.write
        for name in _HOOKS:
            setattr(transport, name, getattr(self, name))
        self._held.begin(self._loop, self._fd)
        AT_REST.add(self._fd)

    def stand_in(self, transport: Any) -> None:
        """The same, for a connection whose client's protocol is at work already."""
        transport.set_protocol(self)
        self.attach(transport)

    def detach(self) -> None:
        """Give the client its connection back; what was held is delivered."""
        transport = self.transport
        if transport is None:
            return
        for name in _HOOKS:
            vars(transport).pop(name, None)
        ends = [self._release]
        if not (self._over or self._loop.is_closed()):
            give_back = partial(transport.set_protocol, self.get_protocol())
            ends = [partial(self._flush, transport), give_back, *ends]
        self.transport = None
        call_each(*ends)

    def _flush(self, transport: asyncio.Transport) -> None:
        try:
            self._held.flush()
        except Exception as error:  # the client's own, which asyncio handles in this way
            context = {
                "message": "Fatal error: protocol.data_received() call failed.",
                "exception": error,
                "transport": transport,
                "protocol": self.get_protocol(),
            }
            self._loop.call_exception_handler(context)
            transport.abort()

    # What the client does

    def write(self, data: Any) -> None:
        """Send it to the server, unless something goes wrong with this exchange."""
        if not (self._waiting or self._commands.is_heartbeat(data)):
            self._waiting = True
            AT_REST.discard(self._fd)
            if self.rules or self._scope.watches:
                self._begin(data, sys._getframe(1))
        if not (self._silent or self._hung_up or self._error):
            self._write(data)
            if self._effect.kind.end == "stall" and self._effect.at == "":
                self._silent = True
        elif self._closed and not self._hung_up:  # a server answers what comes now by a reset
            self._break()

    def writelines(self, list_of_data: Any) -> None:
        """Send it to the server, in one piece."""
        self.write(b"".join(list_of_data))

    def _begin(self, data: Any, frame: FrameType) -> None:
        """A new exchange: what is to go wrong with it?"""
        self._leave()
        watches, call = self._scope.watches, None
        if watches:
            self._call = call = self._scope.begin(self._commands.statement(data), frame)
        self._asked = [rule for rule in self.rules if rule.where.picks(call)]
        plan = self._scope.exchange(self.place, self._asked, call)
        self._effect = effect = _NONE if plan is None else plan.effect
        self._passed, self._begun = 0, False
        if plan is None:
            return
        if effect.kind.is_placed and effect.kind.end != "stall" and effect.at == "":
            self._silent = True
            self._loop.call_soon(self._end)
        elif effect.kind.end == "stall":
            self._where = self._scope.where(frame)
            if effect.at == "":
                self._stall()

    def set_protocol(self, protocol: Any) -> None:
        """What arrives from now on goes to this protocol."""
        self._asyncfastapi_behind = protocol
        self._buffered = isinstance(protocol, asyncio.BufferedProtocol)

    def get_protocol(self) -> Any:
        """The protocol that what arrives goes to."""
        return self._asyncfastapi_behind

    def close(self) -> None:
        """The client closes the connection: nothing more is passed to it."""
        self._hang_up()
        type(self.transport).close(self.transport)

    def abort(self) -> None:
        """The same, at once."""
        self._hang_up()
        type(self.transport).abort(self.transport)

    def _over_without_answer(self, error: str) -> None:
        self._waiting = False
        if self._call is not None:
            self._scope.end(self._call, error)

    def _hang_up(self) -> None:
        self._drop()
        if self._waiting:
            self._over_without_answer("closed by the client")
        if self._over and not self._hung_up:  # the client does not know yet
            self._loop.call_soon(self._lose, None)
        self._hung_up = True

    # What the server does

    def connection_made(self, transport: Any) -> None:
        """It is open."""
        self.attach(transport)
        self._asyncfastapi_behind.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Deliver it, or hold it back."""
        if self._effect is _NONE and not self._held:
            self._rest()
            self._deliver(data)
        elif not (self._silent or self._error):
            self._answer(data)

    def _answer(self, data: bytes) -> None:
        effect = self._effect
        if effect.kind.end == "close" and not effect.kind.is_placed:
            self._put(b"", _END)
            return
        cut = effect.at if effect.ending and isinstance(effect.at, int) else None
        last = cut is not None and self._passed + len(data) >= cut
        if last and cut is not None:
            data = data[: cut - self._passed]
        self._passed += len(data)
        self._silent = last
        self._put(data, _END if last else "")

    def _put(self, data: bytes, end: str = "") -> None:
        """After all that is held back already; the first of an answer after its latency."""
        effect = self._effect
        due = self._held.last()
        if not self._begun:
            self._begun = True
            due += effect.delay
        size = max(1, int(effect.bandwidth / _PIECES)) if effect.bandwidth else len(data)
        for start in range(0, len(data), size or 1):
            piece = data[start : start + size]
            due += len(piece) / effect.bandwidth if effect.bandwidth else 0.0
            self._held.put(due, piece)
        if end:
            self._held.put(due, end)
        self._held.take()

    def eof_received(self) -> bool | None:
        """The server has closed its side."""
        if self._silent:
            return True
        if self._held:
            self._held.put(self._held.last(), _EOF)
            return True  # keep it open until the end is delivered
        result: bool | None = self._asyncfastapi_behind.eof_received()
        return result

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._over = True
        HELD.discard(self._fd)
        AT_REST.discard(self._fd)
        if self._held and not self._hung_up:
            self._lost = exc
            self._held.put(self._held.last(), _LOST)
        elif not self._silent or self._hung_up or self._error is not None:
            self._lose(self._error or exc)

    def _lose(self, exc: BaseException | None) -> None:
        self._release()
        if self._waiting:
            self._over_without_answer(type(exc).__name__ if exc is not None else "closed")
        self._scope.gone(self)
        self._asyncfastapi_behind.connection_lost(exc)

    def pause_writing(self) -> None:
        """The server does not read fast enough."""
        self._asyncfastapi_behind.pause_writing()

    def resume_writing(self) -> None:
        """It does again."""
        self._asyncfastapi_behind.resume_writing()

    # What is held back

    def _take(self, item: bytes | str) -> None:
        """It is due."""
        if isinstance(item, bytes):
            self._rest()
            self._deliver(item)
        elif item == _END and self._effect.kind.end != "stall":
            self._end()
        elif item == _END:
            self._stall()
        elif item == _LOST:
            self._lose(self._lost)
        elif not self._asyncfastapi_behind.eof_received():
            type(self.transport).close(self.transport)

    def _rest(self) -> None:
        """What was asked is answered, in part at least."""
        self._waiting = False
        AT_REST.add(self._fd)
        if self._call is not None:
            self._scope.end(self._call)

    def _deliver(self, data: bytes) -> None:
        inner: Any = self._asyncfastapi_behind
        if self._buffered:
            feed: Any = protocols._feed_data_to_buffered_proto  # type: ignore[attr-defined]
            feed(inner, data)
        else:
            inner.data_received(data)

    def _end(self) -> None:
        """The server resets the connection, or closes it."""
        self._held.clear()
        if self._hung_up or self.transport is None:
            return
        self._silent = True
        if self._effect.kind.end == "reset":
            self._break()
            return
        self._closed = True
        if not self._asyncfastapi_behind.eof_received():
            self._hang_up()
            type(self.transport).abort(self.transport)

    def _break(self) -> None:
        self._error = connection_reset()
        if self._over:
            self._lose(self._error)
        else:
            type(self.transport).abort(self.transport)

    def _stall(self) -> None:
        """Nothing comes any more; who has no timeout waits until nobody doubts it."""
        self._held.forever = True
        HELD.add(self._fd)
        patience = self._scope.patience()
        self._patience = self._loop.call_later(patience, self._nobody_ends_it)

    def _nobody_ends_it(self) -> None:
        self._scope.no_timeout(self.place, "exchange", self._where)
        self._break()

    def _drop(self) -> None:
        self._held.clear()
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _leave(self) -> None:
        for rule in self._asked:
            rule.leave()
        self._asked = []

    def _release(self) -> None:
        self._drop()
        self._leave()
        HELD.discard(self._fd)
        AT_REST.discard(self._fd)

    def __repr__(self) -> str:
        return f"<Link to {self.place.url}>"
