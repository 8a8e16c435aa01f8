"""Does this call block? The catalog's `judge` applied to the call's first argument.

It runs inside the detectors' callbacks, so it never calls the user's code:
only C methods of exact types, and the system's own functions, bound at import.
"""

from __future__ import annotations

import _socket
import _thread
import io
import os
import pathlib
import select
import socket
import stat
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .catalog import Entry
from .catalog import remedies as to

if TYPE_CHECKING:
    from collections.abc import Callable

_fstat = os.fstat
_get_blocking = getattr(os, "get_blocking", None)
_gettimeout, _fileno = _socket.socket.gettimeout, _socket.socket.fileno
_poll: Any = getattr(select, "poll", None)  # on Windows there is none
_select = select.select
_socket_kind: Any = _socket.socket.type  # a member of the C type: reads the field, runs no code
_LOCK = _thread.LockType
_RLOCK: Any = type(threading.RLock())
LOCK_TYPES: frozenset[Any] = frozenset({_LOCK, _RLOCK})
_FILE_TYPES = frozenset({io.TextIOWrapper, io.BufferedReader, io.BufferedRandom, io.FileIO})
_DATAGRAM = int(socket.SOCK_DGRAM)
_SEND_METHODS = (".connect", ".connect_ex", ".send", ".sendall", ".sendto", ".sendmsg")
_VIRTUAL_FILE_SYSTEMS = ("/dev/", "/proc/", "/sys/")
_READ_METHODS = ("read", "read1", "readline", "readlines", "readinto", "readinto1", "peek", "readv",
            "__next__", "load", "sendfile")  # fmt: skip


def judge(entry: Entry, arg0: Any) -> Entry | None:
    """The entry to record, or None when the call cannot block.

    An entry of judge "wait" still has to take time before it counts.
    """
    check = _CHECKS.get(entry.judge)
    return entry if check is None else check(entry, arg0)


def _socket_blocks(entry: Entry, sock: Any) -> Entry | None:
    try:
        if _gettimeout(sock) == 0:
            return None
    except TypeError:
        return None
    if _socket_kind.__get__(sock) == _DATAGRAM and entry.name.endswith(_SEND_METHODS):
        # It only goes to the kernel's buffer, unless that is full.
        return None if _has_room(sock) else replace(entry, judge="wait")
    return entry


def _has_room(sock: Any) -> bool:
    """Can the kernel take a datagram at once? For a unix socket without a peer, always true."""
    number = _fileno(sock)
    try:
        if _poll is None:
            return bool(_select((), (number,), (), 0)[1])
        poll = _poll()
        poll.register(number, select.POLLOUT)
        return bool(poll.poll(0))
    except (OSError, ValueError):  # a closed one fails at once
        return True


def _tls_blocks(entry: Entry, ssl_object: Any) -> Entry | None:
    # An SSLObject over memory buffers (asyncio's) never touches a socket.
    return _socket_blocks(entry, getattr(ssl_object, "owner", None))


def _opens_path(entry: Entry, path: Any) -> Entry | None:
    if isinstance(path, int):
        return None
    if isinstance(path, pathlib.PurePath):
        path = str(path)
    return None if isinstance(path, str) and path.startswith(_VIRTUAL_FILE_SYSTEMS) else entry


def _file_blocks(entry: Entry, file: Any) -> Entry | None:
    if file is None:
        return None
    if file in (sys.stdin, sys.__stdin__):
        return Entry(f"stdin.{entry.name.rpartition('.')[2]}", "stdin", "always", to.THREAD)
    if isinstance(file, (io.BytesIO, io.StringIO)) or _is_output(file):
        return None
    try:
        return _fd_blocks(entry, file.fileno())
    except Exception:  # closed, detached, or not a file at all
        return None


def _is_output(file: Any) -> bool:
    if type(file).__module__.startswith("_pytest"):
        return True
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        if stream is not None and file in (stream, getattr(stream, "buffer", None)):
            return True
    return False


def _fd_blocks(entry: Entry, number: Any) -> Entry | None:
    try:
        mode = _fstat(number).st_mode
    except (OSError, TypeError):
        return None
    return entry if stat.S_ISREG(mode) else _stream_blocks(entry, number, mode)


def _stream_blocks(entry: Entry, number: Any, mode: int) -> Entry | None:
    """What is not a regular file: standard input, a socket, a pipe; a terminal is none of these."""
    verb = entry.name.rpartition(".")[2]
    if verb not in _READ_METHODS or (_get_blocking is not None and not _get_blocking(number)):
        return None
    if number == 0:
        return Entry(f"stdin.{verb}", "stdin", "always", to.THREAD)
    if stat.S_ISSOCK(mode):
        name = entry.name.replace("file.", "socket.makefile().")
        return Entry(name, "network", "always", to.NET)
    if not stat.S_ISFIFO(mode):
        return None
    return Entry(f"pipe.{verb}", "subprocess", "always", to.PIPE)


def _iterates(entry: Entry, value: Any) -> Entry | None:
    if type(value) in _FILE_TYPES:
        return _file_blocks(Entry("file.__next__", "file", "file", entry.remedy), value)
    cursor = getattr(sys.modules.get("_sqlite3"), "Cursor", None)
    if cursor is not None and issubclass(type(value), cursor):
        return Entry("sqlite3.Cursor.__next__", "database", "always", to.SQL)
    return None


def _may_wait(entry: Entry, arg0: Any) -> Entry | None:
    # A free lock never blocks, however long the call took.
    ready = _READY.get(type(arg0))
    return entry if ready is None or not ready(arg0) else None


def _resolves(entry: Entry, host: object) -> Entry | None:
    return None if host is None else entry


def can_be_polled(arg0: Any) -> bool:
    """Can this object be asked whether it is ready? Then an open call found it not ready."""
    return type(arg0) in _READY


def _ready_checks() -> dict[Any, Callable[[Any], bool]]:
    checks: dict[Any, Callable[[Any], bool]] = {
        _LOCK: lambda lock: not lock.locked(),
        _RLOCK: lambda lock: lock._is_owned() or repr(lock).startswith("<unlocked"),
    }
    if (handle := getattr(_thread, "_ThreadHandle", None)) is not None:
        checks[handle] = lambda thread: bool(thread.is_done())
    with suppress(ImportError):
        from _queue import SimpleQueue

        checks[SimpleQueue] = lambda queue: not queue.empty()
    return checks


_READY = _ready_checks()


_CHECKS = {
    "socket": _socket_blocks,
    "tls": _tls_blocks,
    "path": _opens_path,
    "file": _file_blocks,
    "fd": _fd_blocks,
    "wait": _may_wait,
    "iterates": _iterates,
    "into": _file_blocks,
    "resolves": _resolves,
}


def format_argument(value: Any) -> str:
    """An argument as titles show it; only of built-in types, whose repr() runs no user code."""
    if isinstance(value, pathlib.PurePath):
        value = str(value)
    if type(value) is tuple:
        return "(" + ", ".join(format_argument(item) or "..." for item in value[:4]) + ")"
    if type(value) not in (int, float, str, bytes, bool):
        return ""
    text = repr(value)
    return text if len(text) <= 40 else text[:36] + "..." + text[-1]
