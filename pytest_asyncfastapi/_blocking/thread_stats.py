"""Statistics of a thread by the operating system: computing, asleep, or waiting for a processor.

On Linux the scheduler's statistics are read from /proc; elsewhere only the
thread's CPU clock is known, on Windows to the thread itself alone, and what
is not known is 0 or "". This module knows nothing of loops or findings.
"""

from __future__ import annotations

import _thread
import os
import platform
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from .._core import real_time
from .cpu_clock import cpu_clock_of

if TYPE_CHECKING:
    from collections.abc import Callable

_PROC = sys.platform == "linux"
# Without a GIL, no thread waits for it, and the frames of a running thread cannot be read.
GIL: bool = getattr(sys, "_is_gil_enabled", lambda: True)()
perf_counter = real_time.perf_counter
thread_time = real_time.thread_time
process_time = real_time.process_time
_os_open, _os_close = os.open, os.close
_os_pread: Any = getattr(os, "pread", None)  # on Windows there is none, and no /proc
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


_MIN_SHARE, _MAX_SWITCHES = (
    0.8,
    3,
)  # a single sleep: its least share of the step, and the most switches
_SECONDS_PER_SWITCH = 0.05  # ten times the interval at which a thread asks for the GIL
_NEW_THREAD_CPU = 0.01  # seconds of CPU time: a thread that used less has just begun


class Overhead:
    """What the call monitor costs: how many events it has received, and the CPU seconds of each."""

    __slots__ = ("each", "events")

    def __init__(self) -> None:
        self.events = 0
        self.each = 0.0

    def measure(self, enable: Callable[[], None]) -> None:
        """Time calls of a lock before and after `enable()`; the first time only."""
        if self.each:
            enable()
            return
        without = _time_of_calls()
        enable()
        before = self.events
        taken = _time_of_calls() - without
        self.each = max(1e-9, taken / max(1, self.events - before) * _TRIES)

    def __repr__(self) -> str:
        return f"<Overhead: {self.events} events of {self.each * 1e6:.2f} us>"


# Process-wide, like the events that it counts.
OVERHEAD = Overhead()
_TRIES, _CALLS = 10, 200


def _time_of_calls() -> float:
    """The least CPU time that some calls take, in seconds."""
    # Of no file: neither the user's nor this plugin's, whose calls are disabled.
    space: dict[str, Any] = {}
    exec(
        compile(
            f"def calls(lock):\n for _ in range({_CALLS}): lock.acquire(False)",
            "<overhead>",
            "exec",
        ),
        space,
    )
    lock = _thread.allocate_lock()
    least = 1.0
    for _ in range(_TRIES):
        began = thread_time()
        space["calls"](lock)
        least = min(least, thread_time() - began)
    return least


@dataclass(frozen=True, slots=True)
class ThreadStats:
    """The statistics of a thread at one moment, in seconds.

    `delay` is how long it waited for a processor, `switches` how often it went to sleep;
    `from_scheduler` says that these two are known. `events` is how many the call monitor had
    received.
    """

    at: float
    cpu: float
    delay: float = 0.0
    switches: int = 0
    from_scheduler: bool = False
    events: int = 0


class _ProcFile:
    """One of a thread's files in /proc, kept open: each system call releases the GIL."""

    __slots__ = ("_file", "_path")

    def __init__(self, native_id: int, name: str) -> None:
        self._path = f"/proc/self/task/{native_id}/{name}" if _PROC else ""
        self._file = -1

    def read(self) -> str:
        """Its content, or "" if there is no such file (any more)."""
        if not self._path:
            return ""
        try:
            if self._file < 0:
                self._file = _os_open(self._path, os.O_RDONLY)
            data: bytes = _os_pread(self._file, 4096, 0)
            return data.decode("ascii", "replace")
        except OSError:
            return ""

    def __del__(self) -> None:
        # Only when the last reference is gone: never while another thread reads.
        if self._file >= 0:
            with suppress(OSError):
                _os_close(self._file)


class ThreadStatsReader:
    """Reads the statistics of one thread, from any thread."""

    def __init__(self, ident: int, native_id: int) -> None:
        self._clock = cpu_clock_of(ident)
        self._scheduler, self._status = (
            _ProcFile(native_id, "schedstat"),
            _ProcFile(native_id, "status"),
        )
        self._ident, self._native_id = ident, native_id

    def read(self) -> ThreadStats | None:
        """The statistics; None where only the thread itself can read them."""
        times = self._scheduler.read().split()
        now = perf_counter()  # reading may have to wait for the GIL
        if len(times) >= 2:
            switches = self._switches()
            used, delay = int(times[0]) / 1e9, int(times[1]) / 1e9
            return ThreadStats(now, used, delay, switches, True, OVERHEAD.events)
        cpu = self._cpu()
        if cpu is None:
            return None
        return ThreadStats(perf_counter(), cpu, events=OVERHEAD.events)

    def _switches(self) -> int:
        if _rusage is not None and _thread.get_ident() == self._ident:
            return int(_rusage().ru_nvcsw)  # the same number, in a twentieth of the time
        _, _, rest = self._status.read().rpartition("\nvoluntary_ctxt_switches:")
        return int(rest.split(None, 1)[0]) if rest.strip() else 0

    def _cpu(self) -> float | None:
        if self._clock is not None:
            return self._clock()
        return thread_time() if _thread.get_native_id() == self._native_id else None

    def sleeping_in(self) -> str:
        """The system call in which the thread sleeps now, or "" when it runs or it is unknown."""
        _, _, state = _ProcFile(self._native_id, "stat").read().rpartition(") ")
        if state[:1] not in ("S", "D"):
            return ""
        number = _ProcFile(self._native_id, "syscall").read().split(None, 1)
        if not number or not number[0].lstrip("-").isdigit():
            return ""
        return _NAMES.get(int(number[0]), f"system call {number[0]}")

    def __repr__(self) -> str:
        return f"<ThreadStatsReader of {self._native_id}>"


def new_thread_stats() -> ThreadStats | None:
    """The calling thread's statistics if it has just begun; None if it has not, or unknown.

    Reading its files takes longer than many a thread lives. What it has waited for a processor
    so far is left out, so that more of its first step counts as such a wait.
    """
    cpu = thread_time()
    if _rusage is None or not _PROC or cpu > _NEW_THREAD_CPU:
        return None
    switches = int(_rusage().ru_nvcsw)
    return ThreadStats(perf_counter(), cpu, 0.0, switches, True, OVERHEAD.events)


def major_page_faults() -> int:
    """How often the calling thread waited for a page of memory from the disk; 0 if unknown."""
    return 0 if _rusage is None else int(_rusage().ru_majflt)


def voluntary_switches() -> int:
    """How often the calling thread went to sleep so far; -1 if unknown."""
    return -1 if _rusage is None else int(_rusage().ru_nvcsw)


def is_single_sleep(seconds: float, rest: float, switches: int) -> bool:
    """Did the thread sleep for so many seconds, although no sample shows it?

    A thread that kept the GIL went to sleep once, and released the GIL a few times after that. One
    that waits for the GIL wakes every 5 ms to ask for it; if the machine stopped, it never slept.
    `rest` is what the step took beyond recorded calls.
    """
    return (
        1 <= switches <= max(_MAX_SWITCHES, seconds / _SECONDS_PER_SWITCH)
        and seconds / rest >= _MIN_SHARE
    )
