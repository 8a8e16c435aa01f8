"""The CPU time of one thread, read from any thread: by a clock of POSIX, on macOS by Mach.

This module knows no loops and no findings.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# <mach/thread_info.h>: a flavor, and how many integers it fills in. Seconds and microseconds
# of user time are the first two, those of system time the next two.
_BASIC_INFO, _INTEGERS = 3, 10


def cpu_clock_of(ident: int) -> Callable[[], float | None] | None:
    """A function that reads a thread's CPU time; None where only the thread itself can."""
    if _MACH is not None:
        return _MACH.cpu_clock_of(ident)
    try:
        return partial(_read, time.pthread_getcpuclockid(ident))
    except (AttributeError, OSError):
        return None


def _read(clock: int) -> float | None:
    try:
        return time.clock_gettime(clock)
    except OSError:  # the thread has ended
        return None


class Mach:
    """`thread_info()` of a C library, which knows a thread by its port, also once it has ended."""

    def __init__(self, library: Any) -> None:
        import ctypes

        integers, unsigned = ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_uint)
        self._port_of, self._info_of = library.pthread_mach_thread_np, library.thread_info
        self._port_of.argtypes, self._port_of.restype = [ctypes.c_void_p], ctypes.c_uint
        self._info_of.argtypes = [ctypes.c_uint, ctypes.c_uint, integers, unsigned]
        self._info_of.restype = ctypes.c_int
        self._info, self._count = ctypes.c_int * _INTEGERS, ctypes.c_uint

    def cpu_clock_of(self, ident: int) -> Callable[[], float | None] | None:
        """See the function of the module."""
        clock = partial(self._read, self._port_of(ident))
        return clock if clock() is not None else None

    def _read(self, port: int) -> float | None:
        info, count = self._info(), self._count(_INTEGERS)
        if self._info_of(port, _BASIC_INFO, info, count) != 0:
            return None
        return float(info[0] + info[2] + (info[1] + info[3]) / 1e6)


def _mach() -> Mach | None:
    with suppress(ImportError, AttributeError, OSError):
        import ctypes

        return Mach(ctypes.CDLL(None))
    return None


# Made at once: in a thread's first step the guard would report the import.
_MACH = _mach() if sys.platform == "darwin" else None
