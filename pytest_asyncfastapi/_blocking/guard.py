"""The blocking guard: starts the detectors, and records what they report during one test.

The detectors (call monitor, audit hook, step timer) are process-wide and shared
by all active guards; a guard keeps what was reported to it.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .._core.activity import ACTIVITY
from .._core.creation_site import current_creation_site
from .._core.findings import Finding, FindingLog
from . import default_allowlist
from .allow import ALLOWED_HERE, AllowRule, parse_rule
from .blocking_findings import classify, finding, is_reportable, severity_of, text
from .detectors import DETECTORS
from .dispatcher import DISPATCHER
from .models import BlockingCall, BlockingCallError, BlockingPolicy
from .open_record import Part, Record, belongs_to
from .stack_analysis import CallSite, analyze_call
from .stalls import INFERRED, find_causes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from .._core.frames import UserCode
    from .call_stack import CallStack
    from .catalog import Entry
    from .slow_steps import Stall

_MAX_OPEN_RECORDS = 4  # records that a further call may be a part of
_SMALL = frozenset({"file", "file_metadata", "import"})
# The lists that an active `forbid()` of this context collects in: (guard, records).
_FORBIDDEN: ContextVar[tuple[tuple[int, list[Record]], ...]] = ContextVar(
    "asyncfastapi_blocking_forbidden", default=()
)


class BlockingGuard:
    """Records every call that blocks an event loop between `start()` and `stop()`.

    Calls on the thread that started the guard are its own; calls on other
    threads that run a loop go to every guard, unless that thread has its own.
    """

    def __init__(self, policy: BlockingPolicy, user_code: UserCode, test: str = "") -> None:
        self.policy = policy
        self.user_code = user_code
        self.test = test
        self.thread: int = 0
        self.exclusive = False  # a run of pytest inside of a test: its calls are not that test's
        self.more_tests_follow = False  # the next test soon starts another guard
        self.test_file: str = test.partition("::")[0]
        self.patches_functions = False  # the test replaces functions, by a fixture for that
        self.not_watched: str = ""
        self.needs_all_calls = True  # short ones that the profile accepts, too
        self.preparing = False  # the test's fixtures run, and not yet (or no more) the test
        self.now: Callable[[], float] | None = None  # called for each recorded call, if it is set
        self._rules = tuple(parse_rule(rule) for rule in policy.allow)
        self._used: set[AllowRule] = set()
        self._context_rules: list[AllowRule] = []
        self._records: list[Record] = []
        self._open_records: dict[int, deque[Record]] = {}  # by thread
        self._steps: list[float] = []

    def start(self) -> None:
        """Start monitoring. A second call does nothing."""
        if self.policy.mode == "off" or self in DISPATCHER.listeners:
            return
        self.thread = threading.get_ident()
        self.not_watched = DETECTORS.add_guard(self, self.policy.step_threshold, self.user_code)

    def stop(self) -> None:
        """Stop monitoring; what was recorded stays. A second call does nothing."""
        if self in DISPATCHER.listeners:
            self.not_watched = self.not_watched or DISPATCHER.internal_error
            self._steps = self.step_times()
        DETECTORS.remove_guard(self)
        self._open_records.clear()

    def _is_working(self) -> bool:
        """Does each detector receive events? If not, `not_watched` says why."""
        if self in DISPATCHER.listeners:
            self.not_watched = DETECTORS.check()
        return self in DISPATCHER.listeners and not self.not_watched

    @property
    def calls(self) -> list[BlockingCall]:
        """The recorded calls, in order, with those of severity "silent"."""
        return [
            item.to_blocking_call(self.policy, self.user_code)
            for item in self._records
            if not item.stall
        ]

    @property
    def stalls(self) -> list[BlockingCall]:
        """The steps that were too long for what no recorded call explains."""
        return [
            item.to_blocking_call(self.policy, self.user_code)
            for item in self._records
            if item.stall
        ]

    def step_times(self) -> list[float]:
        """What each step of a loop took since the first guard started.

        Returns:
            Times in seconds, in the order of the steps of each thread.
        """
        if self not in DISPATCHER.listeners:
            return self._steps
        return [
            took
            for state in list(DISPATCHER.thread_states.values())
            for took in list(state.step_times)
        ]

    def findings(self) -> list[Finding]:
        """What the profile does not accept, one for each of the user's lines.

        Returns:
            Findings, without those whose severity is `"silent"`.
        """
        if not self._records:
            return []
        log = FindingLog()
        for call in (*self.calls, *self.stalls):
            if call.severity != "silent":
                log.add(finding(call))
        return list(log)

    def assert_none(self, category: str | None = None) -> None:
        """Fail if anything blocked.

        Args:
            category: Count the calls of this category only, whatever their severity; None counts
                every call that is not silent.

        Raises:
            AssertionError: With the findings.

        Example:
            ```python
            blocking.assert_none()
            ```
        """
        calls = [*self.calls, *self.stalls]
        if category is not None:
            bad = [call for call in calls if call.category == category]
        else:
            bad = [call for call in calls if call.severity != "silent"]
        if bad:
            raise AssertionError("\n\n".join(text(finding(call)) for call in bad))

    def _unused_rules(self) -> list[AllowRule]:
        """The rules that allowed nothing: the policy's and those of `allow()`."""
        return [rule for rule in (*self._rules, *self._context_rules) if rule not in self._used]

    def _used_rules(self) -> list[AllowRule]:
        """The rules of the policy that allowed something."""
        return [rule for rule in self._rules if rule in self._used]

    @contextmanager
    def allow(self, *what: str, reason: str = "") -> Iterator[None]:
        """Allow what these rules name, for what is called or started inside the block.

        Args:
            *what: Rules: `"module:function"`, `"category@module"`, a category, or a callable's
                name.
            reason: Why it is allowed, for the reader of the test.

        Returns:
            A context manager.

        Raises:
            TypeError: If there is no rule.
            ValueError: If a rule cannot be read.

        Example:
            ```python
            with blocking.allow("open", reason="read once, at the first request"):
                await asgi_client.get("/settings")
            ```
        """
        if not what:
            raise TypeError('blocking.allow() allows nothing: write allow("open", reason="...")')
        rules = [AllowRule(item, reason, "allow()") for item in what]
        self._context_rules += rules
        DETECTORS.step_timer.split_step()
        context_rules = tuple((id(self), rule) for rule in rules)
        token = ALLOWED_HERE.set((*ALLOWED_HERE.get(), *context_rules))
        try:
            yield
        finally:
            DETECTORS.step_timer.split_step()
            ALLOWED_HERE.reset(token)

    @contextmanager
    def forbid(self) -> Iterator[None]:
        """Forbid blocking inside the block, as the strict profile judges it.

        Returns:
            A context manager.

        Raises:
            BlockingCallError: At the end of the block, if anything blocked inside it.

        Example:
            ```python
            with blocking.forbid():
                await asgi_client.get("/health")
            ```
        """
        DETECTORS.step_timer.split_step()
        found: list[Record] = []
        token = _FORBIDDEN.set((*_FORBIDDEN.get(), (id(self), found)))
        try:
            yield
            DETECTORS.step_timer.split_step()
        finally:
            _FORBIDDEN.reset(token)
        if found:
            strict = BlockingPolicy(profile="strict")
            messages = [
                text(finding(item.to_blocking_call(strict, self.user_code))) for item in found
            ]
            raise BlockingCallError("\n\n".join(messages))

    def _ignores_call(self, entry: Entry, frame: FrameType) -> bool:
        """Is this call certainly not reported? Decided from a few frames, before the stack is read.

        Reading a stack takes longer than the call, and nearly all small calls are of this kind.
        """
        if entry.category not in _SMALL:
            return False
        if self.preparing and not ACTIVITY.get():
            return True  # start-up; see `blocking_findings.severity_of()`
        return entry.category != "import" and default_allowlist.is_noise(entry.category, frame)

    def _record_call(self, entry: Entry, args: str, stack: CallStack, evidence: str) -> Part | None:
        """Record a call that a detector reports (see `dispatcher.Listener`)."""
        activity = ACTIVITY.get()
        call_site = analyze_call(stack, self.user_code, activity)
        user_frame_id = stack.frame_id(call_site.user_depth) if call_site.user_frame else 0
        if entry.category == "import" and not call_site.importing:
            # The event comes before the import machinery is on the stack.
            call_site = replace(
                call_site,
                importing=True,
                imported_module=args.strip("'"),
                imported_by_library=call_site.indirect,
            )
        name, category, remedy = classify(entry, call_site)
        if not is_reportable(category, call_site, entry.judge):
            return None
        inner = "" if entry.category == "http" else entry.name
        for latest in reversed(self._open_records.get(threading.get_ident(), ())):
            if not belongs_to(latest, name, entry, call_site, user_frame_id):
                continue
            # An import takes longer than its calls: the step timer measures it.
            if latest.category == "import":
                return None
            if category != latest.category and self._allows(
                category, (name, entry.name), call_site, ALLOWED_HERE.get()
            ):
                return None
            return latest.part(inner, category, remedy, entry.judge)
        if self._allows(category, (name, entry.name), call_site, ALLOWED_HERE.get()):
            return None
        if category == "import" != entry.category:
            args = call_site.imported_module  # not the file that the import machinery read
        record = Record(
            name,
            args=args,
            category=category,
            call_site=call_site,
            activity=activity,
            remedy=remedy,
            evidence=evidence,
            test=self.test,
            creation_site=current_creation_site(),
            judge=entry.judge,
            user_frame_id=user_frame_id,
        )
        record.first.name = inner
        self._keep(record)
        weight = severity_of(
            category,
            None,
            self.policy,
            call_site,
            activity,
            preparing=record.preparing,
            judge=entry.judge,
        )
        if self.policy.mode == "raise" and weight == "error":
            raise BlockingCallError(
                text(finding(record.to_blocking_call(self.policy, self.user_code)))
            )
        return record.first

    def _record_stall(self, stall: Stall) -> None:
        """Record what made a step too long (see `dispatcher.Listener`)."""
        for found, entry, cost, evidence in find_causes(stall, self.policy, self.user_code):
            call_site = self._call_site_of(found, stall)
            if not is_reportable(entry.category, call_site) or self._adds_to_record(
                entry, call_site, cost
            ):
                continue
            if cost >= min(self.policy.step_threshold, self.policy.cpu_threshold):
                allowed = stall.context.get(ALLOWED_HERE, ())
                if not self._allows(entry.category, (entry.name,), call_site, allowed):
                    record = Record(
                        entry.name,
                        args=call_site.imported_module if entry.category == "import" else "",
                        category=entry.category,
                        call_site=call_site,
                        activity=stall.label,
                        remedy=entry.remedy,
                        evidence=evidence,
                        test=self.test,
                        creation_site=stall.creation_site,
                    )
                    record.stall = True
                    record.observed = evidence != INFERRED
                    record.first.add_time(cost, cost)
                    self._keep(record)

    def _call_site_of(self, call_site: CallSite, stall: Stall) -> CallSite:
        """Its call site; if no stack was sampled, that of the last call in this step."""
        latest = self._open_records.get(threading.get_ident())
        if call_site.where is None and latest and latest[-1].began >= stall.started:
            return latest[-1].call_site
        return call_site

    def _adds_to_record(self, entry: Entry, call_site: CallSite, cost: float) -> bool:
        """Was this import or named call recorded already? Then add its time."""
        for record in reversed(self._records):
            same = entry.category == "import" or record.name == entry.name
            if same and record.category == entry.category and record.is_at(call_site):
                record.first.add_time(cost, cost)
                return True
        return False

    def _keep(self, record: Record) -> None:
        if self.now is not None:
            record.at = self.now()
        record.preparing = self.preparing and not record.activity
        self._records.append(record)
        if not record.stall:
            self._open_records.setdefault(
                threading.get_ident(), deque(maxlen=_MAX_OPEN_RECORDS)
            ).append(record)
        for guard, found in _FORBIDDEN.get():
            if guard == id(self):
                found.append(record)

    def _allows(
        self,
        category: str,
        names: tuple[str, ...],
        call_site: CallSite,
        context_rules: tuple[tuple[int, AllowRule], ...],
    ) -> bool:
        allowed = False
        for rule in (*self._rules, *(rule for owner, rule in context_rules if owner == id(self))):
            if rule.matches(category, names, call_site.labels):
                self._used.add(rule)
                allowed = True
        return (
            allowed
            or default_allowlist.allows(category, call_site.labels)
            or any(rule.matches(category, names, call_site.labels) for rule in self.policy.shipped)
        )

    def __enter__(self) -> BlockingGuard:
        self.start()
        return self

    def __exit__(self, *exc: Any) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "watching" if self in DISPATCHER.listeners else "idle"
        return f"<BlockingGuard: {state}, {len(self._records)} calls, {self.policy.mode}>"
