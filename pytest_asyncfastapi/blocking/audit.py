"""The second ear: audit events (PEP 578), heard also where C calls C.

An audit hook cannot be taken back, so there is one per process, added when
the first guard starts; with no active guard it returns at once.
"""

from __future__ import annotations

import sys
from typing import Any

from .catalog import DATABASE_REMEDY, THREAD, Entry
from .hub import HUB, on_loop

_PROBE = "pytest_asyncfastapi.probe"
_ASYNC_PROCESS = "await anyio.run_process(...)"
_EVENTS: dict[str, Entry] = {
    "time.sleep": Entry("time.sleep", "sleep", "always", "await anyio.sleep(...)"),
    "open": Entry("open", "file", "path", "await anyio.open_file(...), or " + THREAD),
    "socket.connect": Entry("socket.connect", "network", "socket", "await anyio.connect_tcp(...)"),
    "socket.getaddrinfo": Entry("socket.getaddrinfo", "dns", "always", "loop.getaddrinfo(...)"),
    "socket.gethostbyname": Entry("socket.gethostbyname", "dns", "always", "loop.getaddrinfo(...)"),
    "subprocess.Popen": Entry("subprocess.Popen", "subprocess", "always", _ASYNC_PROCESS),
    "os.system": Entry("os.system", "subprocess", "always", _ASYNC_PROCESS),
    "sqlite3.connect": Entry("sqlite3.connect", "database", "always", DATABASE_REMEDY),
    "import": Entry("import", "import", "always", "import it at the top of the module"),
}
_added = False  # process-wide: an audit hook stays for ever


def add_hook() -> None:
    """Add the process's one hook, the first time."""
    global _added  # noqa: PLW0603
    if not _added:
        _added = True
        sys.addaudithook(_hook)


def probe() -> bool:
    """Does the hook hear?"""
    HUB.probed.discard("audit")
    sys.audit(_PROBE)
    return "audit" in HUB.probed


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not HUB.listeners:
        return
    entry = _EVENTS.get(event)
    if entry is None:
        if event == _PROBE:
            HUB.probed.add("audit")
    elif on_loop():
        # At the interpreter's end `sys` may be half gone; no guard is active then.
        HUB.heard(entry, args, sys._getframe(1))
