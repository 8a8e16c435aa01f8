"""What a test has of `_explore/`: what listens in this run, and what the runs before it came to.

`explore.py` decides which tests are explored; `explored_test.py` is what an exploration sees
of a test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._core.redaction import redacted
from .feature import Feature

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .._client.protocols import ClientFaultEffects
    from .._core.findings import Finding
    from .._explore.model import ExplorationResult, RunProbe
    from .feature import App, Body, TestContext


class InlineExploration:
    """What a test has for who explores inside its body.

    `client` is the one whose requests are watched, `active` says that somebody explores,
    `explored` is what came of it, `warnings` what does not fail. `postponed`: somebody wanted
    to explore, in a run of a test that is being explored itself.
    """

    def __init__(self) -> None:
        self.client: Any = None
        self.active = False
        self.explored: list[ExplorationResult] = []
        self.warnings: list[Finding] = []
        self.postponed = False

    def add_result(self, explored: ExplorationResult) -> str:
        """What came of it, in the words of the reports: a headline, the matrix, the findings."""
        from .._report import sweeps, text

        swept = {**explored.to_json(), "call": ""}  # who reads it has called it
        lines = [sweeps.headline(swept), *sweeps.details(swept)]
        if explored.findings:
            lines += ["", text.findings(explored.findings)]
        return "\n".join(lines)


class ExploreFeature(Feature):
    """`_explore`, for one run of one test."""

    def __init__(self, test: TestContext) -> None:
        super().__init__(test)
        self.probe: RunProbe | None = None
        self.explored: list[ExplorationResult] = []
        self.inline = InlineExploration()

    @property
    def is_explored(self) -> bool:
        """Is the test run under other conditions too, in which other routes are called?"""
        return self.probe is not None or bool(self.explored)

    def around(self, body: Body) -> Body:
        """The probe looks at what the body leaves, before its fixtures end."""
        return body if self.probe is None else self.probe.wrap_body(body)

    def wrap_app(self, app: App) -> App:
        """The probe listens to the app."""
        return app if self.probe is None else self.probe.wrap_app(app)

    def set_client(self, client: Any) -> None:
        """The test has this `asgi_client`."""
        self.inline.client = client
        if self.probe is not None:
            self.probe.client = client

    def plan(self, given: ClientFaultEffects | None) -> ClientFaultEffects | None:
        """What happens to a request on its way in, where the test itself has `given`."""
        return given if self.probe is None else self.probe.plan(given)

    def verdict(self, *, passed: bool, ended: bool) -> Iterable[Finding]:
        """What the runs before this one came to; that they stopped early is news if it passed."""
        if not (self.explored or self.inline.warnings):
            return ()
        return self._verdict(passed=passed, ended=ended)

    def _verdict(self, *, passed: bool, ended: bool) -> Iterator[Finding]:
        if not passed and not ended:
            yield from [_second_run(one) for one in self.explored if one.results][:1]
        yield from self.inline.warnings
        for explored in self.explored:
            yield from explored.findings
        for number, explored in enumerate(self.explored if passed and not ended else ()):
            # The error of the clean run is reported as the test's own.
            if explored.stopped and (explored.clean or number or not self.test.repeated):
                yield explored.stopped_finding()

    def report_data(self, phase: str) -> dict[str, Any]:
        """Every point of every sweep."""
        explored = (*self.explored, *self.inline.explored) if phase == "call" else ()
        return {"sweeps": redacted([one.to_json() for one in explored])} if explored else {}


def _second_run(explored: ExplorationResult) -> Finding:
    from .._core.findings import Finding

    return Finding(
        kind="sweep.second-run",
        title="the test passed before the sweep, and fails as it is run once more after it",
        evidence=f"it has been run {len(explored.results) + 2} times by then",
        why="what a run leaves (rows in a shared database, a cache in a module) disturbs the "
        "next one, which is not what the test is about",
        remedy="undo it in a fixture of the test, or give each run data of its own",
        severity="warning",
        test=explored.test,
    )
