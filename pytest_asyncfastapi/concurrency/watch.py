"""The watch of one test: what it spawned and opened, and what of that it left behind.

Judged late, when the test's own fixtures are torn down: as its loop is about
to close, or after the teardown where the loop lives on. A leaked task is then
cancelled and waited for, so that the next test never meets it.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any, Literal

from ..activity import LIFESPAN
from ..births import birth_of
from ..stopwatch import monotonic
from . import verdict
from .hub import HUB, hear_trio
from .opened import Ledger
from .reaper import reap, settle
from .thread_pool import Threads

if TYPE_CHECKING:
    from types import FrameType

    from ..births import Birth
    from ..findings import Finding
    from ..frames import UserCode
    from .thread_pool import PoolUse
    from .verdict import Leak

LeakMode = Literal["fail", "warn", "off"]
_PATIENCE = 1.0  # seconds that threads have to end, once somebody closed what owned them


class ConcurrencyWatch:
    """Hears what is created between `start()` and `stop()`, and judges what is left.

    `lasting` says that the app outlives the test: what its lifespan made, and what
    libraries keep for it, is judged when its loop closes and not after the test.
    """

    def __init__(
        self,
        user_code: UserCode,
        *,
        test: str = "",
        leaks: LeakMode = "warn",
        allow: tuple[str, ...] = (),
        lasting: bool = False,
    ) -> None:
        self.user_code = user_code
        self.test = test
        self.leaks = leaks
        self.lasting = lasting
        self.exempt = False  # a fixture wider than the test is being set up: what it makes lasts
        self.ledger = Ledger()
        self.threads = Threads()
        self.found: list[Leak] = []
        self._allow = tuple(verdict.as_rule(rule) for rule in allow)
        self._generators: list[tuple[weakref.ref[Any], Birth]] = []
        self._trio_tasks: weakref.WeakKeyDictionary[Any, Birth] = weakref.WeakKeyDictionary()
        self._loops: weakref.WeakSet[Any] = weakref.WeakSet()
        self._sweeping = False
        self._depth = 0

    def start(self) -> None:
        """Begin to hear.

        In mode "fail" Python also notes where each coroutine is created, which costs a
        plain request 8 %; else a coroutine that is lost is placed where it was dropped.
        """
        HUB.join(self)
        self._depth = sys.get_coroutine_origin_tracking_depth()
        if self.leaks == "fail":
            sys.set_coroutine_origin_tracking_depth(max(1, self._depth))

    def on_loop(self) -> None:
        """The test has a running loop now; hear what can only be heard from inside it."""
        if self not in HUB.watches:
            return
        HUB.refresh()
        loop = asyncio._get_running_loop()
        if loop is not None:
            self._loops.add(loop)
        elif "trio" in sys.modules and sys.modules["trio"].lowlevel.in_trio_run():
            hear_trio()

    def stop(self) -> None:
        """Judge what is left after the test's fixtures are gone; hear nothing more."""
        if self not in HUB.watches:
            return
        try:
            if self.leaks != "off":
                self._sweep()
                for loop in list(self._loops):
                    if not loop.is_closed() and not loop.is_running():
                        self._judge_loop(loop, closing=False)
                self._judge_generators(closing=False)
                self._judge_trio()
                self._judge_opened()
        finally:
            sys.set_coroutine_origin_tracking_depth(self._depth)
            HUB.leave(self)

    # What the hub tells

    def pool(self, name: str) -> PoolUse:
        """The use of the thread pool of this name."""
        return self.threads.pool(name)

    def swap_threads(self, threads: Threads) -> Threads:
        """Count the thread pools elsewhere from now on; returns where they were counted."""
        before, self.threads = self.threads, threads
        return before

    def spawned(self, task: Any, birth: Birth) -> None:
        """A task of trio's was created."""
        self._trio_tasks[task] = birth

    def iterates(self, generator: Any, birth: Birth) -> None:
        """An async generator is iterated for the first time."""
        if self.user_code.owns(generator.ag_code.co_filename):
            self._generators.append((weakref.ref(generator), birth))

    def dropped(self, coroutine: Any, frame: FrameType | None) -> None:
        """A coroutine is destroyed that nobody ever awaited."""
        if self.leaks != "off":
            leak = verdict.unawaited(coroutine, frame, self.user_code, swept=self._sweeping)
            if leak is not None:
                self._keep(leak)

    def loop_ends(self, loop: Any) -> None:
        """A loop is about to close, and to cancel what it still has."""
        if self.leaks == "off" or loop.is_running():
            return
        self._sweep()
        self._judge_generators(closing=True)
        self._judge_loop(loop, closing=True)

    def resists(self, task: Any) -> None:
        """A task swallows its cancellations, and is about to be ended by force."""
        leak = verdict.resisting(task, birth_of(task), self.user_code)
        if self.leaks != "off" and leak.where is not None:
            self._keep(leak)

    def run_ends(self) -> None:
        """The main task of a trio run has ended."""
        if self.leaks != "off":
            self._sweep()
            self._judge_generators(closing=True)
            self._judge_trio()

    # Judging

    def _counts(self, birth: Birth, *, closing: bool) -> bool:
        """Is what was born there this test's to end?"""
        if birth.code is not None and birth.code.co_name == "<module>":
            return False  # lives as long as its module
        if birth.owner is not self:
            # The app's own, from an earlier test that started it for all of them.
            return closing and birth.activity == LIFESPAN
        if self.lasting and not closing:
            return birth.activity != LIFESPAN and birth.direct
        return True

    def left_now(self) -> list[tuple[Any, Finding]]:
        """What is there at this moment that the test made: each task and thing, and the finding.

        For who runs one scenario many times in a test: what is new after a run is left by it.
        """
        if self.leaks == "off":
            return []
        self._sweep()
        loop = asyncio._get_running_loop()
        found = [] if loop is None else self._left(loop, closing=False)
        for task, birth in list(self._trio_tasks.items()):
            nursery = task.parent_nursery
            alive = nursery is not None and task in nursery.child_tasks
            if alive and birth.code is not None and self._counts(birth, closing=False):
                found.append((task, birth))
        leaks = [(task, verdict.task_leak(task, birth, self.user_code)) for task, birth in found]
        leaks += [
            (entry, verdict.opened_leak(entry, self.user_code))
            for entry in self.ledger.entries
            if entry.open and self._counts(entry.birth, closing=False) and _matters(entry)
        ]
        return [
            (what, verdict.finding(leak, self.leaks, self.test))
            for what, leak in leaks
            if not any(rule.matches(leak) for rule in self._allow)
        ]

    def _judge_loop(self, loop: Any, *, closing: bool) -> None:
        if not self._left(loop, closing):
            return
        loop.run_until_complete(settle())
        leaks = self._left(loop, closing)
        for task, birth in leaks:
            self._keep(verdict.task_leak(task, birth, self.user_code))
        reap(loop, [task for task, _ in leaks], self.resists)

    def _left(self, loop: Any, closing: bool) -> list[tuple[Any, Birth]]:
        found: list[tuple[Any, Birth]] = []
        for task in asyncio.all_tasks(loop):
            birth = birth_of(task)
            if birth is None or not self._counts(birth, closing=closing):
                continue
            code = getattr(task.get_coro(), "cr_code", None)
            if birth.code is not None or (code and self.user_code.owns(code.co_filename)):
                found.append((task, birth))
        return sorted(found, key=lambda pair: pair[0].get_name())

    def _judge_trio(self) -> None:
        for task, birth in list(self._trio_tasks.items()):
            nursery = task.parent_nursery
            alive = nursery is not None and task in nursery.child_tasks
            if alive and birth.code is not None and self._counts(birth, closing=True):
                self._keep(verdict.task_leak(task, birth, self.user_code))
            self._trio_tasks.pop(task, None)

    def _judge_generators(self, *, closing: bool) -> None:
        rest: list[tuple[weakref.ref[Any], Birth]] = []
        for ref, birth in self._generators:
            generator = ref()
            if generator is None or generator.ag_frame is None or generator.ag_running:
                continue
            if self._counts(birth, closing=closing):
                self._keep(verdict.generator_leak(generator, birth, self.user_code))
            else:
                rest.append((ref, birth))
        self._generators = rest

    def _judge_opened(self) -> None:
        left = [
            entry
            for entry in self.ledger.entries
            if entry.open and self._counts(entry.birth, closing=False) and _matters(entry)
        ]
        until = monotonic() + _PATIENCE
        for entry in left:
            thread = entry.ref()
            if isinstance(thread, threading.Thread):
                thread.join(max(0.0, until - monotonic()))
            if entry.open:
                self._keep(verdict.opened_leak(entry, self.user_code))

    def _sweep(self) -> None:
        """Let what is already garbage say so now, in this test's time.

        Not the oldest generation: to look through it takes 50 ms and more, at every test, and
        what a test drops is hardly ever so old.
        """
        self._sweeping = True
        try:
            gc.collect(1)
        finally:
            self._sweeping = False

    def _keep(self, leak: Leak) -> None:
        if not any(rule.matches(leak) for rule in self._allow):
            self.found.append(leak)

    def findings(self) -> list[Finding]:
        """What was left behind, one finding each."""
        return [verdict.finding(leak, self.leaks, self.test) for leak in self.found]

    def __repr__(self) -> str:
        state = "watching" if self in HUB.watches else "idle"
        return f"<ConcurrencyWatch: {state}, {len(self.found)} leaks>"


def _matters(entry: Any) -> bool:
    """What some library opens for itself, a socket or a daemon thread, is its own business."""
    thread = entry.ref()
    if isinstance(thread, threading.Thread):
        return bool(not thread.daemon or entry.birth.direct)
    return bool(entry.what != "socket" or entry.birth.direct)
