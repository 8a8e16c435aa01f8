"""The call tap on Python 3.12+: `sys.monitoring` CALL events against the catalog.

A call site whose callee cannot matter is switched off at its first event, so that
what is left costs next to nothing; `call_sites.py` decides which sites stay on.
Calls that the loop's libraries, pytest and this plugin make are never reported, so
their sites are switched off whatever they call.

Enabling every site again costs more than a small test does. So the tap stays on
between tests, and begins anew with some files of tests (`detectors.py`). In each test it begins
anew in the user's own code only, which has a tool of its own (`monitor_user_code.py`).
"""

from __future__ import annotations

import sys
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from .._core.frames import identity
from .call_arguments import judge
from .call_sites import GO_BETWEENS, NAMED_LAST, CallSites, is_brief
from .catalog import Entry
from .catalog import remedies as to
from .dispatcher import MOST_TELLINGS, Hub, on_loop
from .loop_steps import asks_for_loop, is_loops_wait
from .monitor_lines import ENTER_CONDITION, LineTap
from .monitor_user_code import WAIT, OwnCode
from .operands import MISSING, Operand, last_argument
from .stack_analysis import silent_file
from .thread_stats import OVERHEAD

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core.frames import UserCode

_WITNESS = "call tap"
_TOOL, _OWN_TOOL = "pytest-asyncfastapi", "pytest-asyncfastapi: your code"
# 0-2 and 5 belong to debuggers, coverage, profilers and optimisers.
_TOOL_IDS = (4, 3, 5, 2, 0, 1)
_MOST_CODES = 20_000
_OFTEN = 20


class MonitoringTap:
    """Listens to calls while it is started; one per hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._user: UserCode | None = None
        self._tool: int | None = None
        self._own = OwnCode()
        self._sites = CallSites(hub.catalog, hub.aside, self._own.changing)
        self._told: dict[tuple[int, int], int] = {}
        self._often: dict[tuple[int, int], int] = {}  # calls of a site that may change
        self._last: dict[tuple[int, int], tuple[CodeType, Operand | None]] = {}
        self._lines = LineTap(hub)
        self._worn = False  # a library's site was disabled after too many reports
        self._deaf_to_polls = False
        self._owned: dict[str, bool] = {}  # by file: is it the user's?

    def start(self, user: UserCode, *, anew: bool, patches: bool) -> str:
        """Enable the user's call sites again, or `anew` every one; returns why not, or "".

        Most of the user's functions are listened to again in their first tests only; all of them
        in a test that `patches` what they call.
        """
        if self._user is None or self._user.root != user.root:
            self.stop()
            self._sites.clear()
            self._owned.clear()
        elif len(self._own.codes) >= _MOST_CODES:
            self.stop()
        self._user = user
        worn, self._worn = self._worn, False
        self.rest()
        if self._tool is None:
            trouble = self._begin()
            if trouble:
                return trouble
        elif self._own.tool is not None and not (anew or worn):
            self._own.hear_again(every=patches)
            self._lines.hear_again(self._tool)
            return ""
        _monitoring().restart_events()
        return ""

    def _begin(self) -> str:
        monitoring = _monitoring()
        free = [tool for tool in _TOOL_IDS if monitoring.get_tool(tool) is None]
        if not free:
            return "no sys.monitoring tool id is free: the call tap does not run"
        tool = self._tool = free[0]
        monitoring.use_tool_id(tool, _TOOL)
        left = self._make_on_leave()
        # The last ones are left to those whom they belong to.
        if len(free) > 1 and free[1] in _TOOL_IDS[:3]:
            self._own.start(free[1], _OWN_TOOL, self._on_call(own=True), left)
        events = monitoring.events
        monitoring.register_callback(tool, events.CALL, self._on_call(own=False))
        monitoring.register_callback(tool, events.C_RETURN, left)
        monitoring.register_callback(tool, events.C_RAISE, left)
        monitoring.register_callback(tool, events.PY_START, self._on_start)
        monitoring.register_callback(tool, events.LINE, self._lines.callback(_ITERATES))
        monitoring.register_callback(tool, events.PY_RETURN, self._lines.on_return)
        wanted = events.CALL | events.C_RETURN | events.C_RAISE | events.PY_START
        OVERHEAD.measure(lambda: monitoring.set_events(tool, wanted))
        return ""

    def rest(self) -> None:
        """Nobody listens for now: keep nothing of the test, and stay on."""
        self._told.clear()
        self._lines.forget()
        self._sites.functions.forget()

    def stop(self) -> None:
        """Stop listening and give the tool ids back."""
        tool, self._tool = self._tool, None
        if tool is None:
            return
        monitoring = _monitoring()
        events = monitoring.events
        monitoring.set_events(tool, 0)
        self._lines.stop(tool)
        self._own.stop()
        self._last.clear()
        self._often.clear()
        self.rest()
        self._deaf_to_polls = False
        for event in (
            events.CALL, events.C_RETURN, events.C_RAISE, events.PY_START, events.LINE,
            events.PY_RETURN,
        ):  # fmt: skip
            monitoring.register_callback(tool, event, None)
        monitoring.free_tool_id(tool)

    def _on_call(  # noqa: PLR0915 - as below
        self, *, own: bool
    ) -> Callable[[CodeType, int, Any, Any], object]:
        # The hot path: everything it needs is a local.
        hub, catalog, sites = self._hub, self._hub.catalog, self._sites
        entries, kinds = catalog.entries, catalog.kinds
        disable, running = _monitoring().DISABLE, on_loop
        getframe, told, overhead = sys._getframe, self._told, OVERHEAD
        owned, silent, handed_over = self._owned, silent_file, self._hand_over
        often, off_loop, changing = self._often, self._own.off_loop, self._own.changing

        def deaf(code: CodeType) -> object:
            if own:
                self._own.deaf[identity(code)] = code
            return disable

        def deaf_if_often(code: CodeType, offset: int) -> object:
            # To switch a site on again, all others of its function are switched on with it.
            if own:
                site = (identity(code), offset)
                often[site] = times = often.get(site, 0) + 1
                if times < _OFTEN:
                    return None
            return deaf(code)

        def on_call(  # noqa: PLR0911, PLR0912, PLR0915 - one function: a call of ours costs each event
            code: CodeType, offset: int, callee: Any, arg0: Any
        ) -> object:
            overhead.events += 1
            mine: bool | None = True
            if not own:
                mine = owned.get(code.co_filename)
                if mine is None:
                    mine = self._mine(code)
                if (mine or code is WAIT) and handed_over(code):
                    return disable
            kind = type(callee)
            entry = entries.get(callee) if kind in kinds else None
            if entry is None and catalog.late and catalog.learn_late() and kind in kinds:
                entry = entries.get(callee)
            if entry is None:
                if kind is MethodType:
                    callee = callee.__func__
                    kind = type(callee)
                if kind is FunctionType:
                    name = callee.__name__
                    if name in NAMED_LAST and self._python_call(callee):
                        return None
                    if name == "select" and self._selects(code, callee):
                        return None
                elif kind is BuiltinFunctionType:
                    if callee.__name__ in catalog.names and running():
                        entry = catalog.bound(callee)
                        arg0 = callee.__self__
                elif kind in GO_BETWEENS:
                    entry, arg0 = sites.through(callee, kind, arg0)
                elif kind not in kinds and self._instance_call(kind):
                    return None
                if entry is None:
                    if not mine:
                        return None if sites.of_library(code, callee, kind) else disable
                    if callee is ENTER_CONDITION:
                        self._lines.enters(callee, arg0, getframe(1), self._tool)
                        return None
                    if code is WAIT:
                        return disable
                    how = sites.of_user(code, offset, callee, kind)
                    if how == "seldom":
                        return deaf_if_often(code, offset)
                    return disable if how == "never" else None
            if not mine and (silent(code.co_filename) or is_brief(entry, code, callee, offset)):
                return disable
            if not hub.listeners:
                return None
            if entry.judge == "wait":
                if not running():
                    return off_loop(code) if own else None
                if judge(entry, arg0) is None:  # a free lock, say
                    return None
            elif entry.judge in _BY_OPERAND:
                entry, arg0 = self._operand(entry, code, offset, arg0)
                if entry is None:
                    return deaf(code)
                if entry.judge == "iterates" and judge(entry, arg0) is None:
                    return deaf_if_often(code, offset)
            if hub.probe and hub.probing(_WITNESS):
                return None
            if not running():
                return None
            frame = getframe(1)
            if entry.name in _POLLS and is_loops_wait(frame):
                self._deaf_to_polls = True  # one for each step: what is left would not be cheap
                return disable
            if hub.enter(entry, callee, arg0, frame, _WITNESS):
                site = (identity(code), offset)
                told[site] = times = told.get(site, 0) + 1
                changing.add(site[0])
                if times > MOST_TELLINGS:
                    self._worn = self._worn or not own
                    return deaf(code)
            return None

        return on_call

    def _make_on_leave(self) -> Callable[[CodeType, int, Any, Any], None]:
        hub, opened, getframe = self._hub, self._hub.open, sys._getframe

        def on_leave(code: CodeType, offset: int, callee: Any, arg0: Any) -> None:
            # Every C call of a site that is on ends here; mostly nothing is open.
            if opened:
                hub.leave(callee, getframe(1), _WITNESS)

        return on_leave

    def _python_call(self, callee: Any, depth: int = 2) -> bool:
        """Is this a function that counts by its name? Then its sites stay on."""
        named, _ = self._sites.functions.look(callee)
        if named is None or not named.always:
            return False
        if self._hub.listeners and on_loop():
            self._hub.wrote(named.entry, sys._getframe(depth), _WITNESS)
        return True

    def _selects(self, code: CodeType, callee: Any) -> bool:
        """Somebody beside the loop waits on a selector; the loop's own wait was switched off."""
        if callee.__module__ != "selectors" or asks_for_loop(code):
            return False
        if self._deaf_to_polls and on_loop():
            self._deaf_to_polls = False
            _monitoring().restart_events()
        return True

    def _instance_call(self, kind: type) -> bool:
        """The same for an object that is called, such as a gRPC method."""
        call = vars(kind).get("__call__")
        return type(call) is FunctionType and self._python_call(call, 3)

    def _operand(
        self, entry: Entry, code: CodeType, offset: int, arg0: Any
    ) -> tuple[Entry | None, Any]:
        """What the call reads, writes or applies; no entry in code that is not the user's."""
        if not self._mine(code):
            return None, arg0
        if entry.judge == "iterates":
            return entry, arg0
        if entry.judge == "applies":  # map(time.sleep, ...)
            applied = self._hub.catalog.find(arg0)
            return (applied if applied is not None and applied.judge == "always" else None), arg0
        known = self._last.get((identity(code), offset))
        if known is None:
            keyword = "file" if entry.name == "print" else ""
            with self._hub.aside():
                known = (code, last_argument(code, offset, keyword))
            self._last[identity(code), offset] = known
        value = MISSING if known[1] is None else known[1].value(sys._getframe(2))
        return (None if value is MISSING else entry), value

    def _mine(self, code: CodeType) -> bool:
        known = self._owned.get(code.co_filename)
        if known is None:
            user = self._user
            known = self._owned[code.co_filename] = user is not None and user.owns(code.co_filename)
        return known

    def _on_start(self, code: CodeType, offset: int) -> object:
        """A function begins. The user's are listened to as soon as one begins on a loop."""
        if self._mine(code) and not self._is_own(code):
            if self._own.waits_for_loop(code):
                return None
            self._listen_to(code)
        return _monitoring().DISABLE

    def _hand_over(self, code: CodeType) -> bool:
        """Leave a function of the user's to the other tool, if there is one that observes it."""
        if self._own.tool is None:
            return False
        if self._is_own(code) or not on_loop():
            return True
        self._listen_to(code)  # it began before we did, or before its loop
        return False

    def _is_own(self, code: CodeType) -> bool:
        return identity(code) in self._own.codes

    def _listen_to(self, code: CodeType) -> None:
        if self._tool is not None:
            self._own.listen_to(code)
            self._lines.look_into(code, self._tool)

    def __repr__(self) -> str:
        return f"<MonitoringTap: tool {self._tool}>"


_POLLS = frozenset(
    {"select.epoll.poll", "select.poll.poll", "select.select", "select.kqueue.control"}
)
_BY_OPERAND = frozenset({"iterates", "into", "applies"})
_ITERATES = Entry("for", "file", "iterates", to.FILE)


def _monitoring() -> Any:
    return sys.monitoring  # type: ignore[attr-defined,unused-ignore]
