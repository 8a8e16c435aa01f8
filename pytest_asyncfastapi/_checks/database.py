"""What a test's requests do with a database: connections, sessions and statements.

Records SQLAlchemy's events (`sqlalchemy_events.py`), and judges them after the test.
"""

from __future__ import annotations

import asyncio
import sys
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._core.activity import ACTIVITY, BODY, LIFESPAN, SERVED
from . import sqlalchemy_events
from .source_code import loop_around

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType

    from .._core.findings import Finding, Location
    from .._core.frames import UserCode
    from .rules import Policy

_SHOWN = 100  # characters of a statement
_READS = ("select", "with")


@dataclass(slots=True, eq=False)
class Taken:
    """A connection that was taken from its pool, by whom, and how it came back."""

    lines: tuple[tuple[CodeType, int], ...]
    served: Any
    activity: str
    task: weakref.ref[Any] | None
    session: weakref.ref[Any] | None = None
    origin: tuple[Any, str] = (None, "")
    in_session: bool = False
    came: str = ""  # "back", "late", "collected"

    @property
    def task_runs(self) -> bool:
        """Does the task that took it still run? It may have a use for it."""
        task = None if self.task is None else self.task()
        return task is not None and not task.done()


class Repeated:
    """One statement of one line in one request."""

    __slots__ = ("activity", "count", "lines", "parameters")

    def __init__(self, activity: str) -> None:
        self.activity = activity
        self.count = 0
        self.parameters: list[Any] = []
        self.lines: tuple[tuple[CodeType, int], ...] = ()


class DatabaseWatch:
    """The database of one test; `exempt` says that what is taken now outlives it."""

    def __init__(self, user_code: UserCode, policy: Policy, exempt: Callable[[], bool]) -> None:
        self._user = user_code
        self._policy = policy
        self._exempt = exempt
        self._out: dict[int, Taken] = {}
        self._taken: list[Taken] = []
        self._repeated: dict[tuple[int, str, Any, int], Repeated] = {}
        self._served: list[Any] = []  # kept alive, since its id is a key
        self._lazy: list[tuple[str, tuple[tuple[CodeType, int], ...], str]] = []
        self.listeners: list[Callable[[str, Location | None], None]] = []

    def start(self) -> None:
        """Start to record, as soon as SQLAlchemy is imported."""
        sqlalchemy_events.hear(self)

    def stop(self) -> None:
        """Stop recording."""
        sqlalchemy_events.leave(self)

    # The events

    def takes(self, record: Any) -> None:
        """A connection is taken from its pool."""
        if self._exempt():
            return
        loop = asyncio._get_running_loop()
        task = None if loop is None else asyncio.current_task(loop)
        taken = Taken(
            self._lines(), SERVED.get(), ACTIVITY.get(), None if task is None else weakref.ref(task)
        )
        self._out[id(record)] = taken
        self._taken.append(taken)

    def gives_back(self, record: Any, *, collected: bool) -> None:
        """It is given back, by the garbage collector if it was `collected`."""
        taken = self._out.pop(id(record), None)
        if taken is None or taken.came:
            return
        if collected:
            taken.came = "collected"
        else:
            taken.came = "late" if self._is_late(taken) else "back"

    @staticmethod
    def _is_late(taken: Taken) -> bool:
        """Does somebody else end what a request has begun, after it?

        A session that is closed as its request is cancelled goes on closing in a task of its own.
        """
        served = taken.served
        if served is None or not served.finished or taken.task_runs:
            return False
        return SERVED.get() is not served

    def begins(self, session: Any, record: Any) -> None:
        """A session has begun a transaction on the connection with this record."""
        taken = self._out.get(id(record))
        if taken is not None and not taken.in_session:
            taken.in_session, taken.session = True, weakref.ref(session)
            taken.origin = sqlalchemy_events.origin_of(session)

    def sends(self, statement: str, parameters: Any) -> None:
        """A statement is sent."""
        for listener in self.listeners:
            lines = self._lines()
            listener(statement, self._user.location(*lines[0]) if lines else None)
        served = SERVED.get()
        if served is None:
            return
        mine = self._innermost()
        if mine is None:
            return
        key = (id(served), statement, *mine)
        known = self._repeated.get(key)
        if known is None:
            known = self._repeated[key] = Repeated(ACTIVITY.get())
            self._served.append(served)
        known.count += 1
        if known.count <= self._policy.statements + 1:
            known.parameters.append(parameters)
        if known.count == self._policy.statements + 1:
            known.lines = self._lines()

    def loads_lazily(self, owner: str) -> None:
        """A relationship of an object of this class is loaded, while the event loop waits."""
        if SERVED.get() is not None:
            self._lazy.append((owner, self._lines(), ACTIVITY.get()))

    def _lines(self) -> tuple[tuple[CodeType, int], ...]:
        found: tuple[tuple[CodeType, int], ...] = ()
        for frame in sqlalchemy_events.caller_frame(sys._getframe(2)):
            found += self._user.callers(frame)
        return found

    def _innermost(self) -> tuple[CodeType, int] | None:
        for frame in sqlalchemy_events.caller_frame(sys._getframe(2)):
            mine = self._user.caller(frame)
            if mine is not None:
                return mine.f_code, mine.f_lineno
        return None

    # What is judged

    def findings(self, *, ended: bool) -> Iterator[Finding]:
        """What is known by now; what was not given back once the test has `ended`."""
        yield from self._of_statements()
        yield from self._of_lazy_loads()
        for taken in self._taken if ended else ():
            if taken.lines and taken.came != "back":
                yield from self._of_connection(taken)

    def _of_connection(self, taken: Taken) -> Iterator[Finding]:
        where, label = self._user.location(*taken.lines[0]), taken.activity
        if taken.came == "collected":
            how = "it came back only when the garbage collector found it"
            yield self._not_given_back(taken, where, how)
        elif taken.served is None:
            own = self._policy.test.startswith(f"{where.path}::")  # else it may be kept for others
            if own and taken.activity == BODY and not (taken.came or taken.in_session):
                yield self._not_given_back(taken, where, "")
        elif taken.task_runs:
            return
        elif not taken.in_session or taken.origin[0] is not None or taken.origin[1] == LIFESPAN:
            if taken.came == "late":
                yield self._left_open(where, label)
            else:
                yield self._not_given_back(taken, where, "")
        elif _is_global(taken.session, self._user):
            yield self._left_open(where, label)

    def _not_given_back(self, taken: Taken, where: Location, how: str) -> Finding:
        what = "session not closed" if taken.in_session else "connection not given back"
        remedy = (
            "`async with AsyncSession(engine) as session:`, or a dependency that yields it from "
            "such a block"
            if taken.in_session
            else "`async with engine.connect() as connection:`"
        )
        return self._policy.finding(
            "connection",
            f"{what}: {taken.activity or 'the test'} took a connection from the pool and did not "
            "give it back",
            where,
            taken.activity,
            why="after `pool_size` + `max_overflow` of them (15) every request waits 30 s for a "
            "connection, and fails",
            remedy=remedy,
            evidence=how,
        )

    def _left_open(self, where: Location, label: str) -> Finding:
        return self._policy.finding(
            "transaction",
            "transaction left open: it went on after its request had been answered",
            where,
            label,
            why="its locks and its connection are held until somebody ends it, and the next "
            "request on it sees and commits what this one has done",
            remedy="one session for each request, in `async with`; commit or roll back before the "
            "answer",
        )

    def _of_statements(self) -> Iterator[Finding]:
        for (_, statement, *_), known in self._repeated.items():
            if known.count <= self._policy.statements or not _differ(known.parameters):
                continue
            loops = ((code, loop_around(code, line)) for code, line in known.lines)
            code, loop = next(((c, at) for c, at in loops if at), (None, None))
            if code is None or loop is None:
                continue
            sent = self._user.location(*known.lines[0])
            shown = " ".join(statement.split())
            shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "..."
            reads = shown.lower().startswith(_READS)
            yield self._policy.finding(
                "repeated-statement",
                f"one statement for each item: {known.count} times the same in one request",
                self._user.location(code, loop),
                known.activity,
                why="each is a round trip to the database, and their number grows with the data",
                remedy="load them with one statement: `selectinload(...)` on the query before the "
                "loop, a join, or `.where(Item.id.in_(ids))`"
                if reads
                else "send them at once: `session.add_all(items)`, or `execute(statement, rows)`",
                evidence=f"sent at {sent}: {sent.source}\n{shown}",
            )

    def _of_lazy_loads(self) -> Iterator[Finding]:
        for owner, lines, activity in self._lazy:
            if not lines:
                continue
            where = self._user.location(*lines[0])
            yield self._policy.finding(
                "lazy-load",
                f"lazy load on the event loop: an attribute of {owner} sends a statement",
                where,
                activity,
                why="nothing else runs on the loop until the database has answered; with an "
                "AsyncSession it raises MissingGreenlet",
                remedy=f"load it with the query: `select({owner}).options(selectinload(...))`, or "
                "`await item.awaitable_attrs.name`",
            )

    def __repr__(self) -> str:
        return f"<DatabaseWatch: {len(self._out)} of {len(self._taken)} connections out>"


def _differ(parameters: list[Any]) -> bool:
    """Are most of them different? Those who ask the same again wait for something."""
    return len({repr(each) for each in parameters}) * 2 > len(parameters)


def _is_global(ref: weakref.ref[Any] | None, user: UserCode) -> bool:
    """Is this session, or an async one around it, a global of one of the app's modules?"""
    session = None if ref is None else ref()
    if session is None:
        return False
    for name, module in list(sys.modules.items()):
        filename = getattr(module, "__file__", None) or ""
        last = name.rpartition(".")[2]
        if last == "conftest" or last.startswith("test_") or not user.owns(filename):
            continue
        for value in list(vars(module).values()):
            if value is session or getattr(value, "sync_session", None) is session:
                return True
    return False
