"""Unfinished work of a request: failed tasks whose error is lost, and open async generators.

A task that fails, and whose exception is never retrieved, has lost its work. An async
generator that is left at a `yield` inside of `try: ... finally:` or `async with` has not
cleaned up. Both are recorded during a run, on asyncio and trio.
"""

from __future__ import annotations

import ast
import asyncio
import functools
import inspect
import linecache
import sys
import weakref
from contextlib import suppress
from dataclasses import dataclass
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from .._core.current_loop import in_trio
from .._core.patches import Patches
from .recorded_responses import CALLER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from .._core.findings import Location
    from .._core.frames import UserCode
    from .recorded_responses import RecordedResponse


@dataclass(frozen=True, slots=True)
class FailedTask:
    """A task of this request whose exception was never retrieved."""

    name: str
    error: BaseException
    answer: RecordedResponse


@dataclass(frozen=True, slots=True)
class UnclosedGenerator:
    """An async generator: its name, the `yield` that it is suspended at, and who started it."""

    name: str
    where: Location
    begun: Location | None


class UnfinishedWork:
    """Records between `start()` and `stop()`."""

    def __init__(self, user_code: UserCode) -> None:
        self._user_code = user_code
        self._tasks: list[tuple[asyncio.Task[Any], RecordedResponse]] = []
        self._generators: list[tuple[weakref.ref[Any], Location | None]] = []
        self._patches = Patches()
        self._first: Any = None

    def start(self) -> None:
        """Start to record, in the thread of the loop."""
        self._patches.wrap(asyncio.BaseEventLoop, "create_task", self._creating)
        self._first = sys.get_asyncgen_hooks().firstiter
        sys.set_asyncgen_hooks(firstiter=self._iterating)

    def stop(self) -> None:
        """Put back what was there."""
        self._patches.undo()
        if sys.get_asyncgen_hooks().firstiter == self._iterating:
            sys.set_asyncgen_hooks(firstiter=self._first)

    def _creating(self, original: Any) -> Any:
        def create_task(loop: Any, *args: Any, **kwargs: Any) -> Any:
            task = original(loop, *args, **kwargs)
            answer = CALLER.get()
            if answer is not None and self._is_users(task):
                self._tasks.append((task, answer))
            return task

        return create_task

    def _is_users(self, task: Any) -> bool:
        code = getattr(task.get_coro(), "cr_code", None)
        return code is not None and self._user_code.owns(code.co_filename)

    def _iterating(self, generator: Any) -> None:
        if self._first is not None:
            self._first(generator)
        if CALLER.get() is not None and self._user_code.owns(generator.ag_code.co_filename):
            begun = self._user_code.where(sys._getframe(1))
            self._generators.append((weakref.ref(generator), begun))

    def failed(self) -> Iterator[FailedTask]:
        """The failed tasks whose exception was never retrieved."""
        for task, answer in self._tasks:
            # It is what makes asyncio log "Task exception was never retrieved".
            lost = task.done() and not task.cancelled() and getattr(task, "_log_traceback", False)
            if lost and (error := task.exception()) is not None:
                name = getattr(task.get_coro(), "__qualname__", task.get_name())
                yield FailedTask(name, error, answer)

    def unclosed(self) -> Iterator[UnclosedGenerator]:
        """The generators that are left in the middle, before their cleanup."""
        for ref, begun in self._generators:
            generator = ref()
            if generator is None or generator.ag_frame is None or generator.ag_running:
                continue
            code, line = generator.ag_code, generator.ag_frame.f_lineno
            if _cleans_up(code.co_filename, line):
                where = self._user_code.location(code, line)
                yield UnclosedGenerator(generator.__qualname__, where, begun)

    def __repr__(self) -> str:
        return f"<UnfinishedWork: {len(self._tasks)} tasks, {len(self._generators)} generators>"


def forget_frames(error: BaseException) -> None:
    """Clear the frames of an exception, which a sweep keeps longer than a test would.

    The frames of what goes on (a worker that has passed the error to its caller) stay.
    """
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    goes_on = _suspended() if sys.version_info < (3, 13) else set()
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        for frame, _ in walk_tb(each.__traceback__):
            if frame not in goes_on and not _may_go_on(frame):
                with suppress(RuntimeError):  # it runs, or (from 3.13 on) it is suspended
                    frame.clear()
        waiting += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]


def _may_go_on(frame: FrameType) -> bool:
    """Until 3.13 `clear()` closes what is suspended; for generators and trio this is not known."""
    if sys.version_info >= (3, 13):
        return False
    flags = frame.f_code.co_flags
    suspends = flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR)
    return bool(flags & inspect.CO_GENERATOR) or bool(suspends and in_trio())


def _suspended() -> set[Any]:
    """The frames of all of asyncio's tasks that are not done, of every loop."""
    found = set()
    for name in ("_all_tasks", "_scheduled_tasks", "_eager_tasks"):  # 3.11; 3.12
        for task in list(getattr(asyncio.tasks, name, None) or ()):
            inner = None if task.done() else task.get_coro()
            while inner is not None:
                for kind in ("cr", "gi", "ag"):
                    if frame := getattr(inner, f"{kind}_frame", None):
                        found.add(frame)
                inner = next(
                    (
                        below
                        for attribute in ("cr_await", "gi_yieldfrom", "ag_await")
                        if (below := getattr(inner, attribute, None)) is not None
                    ),
                    None,
                )
    return found


def _cleans_up(filename: str, line: int) -> bool:
    """Is there something to do when this line is left for good?"""
    return any(first <= line <= last for first, last in _guarded(filename))


@functools.lru_cache(maxsize=64)
def _guarded(filename: str) -> tuple[tuple[int, int], ...]:
    """The lines of a file inside of `try: ... finally:` and `with`, each with its last."""
    try:
        tree = ast.parse("".join(linecache.getlines(filename)))
    except SyntaxError:
        return ()
    found = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.With, ast.AsyncWith)) or (
            isinstance(node, (ast.Try, ast.TryStar)) and node.finalbody
        ):
            found.append((node.body[0].lineno, node.body[-1].end_lineno or 0))
    return tuple(found)
