"""A view of the test's state for one run of an exploration inside its body.

A sweep looks at a run by the state of a test; here many runs share one. So each gets
a view of it, with a probe and findings of its own. Knows what the packages are called; not
what is explored.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from .._core.findings import FindingLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .._core.findings import Finding
    from .._explore.model import Explored
    from .._explore.run_observer import Probe
    from .state import TestState


class InlineExploration:
    """What a test has for who explores inside its body.

    `client` is the one whose requests are watched, `active` says that somebody explores,
    `explored` is what came of it, `warnings` what does not fail. `postponed`: somebody wanted
    to explore, in a run of a test that is being explored itself.
    """

    def __init__(self, state: TestState) -> None:
        self._state = state
        self.client: Any = None
        self.active = False
        self.explored: list[Explored] = []
        self.warnings: list[Finding] = []
        self.postponed = False

    def new_run(self) -> RunState:
        """For one run."""
        return RunState(self._state)

    def add_result(self, explored: Explored) -> str:
        """What came of it, in the words of the reports: a headline, the matrix, the findings."""
        from .._report import sweeps, text

        swept = {**explored.to_json(), "call": ""}  # who reads it has called it
        lines = [sweeps.headline(swept), *sweeps.details(swept)]
        if explored.findings:
            lines += ["", text.findings(explored.findings)]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<InlineExploration of {self._state.test}>"


class RunState:
    """A test's state as one run inside its body sees it; `findings` are those of the run."""

    def __init__(self, state: TestState) -> None:
        self._state = state
        self.test = state.test
        self.item = state.item
        self.user_code = state.user_code
        self.request_virtual_time = state.request_virtual_time
        self.concurrency = state.concurrency
        self.probe: Probe | None = None
        self.deadlock = ""
        self.findings: list[Finding] = []

    @property
    def scope(self) -> Any:
        """The way out of the test."""
        return self._state.scope

    @property
    def faults(self) -> Any:
        """The faults of the test."""
        return self._state.faults

    @property
    def on_virtual_time(self) -> bool:
        """Is virtual time on at this moment?"""
        return self._state.on_virtual_time

    @contextmanager
    def run(
        self, prepare: Callable[[Any], None], end: Callable[[], None], *, forget: bool
    ) -> Iterator[None]:
        """Let `prepare` place its fault and probe; `end` is called where nothing can go on.

        Afterwards the fault is gone; `forget` says that so is what was wrong with calls.
        """
        from .._core.current_loop import now
        from .._upstream.suppressed import suppress_findings

        state = self._state
        state.reseed(None, now())

        def on_deadlock(report: str) -> None:
            self.deadlock = report
            end()

        before = state.on_deadlock
        with (
            state.faults._temporary_rules(),
            suppress_findings(state.scope) if forget else nullcontext(),
        ):
            prepare(self)
            assert self.probe is not None
            self.probe.join(state.inline_exploration.client)
            earlier = self._snapshot()
            state.probe, state.on_deadlock = self.probe, on_deadlock
            try:
                yield
            finally:
                self.probe.end()
                state.probe, state.on_deadlock = None, before
                self.findings = self._new_findings(earlier)

    def _snapshot(self) -> list[Any]:
        """What is known already; kept alive, so that no other object takes its `id`."""
        return [what for what, _ in self._features()]

    def _features(self) -> list[tuple[Any, Finding]]:
        from .blocking import split_by_baseline

        state = self._state
        found: list[tuple[Any, Finding]] = []
        if state.guard is not None:
            found += [(item.place, item) for item in split_by_baseline(state, state.guard)]
        watch = state.concurrency.watch
        if watch is not None:
            found += watch.left_now()
            found += [(item.place, item) for item in watch.findings()]
        return found

    def _new_findings(self, earlier: list[Any]) -> list[Finding]:
        known = {id(what) for what in earlier}
        places = {what for what in earlier if isinstance(what, tuple)}
        log = FindingLog()
        for item in self._state.scope.findings(passed=False):
            log.add(item)
        for what, item in self._features():
            if id(what) not in known and not (isinstance(what, tuple) and what in places):
                log.add(item)
        return list(log)

    def __repr__(self) -> str:
        return f"<RunState {self._state!r}>"
