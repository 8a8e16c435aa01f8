"""The public network is refused in a test: by whatever library a connection is opened.

Python says of each name that is looked up and of each socket that connects, before it
happens (audit events), in every thread and below every library that uses its sockets.
Loopback, private networks and hosts that are allowed go through. Knows no library.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys
import threading
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any

from .._core.activity import ACTIVITY
from .._core.hosts import is_private_host
from .finding_messages import network_refused
from .name_lookups import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

    from .._core.findings import Finding, Location

_LOOKUP = 2.0  # seconds that a name may take to resolve; one that takes longer is public
_active: tuple[Refusing, ...] = ()
_lock = threading.Lock()
_resolved: dict[str, tuple[str, ...]] = {}
_aside = threading.local()  # a thread of ours that looks a name up
_added = False


class NetworkRefused(ConnectionRefusedError):
    """A connection to the public network, in a test; what an app without a network meets."""


class NameRefused(socket.gaierror):
    """The same for a name that is looked up."""


class Refusing:
    """What is refused in one test. `goes_out` says that a call may, since the test wants it."""

    def __init__(
        self,
        *,
        where: Callable[[FrameType], Location | None],
        log: Callable[[Finding], None],
        allowed: Iterable[str] = (),
        goes_out: Callable[[], bool] = lambda: False,
        warn: bool = False,
        test: str = "",
    ) -> None:
        self._where = where
        self._log = log
        self._allowed = {name.strip().lower() for name in allowed}
        self._goes_out = goes_out
        self._warn = warn
        self._test = test
        self.paused = False  # a fixture is made that lasts longer than the test
        # By name: who asks for it, where a thread looks it up that does not know.
        self._asked: dict[str, tuple[Location | None, str]] = {}

    def start(self) -> None:
        """Refuse from now on."""
        global _active, _added  # noqa: PLW0603
        with _lock:
            _active = (*_active, self)
            NAMES.enter(self)
            if not _added:
                _added = True
                sys.addaudithook(_hook)  # it stays forever, and does nothing without a test

    def stop(self) -> None:
        """Refuse no longer."""
        global _active  # noqa: PLW0603
        with _lock:
            _active = tuple(one for one in _active if one is not self)
            NAMES.leave(self)

    def asks(self, host: Any, frame: FrameType) -> None:
        """The code above `frame` looks up this name; another thread may do it for it."""
        name = _name(host)
        if name and not _is_address(name) and not is_private_host(name):
            if self._goes_out():
                self._allowed.add(name)
            self._asked[name] = (self._where(frame), ACTIVITY.get())

    def looks_up(self, host: Any, port: Any, frame: FrameType) -> None:
        """Raises where the name leads to the public network."""
        name = _name(host)
        if not name or _is_address(name) or is_private_host(name):
            return
        addresses = _lookup(name)
        if self._lets_through(name):
            self._allowed.update(addresses)
        elif not any(is_private_host(address) for address in addresses) and self._refuses(
            name, port, frame
        ):
            raise NameRefused(socket.EAI_NONAME, _text(name))

    def connects(self, sock: Any, address: Any, frame: FrameType) -> None:
        """Raises where the address is in the public network."""
        if sock.type != socket.SOCK_STREAM or not isinstance(address, tuple):
            return  # a datagram's connect sends nothing
        name = _name(address[0])
        if not name or is_private_host(name) or self._lets_through(name):
            return
        if not _is_address(name) and any(is_private_host(found) for found in _lookup(name)):
            return
        if self._refuses(name, address[1], frame):
            raise NetworkRefused(errno.ECONNREFUSED, _text(name))

    def _lets_through(self, name: str) -> bool:
        return self.paused or name in self._allowed or self._goes_out()

    def _refuses(self, name: str, port: Any, frame: FrameType) -> bool:
        """Log it; is it to be refused?"""
        where, activity = self._where(frame), ACTIVITY.get()
        if where is None:
            where, activity = self._asked.get(name, (None, activity))
        # Nobody of the user's own: a library's thread that reports somewhere, it may be.
        sure = not self._warn and (where is not None or bool(activity))
        self._log(
            network_refused(
                name, port, where, activity, refused=not self._warn, sure=sure, test=self._test
            )
        )
        return not self._warn

    def __repr__(self) -> str:
        return f"<Refusing {self._test!r}>"


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _active or event not in ("socket.connect", "socket.getaddrinfo"):
        return
    if getattr(_aside, "on", False):
        return
    frame = sys._getframe(1)
    if event == "socket.connect":
        _active[-1].connects(args[0], args[1], frame)
    else:
        _active[-1].looks_up(args[0], args[1], frame)


def _lookup(name: str) -> tuple[str, ...]:
    """The addresses of a name; resolved once, and given up after a time."""
    if name not in _resolved:
        found: Queue[tuple[str, ...]] = Queue()

        def look() -> None:
            _aside.on = True
            try:
                answers = socket.getaddrinfo(name, None)
                found.put(tuple({str(answer[4][0]) for answer in answers}))
            except OSError:
                found.put(())

        threading.Thread(target=look, name="asyncfastapi lookup", daemon=True).start()
        try:
            _resolved[name] = found.get(timeout=_LOOKUP)
        except Empty:
            _resolved[name] = ()
    return _resolved[name]


def _name(host: Any) -> str:
    if isinstance(host, (bytes, bytearray)):
        return bytes(host).decode("ascii", "replace").lower()
    return host.lower() if isinstance(host, str) else ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def _text(name: str) -> str:
    return f"refused in this test: {name} is in the public network (asyncfastapi_network)"
