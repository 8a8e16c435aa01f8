"""What the operating system says about a thread: computing, waiting, or pushed aside.

On Linux the scheduler's own figures are read from /proc; elsewhere only the
thread's CPU clock is known, and what is not known is 0 or "". This module
knows nothing of loops or findings.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_PROC = sys.platform == "linux"
# Bound now: a virtual clock or a mock must not reach the watchers.
perf_counter = time.perf_counter
thread_time = time.thread_time
_os_open, _os_read, _os_close = os.open, os.read, os.close
try:
    import resource

    _rusage: Callable[[], Any] | None = partial(resource.getrusage, resource.RUSAGE_THREAD)
except (ImportError, AttributeError):  # Windows, macOS
    _rusage = None


_SYSCALLS: dict[str, dict[int, str]] = {
    "x86_64": {
        0: "read", 1: "write", 7: "poll", 23: "select", 34: "pause", 35: "nanosleep",
        42: "connect", 43: "accept", 44: "sendto", 45: "recvfrom", 47: "recvmsg", 61: "wait4",
        74: "fsync", 202: "futex", 230: "clock_nanosleep", 232: "epoll_wait", 247: "waitid",
        270: "pselect6", 271: "ppoll", 288: "accept4",
    },
    "aarch64": {
        63: "read", 64: "write", 72: "pselect6", 73: "ppoll", 82: "fsync", 95: "waitid",
        98: "futex", 101: "nanosleep", 115: "clock_nanosleep", 202: "accept", 203: "connect",
        206: "sendto", 207: "recvfrom", 212: "recvmsg", 22: "epoll_pwait", 260: "wait4",
    },
}  # fmt: skip
_NAMES = _SYSCALLS.get(platform.machine() if _PROC else "", {})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A thread's figures at one moment, in seconds.

    `delay` is what it waited for a processor, `switches` the times it went to
    sleep; `proven` says that these two are known.
    """

    at: float
    cpu: float
    delay: float = 0.0
    switches: int = 0
    proven: bool = False


def _read(tid: int, name: str) -> str:
    # Not by open(): each system call gives the GIL away, and this makes three of them.
    try:
        number = _os_open(f"/proc/self/task/{tid}/{name}", os.O_RDONLY)
        try:
            return _os_read(number, 4096).decode("ascii", "replace")
        finally:
            _os_close(number)
    except OSError:
        return ""


def snapshot(tid: int, clock: int | None) -> Snapshot | None:
    """The figures of the thread `tid`; None where neither /proc nor a CPU clock is there."""
    if _PROC:
        stat = _read(tid, "schedstat").split()
        now = perf_counter()  # reading may have to wait for the GIL
        if len(stat) >= 2:
            status = _read(tid, "status")
            _, _, rest = status.rpartition("\nvoluntary_ctxt_switches:")
            switches = int(rest.split(None, 1)[0]) if rest.strip() else 0
            return Snapshot(now, int(stat[0]) / 1e9, int(stat[1]) / 1e9, switches, True)
    if clock is None:
        return None
    try:
        return Snapshot(perf_counter(), time.clock_gettime(clock))
    except (OSError, AttributeError):
        return None


def cpu_clock(ident: int) -> int | None:
    """The CPU clock of a thread by its Python ident, for other threads to read."""
    try:
        return time.pthread_getcpuclockid(ident)
    except (AttributeError, OSError):
        return None


def sleeping_in(tid: int) -> str:
    """The system call in which a thread sleeps now, or "" when it runs or nobody says."""
    if not _PROC:
        return ""
    _, _, stat = _read(tid, "stat").rpartition(") ")
    if stat[:1] not in ("S", "D"):
        return ""
    number = _read(tid, "syscall").split(None, 1)
    if not number or not number[0].lstrip("-").isdigit():
        return ""
    return _NAMES.get(int(number[0]), f"system call {number[0]}")


def times_asleep() -> int:
    """How often the calling thread went to sleep so far; -1 when nobody counts."""
    return -1 if _rusage is None else int(_rusage().ru_nvcsw)
