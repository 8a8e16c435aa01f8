"""The three witnesses of the process, started with the first guard and stopped with the last."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Protocol

from .._core.other_test_clients import label_requests, stop_labelling
from . import audit_events
from .dispatcher import HUB, Hub, Listener
from .step_watch import StepWatch

if TYPE_CHECKING:
    from .._core.frames import UserCode

_probe_call = os.access  # in the catalog, and quick
_HAS_MONITORING = sys.version_info >= (3, 12)


class Tap(Protocol):
    """What the two call taps have in common."""

    def start(self, user: UserCode, *, anew: bool, patches: bool) -> str:
        """Listen (again), `anew` to every call site; returns why that is impossible, or "".

        With `patches`, to every one of the user's that may call something else now.
        """
        ...

    def rest(self) -> None:
        """Nobody listens for now, but soon somebody may."""

    def stop(self) -> None:
        """Stop listening."""


class Witnesses:
    """Call tap, audit hook and step watch, process-wide like the hooks that they use."""

    def __init__(self, hub: Hub) -> None:
        self.steps = StepWatch(hub)
        self._hub = hub
        self._tap: Tap | None = None
        self._trouble = ""
        self._lock = threading.Lock()
        self._limits: dict[int, float] = {}
        self._files: set[str] = set()  # of tests, so far
        self._next_anew = 1  # with so many files the tap begins anew: the 1st, 2nd, 4th, 7th ...
        self._lingers = False

    def join(self, guard: Listener, threshold: float, user: UserCode) -> str:
        """A guard starts; returns what cannot be watched, or ""."""
        with self._lock:
            first = not self._hub.listeners
            if first:
                self._hub.reset()
                self._hub.broken = ""
                audit_events.add_hook()
            anew = self._hub.catalog.refresh() or not guard.lingers
            self._files.add(guard.file)
            if len(self._files) >= self._next_anew:
                anew, self._next_anew = True, len(self._files) * 3 // 2 + 1
            self._lingers = self._lingers or guard.lingers
            self._hub.listeners = (*self._hub.listeners, guard)
            self._limits[id(guard)] = threshold
            with self._hub.aside():  # a loop may be running: what we import is not its business
                tap = self._tap = self._tap or self._make_tap()
                self._trouble = tap.start(user, anew=anew, patches=guard.patches)
                self.steps.start(min(self._limits.values()))
                label_requests()
        return self.check()

    def leave(self, guard: Listener) -> None:
        """A guard stops."""
        with self._lock:
            if guard not in self._hub.listeners:
                return
            rest = tuple(item for item in self._hub.listeners if item is not guard)
            self._limits.pop(id(guard), None)
            if rest:
                self.steps.start(min(self._limits.values()))
                if self._tap is not None:
                    self._tap.start(rest[-1].user_code, anew=True, patches=True)
            elif self._lingers:
                self.steps.rest()
                if self._tap is not None:
                    self._tap.rest()
            else:
                self._stop()
            self._hub.listeners = rest
            if not rest:
                self._hub.reset()

    def silence(self) -> None:
        """Stop what stays on between the guards of two tests, unless somebody listens."""
        with self._lock:
            if self._hub.listeners:
                return
            self._lingers = False
            self._stop()

    def _stop(self) -> None:
        self._files.clear()  # the tap keeps nothing of them
        self._next_anew = 1
        self.steps.stop()
        stop_labelling()
        if self._tap is not None:
            self._tap.stop()

    def check(self) -> str:
        """Check that each detector receives events; returns what does not, or ""."""
        hub = self._hub
        if self._trouble or hub.broken:
            return self._trouble or hub.broken
        hub.probed.clear()
        cell = hub.cell()
        was, cell.busy = cell.busy, True  # on a running loop, the audit hook sees it as a call
        hub.probe = threading.get_ident()
        if self.steps.on_thread is not None:
            self.steps.on_thread()
        try:
            _probe_call("", 0)
        finally:
            hub.probe, cell.busy = 0, was
            self.steps.off_thread()
        if not any(item.startswith("call tap") for item in hub.probed):
            return "the call tap did not see its self-test"
        if not audit_events.probe():
            return "the audit hook did not see its self-test"
        return "" if self.steps.is_armed() else "another tool replaced the loop's step"

    def _make_tap(self) -> Tap:
        if _HAS_MONITORING:
            from .monitor_calls import MonitoringTap

            return MonitoringTap(self._hub)
        from .monitor_profile import ProfileTap

        tap = ProfileTap(self._hub)
        self.steps.on_thread, self.steps.off_thread = tap.attach, tap.detach
        return tap

    def __repr__(self) -> str:
        return f"<Witnesses: {len(self._hub.listeners)} guards>"


WITNESSES = Witnesses(HUB)
