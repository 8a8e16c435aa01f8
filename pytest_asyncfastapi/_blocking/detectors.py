"""The three detectors of the process, started with the first guard and stopped with the last."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Protocol

from .._core.frames import identity
from .._core.other_test_clients import label_requests, stop_labelling
from . import audit_events
from .dispatcher import DISPATCHER, Dispatcher, Listener
from .step_timer import StepTimer

if TYPE_CHECKING:
    from .._core.frames import UserCode

_probe_call = os.access  # in the catalog, and quick
_HAS_MONITORING = sys.version_info >= (3, 12)


class CallMonitor(Protocol):
    """What the two call monitors have in common."""

    def start(self, user: UserCode, *, restart_all: bool, patches_functions: bool) -> str:
        """Start monitoring; returns why that is impossible, or "".

        `restart_all` enables every call site again; `patches_functions` those of the user's code.
        """
        ...

    def pause(self) -> None:
        """No guard is active, but one may start soon."""

    def stop(self) -> None:
        """Stop monitoring."""


class Detectors:
    """Call monitor, audit hook and step timer, process-wide like the hooks that they use."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.step_timer = StepTimer(dispatcher)
        self._dispatcher = dispatcher
        self._call_monitor: CallMonitor | None = None
        self._problem = ""
        self._lock = threading.Lock()
        self._thresholds: dict[int, float] = {}
        self._files: set[str] = set()  # test files so far
        self._next_restart = 1  # number of files at which all sites restart: 1, 2, 4, 8 ...
        self._more_tests_follow = False

    def add_guard(self, guard: Listener, threshold: float, user: UserCode) -> str:
        """Add a guard; returns what cannot be monitored, or ""."""
        with self._lock:
            first = not self._dispatcher.listeners
            if first:
                if not self._dispatcher.is_reset():
                    self._dispatcher.reset()
                self._dispatcher.internal_error = ""
                audit_events.add_hook()
            restart_all = self._dispatcher.catalog.refresh() or not guard.more_tests_follow
            self._files.add(guard.test_file)
            if len(self._files) >= self._next_restart:
                restart_all, self._next_restart = True, len(self._files) * 2
            self._more_tests_follow = self._more_tests_follow or guard.more_tests_follow
            self._dispatcher.listeners = (*self._dispatcher.listeners, guard)
            self._thresholds[identity(guard)] = threshold
            # A loop may be running: what is imported here is not part of its step.
            with self._dispatcher.exclude_overhead():
                monitor = self._call_monitor = self._call_monitor or self._create_call_monitor()
                self._problem = monitor.start(
                    user, restart_all=restart_all, patches_functions=guard.patches_functions
                )
                self.step_timer.start(min(self._thresholds.values()))
                label_requests()
        return self.check()

    def remove_guard(self, guard: Listener) -> None:
        """Remove a guard."""
        with self._lock:
            if guard not in self._dispatcher.listeners:
                return
            rest = tuple(item for item in self._dispatcher.listeners if item is not guard)
            self._thresholds.pop(identity(guard), None)
            if rest:
                self.step_timer.start(min(self._thresholds.values()))
                if self._call_monitor is not None:
                    self._call_monitor.start(
                        rest[-1].user_code, restart_all=True, patches_functions=True
                    )
            elif self._more_tests_follow:
                self.step_timer.pause()
                if self._call_monitor is not None:
                    self._call_monitor.pause()
            else:
                self._stop()
            self._dispatcher.listeners = rest
            if not rest:
                self._dispatcher.reset()

    def stop_idle(self) -> None:
        """Stop what stays on between two tests, unless a guard is active."""
        with self._lock:
            if self._dispatcher.listeners:
                return
            self._more_tests_follow = False
            self._stop()

    def _stop(self) -> None:
        self._files.clear()  # the call monitor keeps no state of them
        self._next_restart = 1
        self.step_timer.stop()
        stop_labelling()
        if self._call_monitor is not None:
            self._call_monitor.stop()

    def check(self) -> str:
        """Check that each detector receives events; returns what does not, or ""."""
        dispatcher = self._dispatcher
        if self._problem or dispatcher.internal_error:
            return self._problem or dispatcher.internal_error
        dispatcher.probed.clear()
        state = dispatcher.thread_state()
        # On a running loop, the audit hook would record it as a call.
        was_paused, state.paused = state.paused, True
        dispatcher.probing_thread = threading.get_ident()
        if self.step_timer.attach_profiler is not None:
            self.step_timer.attach_profiler()
        try:
            _probe_call("", 0)
        finally:
            dispatcher.probing_thread, state.paused = 0, was_paused
            self.step_timer.detach_profiler()
        if not any(item.startswith("call monitor") for item in dispatcher.probed):
            return "the call monitor did not receive its self-test"
        if not audit_events.probe():
            return "the audit hook did not receive its self-test"
        return "" if self.step_timer.is_working() else "another tool replaced the loop's step"

    def _create_call_monitor(self) -> CallMonitor:
        if _HAS_MONITORING:
            from .monitor_calls import CallEventMonitor

            return CallEventMonitor(self._dispatcher)
        from .monitor_profile import CallProfileMonitor

        monitor = CallProfileMonitor(self._dispatcher)
        self.step_timer.attach_profiler = monitor.attach
        self.step_timer.detach_profiler = monitor.detach
        return monitor

    def __repr__(self) -> str:
        return f"<Detectors: {len(self._dispatcher.listeners)} guards>"


DETECTORS = Detectors(DISPATCHER)
