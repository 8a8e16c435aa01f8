"""The second detector: audit events (PEP 578), raised also where C calls C.

An audit hook cannot be removed, so there is one per process, added when
the first guard starts; with no active guard it returns at once.
"""

from __future__ import annotations

import atexit
import sys
from typing import TYPE_CHECKING, Any

from .catalog import Entry
from .catalog import remedies as to
from .dispatcher import DISPATCHER, in_event_loop

if TYPE_CHECKING:
    from collections.abc import Callable

_PROBE = "pytest_asyncfastapi.probe"
_TABLE = (
    ("time.sleep", "sleep", "always", to.SLEEP),
    ("open", "file", "path", to.FILE),
    ("socket.connect", "network", "socket", to.NET),
    ("socket.sendto", "network", "socket", to.NET),
    ("socket.getaddrinfo", "dns", "resolves", to.DNS),
    ("socket.gethostbyname socket.gethostbyaddr socket.getnameinfo", "dns", "always", to.DNS),
    ("subprocess.Popen os.system os.posix_spawn os.fork os.forkpty", "subprocess", "always",
     to.PROC),
    ("sqlite3.connect", "database", "always", to.SQL),
    ("os.listdir os.scandir os.mkdir os.rmdir os.remove os.rename os.link os.symlink os.truncate "
     "os.chmod os.chown os.utime", "file_metadata", "path", to.META),
    ("import", "import", "always", to.IMPORT),
)  # fmt: skip
_EVENTS: dict[str, Entry] = {
    name: Entry(name, category, judge, remedy)  # type: ignore[arg-type]
    for names, category, judge, remedy in _TABLE
    for name in names.split()
}
_EVENTS[_PROBE] = Entry(_PROBE, "unknown", "always", to.THREAD)
_added = False  # process-wide: an audit hook stays forever


def add_hook() -> None:
    """Add the process's one hook, the first time."""
    global _added  # noqa: PLW0603
    if not _added:
        _added = True
        sys.addaudithook(_make_hook())
        # A guard that was not stopped records nothing during interpreter shutdown.
        atexit.register(setattr, DISPATCHER, "listeners", ())


def probe() -> bool:
    """Does the hook receive events?"""
    DISPATCHER.probed.discard("audit")
    sys.audit(_PROBE)
    return "audit" in DISPATCHER.probed


def _make_hook() -> Callable[[str, tuple[Any, ...]], None]:
    # It outlives the globals of this module.
    dispatcher, known, in_loop, getframe = DISPATCHER, _EVENTS, in_event_loop, sys._getframe

    def hook(event: str, args: tuple[Any, ...]) -> None:
        # Nearly all events are of no interest: an attribute of a frame or function that is read,
        # mostly. Each event has a string of its own, which to compare is quicker than to hash.
        if event == "object.__getattr__" or event not in known or not dispatcher.listeners:
            return
        if event == "import":
            dispatcher.catalog.on_import(args[0])
        elif event == _PROBE:
            dispatcher.probed.add("audit")
            return
        if in_loop():
            dispatcher.on_audit_event(known[event], args, getframe(1))

    return hook
