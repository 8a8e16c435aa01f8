"""The leak detector of one test: what it spawned and opened, and what of that it left behind.

Judged late, when the test's own fixtures are torn down: as its loop is about
to close, or after the teardown where the loop lives on. A leaked task is then
cancelled and waited for, so that the next test never meets it.
"""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any, Literal

from .._core.activity import LIFESPAN
from .._core.creation_site import creation_site_of
from .._core.current_loop import current_loop
from .._core.real_time import monotonic
from . import garbage, leak_findings
from .instrumentation import INSTRUMENTATION, instrument_trio
from .owner_loop import is_alive
from .resource_tracker import ResourceTracker
from .task_cleanup import reap, run_pending
from .thread_pool import Threads

if TYPE_CHECKING:
    from types import FrameType

    from .._core.creation_site import CreationSite
    from .._core.findings import Finding
    from .._core.frames import UserCode
    from .leak_findings import Leak
    from .resource_tracker import TrackedResource
    from .thread_pool import PoolUse

LeakMode = Literal["fail", "warn", "off"]
# Coroutines that were reported before they are collected, by their `id`: when Python warns of one,
# the weak references to it are gone already.
_REPORTED: dict[int, weakref.ref[Any]] = {}
# Those that were still referenced when they were checked, which takes long and is done once:
# a warning that pytest keeps holds its coroutine for the rest of the run.
_STILL_HELD: dict[int, weakref.ref[Any]] = {}
_JOIN_TIMEOUT = 1.0  # seconds that threads have to end, once their owner was closed


class LeakDetector:
    """Records what is created between `start()` and `stop()`, and judges what is left.

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
        self.lingers = False  # one of many, a test after the other
        self.exempt = False  # a fixture wider than the test is being set up: what it makes lasts
        self.resources = ResourceTracker()
        self.threads = Threads()
        self.found: list[Leak] = []
        self._allow = tuple(leak_findings.parse_rule(rule) for rule in allow)
        self._generators: dict[Any, list[tuple[weakref.ref[Any], CreationSite]]] = {}
        self._trio_tasks: weakref.WeakKeyDictionary[Any, CreationSite] = weakref.WeakKeyDictionary()
        self._owner_loops: weakref.WeakSet[Any] = weakref.WeakSet()  # of the test's body
        self._origin_depth = 0

    def start(self) -> None:
        """Begin to record.

        In mode "fail" Python also notes where each coroutine is created, which costs a
        plain request 8 %; else a coroutine that is lost is placed where it was dropped.
        """
        INSTRUMENTATION.attach(self)
        self._origin_depth = sys.get_coroutine_origin_tracking_depth()
        if self.leaks == "fail":
            sys.set_coroutine_origin_tracking_depth(max(1, self._origin_depth))

    def on_loop(self) -> None:
        """The test has a running loop now; record what can only be seen from inside it."""
        if self not in INSTRUMENTATION.observers:
            return
        INSTRUMENTATION.refresh()
        owner = current_loop()
        if owner is not None:
            self._owner_loops.add(owner)
        if owner is not None and owner is not asyncio._get_running_loop():
            instrument_trio()

    def stop(self) -> None:
        """Judge what is left after the test's fixtures are gone; record nothing more."""
        if self not in INSTRUMENTATION.observers:
            return
        try:
            if self.leaks != "off":
                self._judge_coroutines()
                for owner in list(self._owner_loops):
                    if _is_paused(owner):
                        self._judge_loop(owner, closing=False)
                for owner in list(self._generators):
                    # One that another fixture or a thread still has is not over.
                    if owner in self._owner_loops or not is_alive(owner):
                        self._judge_generators(owner, closing=False)
                self._judge_trio()
                self._judge_opened()
        finally:
            self._generators.clear()
            sys.set_coroutine_origin_tracking_depth(self._origin_depth)
            INSTRUMENTATION.detach(self)

    # Called by the instrumentation

    def pool(self, name: str) -> PoolUse:
        """The use of the thread pool of this name."""
        return self.threads.pool(name)

    def swap_threads(self, threads: Threads) -> Threads:
        """Count the thread pools elsewhere from now on; returns where they were counted."""
        before, self.threads = self.threads, threads
        return before

    def on_task_created(self, task: Any, site: CreationSite) -> None:
        """A task of trio's was created."""
        self._trio_tasks[task] = site

    def on_asyncgen(self, generator: Any, site: CreationSite, owner: Any) -> None:
        """An async generator is iterated for the first time, in this loop or trio run."""
        if self.user_code.owns(generator.ag_code.co_filename):
            self._generators.setdefault(owner, []).append((weakref.ref(generator), site))

    def on_unawaited(self, coroutine: Any, frame: FrameType | None) -> None:
        """A coroutine is destroyed that was never awaited; no frame where it was collected."""
        if _REPORTED.pop(id(coroutine), None) is None and self.leaks != "off":
            leak = leak_findings.unawaited_leak(coroutine, frame, self.user_code)
            if leak is not None:
                self._add(leak)

    def on_loop_close(self, loop: Any) -> None:
        """A loop is about to close, and to cancel what it still has."""
        if self.leaks == "off" or loop.is_running():
            return
        self._judge_generators(loop, closing=True)
        self._judge_loop(loop, closing=True)

    def on_uncancellable(self, task: Any) -> None:
        """A task swallows its cancellations, and is about to be ended by force."""
        leak = leak_findings.uncancellable_leak(task, creation_site_of(task), self.user_code)
        if self.leaks != "off" and leak.where is not None:
            self._add(leak)

    def on_run_end(self, run: Any) -> None:
        """The main task of a trio run has ended."""
        if self.leaks != "off":
            self._judge_generators(run, closing=True)
            self._judge_trio()

    # Judging

    def _belongs_to_test(self, site: CreationSite, *, closing: bool, paused: bool = False) -> bool:
        """Has this test to end what was created there? `paused`: its loop goes on afterwards."""
        if paused and not site.direct:
            return False  # a library may keep it for who uses the loop next
        if site.code is not None and site.code.co_name == "<module>":
            return False  # lives as long as its module
        if site.owner is not self:
            # The app's own, from an earlier test that started it for all of them.
            return closing and site.activity == LIFESPAN
        if self.lasting and not closing:
            return site.activity != LIFESPAN and site.direct
        return True

    def leftovers(self) -> list[tuple[Any, Finding]]:
        """What is there at this moment that the test made: each task and thing, and the finding.

        For who runs one scenario many times in a test: what is new after a run is left by it.
        """
        if self.leaks == "off":
            return []
        self._judge_coroutines()
        loop = asyncio._get_running_loop()
        found = [] if loop is None else self._leftover_tasks(loop, closing=False)
        found += self._leftover_trio_tasks(closing=False)
        leaks = [
            (task, leak_findings.task_leak(task, site, self.user_code)) for task, site in found
        ]
        leaks += [
            (entry, leak_findings.resource_leak(entry, self.user_code)) for entry in self._open()
        ]
        return [
            (what, leak_findings.finding(leak, self.leaks, self.test))
            for what, leak in leaks
            if not any(rule.matches(leak) for rule in self._allow)
        ]

    def _judge_loop(self, loop: Any, *, closing: bool) -> None:
        if not self._leftover_tasks(loop, closing=closing, paused=not closing):
            return
        loop.run_until_complete(run_pending())
        leaks = self._leftover_tasks(loop, closing=closing, paused=not closing)
        for task, site in leaks:
            self._add(leak_findings.task_leak(task, site, self.user_code))
        reap(loop, [task for task, _ in leaks], self.on_uncancellable)

    def _leftover_tasks(
        self, loop: Any, *, closing: bool, paused: bool = False
    ) -> list[tuple[Any, CreationSite]]:
        found: list[tuple[Any, CreationSite]] = []
        for task in asyncio.all_tasks(loop):
            site = creation_site_of(task)
            if site is None or not self._belongs_to_test(site, closing=closing, paused=paused):
                continue
            code = getattr(task.get_coro(), "cr_code", None)
            if site.code is not None or (code and self.user_code.owns(code.co_filename)):
                found.append((task, site))
        return sorted(found, key=lambda pair: pair[0].get_name())

    def _judge_trio(self) -> None:
        for task, site in self._leftover_trio_tasks(closing=True):
            self._add(leak_findings.task_leak(task, site, self.user_code))
        self._trio_tasks.clear()

    def _leftover_trio_tasks(self, *, closing: bool) -> list[tuple[Any, CreationSite]]:
        return [
            (task, site)
            for task, site in list(self._trio_tasks.items())
            if (nursery := task.parent_nursery) is not None
            and task in nursery.child_tasks
            and site.code is not None
            and self._belongs_to_test(site, closing=closing)
        ]

    def _judge_generators(self, owner: Any, *, closing: bool) -> None:
        rest: list[tuple[weakref.ref[Any], CreationSite]] = []
        for ref, site in self._generators.pop(owner, ()):
            if not _is_begun(ref):
                continue
            if not self._belongs_to_test(site, closing=closing):
                rest.append((ref, site))
            elif not garbage.is_garbage(ref) and (generator := ref()) is not None:
                self._add(leak_findings.generator_leak(generator, site, self.user_code))
        if rest:
            self._generators.setdefault(owner, []).extend(rest)

    def _judge_coroutines(self) -> None:
        """Those that cannot be awaited any more, and were not collected yet."""
        for ref in garbage.never_started():
            number = id(ref())
            known = number in _REPORTED or number in _STILL_HELD
            leak = None if known else leak_findings.unawaited_leak(ref(), None, self.user_code)
            if leak is not None and garbage.is_garbage(ref):
                _REPORTED[number] = weakref.ref(ref(), functools.partial(_forget, number))
                self._add(leak)
            elif leak is not None:
                _STILL_HELD[number] = weakref.ref(ref(), functools.partial(_STILL_HELD.pop, number))

    def _judge_opened(self) -> None:
        until = monotonic() + _JOIN_TIMEOUT
        for entry in self._open():
            thread = entry.ref()
            if isinstance(thread, threading.Thread):
                if not entry.site.direct and entry.owner_loop and is_alive(entry.owner_loop()):
                    continue  # the worker of a library's connection, which the loop still has
                thread.join(max(0.0, until - monotonic()))
            if entry.open:
                self._add(leak_findings.resource_leak(entry, self.user_code))

    def _open(self) -> list[TrackedResource]:
        return [
            entry
            for entry in self.resources.entries
            if entry.open
            and self._belongs_to_test(entry.site, closing=False)
            and _is_reportable(entry)
        ]

    def _add(self, leak: Leak) -> None:
        if not any(rule.matches(leak) for rule in self._allow):
            self.found.append(leak)

    def findings(self) -> list[Finding]:
        """What was left behind, one finding each."""
        return [leak_findings.finding(leak, self.leaks, self.test) for leak in self.found]

    def __repr__(self) -> str:
        state = "watching" if self in INSTRUMENTATION.observers else "idle"
        return f"<LeakDetector: {state}, {len(self.found)} leaks>"


def _is_paused(owner: Any) -> bool:
    """Is this a loop of asyncio's that goes on after the test?"""
    return (
        isinstance(owner, asyncio.AbstractEventLoop) and is_alive(owner) and not owner.is_running()
    )


def _is_begun(ref: weakref.ref[Any]) -> bool:
    """Is this generator still there, in the middle, and not at work?"""
    generator = ref()
    return generator is not None and generator.ag_frame is not None and not generator.ag_running


def _forget(number: int, ref: object) -> None:
    if not INSTRUMENTATION.observers:  # else `on_unawaited()` comes next
        _REPORTED.pop(number, None)


def _is_reportable(entry: TrackedResource) -> bool:
    """What some library opens for itself, a socket or a daemon thread, is its own business."""
    thread = entry.ref()
    if isinstance(thread, threading.Thread):
        return bool(not thread.daemon or entry.site.direct)
    return bool(entry.what != "socket" or entry.site.direct)
