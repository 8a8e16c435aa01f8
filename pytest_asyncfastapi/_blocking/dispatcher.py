"""Where the witnesses meet: which guards listen, and what each thread is doing.

Process-wide by nature, like `sys.monitoring` and audit hooks: there is one
`HUB`, it is idle (no hooks, no cost) while no guard is active. It hands each
seen call to the guards that started on the same thread, or to all of them
when none did (a portal thread that a test started).
"""

from __future__ import annotations

import sys
import threading

# Not from _asyncio: imported before asyncio, it leaves asyncio with two kinds of tasks.
from asyncio import _get_running_loop
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from .._core.frames import identity
from . import thread_stats
from .call_arguments import judge, short, state_is_known
from .catalog import Catalog, Entry
from .cpu_time import COMPUTES, computed
from .models import BlockingCallError
from .nonblocking_calls import may_only_poll, only_polls
from .stack_analysis import Spot, spots
from .thread_state import Aside, Cell, Pending, Seen

if TYPE_CHECKING:
    from types import FrameType

    from .._core.frames import UserCode

# A wait that is shorter than this did not hold anybody up (seconds).
SHORTEST_WAIT = 0.001
# Reports of one call site in a test: a loop over a file's lines is known by then.
MOST_TELLINGS = 200


class _TrioRuns:
    """Where trio keeps the run of each thread, once trio is imported."""

    local: Any = None

    @classmethod
    def find(cls) -> Any:
        """That place; None while trio is not there, or not yet."""
        cls.local = getattr(sys.modules.get("trio._core._run"), "GLOBAL_RUN_CONTEXT", None)
        return cls.local


def on_loop() -> bool:
    """Does the calling thread run an event loop right now?

    Asked at each event. `trio.lowlevel.in_trio_run()` raises an error inside to say no.
    """
    if _get_running_loop() is not None:
        return True
    local = _TrioRuns.local or _TrioRuns.find()
    return local is not None and "runner" in local.__dict__


class Listener(Protocol):
    """What the hub knows of a guard."""

    thread: int
    user_code: UserCode
    alone: bool  # guards that started on this thread before it receive nothing meanwhile
    lingers: bool  # another one starts soon: the call tap may stay on when this one stops
    file: str  # of the test
    patches: bool  # the test replaces what the user's functions call

    def _ignores(self, entry: Entry, frame: FrameType) -> bool:
        """Is a call in this frame certainly irrelevant? Checked before the stack is read."""
        ...

    def _saw(self, entry: Entry, args: str, stack: list[Spot], witness: str) -> Seen | None:
        """Record a call, unless it is harmless or allowed; may raise in mode "raise"."""

    def _stalled(self, stall: Any) -> None:
        """Judge a step that was too long."""


class Unseen:
    """Stands for an argument that a profile function is not shown."""


# An audit event follows at once, and knows the argument.
_AUDITED = frozenset({"open", "os.open", "io.open_code", "io.FileIO"})


class Hub:
    """The guards that listen, and the threads that they listen to."""

    def __init__(self) -> None:
        self.catalog = Catalog()
        self.listeners: tuple[Listener, ...] = ()
        self.cells: dict[int, Cell] = {}
        self.local = threading.local()
        self.threshold = 0.05  # seconds: the step watch's
        self.probe = 0  # the thread whose next catalogued call is the self-test
        self.probed: set[str] = set()
        self.broken = ""  # what went wrong in our own code, which must not break the user's
        self.awake = 0.0  # seconds that the watchdog was up, perhaps without a processor
        self.awoke = 0.0  # when it woke up, if it is
        self.open: set[int] = set()  # threads with a catalogued call open, for a quick "none"

    def reset(self) -> None:
        """Forget the threads, but for the calling one: nobody listened until now."""
        mine = self.local.__dict__.get("cell")
        self.local = threading.local()
        self.cells = {}
        self.open.clear()
        if mine is not None and mine.tid == threading.get_native_id():  # else it was forked
            mine.forget()
            self.cells[mine.ident] = self.local.cell = mine

    def cell(self) -> Cell:
        """The calling thread's cell."""
        try:
            return self.local.cell  # type: ignore[no-any-return]
        except AttributeError:
            cell = self.local.cell = Cell(self)
            self.cells[cell.ident] = cell
            # Reading the figures opens files, which raises audit events.
            cell.refresh()
            cell.base = cell.last
            cell.stale = 0.0  # so that its first step is noticed
            return cell

    def listening(self) -> tuple[Listener, ...]:
        """The guards that the calling thread's calls are for."""
        here = threading.get_ident()
        mine = tuple(item for item in self.listeners if item.thread == here)
        for index in range(len(mine) - 1, 0, -1):
            if mine[index].alone:
                return mine[index:]
        return mine or self.listeners

    def aside(self) -> Aside:
        """For work of our own in the user's step."""
        return Aside(self)

    def probing(self, witness: str) -> bool:
        """Is this catalogued call the self-test of the calling thread?"""
        if self.probe != threading.get_ident():
            return False
        self.probed.add(witness)
        return True

    def enter(
        self, entry: Entry, callee: object, arg0: Any, frame: FrameType, witness: str
    ) -> bool:
        """A catalogued C call begins in `frame`; returns whether it is a new one that may block."""
        cell = self.cell()
        judged = None if cell.busy else judge(entry, arg0)
        if judged is None:
            return False
        if may_only_poll(judged.name):
            with self.aside():
                if only_polls(judged.name, frame):
                    return False
        pending = Pending(judged, identity(callee), frame)
        known: list[Seen] | None = None
        if judged.judge == "wait":
            pending.asleep = thread_stats.times_asleep()
            sure = state_is_known(arg0) or not thread_stats.GIL
            pending.others = None if sure else self.of_others()
        elif judged.judge in COMPUTES:
            pending.cpu = thread_stats.thread_time()
        elif not (arg0 is Unseen and judged.name in _AUDITED):
            known = cell.repeats.find(judged, frame)
            pending.seen = known or self.report(judged, short(arg0), frame, witness)
        cell.pending.append(pending)
        cell.dirty = cell.on_loop = True
        self.open.add(cell.ident)
        pending.start = thread_stats.perf_counter()
        return not known

    def leave(self, callee: object, frame: FrameType, witness: str) -> None:
        """A C call returned or raised in `frame`."""
        now = thread_stats.perf_counter()
        cell = self.cell()
        for index in range(len(cell.pending) - 1, -1, -1):
            pending = cell.pending[index]
            if pending.callee == identity(callee) and pending.frame == identity(frame):
                del cell.pending[index:]
                if not cell.pending:
                    self.open.discard(cell.ident)
                break
        else:
            return
        duration = now - pending.start
        cost = 0.0
        if pending.entry.judge in COMPUTES:
            cost = computed(pending.entry, frame, thread_stats.thread_time() - pending.cpu)
            if not cost:
                return
        if not cell.pending:
            cell.explained += duration
        seen = pending.seen
        if pending.entry.judge == "wait":
            if duration < SHORTEST_WAIT or thread_stats.times_asleep() == pending.asleep != -1:
                return
            if pending.others is not None and self.of_others() - pending.others > duration / 2:
                return  # it waited for the GIL, as far as anybody can tell
        if cost or pending.entry.judge == "wait":
            seen = self.report(pending.entry, "", frame, witness, pending.line)
        held = cost or (duration if duration < 0.01 else duration - self.pushed_aside(cell))
        nested = any(outer.seen for outer in cell.pending)
        for item in seen:
            item.ended(duration, held, nested=nested)

    def of_others(self) -> float:
        """Seconds in which other threads of this process may have had the GIL, so far."""
        computed = thread_stats.process_time() - thread_stats.thread_time()
        return (
            computed
            + self.awake
            + (thread_stats.perf_counter() - self.awoke if self.awoke else 0.0)
        )

    def pushed_aside(self, cell: Cell) -> float:
        """Seconds that this thread lately waited for a processor or for the GIL: an upper bound."""
        last, now = cell.last, cell.figures.snapshot()
        if last is None or now is None:
            return 0.0
        waits = max(0, now.switches - last.switches - 1)
        return now.delay - last.delay + waits * sys.getswitchinterval() * thread_stats.GIL

    def heard(self, entry: Entry, args: tuple[Any, ...], frame: FrameType) -> None:
        """An audit event: it explains the open call, or shows one that no other detector saw."""
        cell = self.cell()
        if cell.busy:
            return
        shown = short(args[0]) if args else ""
        if cell.pending:
            top = cell.pending[-1]
            if top.entry.category == entry.category and (top.seen or top.entry.judge != "path"):
                for item in top.seen:
                    item.explain(", ".join(filter(None, map(short, args[:2]))))
                return
        judged = judge(entry, args[0] if args else None)
        if judged is not None and judged.judge != "wait":  # nobody has measured whether it waited
            seen = self.report(judged, shown, frame, "audit event")
            if cell.pending and not cell.pending[-1].seen:
                cell.pending[-1].seen = seen

    def wrote(self, entry: Entry, frame: FrameType, witness: str) -> None:
        """A Python function that counts by its name alone is called in `frame`."""
        cell = self.cell()
        if not cell.busy:
            self.report(entry, "", frame, witness)

    def report(
        self, entry: Entry, args: str, frame: FrameType, witness: str, line: int = 0
    ) -> list[Seen]:
        """Tell the guards; an error that mode "raise" wants passes through.

        The call began at `line` of the frame, where that is not its current line any more.
        """
        # What watching costs is not the user's: many lines read make many reports.
        with self.aside():
            try:
                listening = [item for item in self.listening() if not item._ignores(entry, frame)]
                if not listening:
                    return []
                stack = spots(frame)
                if line and stack:
                    stack[0] = replace(stack[0], line=line)
                told = [item._saw(entry, args, stack, witness) for item in listening]
                seen = [item for item in told if item is not None]
                if len(seen) == len(told) == 1 and (user := seen[0].below) and not line:
                    self.cell().repeats.keep(entry, frame, user, seen)
                return seen
            except BlockingCallError:
                raise  # at the call; a profile function is taken off by that
            except Exception as error:
                self.broken = f"the guard itself failed: {error!r}"
                return []


HUB = Hub()
