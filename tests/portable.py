"""Takes away from this process what Linux has and macOS or Windows has not: `-p tests.portable`.

The standard library and the libraries are imported first, on the real system; what is imported
later, above all the plugin's own modules, finds the other one. `PORTABLE` says which: `darwin`
or `win32`.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import Any

from tests import mach

SYSTEM = os.environ.get("PORTABLE", "darwin")
FIRST = (
    "asyncio ctypes multiprocessing.pool multiprocessing.synchronize platform resource selectors "
    "ssl subprocess tempfile webbrowser anyio._backends._asyncio trio httpx h2.connection"
).split()
if "pytest" in sys.modules:  # the whole suite follows
    FIRST += (
        "anyio._backends._trio httpx2 fastapi starlette.testclient hypothesis uvicorn xdist "
        "time_machine aiohttp uvloop psycopg grpc bcrypt argon2 sqlalchemy.ext.asyncio aiosqlite "
        "coverage"
    ).split()
# Not what the standard library itself needs on this system.
GONE = {
    "darwin": "time.pthread_getcpuclockid socket.SO_PEERCRED",
    "win32": "time.pthread_getcpuclockid time.clock_gettime socket.AF_UNIX socket.SO_PEERCRED "
    "os.pread signal.SIGALRM signal.setitimer signal.pthread_kill",
}
MODULES = {"time": time, "socket": socket, "os": os, "signal": signal, "select": select}

for _name in FIRST:
    with suppress(ImportError):
        importlib.import_module(_name)
asyncio.new_event_loop().close()  # its policy is chosen by the system, at the first one
for _path in GONE[SYSTEM].split():
    _module, _, _name = _path.partition(".")
    if hasattr(MODULES[_module], _name):
        delattr(MODULES[_module], _name)
if SYSTEM == "win32":
    _pair = getattr(socket, "_fallback_socketpair", None)
    if _pair is None:
        socket.AF_UNIX = socket.AddressFamily.AF_UNIX  # asyncio's own pipe is made of it
    else:
        socket.socketpair = _pair  # as on Windows: of two loopback sockets
    for _name in ("resource", "fcntl", "termios", "pwd", "grp"):
        sys.modules[_name] = None  # type: ignore[assignment]
else:
    import ctypes
    import resource

    if hasattr(resource, "RUSAGE_THREAD"):
        del resource.RUSAGE_THREAD
    _library: Any = ctypes.CDLL  # an attribute of it is one of every library
    _library.pthread_mach_thread_np = mach.LIBRARY.pthread_mach_thread_np
    _library.thread_info = mach.LIBRARY.thread_info
sys.platform = SYSTEM
