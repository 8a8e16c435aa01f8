"""The call tap on Python 3.11: a profile function on each thread that runs a loop.

It receives every call, so it costs more than `sys.monitoring` does; the answers
are the same. So it is taken off wherever a loop of asyncio's ends, until the next one begins.
A profile function that was there before goes on being called.

A step that makes very many calls computes. From then on the audit hook and the step watch alone
see what it does until it ends, or the next request begins.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from .._core.frames import identity
from .catalog import NAMED, find_named
from .dispatcher import MOST_TELLINGS, Hub, Unseen, on_loop
from .loop_steps import is_loops_wait

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from .._core.frames import UserCode
    from .thread_state import Cell

_WITNESS = "call tap (profile)"
# After so many calls, twice, in one step nobody listens to the rest of it: 10 ms and more.
_MOST_CALLS = 20_000


class ProfileTap:
    """Listens to calls on the threads that it was attached to."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._live = False
        self._hooks: dict[int, Any] = {}  # by thread
        self._before: dict[int, Any] = {}
        self._told: dict[tuple[int, int], int] = {}

    def start(self, user: UserCode, *, anew: bool, patches: bool) -> str:
        """Begin to listen, on each thread with its loop's first step."""
        self._told.clear()
        self._live = True
        if on_loop() or _has_untimed_loops():
            self.attach()
        return ""

    def attach(self) -> None:
        """Listen on the calling thread, too."""
        if not self._live:
            return
        current, here = sys.getprofile(), threading.get_ident()
        hook = self._hooks.get(here)
        if hook is None:
            hook = self._hooks[here] = self._make_hook(self._hub.cell())
        if current is hook:
            return
        # A thread that lives on has the hook of an earlier guard: not somebody else's.
        if current is not None and getattr(current, "__module__", "") != __name__:
            self._before[here] = current
        sys.setprofile(hook)

    def detach(self) -> None:
        """The calling thread's loop has ended: what comes until the next one begins is nothing."""
        if on_loop() or _has_untimed_loops():
            return
        self._take_off()
        cell = self._hub.local.__dict__.get("cell")
        if cell is not None:
            cell.stale = 0.0  # so that the next one's first step is noticed

    def stop(self) -> None:
        """Stop listening; other threads give up at their next event."""
        self._live = False
        self._take_off()
        self._hooks.clear()

    def rest(self) -> None:
        """Nobody listens for now: a profile function costs as much as before, so it stops."""
        self.stop()

    def _take_off(self) -> None:
        here = threading.get_ident()
        current = sys.getprofile()
        if current is not None and current is self._hooks.get(here):
            sys.setprofile(self._before.get(here))

    def _make_hook(self, cell: Cell) -> Callable[[FrameType, str, Any], None]:
        # Each call and each return comes by here: everything that it needs is a local.
        hub, catalog, before = self._hub, self._hub.catalog, self._before
        entries, kinds, opened = catalog.entries, catalog.kinds, hub.open
        last, modules = _NAMED_LAST, _NAMED_MODULES
        calls, slice_before = 0, -1.0

        def hook(frame: FrameType, event: str, arg: Any) -> None:
            nonlocal calls, slice_before
            if before and (earlier := before.get(threading.get_ident())) is not None:
                earlier(frame, event, arg)
            if event == "return":
                return
            if event == "c_return":
                if opened:
                    hub.leave(arg, frame, _WITNESS)
                return
            calls += 1
            if calls >= _MOST_CALLS:
                calls, slice_before = 0, self._computes(cell, slice_before)
            if event == "c_call":
                entry = entries.get(arg) if type(arg) in kinds else None
                if entry is None and catalog.late and catalog.learn_late():
                    entry = catalog.find(arg)
                if entry is None and arg.__name__ in catalog.names:
                    entry = catalog.bound(arg)
                if entry is not None:
                    self._begins(entry, frame, arg)
            elif event == "call":
                # Reading the code of a frame raises an audit event, which arrives here too.
                module = frame.f_globals.get("__name__")
                if module in modules and frame.f_code.co_name in last:
                    self._python_call(frame)
            elif opened:  # c_exception
                hub.leave(arg, frame, _WITNESS)

        return hook

    def _computes(self, cell: Cell, slice_before: float) -> float:
        """Very many calls were made; if all in one step, that is enough of it. Returns which."""
        if cell.start and cell.start == slice_before:
            cell.dirty = True  # so that we are attached again after the step
            self._take_off()
        return cell.start

    def _begins(self, entry: Any, frame: FrameType, arg: Any) -> None:
        if not self._live:
            sys.setprofile(self._before.get(threading.get_ident()))
        elif self._hub.probe and self._hub.probing(_WITNESS):
            return
        elif on_loop() and not is_loops_wait(frame):
            site = (identity(frame.f_code), frame.f_lasti)
            if self._told.get(site, 0) >= MOST_TELLINGS:
                return
            owner = arg.__self__
            seen = Unseen if _is_module(owner) else owner
            if self._hub.enter(entry, arg, seen, frame, _WITNESS):
                self._told[site] = self._told.get(site, 0) + 1

    def _python_call(self, frame: FrameType) -> None:
        named = find_named(frame.f_code.co_qualname, str(frame.f_globals.get("__name__")))
        if named is not None and named.always and frame.f_back is not None and on_loop():
            self._hub.wrote(named.entry, frame.f_back, _WITNESS)

    def __repr__(self) -> str:
        return f"<ProfileTap: {'live' if self._live else 'idle'}>"


# Of those that count by their name alone.
_NAMED = [(name, one) for name, ones in NAMED.items() for one in ones if one.always]
_NAMED_LAST = frozenset(name.rpartition(".")[2] for name, _ in _NAMED)
_NAMED_MODULES = frozenset(module for _, one in _NAMED for module in one.modules)


def _has_untimed_loops() -> bool:
    """May there be loops whose steps nobody times, so that we cannot attach with the first?"""
    return "uvloop" in sys.modules or "winloop" in sys.modules


def _is_module(owner: Any) -> bool:
    return owner is None or isinstance(owner, type(sys))
