"""What was opened in a test and is not closed: threads, sockets, and whatever registers here.

A thing that was collected unclosed is a leak too, so the tracker keeps records and no
references. Threads and sockets are here; clients have a file of their own.
"""

from __future__ import annotations

import socket
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any, Protocol

from .._core.current_loop import current_loop

if TYPE_CHECKING:
    from collections.abc import Callable

    IsClosed = Callable[[Any], bool]

    from .._core.creation_site import CreationSite
    from .._core.patches import Patches

# Workers of pools live as long as their pool, and end by themselves.
_POOLS = ("concurrent.futures", "anyio", "trio", "multiprocessing")


class TrackedResource:
    """One thing that has to be closed; `used` once leaving it open would matter.

    `owner_loop` is the loop (or trio run) in which it was opened, as a weak reference.
    """

    __slots__ = ("closed", "is_closed", "name", "owner_loop", "ref", "site", "used", "what")

    def __init__(
        self, what: str, name: str, site: CreationSite, thing: Any, is_closed: IsClosed
    ) -> None:
        self.what = what
        self.name = name
        self.site = site
        self.used = what != "client"  # one that sends nothing holds nothing
        self.closed = False
        self.is_closed = is_closed
        self.ref = weakref.ref(thing)
        home = current_loop()
        self.owner_loop = None if home is None else weakref.ref(home)

    @property
    def open(self) -> bool:
        """Was it used, and never closed?"""
        thing = self.ref()
        # A thread that runs is known to Python; one that is gone has ended.
        if self.what == "thread" if thing is None else self.is_closed(thing):
            self.closed = True
        return self.used and not self.closed

    def __repr__(self) -> str:
        return f"<TrackedResource {self.what} {self.name}: {'open' if self.open else 'closed'}>"


# Everything tracked, by the thing itself: to be found again when it is closed.
_KNOWN: weakref.WeakKeyDictionary[Any, TrackedResource] = weakref.WeakKeyDictionary()


class ResourceTracker:
    """What was opened during one test."""

    def __init__(self) -> None:
        self.entries: list[TrackedResource] = []

    def add(self, entry: TrackedResource, thing: Any) -> None:
        """Note that `thing` was opened."""
        _KNOWN[thing] = entry
        self.entries.append(entry)

    def __repr__(self) -> str:
        return f"<ResourceTracker: {sum(item.open for item in self.entries)} open>"


def mark_closed(thing: Any) -> None:
    """Note that `thing` is closed."""
    entry = _KNOWN.get(thing)
    if entry is not None:
        entry.closed = True


def mark_used(thing: Any) -> None:
    """Note that `thing` is in use from now on."""
    entry = _KNOWN.get(thing)
    if entry is not None:
        entry.used = True


class Observer(Protocol):
    """The observer of a test, as far as it concerns resources."""

    resources: ResourceTracker


class Notifier(Protocol):
    """Gives the observer of resources, and creation sites."""

    @property
    def observer(self) -> Observer | None:
        """The observer that is notified."""
        ...

    def site(self, frame: Any) -> CreationSite | None:
        """Where what is made at `frame` was created."""
        ...


def register(
    notifier: Notifier,
    site: CreationSite | None,
    what: tuple[str, str],
    thing: Any,
    closed: IsClosed,
) -> None:
    """Register what was opened (its kind and its name), if a user's line did it."""
    observer = notifier.observer
    if observer is not None and site is not None and site.code is not None:
        observer.resources.add(TrackedResource(*what, site, thing, closed), thing)


def wrap(patches: Patches, notifier: Notifier) -> None:
    """Track threads and sockets."""

    def starting(original: Any) -> Any:
        def start(thread: Any) -> None:
            original(thread)
            if not _of_a_pool(thread):
                register(
                    notifier,
                    notifier.site(sys._getframe(1)),
                    ("thread", thread.name),
                    thread,
                    _has_ended,
                )

        return start

    def making(original: Any) -> Any:
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            register(
                notifier, notifier.site(sys._getframe(1)), ("socket", _kind(self)), self, _is_shut
            )

        return __init__

    def closing(original: Any) -> Any:
        def shut(self: Any) -> Any:
            mark_closed(self)
            return original(self)

        return shut

    patches.wrap(threading.Thread, "start", starting)
    patches.wrap(socket.socket, "__init__", making)
    patches.wrap(socket.socket, "close", closing)
    patches.wrap(socket.socket, "detach", closing)


def _has_ended(thread: threading.Thread) -> bool:
    return not thread.is_alive()


def _is_shut(sock: socket.socket) -> bool:
    return sock.fileno() == -1


def _kind(sock: socket.socket) -> str:
    return f"{sock.family.name}, {sock.type.name}"


def _of_a_pool(thread: threading.Thread) -> bool:
    target = getattr(thread, "_target", None)
    home = type(thread).__module__ if target is None else getattr(target, "__module__", "")
    return str(home).startswith(_POOLS) or type(thread).__module__.startswith(_POOLS)
