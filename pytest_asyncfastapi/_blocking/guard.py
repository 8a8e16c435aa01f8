"""The blocking guard: starts the witnesses, and records what they saw for one test.

The witnesses (call tap, audit hook, step watch) are process-wide and shared
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
from .allow import ALLOWED_HERE, AllowRule, as_rule
from .blocking_findings import classify, counts, finding, text, weigh
from .default_allowlist import NOISE, is_noise
from .detectors import WITNESSES
from .dispatcher import HUB
from .models import BlockingCall, BlockingCallError, BlockingPolicy
from .open_record import Part, Record, joins
from .stack_analysis import Scene, Spot, read_scene
from .stalls import CONCLUDED, explain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from .._core.frames import UserCode
    from .catalog import Entry
    from .step_watch import Stall

_LAST = 4  # records that a further call may be a part of
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
        self.alone = False  # a run of pytest inside of a test: its calls are not that test's
        self.lingers = False  # one of many, a test after the other
        self.file: str = test.partition("::")[0]
        self.patches = False  # the test replaces functions, by a fixture for that
        self.not_watched: str = ""
        self.preparing = False  # the test's fixtures run, and not yet (or no more) the test
        self.now: Callable[[], float] | None = None  # called with each call, if it is given
        self._rules = tuple(as_rule(rule) for rule in policy.allow)
        self._used: set[AllowRule] = set()
        self._given: list[AllowRule] = []
        self._records: list[Record] = []
        self._latest: dict[int, deque[Record]] = {}  # by thread
        self._steps: list[float] = []

    def start(self) -> None:
        """Begin to watch. A second call does nothing."""
        if self.policy.mode == "off" or self in HUB.listeners:
            return
        self.thread = threading.get_ident()
        self.not_watched = WITNESSES.join(self, self.policy.step_threshold, self.user_code)

    def stop(self) -> None:
        """Stop watching; what was recorded stays. A second call does nothing."""
        if self in HUB.listeners:
            self.not_watched = self.not_watched or HUB.broken
            self._steps = self.step_times()
        WITNESSES.leave(self)
        self._latest.clear()

    def _armed(self) -> bool:
        """Is a blocking call seen, by each witness? If not, `not_watched` says why."""
        if self in HUB.listeners:
            self.not_watched = WITNESSES.check()
        return self in HUB.listeners and not self.not_watched

    @property
    def calls(self) -> list[BlockingCall]:
        """The calls that were seen, in order; "silent" ones among them."""
        return [
            item.frozen(self.policy, self.user_code) for item in self._records if not item.stall
        ]

    @property
    def stalls(self) -> list[BlockingCall]:
        """The steps that were too long for what no recorded call explains."""
        return [item.frozen(self.policy, self.user_code) for item in self._records if item.stall]

    def step_times(self) -> list[float]:
        """What each step of a loop took since the first guard started.

        Returns:
            Times in seconds, in the order of the steps of each thread.
        """
        if self not in HUB.listeners:
            return self._steps
        return [took for cell in list(HUB.cells.values()) for took in list(cell.steps)]

    def findings(self) -> list[Finding]:
        """What the profile does not accept, one for each of the user's lines.

        Returns:
            Findings, without those whose severity is `"silent"`.
        """
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
        return [rule for rule in (*self._rules, *self._given) if rule not in self._used]

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
        self._given += rules
        WITNESSES.steps.cut()
        here = tuple((id(self), rule) for rule in rules)
        token = ALLOWED_HERE.set((*ALLOWED_HERE.get(), *here))
        try:
            yield
        finally:
            WITNESSES.steps.cut()
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
        WITNESSES.steps.cut()
        found: list[Record] = []
        token = _FORBIDDEN.set((*_FORBIDDEN.get(), (id(self), found)))
        try:
            yield
            WITNESSES.steps.cut()
        finally:
            _FORBIDDEN.reset(token)
        if found:
            strict = BlockingPolicy(profile="strict")
            told = [text(finding(item.frozen(strict, self.user_code))) for item in found]
            raise BlockingCallError("\n\n".join(told))

    def _ignores(self, entry: Entry, frame: FrameType) -> bool:
        """Is this call surely of no interest? Decided from a few frames, before the stack is read.

        Reading a stack takes longer than the call, and nearly all small calls are of this kind.
        """
        if entry.category not in _SMALL:
            return False
        if self.preparing and not ACTIVITY.get():
            return True  # start-up; see `verdict.weigh()`
        return entry.category != "import" and is_noise(entry.category, frame)

    def _saw(self, entry: Entry, args: str, stack: list[Spot], witness: str) -> Part | None:
        """A witness saw a call (see `hub.Listener`)."""
        activity = ACTIVITY.get()
        scene = read_scene(stack, self.user_code, activity)
        if entry.category == "import" and not scene.importing:
            # The event comes before the import machinery is on the stack.
            scene = replace(scene, importing=True, imports=args.strip("'"), lazily=scene.through)
        name, category, remedy = classify(entry, scene)
        if not counts(category, scene, entry.judge):
            return None
        inner = "" if entry.category == "http" else entry.name
        for latest in reversed(self._latest.get(threading.get_ident(), ())):
            if not joins(latest, name, entry, scene):
                continue
            # What an import took is more than what its calls took: the step watch knows.
            if latest.category == "import":
                return None
            if category != latest.category and self._allows(
                category, (name, entry.name), scene, ALLOWED_HERE.get()
            ):
                return None
            return latest.part(inner, category, remedy, entry.judge)
        if self._allows(category, (name, entry.name), scene, ALLOWED_HERE.get()):
            return None
        if category == "import" != entry.category:
            args = scene.imports  # not the file that the import machinery looked at
        record = Record(
            name,
            args=args,
            category=category,
            scene=scene,
            activity=activity,
            remedy=remedy,
            witness=witness,
            test=self.test,
            site=current_creation_site(),
            judge=entry.judge,
        )
        record.first.name = inner
        self._keep(record)
        weight = weigh(
            category,
            None,
            self.policy,
            scene,
            activity,
            preparing=record.preparing,
            judge=entry.judge,
        )
        if self.policy.mode == "raise" and weight == "error":
            raise BlockingCallError(text(finding(record.frozen(self.policy, self.user_code))))
        return record.first

    def _stalled(self, stall: Stall) -> None:
        """The step watch found a step too long (see `hub.Listener`)."""
        for found, entry, cost, evidence in explain(stall, self.policy, self.user_code):
            scene = self._place(found, stall)
            if not counts(entry.category, scene) or self._extends(entry, scene, cost):
                continue
            if cost >= min(self.policy.step_threshold, self.policy.cpu_threshold):
                allowed = stall.context.get(ALLOWED_HERE, ())
                if not self._allows(entry.category, (entry.name,), scene, allowed):
                    record = Record(
                        entry.name,
                        args=scene.imports if entry.category == "import" else "",
                        category=entry.category,
                        scene=scene,
                        activity=stall.label,
                        remedy=entry.remedy,
                        witness=evidence,
                        test=self.test,
                        site=stall.site,
                    )
                    record.stall = True
                    record.seen = evidence != CONCLUDED
                    record.first.ended(cost, cost)
                    self._keep(record)

    def _place(self, scene: Scene, stall: Stall) -> Scene:
        """Where it was; if nobody could look, where the last call of this step was made."""
        latest = self._latest.get(threading.get_ident())
        if scene.where is None and latest and latest[-1].began >= stall.started:
            return latest[-1].scene
        return scene

    def _extends(self, entry: Entry, scene: Scene, cost: float) -> bool:
        """Was this import or named call recorded already? Then it learns what it cost."""
        for record in reversed(self._records):
            same = entry.category == "import" or record.name == entry.name
            if same and record.category == entry.category and record.is_at(scene):
                record.first.ended(cost, cost)
                return True
        return False

    def _keep(self, record: Record) -> None:
        if self.now is not None:
            record.at = self.now()
        record.preparing = self.preparing and not record.activity
        self._records.append(record)
        if not record.stall:
            self._latest.setdefault(threading.get_ident(), deque(maxlen=_LAST)).append(record)
        for guard, found in _FORBIDDEN.get():
            if guard == id(self):
                found.append(record)

    def _allows(
        self,
        category: str,
        names: tuple[str, ...],
        scene: Scene,
        here: tuple[tuple[int, AllowRule], ...],
    ) -> bool:
        allowed = False
        for rule in (*self._rules, *(rule for owner, rule in here if owner == id(self))):
            if rule.matches(category, names, scene.labels):
                self._used.add(rule)
                allowed = True
        return allowed or any(
            rule.matches(category, names, scene.labels) for rule in (*NOISE, *self.policy.shipped)
        )

    def __enter__(self) -> BlockingGuard:
        self.start()
        return self

    def __exit__(self, *exc: Any) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "watching" if self in HUB.listeners else "idle"
        return f"<BlockingGuard: {state}, {len(self._records)} calls, {self.policy.mode}>"
