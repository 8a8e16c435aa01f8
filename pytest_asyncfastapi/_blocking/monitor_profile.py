"""The call monitor on Python 3.11: a profile function on each thread that runs a loop.

It receives every call, so it costs more than `sys.monitoring` does; the answers
are the same. So it is removed when an asyncio loop ends, until the next one begins.
An earlier profile function is still called.

A step that makes very many calls computes. From then on the audit hook and the step timer alone
report what it does until it ends, or the next request begins.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from .._core.frames import identity
from .catalog import NAMED, find_named
from .dispatcher import MAX_REPORTS_PER_SITE, UNKNOWN, Dispatcher, in_event_loop
from .loop_steps import is_loop_poll

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from .._core.frames import UserCode
    from .thread_state import ThreadState

_EVIDENCE = "call monitor (profile)"
# After two times so many calls in one step (10 ms or more), its rest is not profiled.
_MAX_CALLS = 20_000


class CallProfileMonitor:
    """Receives the calls of the threads that it is attached to."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._live = False
        self._hooks: dict[int, Any] = {}  # by thread
        self._before: dict[int, Any] = {}
        self._reports: dict[tuple[int, int], int] = {}

    def start(self, user: UserCode, *, restart_all: bool, patches_functions: bool) -> str:
        """Start; on each thread with the first step of its loop."""
        self._reports.clear()
        self._live = True
        if in_event_loop() or _may_have_untimed_loops():
            self.attach()
        return ""

    def attach(self) -> None:
        """Profile the calling thread, too."""
        if not self._live:
            return
        current, here = sys.getprofile(), threading.get_ident()
        hook = self._hooks.get(here)
        if hook is None:
            hook = self._hooks[here] = self._make_hook(self._dispatcher.thread_state())
        if current is hook:
            return
        # A long-lived thread may still have the hook of an earlier guard, which is ours.
        if current is not None and getattr(current, "__module__", "") != __name__:
            self._before[here] = current
        sys.setprofile(hook)

    def detach(self) -> None:
        """The calling thread's loop has ended: nothing can block one until the next begins."""
        if in_event_loop() or _may_have_untimed_loops():
            return
        self._remove_profiler()
        state = self._dispatcher.local.__dict__.get("thread_state")
        if state is not None:
            state.stats_valid_until = 0.0  # so that the next one's first step attaches it again

    def stop(self) -> None:
        """Stop; other threads remove theirs at their next event."""
        self._live = False
        self._remove_profiler()
        self._hooks.clear()

    def pause(self) -> None:
        """No guard is active: stop, as a profile function always costs as much."""
        self.stop()

    def _remove_profiler(self) -> None:
        here = threading.get_ident()
        current = sys.getprofile()
        if current is not None and current is self._hooks.get(here):
            sys.setprofile(self._before.get(here))

    def _make_hook(self, state: ThreadState) -> Callable[[FrameType, str, Any], None]:
        # The hot path, for each call and return: everything that it needs is a local.
        dispatcher, catalog, before = self._dispatcher, self._dispatcher.catalog, self._before
        entries, kinds = catalog.entries, catalog.callable_types
        busy_threads = dispatcher.busy_threads
        last, modules = _NAMED_FUNCTION_NAMES, _NAMED_MODULES
        calls, previous_slice = 0, -1.0

        def hook(frame: FrameType, event: str, arg: Any) -> None:
            nonlocal calls, previous_slice
            if before and (earlier := before.get(threading.get_ident())) is not None:
                earlier(frame, event, arg)
            if event == "return":
                return
            if event == "c_return":
                if busy_threads:
                    dispatcher.call_ended(arg, frame, _EVIDENCE)
                return
            calls += 1
            if calls >= _MAX_CALLS:
                calls, previous_slice = 0, self._stop_if_computing(state, previous_slice)
            if event == "c_call":
                entry = entries.get(arg) if type(arg) in kinds else None
                if entry is None and catalog.being_imported and catalog.learn_imported():
                    entry = catalog.find(arg)
                if entry is None and arg.__name__ in catalog.names:
                    entry = catalog.find_bound(arg)
                if entry is not None:
                    self._on_catalog_call(entry, frame, arg)
            elif event == "call":
                # Reading the code of a frame raises an audit event, which arrives here too.
                module = frame.f_globals.get("__name__")
                if module in modules and frame.f_code.co_name in last:
                    self._python_call(frame)
            elif busy_threads:  # c_exception
                dispatcher.call_ended(arg, frame, _EVIDENCE)

        return hook

    def _stop_if_computing(self, state: ThreadState, previous_slice: float) -> float:
        """Very many calls were made: stop profiling if all in one step; returns its start."""
        if state.start and state.start == previous_slice:
            state.needs_cleanup = True  # so that we are attached again after the step
            self._remove_profiler()
        return state.start

    def _on_catalog_call(self, entry: Any, frame: FrameType, arg: Any) -> None:
        if not self._live:
            sys.setprofile(self._before.get(threading.get_ident()))
        elif self._dispatcher.probing_thread and self._dispatcher.is_probe(_EVIDENCE):
            return
        elif in_event_loop() and not is_loop_poll(frame):
            site = (identity(frame.f_code), frame.f_lasti)
            if self._reports.get(site, 0) >= MAX_REPORTS_PER_SITE:
                return
            owner = arg.__self__
            seen = UNKNOWN if _is_module(owner) else owner
            if self._dispatcher.call_started(entry, arg, seen, frame, _EVIDENCE):
                self._reports[site] = self._reports.get(site, 0) + 1

    def _python_call(self, frame: FrameType) -> None:
        named = find_named(frame.f_code.co_qualname, str(frame.f_globals.get("__name__")))
        if named is not None and named.always and frame.f_back is not None and in_event_loop():
            self._dispatcher.on_named_call(named.entry, frame.f_back, _EVIDENCE)

    def __repr__(self) -> str:
        return f"<CallProfileMonitor: {'live' if self._live else 'idle'}>"


# Of the functions that are always reported.
_NAMED = [(name, one) for name, ones in NAMED.items() for one in ones if one.always]
_NAMED_FUNCTION_NAMES = frozenset(name.rpartition(".")[2] for name, _ in _NAMED)
_NAMED_MODULES = frozenset(module for _, one in _NAMED for module in one.modules)


def _may_have_untimed_loops() -> bool:
    """May there be loops whose steps are not timed, so that the first one cannot attach it?"""
    return "uvloop" in sys.modules or "winloop" in sys.modules


def _is_module(owner: Any) -> bool:
    return owner is None or isinstance(owner, type(sys))
