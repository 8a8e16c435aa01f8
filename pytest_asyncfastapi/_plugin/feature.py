"""What a feature is to a test, and what it knows of that test.

A feature (virtual time, the blocking guard, ...) is a subclass of `Feature` in a module of its
own, and a row in `TestState` (`state.py`). It imports its package when a test needs it: every
test has every feature, and most tests use none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .._core.clock_origins import ClockOrigins
from .._core.findings import FindingLog
from .._core.frames import UserCode
from . import settings as settings_table
from .claims import OUR_FIXTURES
from .settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .._core.findings import Finding
    from .._recording.recorder import TimelineRecorder

    App = Callable[..., Any]  # of ASGI
    Body = Callable[..., Any]

# The `TestState` of a test on its stash, while the test runs; here, as pytest's hooks look it up
# many times in each test, and import `state.py` only for a test.
STATE = pytest.StashKey[Any]()
RUNNING = pytest.StashKey[Any]()  # of the configuration: of the test that has not ended
_USER_CODE = pytest.StashKey[UserCode]()


def marker_names(item: pytest.Item) -> frozenset[str]:
    """The names of its markers, those of its class and module too; in half the time."""
    return frozenset([mark.name for node in item.iter_parents() for mark in node.own_markers])


class TestContext:
    """What every feature knows of its test."""

    __test__ = False  # not a test class, whatever its name says

    def __init__(self, item: pytest.Item) -> None:
        self.item = item
        self.test = item.nodeid
        # Looked up once: to search for one marker takes as long as to list all.
        self.markers = marker_names(item)
        settings = item.config.stash[SETTINGS]
        if "asyncfastapi" in self.markers:
            settings = settings_table.for_item(settings, item)
        self.settings = settings
        self.user_code = _user_code(item.config)
        self.fixtures = frozenset(getattr(item, "fixturenames", ()))
        self.uses_plugin_fixtures = bool(self.fixtures & OUR_FIXTURES)
        self.in_body = False  # and not in the set-up or teardown of its fixtures
        self.repeated = False  # this run has ended, and is reported once more
        self.wide = False  # what is made now lasts longer than the test
        self.notes: list[str] = []
        self.log = FindingLog()  # what was seen by the end of a phase
        self.clock_origins = ClockOrigins()
        self.recording: TimelineRecorder | None = None
        if self.settings.records:
            from .._recording.recorder import TimelineRecorder

            self.recording = TimelineRecorder(self.user_code, self.clock_origins)

    def note(self, text: str) -> None:
        """Something to know that is not a finding; shown at the end of the run."""
        if text and text not in self.notes:
            self.notes.append(text)


def _user_code(config: pytest.Config) -> UserCode:
    """One for the whole run, since it remembers every file that it has judged."""
    try:
        return config.stash[_USER_CODE]
    except KeyError:
        found = config.stash[_USER_CODE] = UserCode(config.rootpath)
        return found


class Feature:
    """One feature in one test; each implements what it has a use for."""

    def __init__(self, test: TestContext) -> None:
        self.test = test

    @staticmethod
    def stop_monitoring() -> None:
        """Take off what stays on between two tests; nothing if it is not on."""

    def begin(self) -> None:
        """Before the fixtures are set up. Raises `pytest.UsageError` for a marker that is wrong."""

    def set_wide(self, wide: bool) -> None:
        """What is made from now on lasts longer than the test (a wider fixture), or not."""

    def on_loop(self) -> None:
        """The test has a running loop; called in each fixture of ours, and in the body."""

    def around(self, body: Body) -> Body:
        """The body of an async test, with what belongs around it in its own task."""
        return body

    def wrap_app(self, app: App) -> App:
        """The app that the test's client calls, with what belongs around it."""
        return app

    def findings(self, *, passed: bool, ended: bool) -> Iterable[Finding]:
        """What was seen by now: after the body, and when all has `ended`.

        `passed` is False where the body has failed: what never happened then says nothing.
        """
        return ()

    def report_data(self, phase: str) -> dict[str, Any]:
        """Plain data for the report of this phase, "call" or "teardown"; nothing that is empty."""
        return {}

    def session_data(self) -> dict[str, Any]:
        """What only the reports of all tests together can judge, as plain data."""
        return {}

    def end(self, *, judge: bool) -> None:
        """After the fixtures are torn down; without `judge` the test was interrupted."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.test.test}>"
