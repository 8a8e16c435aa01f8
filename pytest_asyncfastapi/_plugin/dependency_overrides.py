"""A test that leaves `app.dependency_overrides` changed, in an app that the next tests use too.

The `overrides` fixture puts back what it changes; a test that writes into the app's own
table may forget. What wider fixtures put there, and take out, is not the test's.
"""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from .._core.findings import Finding
from .feature import Feature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Protocol

    from .feature import App, TestContext

    Table = dict[Callable[..., Any], Callable[..., Any]]

    class OverridableApp(Protocol):
        """An app of FastAPI, as far as it is known here."""

        dependency_overrides: Table


# The apps that tests of this run have had.
_SEEN = pytest.StashKey["weakref.WeakSet[OverridableApp]"]()


class OverridesFeature(Feature):
    """The tables of the apps as they are before the test's own fixtures."""

    def __init__(self, test: TestContext) -> None:
        super().__init__(test)
        stash = test.item.config.stash
        try:
            self._seen = stash[_SEEN]
        except KeyError:
            self._seen = stash[_SEEN] = weakref.WeakSet()
        self._before: dict[int, tuple[weakref.ref[OverridableApp], Table]] = {}
        self._noted = False

    def note_tables(self) -> None:
        """The first fixture of the test itself is about to be set up."""
        if not self._noted:
            self._noted = True
            for app in self._seen if len(self._seen) else ():
                self._note(app)

    def add_app(self, app: App) -> None:
        """The test has this app."""
        from .._app.overrides import apps_below

        for each in apps_below(app, set()):
            if id(each) not in self._before:
                self._note(each)
            self._seen.add(each)

    def _note(self, app: OverridableApp) -> None:
        self._before[id(app)] = (weakref.ref(app), dict(app.dependency_overrides))

    def findings(self, *, passed: bool, ended: bool) -> Iterable[Finding]:
        """After the teardown: what is there that was not."""
        return self._left_behind() if ended and self._before else ()

    def _left_behind(self) -> Iterator[Finding]:
        for ref, before in self._before.values():
            app = ref()
            if app is None:
                continue
            table = app.dependency_overrides
            left = [key for key in table if before.get(key) is not table[key]]
            if left and _outlives(app):
                names = ", ".join(getattr(key, "__name__", repr(key)) for key in left)
                yield Finding(
                    kind="override-left",
                    title=f"left behind in app.dependency_overrides: {names}",
                    why="the tests that follow run with it, in any order but this one without",
                    remedy="the fixture `overrides` (overrides[dependency] = value), which puts "
                    "it back, or app.dependency_overrides.clear() in the teardown of a fixture",
                    severity="warning",
                    test=self.test.test,
                )


def _outlives(app: OverridableApp) -> bool:
    """Is it a module's own, and not made for this test?"""
    return any(
        any(value is app for value in list(vars(module).values()))
        for module in list(sys.modules.values())
        if module is not None and hasattr(module, "__dict__")
    )
