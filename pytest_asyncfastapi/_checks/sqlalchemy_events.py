"""SQLAlchemy's own events, and which watch receives them.

Process-wide as the classes are that they belong to. Listened to only while a test is watched, and
only if somebody else has imported SQLAlchemy (2.0 or later). Knows nothing of what is judged.
"""

from __future__ import annotations

import asyncio
import sys
import weakref
from typing import TYPE_CHECKING, Any, Protocol

from .._core.activity import ACTIVITY, SERVED
from .._core.patches import Patches

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_IN_GREENLET = "__sqlalchemy_greenlet_provider__"


class Watch(Protocol):
    """Receives the events of one test."""

    def takes(self, record: Any) -> None:
        """A connection is taken from its pool."""

    def gives_back(self, record: Any, *, collected: bool) -> None:
        """It is given back, by the garbage collector if it was `collected`."""

    def begins(self, session: Any, record: Any) -> None:
        """A session has begun a transaction on the connection with this record."""

    def sends(self, statement: str, parameters: Any) -> None:
        """A statement is sent."""

    def loads_lazily(self, owner: str) -> None:
        """A relationship of an object of this class is loaded, while the event loop waits."""


# The receiver, and what is to be undone when there is none any more.
_watches: list[Watch] = []
_listening: list[tuple[Any, str, Callable[..., None]]] = []
_patches = Patches()
# In what each session was made: a request, or a label such as `lifespan`.
_made_in: weakref.WeakKeyDictionary[Any, tuple[Any, str]] = weakref.WeakKeyDictionary()


def hear(watch: Watch) -> None:
    """Attach a watch, now or as soon as SQLAlchemy is imported and this is called again."""
    if watch not in _watches:
        _watches.append(watch)
    if not _listening and "sqlalchemy.pool" in sys.modules:
        _listen()
    if "sqlalchemy.orm.session" in sys.modules and not _patches:
        _listen_to_sessions()


def leave(watch: Watch) -> None:
    """Detach this watch; the listeners stay until `silence()`."""
    if watch in _watches:
        _watches.remove(watch)


def silence() -> None:
    """Remove the listeners, unless a watch is attached."""
    if _watches or not _listening:
        return
    from sqlalchemy import event

    for target, name, function in _listening:
        event.remove(target, name, function)
    _listening.clear()
    _patches.undo()
    _made_in.clear()  # a request may hold its session


def origin_of(session: Any) -> tuple[Any, str]:
    """The request that made a session, and the label of where; nothing where it is not known."""
    return _made_in.get(session, (None, ""))


def _listen() -> None:
    import sqlalchemy

    if sqlalchemy.__version__.startswith(("0.", "1.")):
        return
    from sqlalchemy.engine import Engine
    from sqlalchemy.pool import Pool

    _add(Pool, "checkout", _checkout)
    _add(Pool, "checkin", _checkin)
    _add(Pool, "detach", _checkin)
    _add(Engine, "before_cursor_execute", _execute)


def _listen_to_sessions() -> None:
    if not _listening:
        return
    from sqlalchemy.orm import Session

    _add(Session, "after_begin", _begin)
    _add(Session, "do_orm_execute", _orm_execute)
    _patches.wrap(Session, "__init__", _making)


def _making(original: Any) -> Any:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if _watches:
            _made_in[self] = SERVED.get(), ACTIVITY.get()

    return __init__


def _add(target: Any, name: str, function: Callable[..., None]) -> None:
    from sqlalchemy import event

    event.listen(target, name, function)
    _listening.append((target, name, function))


def _checkout(_connection: Any, record: Any, _proxy: Any) -> None:
    if _watches:
        _watches[-1].takes(record)


def _checkin(_connection: Any, record: Any) -> None:
    if _watches and record is not None:
        _watches[-1].gives_back(record, collected=_is_collected(sys._getframe(1)))


def _is_collected(frame: FrameType | None) -> bool:
    """Does SQLAlchemy give the connection back since nobody refers to it any more?"""
    for _ in range(6):
        if frame is None:
            return False
        if frame.f_code.co_name == "_finalize_fairy":
            return bool(frame.f_locals.get("is_gc_cleanup"))
        frame = frame.f_back
    return False


def _begin(session: Any, _transaction: Any, connection: Any) -> None:
    if _watches:
        fairy = getattr(connection, "_dbapi_connection", None)
        _watches[-1].begins(session, getattr(fairy, "_connection_record", None))


def _execute(
    _connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
) -> None:
    if _watches:
        _watches[-1].sends(statement, parameters)


def _orm_execute(state: Any) -> None:
    if not _watches or not state.is_select:
        return
    owner = state.lazy_loaded_from
    if owner is not None and asyncio._get_running_loop() is not None and not _in_greenlet():
        _watches[-1].loads_lazily(owner.class_.__name__)


def _greenlet() -> Any:
    module = sys.modules.get("greenlet")
    return None if module is None else module.getcurrent()


def _in_greenlet() -> bool:
    return hasattr(_greenlet(), _IN_GREENLET)


def caller_frame(frame: FrameType | None) -> tuple[FrameType | None, ...]:
    """Where the caller's lines are: on this stack and, below a greenlet, on its parent's."""
    current = _greenlet()
    if not hasattr(current, _IN_GREENLET):
        return (frame,)
    return frame, current.parent.gr_frame
