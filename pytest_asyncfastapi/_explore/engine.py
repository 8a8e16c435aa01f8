"""The engine: runs the same test again with fresh fixtures, once for each point.

The first run is clean, and is the test's own: pytest's ordinary protocol, which comes
after the points, reports it (`own_run.py`) and carries the verdict. One report, so `-x`,
`--lf`, JUnit and xdist need nothing special. Each run is the item's set-up, call and
teardown; fixtures wider than the test stay. The one module of the package that knows
pytest, and nothing of faults.
"""

from __future__ import annotations

import copy
import gc
import sys
import warnings
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from .._core.findings import FOUND
from .._core.real_time import perf_counter
from .model import ExplorationResult, Run, judged
from .own_run import OwnRun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .model import Exploration, Point, RunState

_TIMED_OUT = "pytest-timeout"
_ENDS_ALL = (KeyboardInterrupt, pytest.exit.Exception)


class Stopped(Exception):
    """No run more: why."""


class Engine:
    """Explores one item in one way, or a `share` `(i, n)` of that; the results are `explored`.

    `state_of` gives the state of the run that has just ended. `prepare` is given,
    for each run, what to do with its new state before the fixtures are set up; None
    ends it. `on_progress` is called after each point, for the progress line.
    """

    def __init__(
        self,
        item: pytest.Item,
        exploration: Exploration,
        explored: ExplorationResult,
        *,
        share: tuple[int, int],
        replay: str,
        state_of: Callable[[pytest.Item], RunState | None],
        prepare: Callable[[Callable[[RunState], None] | None], None],
        on_progress: Callable[[ExplorationResult], None],
    ) -> None:
        self.item = item
        self._exploration = exploration
        self._explored = explored
        self._share = share
        self._replay = replay
        self._state_of = state_of
        self._prepare = prepare
        self._on_progress = on_progress
        self.own: OwnRun | None = None  # the first clean run
        self._freezes = False
        self._warned: list[warnings.WarningMessage] = []
        # Shares all collectors with the item and is not it: only the item is torn down.
        self._sibling = copy.copy(item)

    def explore(self) -> None:
        """Run the points. A clean run that does not pass ends it: it is the test's own."""
        explored, began = self._explored, perf_counter()
        try:
            with self._restored():
                self._explore()
        except (Stopped, pytest.fail.Exception) as reason:  # a timer may fire between two runs
            explored.stopped = str(reason)
        except _ENDS_ALL:
            explored.stopped = "interrupted"
            raise
        finally:
            explored.duration = perf_counter() - began

    def _explore(self) -> None:
        clean = self.run(self._exploration.prepare)
        item: Any = self.item
        self.own = OwnRun(clean, [*item._report_sections], [*item.user_properties], [*self._warned])
        self._explored.clean = clean.passed or _only_blocks(clean)
        if not self._explored.clean:
            raise Stopped(f"the test does not pass by itself: {_describe(clean.error)}")
        self._explored.about = self._exploration.about(clean)
        with _light_collector() as self._freezes:
            self._run_points(clean)

    def _run_points(self, clean: Run) -> None:
        began = perf_counter()
        try:
            for point in self._points(clean):
                if self._explored.is_over(perf_counter() - began):
                    break
                if clean.control is None and (prepare := self._exploration.control()) is not None:
                    clean.control = self.run(prepare)  # once: the second clean run
                self._run_point(clean, point, alone=bool(self._replay))
        finally:
            self._explored.findings = self._exploration.findings(clean, self._explored.results)

    def _run_point(self, clean: Run, point: Point, *, alone: bool) -> None:
        """Run it, and then what is worth a run after it."""
        explored, run = self._explored, self.run(point.prepare)
        explored.results.append(judged(point, run, clean))
        if run.errors:
            _release(run)
            if self._freezes:
                gc.freeze()  # what is kept of the runs so far is not looked at after each of them
        self._on_progress(explored)
        for further in () if alone else self._exploration.following(point, run):
            if explored.planned is not None:
                explored.planned += 1
            self._run_point(clean, further, alone=True)

    def _points(self, clean: Run) -> Iterable[Point]:
        exploration, explored = self._exploration, self._explored
        if self._replay:
            point = exploration.point(self._replay, clean)
            if point is None:
                raise Stopped(f"it has no point {self._replay!r}")
            leading = exploration.leading(clean)
            explored.planned = 1 + len(leading)
            return (*leading, point)
        points, (number, shares) = exploration.points(clean, explored.results), self._share
        if isinstance(points, (list, tuple)):
            points = points[number - 1 :: shares]
            explored.planned = len(points)
            return points
        return islice(points, number - 1, None, shares)

    def run(self, prepare: Callable[[RunState], None]) -> Run:
        """One run of the item: nothing of it is reported, wider fixtures stay."""
        item: Any = self.item
        began = perf_counter()
        errors: dict[str, BaseException] = {}
        _forget(item)
        self._prepare(prepare)
        try:
            self._phase(errors, "setup")
            if not errors:
                self._phase(errors, "call")
        finally:
            # Also when the user has had enough: the next to run is the user's own.
            try:
                self._phase(errors, "teardown", nextitem=self._sibling)
            finally:
                self._prepare(None)
                item._request, item.funcargs = False, None
        for error in errors.values():
            if isinstance(error, pytest.fail.Exception) and _TIMED_OUT in str(error):
                raise Stopped(f"pytest-timeout ended it: {error}")
        state = self._state_of(self.item)
        return Run(state, errors, [] if state is None else state.findings, perf_counter() - began)

    def _phase(self, errors: dict[str, BaseException], when: Any, **given: Any) -> None:
        """As pytest's own `call_and_report`, without a report, and without --pdb."""
        hook = getattr(self.item.ihook, f"pytest_runtest_{when}")
        call = pytest.CallInfo.from_call(
            lambda: hook(item=self.item, **given), when=when, reraise=_ENDS_ALL
        )
        if call.excinfo is not None:
            errors[when] = call.excinfo.value
        # Fixtures (`tmp_path`) and plugins rely on it.
        self.item.ihook.pytest_runtest_makereport(item=self.item, call=_short_traceback(call))

    @contextmanager
    def _restored(self) -> Iterator[None]:
        """Leave the item as it was found; what the clean run warns of is the test's own."""
        item = self.item
        properties = list(item.user_properties)
        with warnings.catch_warnings(record=True) as self._warned:
            try:
                yield
            finally:
                _forget(item)
                item.user_properties[:] = properties


@contextmanager
def _light_collector() -> Iterator[bool]:
    """Let the collector look at what the runs make, not at the whole program twice in each.

    False if the program has frozen objects itself: they can only be unfrozen all together.
    """
    if gc.get_freeze_count():
        yield False
        return
    gc.collect()
    gc.freeze()
    try:
        yield True
    finally:
        gc.unfreeze()


def _forget(item: Any) -> None:
    """Make the item new: its request, its class instance, what it has captured."""
    if not getattr(item, "_request", True):
        item._initrequest()
    if getattr(item, "_instance", None) is not None:
        del item._instance
        item._obj = None
    item._report_sections.clear()
    item.user_properties.clear()


def _release(run: Run) -> None:
    """Collect what a failed run has left; a warning of it would be the next run's failure."""
    run.clear_frames()
    before, sys.unraisablehook = sys.unraisablehook, _ignore
    try:
        gc.collect()
    finally:
        sys.unraisablehook = before


def _ignore(unraisable: object) -> None:
    """The report is discarded."""


def _only_blocks(clean: Run) -> bool:
    """Has nothing failed it but a blocking call? That is reported once, by the test's own run."""
    kinds = {finding.kind for finding in clean.findings if finding.severity == "error"}
    errors = clean.errors.values()
    return kinds == {"blocking"} and all(hasattr(error, FOUND) for error in errors)


def _short_traceback(call: pytest.CallInfo[None]) -> pytest.CallInfo[None]:
    """The same with an error that is quick to format: a traceback that is not shown costs 10 ms."""
    error = None if call.excinfo is None else call.excinfo.value
    if error is None or isinstance(error, (pytest.skip.Exception, pytest.xfail.Exception)):
        return call
    short = pytest.fail.Exception(type(error).__name__, pytrace=False)
    call.excinfo = pytest.ExceptionInfo.from_exception(short.with_traceback(error.__traceback__))
    return call


def _describe(error: BaseException | None) -> str:
    """An exception on one line, of a finding its title too."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines[:2])}"
