"""Which file descriptors of the loop lead outside, and which tasks wait for them.

A listener is idle; a connection whose two ends are both served by this loop
(a loopback server inside the test) is not the outside world. Must not depend
on time or threads.
"""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._core.held_bytes import is_known_idle, unwrap_protocol
from .threads import STDLIB, owner_of

if TYPE_CHECKING:
    import types
    from collections.abc import Iterable

_PEER_OF_MACOS = (0, 2)  # SOL_LOCAL, LOCAL_PEERPID: the module has no names for them
_ANYIO = "anyio._backends._asyncio"
_ASYNC_MODULES = ("asyncio", "anyio")
# A task that is suspended in one of these waits for bytes, or for a process.
_WAITS: dict[str, tuple[str, ...]] = {
    "asyncio.streams": ("StreamReader._wait_for_data", "FlowControlMixin._drain_helper"),
    "asyncio.selector_events": (
        "BaseSelectorEventLoop.sock_recv",
        "BaseSelectorEventLoop.sock_send",
        "BaseSelectorEventLoop.sock_connect",
    ),
    "asyncio.base_events": (
        "BaseEventLoop._create_connection_transport",
        "BaseEventLoop.start_tls",
        "BaseEventLoop.shutdown_default_executor",
    ),
    "asyncio.base_subprocess": ("BaseSubprocessTransport._wait",),
    _ANYIO: (
        "Process.wait",
        "SocketStream.",
        "UNIXSocketStream.",
        "UDPSocket.",
        "ConnectedUDPSocket.",
        "UNIXDatagramSocket.",
        "ConnectedUNIXDatagramSocket.",
        "AsyncIOBackend.wait_readable",
        "AsyncIOBackend.wait_writable",
    ),
}
# Waits that lead outside even when no descriptor shows it.
_ALWAYS = (
    "BaseSubprocessTransport._wait",
    "BaseEventLoop.shutdown_default_executor",
    "Process.wait",
)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One descriptor of the selector: where it leads and who reads it."""

    fd: int
    owner: str
    is_socket: bool = False
    listens: bool = False
    local: Any = None
    peer: Any = None
    own_process: bool = False


class Sockets:
    """The descriptors of one loop."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop

    def descriptors(self) -> list[Descriptor]:
        """All descriptors but the loop's own wake-up pipe."""
        keys = self._loop._selector.get_map()
        if len(keys) <= 1:
            return []
        own = self._loop._ssock.fileno()
        known = {key.fd: _owner(key.data) for key in keys.values() if key.fd != own}
        # A transport that has paused reading is not in the selector, but still ours.
        for fd, transport in list(getattr(self._loop, "_transports", {}).items()):
            # The number of a closed one may be that of another thread's socket by now.
            if _is_open(transport, fd):
                known.setdefault(fd, STDLIB)
        return [describe(fd, owner) for fd, owner in known.items()]

    def outside(self, descriptors: Iterable[Descriptor]) -> list[Descriptor]:
        """Those that another process or thread may write to, listeners left out."""
        known = list(descriptors)
        return [
            one
            for one in known
            if not (one.listens or is_known_idle(one.fd) or is_local(one, known))
        ]


def _is_open(transport: Any, fd: int) -> bool:
    sock = getattr(transport, "_sock", None)
    return sock is not None and sock.fileno() == fd


def _owner(data: Any) -> str:
    """Whose code is called when a descriptor is ready."""
    reader, writer = data
    callback = getattr(reader or writer, "_callback", None)
    protocol = unwrap_protocol(getattr(getattr(callback, "__self__", None), "_protocol", None))
    module = type(protocol).__module__ if protocol is not None else None
    return owner_of(module or getattr(callback, "__module__", None) or "asyncio")


def describe(fd: int, owner: str) -> Descriptor:
    """Ask the kernel what this descriptor is."""
    try:
        sock = socket.socket(fileno=fd)
    except OSError:
        return Descriptor(fd, owner)  # a pipe, a pidfd, a file
    try:
        listens = bool(_getsockopt(sock, socket.SOL_SOCKET, getattr(socket, "SO_ACCEPTCONN", 30)))
        own_process = sock.family == getattr(socket, "AF_UNIX", None) and _peer_is_this_process(
            sock
        )
        return Descriptor(
            fd=fd,
            owner=owner,
            is_socket=True,
            listens=listens,
            local=_address(sock.getsockname),
            peer=_address(sock.getpeername),
            own_process=own_process,
        )
    finally:
        sock.detach()


def _getsockopt(sock: socket.socket, level: int, option: int) -> int:
    try:
        return sock.getsockopt(level, option)
    except OSError:
        return 0


def _peer_is_this_process(sock: socket.socket) -> bool:
    """Is the other end of this Unix socket in this process?"""
    option = getattr(socket, "SO_PEERCRED", None)
    try:
        if option is not None:
            raw = sock.getsockopt(socket.SOL_SOCKET, option, 12)
            return int.from_bytes(raw[:4], "little") == os.getpid()
        return sys.platform == "darwin" and sock.getsockopt(*_PEER_OF_MACOS) == os.getpid()
    except OSError:
        return False


def _address(ask: Any) -> Any:
    try:
        name = ask()
    except OSError:
        return None
    return name[:2] if isinstance(name, tuple) else name


def is_local(one: Descriptor, known: list[Descriptor]) -> bool:
    """Is its other end one of those known to be served by this loop?"""
    if not one.is_socket:
        return False
    for other in known:
        if other is one or not other.is_socket:
            continue
        if isinstance(one.peer, tuple) and isinstance(other.local, tuple):
            if other.listens:
                if _reaches(one.peer, other.local):
                    return True
            elif other.local == one.peer and other.peer == one.local:
                return True
        elif one.own_process and (other.own_process or other.listens):
            # Unix sockets have no names to compare; both ends are in this process.
            return True
    return False


def _reaches(peer: tuple[Any, ...], listener: tuple[Any, ...]) -> bool:
    if peer[1] != listener[1]:
        return False
    host = str(peer[0])
    return host == listener[0] or host.startswith("127.") or host == "::1"


def waits_outside(frames: list[types.FrameType], outside: list[Descriptor]) -> bool:
    """Does this task (frames outermost first) wait for bytes from outside?"""
    for frame in reversed(frames):
        module = frame.f_globals.get("__name__", "")
        name = frame.f_code.co_qualname
        if module in _WAITS and name.startswith(_WAITS[module]):
            if name in _ALWAYS:
                return True
            fd = _fd_of(frame)
            return any(fd in (None, one.fd) for one in outside)
        if module.partition(".")[0] not in _ASYNC_MODULES:
            return False
    return False


def waiting_owner(frames: list[types.FrameType]) -> str | None:
    """The package whose code waits for an event; None when it waits for time or tasks."""
    for frame in reversed(frames):
        module = frame.f_globals.get("__name__", "")
        if module in ("asyncio.tasks", "asyncio.taskgroups"):
            return None
        if module.partition(".")[0] not in _ASYNC_MODULES:
            return owner_of(module)
    return None


def _fd_of(frame: types.FrameType) -> int | None:
    """The descriptor that a frame of asyncio's or anyio's waits for, if that is known."""
    values = frame.f_locals
    me = values.get("self")
    for holder in (
        values.get("fd"),
        values.get("sock"),
        getattr(me, "_raw_socket", None),
        values.get("transport"),
        getattr(me, "_transport", None),
    ):
        if isinstance(holder, int):
            return holder
        ask = getattr(holder, "get_extra_info", None)
        file: Any = (ask("socket") or ask("pipe")) if ask is not None else holder
        try:
            return int(file.fileno())
        except (AttributeError, OSError, ValueError):
            continue
    return None
