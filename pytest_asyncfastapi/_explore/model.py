"""What one kind of exploring is: a list of points, each a run of the same test.

The contract between the engine (`engine.py`), which runs a test again with fresh
fixtures, and the sweeps and schedules, which define the conditions. Must not import
pytest, nor depend on how anything is injected.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from .._core.findings import Finding
from .._core.units import show
from .unfinished_work import forget_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .._core.frames import UserCode
    from .._faults import Faults
    from .._upstream.call_log import CallRecorder
    from .._upstream.scope import UpstreamScope


_Each = TypeVar("_Each")


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one point; plain data, so that it can be sent as JSON.

    `token` is what `--asyncfastapi-replay` takes. `verdict` is one or two words
    (`"ok"`, `"unhandled"`, `"masked"`), `bad` whether it fails the test, `answer`
    what the caller got (`"502"`), `detail` one line for people. `group` is what
    makes several results one finding; `row` and `column` its cell of the matrix.
    """

    token: str
    verdict: str
    bad: bool = False
    answer: str = ""
    detail: str = ""
    group: str = ""
    row: str = ""
    column: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    record: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data, as it travels on a report."""
        data = asdict(self)
        if not self.record:
            del data["record"]
        return data


@dataclass(slots=True, eq=False)
class Run:
    """One run of the test: set-up, body, teardown.

    `state` is the test's state of that run (its packages, by now at rest), `errors`
    what each phase raised (`"setup"`, `"call"`, `"teardown"`), `findings` what the
    packages saw, `probe` what the point's `prepare` has left there. `control` is set on the
    clean run: a second one, after which the same requests were sent once more.
    """

    state: Any
    errors: dict[str, BaseException] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    duration: float = 0.0
    control: Run | None = None

    @property
    def passed(self) -> bool:
        """Did every phase end well?"""
        return not self.errors

    @property
    def error(self) -> BaseException | None:
        """What went wrong first."""
        return next(iter(self.errors.values()), None)

    def clear_frames(self) -> None:
        """Forget what the frames of its errors hold: a connection that keeps a database locked."""
        for error in self.errors.values():
            forget_frames(error)

    def new_findings(self, clean: Run, *, without: Iterable[str] = ()) -> list[Finding]:
        """What the packages saw in this run and not in the clean one."""
        known = {finding.place for finding in clean.findings}
        skipped = frozenset(without)
        return [
            finding
            for finding in self.findings
            if finding.place not in known and finding.kind not in skipped
        ]


class RunProbe(Protocol):
    """What listens in a run; the plugin puts it around the app, the body and each request."""

    client: Any

    def wrap_app(self, app: Callable[..., Any]) -> Callable[..., Any]:
        """The app, recorded."""
        ...

    def wrap_body(self, body: Callable[..., Any]) -> Callable[..., Any]:
        """The body of the test, and a look at what it leaves."""
        ...

    def plan(self, given: Any) -> Any:
        """What happens to a request on its way in: what the test has `given`, if anything."""
        ...


class RunState(Protocol):
    """The test's state as one run sees it: its own, or that of a run inside its body."""

    probe: Any  # a `RunProbe`
    settings: Any

    @property
    def test(self) -> str:
        """The test's name."""
        ...

    @property
    def item(self) -> Any:
        """The test, with its fixtures."""
        ...

    @property
    def user_code(self) -> UserCode:
        """Which files are the user's."""
        ...

    @property
    def scope(self) -> UpstreamScope:
        """The way out of the test."""
        ...

    @property
    def faults(self) -> Faults:
        """The faults of the test."""
        ...

    @property
    def deadlock(self) -> str:
        """Who waits for what, once nothing can ever happen again."""
        ...

    @property
    def findings(self) -> list[Finding]:
        """What was seen in the run."""
        ...

    @property
    def on_virtual_time(self) -> bool:
        """Is virtual time on at this moment?"""
        ...

    @property
    def wants_clock(self) -> bool:
        """Is it on, or will it be as soon as the loop runs?"""
        ...

    def request_virtual_time(self) -> None:
        """Turn virtual time on: now, or as soon as the loop runs."""
        ...

    def record_round_trips(self) -> CallRecorder:
        """Record every exchange with a database or cache from now on, in this recorder."""
        ...

    def note(self, text: str) -> None:
        """Tell this at the end of the run."""
        ...

    def record(self) -> dict[str, Any]:
        """What the run did, as it goes into a report; empty where nobody wants to know."""
        ...


class Point(Protocol):
    """One condition under which the test is run again."""

    @property
    def token(self) -> str:
        """Names it for good: `"faults:3:reset"`. The part before the first colon is the kind."""
        ...

    def prepare(self, state: RunState) -> None:
        """Before the fixtures of the run are set up: place the fault, the probe, the seed."""
        ...

    def judge(self, run: Run, clean: Run) -> Result:
        """After the fixtures are torn down: return the result."""
        ...


class Exploration(ABC):
    """One way to explore a test; `kind` is what its tokens begin with."""

    kind = ""

    @abstractmethod
    def prepare(self, state: RunState) -> None:
        """Before the clean run, in which nothing is injected: place what records."""

    def control(self) -> Callable[[RunState], None] | None:
        """The `prepare` of a second clean run, to compare with what is done after each point."""
        return None

    @abstractmethod
    def points(self, clean: Run, done: Sequence[Result]) -> Iterable[Point]:
        """The points, in order; iterated one at a time, `done` being the results so far."""

    def leading(self, clean: Run) -> Sequence[Point]:
        """The points that must have been run before any other one, a replay too."""
        return ()

    def following(self, point: Any, run: Run) -> Iterable[Point]:
        """The points that are worth a run after the result of this one."""
        return ()

    @abstractmethod
    def point(self, token: str, clean: Run) -> Point | None:
        """The point of this token (for a replay), if there is one."""

    @abstractmethod
    def findings(self, clean: Run, done: Sequence[Result]) -> list[Finding]:
        """What fails the test, and what is only listed (severity `warning`)."""

    @abstractmethod
    def about(self, clean: Run) -> dict[str, Any]:
        """Plain data for the report beside the results, such as the rows of the matrix."""


@dataclass(slots=True, eq=False)
class ExplorationResult:
    """The results of exploring one test in one way so far.

    `planned` is the number of points, None while it is not known; `stopped` says
    why the rest was not run, `duration` is seconds of real time. `call` is what the
    test has called where it is explored inside its own body. `clean`: the test passes
    without anything injected. `budget` is how many seconds the points may take (0: any
    number); where that was not enough for all, `over_budget`.
    """

    kind: str
    test: str
    results: list[Result] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)
    planned: int | None = None
    shard: str = ""
    stopped: str = ""
    duration: float = 0.0
    call: str = ""
    clean: bool = True
    budget: float = 0.0
    over_budget: bool = False

    @property
    def bad(self) -> list[Result]:
        """The points that fail the test."""
        return [result for result in self.results if result.bad]

    def is_over(self, elapsed: float) -> bool:
        """Is the budget used up before all points have been run? Then that is why it stopped."""
        if self.budget and elapsed >= self.budget:
            self.over_budget = True
            self.stopped = f"the budget of {show(self.budget)} is used up"
        return self.over_budget

    def stopped_finding(self) -> Finding:
        """Not all points were run: an error, but for a budget that was enough for some."""
        count = len(self.results)
        done = f"{count} of {self.planned} points" if self.planned else f"{count} points"
        remedy = (
            "give it more (--asyncfastapi-sweep-budget=2m), or split it for pytest-xdist "
            "(--asyncfastapi-shards=4)"
            if self.over_budget
            else "make the test pass each time it is run; give it more time (--timeout); or take a "
            "token of the latest report"
        )
        return Finding(
            kind="sweep.stopped",
            title=f"{self.kind}: {self.stopped}",
            evidence=f"{done} had been run by then" if count else "no point was run",
            why="what has not been run has not been tested",
            remedy=remedy,
            severity="warning" if self.over_budget and count else "error",
            test=self.test,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data, as it travels on a report; shares of one sweep are merged by token."""
        return {
            "kind": self.kind,
            "test": self.test,
            "shard": self.shard,
            "planned": self.planned,
            "stopped": self.stopped,
            "duration": self.duration,
            "points": [result.to_json() for result in self.results],
            **({"call": self.call} if self.call else {}),
            # A copy is plain: the labels of recorded requests are more than text.
            **({"about": deepcopy(self.about)} if self.about else {}),
        }


# Equal calls, or equal awaits, that are all tried; of more the first, middle and last are.
ALL = 3


def sampled(group: Sequence[_Each]) -> Sequence[_Each]:
    """Those of a group of equals that are worth a run."""
    return group if len(group) <= ALL else (group[0], group[len(group) // 2], group[-1])


NOT_JUDGED = "not judged"


def judged(point: Point, run: Run, clean: Run) -> Result:
    """The result of a point, whatever becomes of its judge."""
    try:
        return _recorded(point.judge(run, clean), run)
    except Exception as error:  # a judge that fails is ours to explain, not the end of the sweep
        detail = f"the run could not be judged: {type(error).__name__}: {error}"
        return Result(point.token, NOT_JUDGED, bad=True, detail=detail, group=detail)


def _recorded(result: Result, run: Run) -> Result:
    """The same with the timeline of the run, where it was recorded."""
    facts = {} if run.state is None else run.state.record()
    return replace(result, record=json.dumps(facts)) if facts else result
