"""The call monitor on Python 3.12+: `sys.monitoring` CALL events against the catalog.

A call site whose callee cannot block is disabled at its first event, so that
the rest costs very little; `call_site_filter.py` decides which sites stay on.
Calls that the loop's libraries, pytest and this plugin make are never reported, so
their sites are disabled whatever they call.

Enabling every site again costs more than a small test does. So the call monitor stays on
between tests, and enables all sites again only for some test files (`detectors.py`). In each test
it enables those of the user's code only, which has a tool of its own (`monitor_user_code.py`).
"""

from __future__ import annotations

import sys
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from .._core.frames import identity
from .call_arguments import judge
from .call_site_filter import NAMED_FUNCTION_NAMES, WRAPPER_TYPES, CallSiteFilter, is_short_lock
from .catalog import Entry
from .catalog import remedies as to
from .dispatcher import MAX_REPORTS_PER_SITE, Dispatcher, in_event_loop
from .loop_steps import is_loop_code, is_loop_poll
from .monitor_lines import ENTER_CONDITION, LineMonitor
from .monitor_user_code import CONDITION_WAIT, UserCodeMonitor
from .operands import MISSING, Operand, last_argument
from .stack_analysis import is_never_reported
from .thread_stats import OVERHEAD

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core.frames import UserCode

_EVIDENCE = "call monitor"
_TOOL, _USER_CODE_TOOL = "pytest-asyncfastapi", "pytest-asyncfastapi: your code"
# 0-2 and 5 belong to debuggers, coverage, profilers and optimisers.
_TOOL_IDS = (4, 3, 5, 2, 0, 1)
_MAX_FUNCTIONS = 20_000
_MAX_HARMLESS_EVENTS = 8


class CallEventMonitor:
    """Receives call events while it is started; one per dispatcher."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._user: UserCode | None = None
        self._tool: int | None = None
        self._user_code = UserCodeMonitor()
        self._site_filter = CallSiteFilter(
            dispatcher.catalog, dispatcher.exclude_overhead, self._user_code.always_restart
        )
        self._reports: dict[tuple[int, int], int] = {}
        self._harmless_events: dict[tuple[int, int], int] = {}  # calls of a site that may change
        self._last_arguments: dict[tuple[int, int], tuple[CodeType, Operand | None]] = {}
        self._lines = LineMonitor(dispatcher)
        self._site_limit_hit = False  # a library's site was disabled after too many reports
        self._polls_disabled = False
        self._is_user_file: dict[str, bool] = {}  # by file: is it the user's?

    def start(self, user: UserCode, *, restart_all: bool, patches_functions: bool) -> str:
        """Enable the user's call sites, with `restart_all` every one; returns a problem, or "".

        Most of the user's functions are enabled again in their first tests only; all of them in a
        test that `patches_functions`.
        """
        if self._user is None or self._user.root != user.root:
            self.stop()
            self._site_filter.clear()
            self._is_user_file.clear()
        elif len(self._user_code.codes) >= _MAX_FUNCTIONS:
            self.stop()
        self._user = user
        limit_hit, self._site_limit_hit = self._site_limit_hit, False
        self.pause()
        if self._tool is None:
            problem = self._register()
            if problem:
                return problem
        elif self._user_code.tool is not None and not (restart_all or limit_hit):
            self._user_code.restart(every=patches_functions)
            self._lines.restart(self._tool, every=patches_functions)
            return ""
        _monitoring().restart_events()
        return ""

    def _register(self) -> str:
        monitoring = _monitoring()
        free = [tool for tool in _TOOL_IDS if monitoring.get_tool(tool) is None]
        if not free:
            return "no sys.monitoring tool id is free: the call monitor does not run"
        tool = self._tool = free[0]
        monitoring.use_tool_id(tool, _TOOL)
        on_return = self._make_on_return()
        # The last ids are left to the tools that they are reserved for.
        if len(free) > 1 and free[1] in _TOOL_IDS[:3]:
            self._user_code.start(
                free[1], _USER_CODE_TOOL, self._on_call(in_user_code=True), on_return
            )
        events = monitoring.events
        monitoring.register_callback(tool, events.CALL, self._on_call(in_user_code=False))
        monitoring.register_callback(tool, events.C_RETURN, on_return)
        monitoring.register_callback(tool, events.C_RAISE, on_return)
        monitoring.register_callback(tool, events.PY_START, self._on_start)
        monitoring.register_callback(tool, events.LINE, self._lines.callback(_ITERATES, tool))
        monitoring.register_callback(tool, events.PY_RETURN, self._lines.on_return)
        wanted = events.CALL | events.C_RETURN | events.C_RAISE | events.PY_START
        OVERHEAD.measure(lambda: monitoring.set_events(tool, wanted))
        return ""

    def pause(self) -> None:
        """No guard is active: forget the test, but stay enabled."""
        self._reports.clear()
        self._lines.forget()
        self._site_filter.functions.forget()

    def stop(self) -> None:
        """Stop monitoring and free the tool ids."""
        tool, self._tool = self._tool, None
        if tool is None:
            return
        monitoring = _monitoring()
        events = monitoring.events
        monitoring.set_events(tool, 0)
        self._lines.stop(tool)
        self._user_code.stop()
        self._last_arguments.clear()
        self._harmless_events.clear()
        self.pause()
        self._site_filter.functions.clear()
        self._polls_disabled = False
        for event in (
            events.CALL, events.C_RETURN, events.C_RAISE, events.PY_START, events.LINE,
            events.PY_RETURN,
        ):  # fmt: skip
            monitoring.register_callback(tool, event, None)
        monitoring.free_tool_id(tool)

    def _on_call(  # noqa: PLR0915 - as below
        self, *, in_user_code: bool
    ) -> Callable[[CodeType, int, Any, Any], object]:
        # The hot path: everything it needs is a local.
        dispatcher, site_filter = self._dispatcher, self._site_filter
        catalog = dispatcher.catalog
        entries, kinds = catalog.entries, catalog.callable_types
        disable, in_loop = _monitoring().DISABLE, in_event_loop
        getframe, reports, overhead = sys._getframe, self._reports, OVERHEAD
        is_user_file, never_reported = self._is_user_file, is_never_reported
        other_tool_monitors, harmless_events = self._other_tool_monitors, self._harmless_events
        on_wait_outside_loop = self._user_code.on_wait_outside_loop
        always_restart = self._user_code.always_restart

        def disable_site(code: CodeType) -> object:
            if in_user_code:
                self._user_code.disabled[identity(code)] = code
            return disable

        def disable_if_frequent(code: CodeType, offset: int) -> object:
            # A site can only be enabled again together with all others of its function.
            if in_user_code:
                site = (identity(code), offset)
                harmless_events[site] = times = harmless_events.get(site, 0) + 1
                if times < _MAX_HARMLESS_EVENTS:
                    return None
            return disable_site(code)

        def on_call(  # noqa: PLR0911, PLR0912, PLR0915 - one function: a further call would slow each event
            code: CodeType, offset: int, callee: Any, arg0: Any
        ) -> object:
            overhead.events += 1
            is_user_code: bool | None = True
            if not in_user_code:
                is_user_code = is_user_file.get(code.co_filename)
                if is_user_code is None:
                    is_user_code = self._is_user_code(code)
                if (is_user_code or code is CONDITION_WAIT) and other_tool_monitors(code):
                    return disable
            kind = type(callee)
            entry = entries.get(callee) if kind in kinds else None
            if (
                entry is None
                and catalog.being_imported
                and catalog.learn_imported()
                and kind in kinds
            ):
                entry = entries.get(callee)
            if entry is None:
                if kind is MethodType:
                    callee = callee.__func__
                    kind = type(callee)
                if kind is FunctionType:
                    name = callee.__name__
                    if name in NAMED_FUNCTION_NAMES and self._python_call(callee):
                        return None
                    if name == "select" and self._is_selector_call(code, callee):
                        return None
                elif kind is BuiltinFunctionType:
                    if callee.__name__ in catalog.names and in_loop():
                        entry = catalog.find_bound(callee)
                        arg0 = callee.__self__
                elif kind in WRAPPER_TYPES:
                    entry, arg0 = site_filter.unwrap(callee, kind, arg0)
                elif kind not in kinds and self._instance_call(kind):
                    return None
                if entry is None:
                    if not is_user_code:
                        return (
                            None
                            if site_filter.keep_library_site(code, offset, callee, kind)
                            else disable
                        )
                    if callee is ENTER_CONDITION:
                        self._lines.on_enter_condition(callee, arg0, getframe(1), self._tool)
                        return None
                    if code is CONDITION_WAIT:
                        return disable
                    answer = site_filter.judge_user_site(code, offset, callee, kind)
                    if answer == "seldom":
                        return disable_if_frequent(code, offset)
                    return disable if answer == "never" else None
            if not is_user_code and (
                never_reported(code.co_filename, entry.category)
                or is_short_lock(entry, code, callee, offset)
            ):
                return disable
            if not dispatcher.listeners:
                return None
            if entry.judge == "wait":
                if not in_loop():
                    return on_wait_outside_loop(code) if in_user_code else None
                if judge(entry, arg0) is None:  # a free lock, say
                    return None
            elif entry.judge == "socket":
                if judge(entry, arg0) is None:  # it does not wait
                    return None
            elif entry.judge in _BY_OPERAND:
                entry, arg0 = self._operand(entry, code, offset, arg0)
                if entry is None:
                    return disable_site(code)
                if entry.judge == "iterates" and judge(entry, arg0) is None:
                    return disable_if_frequent(code, offset)
            if dispatcher.probing_thread and dispatcher.is_probe(_EVIDENCE):
                return None
            if not in_loop():
                return None
            frame = getframe(1)
            if entry.name in _POLLS and is_loop_poll(frame):
                self._polls_disabled = True  # there is one in each step
                return disable
            if dispatcher.call_started(entry, callee, arg0, frame, _EVIDENCE):
                site = (identity(code), offset)
                reports[site] = times = reports.get(site, 0) + 1
                always_restart.add(site[0])
                if times > MAX_REPORTS_PER_SITE:
                    self._site_limit_hit = self._site_limit_hit or not in_user_code
                    return disable_site(code)
            return None

        return on_call

    def _make_on_return(self) -> Callable[[CodeType, int, Any, Any], None]:
        dispatcher, getframe = self._dispatcher, sys._getframe
        busy_threads = dispatcher.busy_threads

        def on_return(code: CodeType, offset: int, callee: Any, arg0: Any) -> None:
            # Every C call of an enabled site ends here; mostly there is no open call.
            if busy_threads:
                dispatcher.call_ended(callee, getframe(1), _EVIDENCE)

        return on_return

    def _python_call(self, callee: Any, depth: int = 2) -> bool:
        """Is this a function that is always reported? Then its sites stay enabled."""
        named, _ = self._site_filter.functions.find(callee)
        if named is None or not named.always:
            return False
        if self._dispatcher.listeners and in_event_loop():
            self._dispatcher.on_named_call(named.entry, sys._getframe(depth), _EVIDENCE)
        return True

    def _is_selector_call(self, code: CodeType, callee: Any) -> bool:
        """A call of `select()` that is not the loop's own, which is disabled."""
        if callee.__module__ != "selectors" or is_loop_code(code):
            return False
        if self._polls_disabled and in_event_loop():
            self._polls_disabled = False
            _monitoring().restart_events()
        return True

    def _instance_call(self, kind: type) -> bool:
        """The same for an object that is called, such as a gRPC method."""
        call = vars(kind).get("__call__")
        return type(call) is FunctionType and self._python_call(call, 3)

    def _operand(
        self, entry: Entry, code: CodeType, offset: int, arg0: Any
    ) -> tuple[Entry | None, Any]:
        """What the call reads, writes or applies; only in the user's code."""
        if not self._is_user_code(code):
            return None, arg0
        if entry.judge == "iterates":
            return entry, arg0
        if entry.judge == "applies":  # map(time.sleep, ...)
            applied = self._dispatcher.catalog.find(arg0)
            return (applied if applied is not None and applied.judge == "always" else None), arg0
        known = self._last_arguments.get((identity(code), offset))
        if known is None:
            keyword = "file" if entry.name == "print" else ""
            with self._dispatcher.exclude_overhead():
                known = (code, last_argument(code, offset, keyword))
            self._last_arguments[identity(code), offset] = known
        value = MISSING if known[1] is None else known[1].value(sys._getframe(2))
        return (None if value is MISSING else entry), value

    def _is_user_code(self, code: CodeType) -> bool:
        """Is this a function of the user's own, whose sites are all observed in each test?"""
        known = self._is_user_file.get(code.co_filename)
        if known is None:
            user = self._user
            with self._dispatcher.exclude_overhead():  # it may ask the file system
                # Not what Jinja or Mako makes of a template, which is compiled anew for each app:
                # its sites call what the engine has written, or what is observed by itself.
                known = (
                    user is not None
                    and code.co_filename.endswith(".py")
                    and user.owns(code.co_filename)
                )
            self._is_user_file[code.co_filename] = known
        return known

    def _on_start(self, code: CodeType, offset: int) -> object:
        """A function begins. One of the user's is monitored as soon as it begins on a loop."""
        if self._is_user_code(code) and not self._is_monitored(code):
            if self._user_code.defer_until_loop(code):
                return None
            self._monitor_function(code)
        return _monitoring().DISABLE

    def _other_tool_monitors(self, code: CodeType) -> bool:
        """Is this user's function left to the other tool?"""
        if self._user_code.tool is None:
            return False
        if self._is_monitored(code) or not in_event_loop():
            return True
        self._monitor_function(code)  # it began before we did, or before its loop
        return False

    def _is_monitored(self, code: CodeType) -> bool:
        return identity(code) in self._user_code.codes

    def _monitor_function(self, code: CodeType) -> None:
        if self._tool is not None:
            self._user_code.monitor_function(code)
            self._lines.monitor_function(code, self._tool)

    def __repr__(self) -> str:
        return f"<CallEventMonitor: tool {self._tool}>"


_POLLS = frozenset(
    {"select.epoll.poll", "select.poll.poll", "select.select", "select.kqueue.control"}
)
_BY_OPERAND = frozenset({"iterates", "into", "applies"})
_ITERATES = Entry("for", "file", "iterates", to.FILE)


def _monitoring() -> Any:
    return sys.monitoring  # type: ignore[attr-defined,unused-ignore]
