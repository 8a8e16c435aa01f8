"""What macOS' C library says of threads, on this system: the plugin calls it by ctypes."""

from __future__ import annotations

import itertools
import time
from ctypes import CFUNCTYPE, POINTER, c_int, c_uint, c_void_p
from typing import Any

# Taken away later, where another system is simulated.
_getcpuclockid, _gettime = time.pthread_getcpuclockid, time.clock_gettime
_INVALID_ARGUMENT = 4


class Library:
    """`pthread_mach_thread_np()` and `thread_info()`, as C functions."""

    def __init__(self, *, refuses: bool = False) -> None:
        self._refuses = refuses
        self._ports = itertools.count(0x1003, 0x100)
        self._clocks: dict[int, int] = {}
        self.pthread_mach_thread_np = CFUNCTYPE(c_uint, c_void_p)(self._port)
        self.thread_info = CFUNCTYPE(c_int, c_uint, c_uint, POINTER(c_int), POINTER(c_uint))(
            self._info
        )

    def _port(self, thread: int) -> int:
        port = next(self._ports)
        self._clocks[port] = _getcpuclockid(thread)
        return port

    def _info(self, port: int, flavor: int, info: Any, count: Any) -> int:
        if flavor != 3 or count[0] < 10 or self._refuses:
            return _INVALID_ARGUMENT
        try:
            used = _gettime(self._clocks[port])
        except OSError:
            return _INVALID_ARGUMENT
        user, system = used * 0.75, used * 0.25
        info[0], info[1] = int(user), int(user % 1 * 1e6)
        info[2], info[3] = int(system), int(system % 1 * 1e6)
        return 0


LIBRARY = Library()
