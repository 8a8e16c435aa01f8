"""The blocking guard of one test, the marks that allow calls in it, and the baseline."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from .feature import Feature

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from .._blocking import BlockingGuard, BlockingPolicy
    from .._blocking.allow import AllowRule
    from .._blocking.baseline import Key
    from .._core.findings import Finding
    from .chosen import Mode
    from .feature import TestContext


@dataclass(frozen=True)
class Baseline:
    """Where known findings are kept; `keys` is None while they are being recorded."""

    path: Path
    keys: frozenset[Key] | None


BASELINE = pytest.StashKey["Baseline"]()
# Fixtures by which a test replaces functions: what its app calls may be another one than before.
_PATCHING = frozenset({"monkeypatch", "mocker", "class_mocker", "module_mocker", "session_mocker"})
_SHIPPED = pytest.StashKey["tuple[AllowRule, ...]"]()
# The policy of the last test, with the settings and the mode that it was made of.
_POLICY = pytest.StashKey["tuple[object, Mode, BlockingPolicy]"]()


class BlockingFeature(Feature):
    """`_blocking`, for one test."""

    def __init__(self, test: TestContext) -> None:
        super().__init__(test)
        self.guard: BlockingGuard | None = None
        self._baselined: list[Key] = []  # blocking calls that the baseline has

    @staticmethod
    def stop_monitoring() -> None:
        """Stop all detectors, which otherwise stay on between two tests."""
        detectors = sys.modules.get("pytest_asyncfastapi._blocking.detectors")
        if detectors is not None:
            detectors.DETECTORS.stop_idle()

    @property
    def mode(self) -> Mode:
        """`fail`, `raise`, `warn` or `off`: what `auto` means for this test."""
        mode = self.test.settings.blocking
        if mode == "auto":
            return "fail" if self.test.uses_plugin_fixtures else "off"
        return mode

    def begin(self) -> None:
        """A guard for this test, if it is to have one."""
        if self.mode != "off":
            self.open_guard()
        else:
            self.stop_monitoring()  # a test without a guard is not slowed by that of the last one

    def open_guard(self) -> BlockingGuard:
        """The guard, made if the test asks for it although the settings have it off."""
        if self.guard is None:
            self.guard = self._create_guard()
        return self.guard

    def _create_guard(self) -> BlockingGuard:
        """Started. Raises `pytest.UsageError` for a mark that is wrong."""
        test = self.test
        policy = _policy_of(test, self.mode)
        if "allow_blocking" in test.markers:
            policy = replace(policy, allow=(*policy.allow, *rules_from_markers(test.item)))
        guard = _guard_class()(policy, test.user_code, test=test.test)
        if test.recording is not None:
            guard.now = test.recording.now
        guard.preparing = not test.in_body
        guard.needs_all_calls = test.recording is not None or _reports_short_calls(policy)
        guard.exclusive = guard.more_tests_follow = True
        guard.patches_functions = not _PATCHING.isdisjoint(test.fixtures)
        guard.start()
        return guard

    def set_in_body(self, inside: bool) -> None:
        """Before and after the body run its fixtures, in which no request is served."""
        if self.guard is not None:
            self.guard.preparing = not inside

    def step_times(self) -> list[float]:
        """What each step of the loop took, in seconds; none while the guard is off."""
        return [] if self.guard is None else self.guard.step_times()

    def findings(self, *, passed: bool, ended: bool) -> Iterable[Finding]:
        """What blocked, without what the baseline has; and marks that allow nothing, as notes."""
        if self.guard is None:
            return []
        found = self.found()
        self.test.note(self.guard.not_watched and f"not watched: {self.guard.not_watched}")
        if passed and ended:
            for note in _unused_markers(self.test.item, self.guard):
                self.test.note(note)
        return found

    def found(self) -> list[Finding]:
        """What blocked by now, without what the baseline has; that is kept for the whole run."""
        if self.guard is None:
            return []
        found = self.guard.findings()
        stash = self.test.item.config.stash
        if BASELINE not in stash:
            return found
        baseline = stash[BASELINE]
        from .._blocking.baseline import finding_key

        known = [
            item
            for item in found
            if item.severity == "error"
            and (baseline.keys is None or finding_key(item) in baseline.keys)
        ]
        self._baselined = sorted({finding_key(item) for item in known})
        return [item for item in found if item not in known]

    def session_data(self) -> dict[str, Any]:
        """Which rules of the run allowed something; empty if no report needs it."""
        if self.guard is None:
            return {}
        if not (self.test.settings.allow_blocking or BASELINE in self.test.item.config.stash):
            return {}
        used = [rule.text for rule in self.guard._used_rules()]
        return {"used": used, "known": [list(key) for key in self._baselined]}

    def end(self, *, judge: bool) -> None:
        """After what is judged at the end: that may run a loop once more."""
        if self.guard is not None:
            self.guard.stop()


def _reports_short_calls(policy: BlockingPolicy) -> bool:
    """Is there more to say of a quick call for a file's metadata than its time?"""
    named = any(category == "file_metadata" for category, _ in policy.categories)
    return policy.profile == "strict" or bool(policy.allow) or named


@cache
def _guard_class() -> type[BlockingGuard]:
    from .._blocking import BlockingGuard

    return BlockingGuard


def _policy_of(test: TestContext, mode: Mode) -> BlockingPolicy:
    """What the settings of this test say; most tests have those of the one before."""
    stash, settings = test.item.config.stash, test.settings
    known = stash.get(_POLICY, None)
    if known is not None and known[0] is settings and known[1] == mode:
        return known[2]
    from .._blocking import BlockingPolicy

    policy = BlockingPolicy(
        mode="fail" if mode == "off" else mode,
        profile=settings.blocking_profile,
        allow=settings.allow_blocking,
        step_threshold=settings.blocking_threshold,
        cpu_threshold=settings.cpu_threshold,
        categories=settings.blocking_category,
        shipped=_shipped(test.item.config),
    )
    stash[_POLICY] = (settings, mode, policy)
    return policy


def _shipped(config: pytest.Config) -> tuple[AllowRule, ...]:
    """The profiles of installed libraries, looked for once."""
    if _SHIPPED not in config.stash:
        from .._blocking.profiles import load

        try:
            config.stash[_SHIPPED] = load()
        except ValueError as error:
            config.stash[_SHIPPED] = ()
            raise pytest.UsageError(str(error)) from None
    return config.stash[_SHIPPED]


def open_baseline(config: pytest.Config, given: str) -> None:
    """Read the baseline, or note that it is to be written. Raises `pytest.UsageError`."""
    if not given:
        return
    from .._blocking.baseline import load

    update, _, name = given.rpartition("update:")
    rewrite = given.startswith("update:") and not update
    path = config.rootpath / (name if rewrite else given)
    try:
        keys = load(path) if path.exists() and not rewrite else None
    except ValueError as error:
        raise pytest.UsageError(f"--asyncfastapi-blocking-baseline: {error}") from None
    config.stash[BASELINE] = Baseline(path, keys)


def rules_from_markers(item: pytest.Item) -> tuple[str, ...]:
    """The rules of `@pytest.mark.allow_blocking`, checked."""
    from .._blocking.allow import parse_rule

    rules: list[str] = []
    for mark in item.iter_markers("allow_blocking"):
        wrong = set(mark.kwargs) - {"reason"}
        if not mark.args or wrong or not all(isinstance(arg, str) for arg in mark.args):
            raise pytest.UsageError(
                f"{item.nodeid}: @pytest.mark.allow_blocking takes what is allowed as text, and "
                'a reason: @pytest.mark.allow_blocking("open", reason="reads a 1 KB file")'
            )
        rules.extend(mark.args)
    for rule in rules:
        try:
            parse_rule(rule)
        except ValueError as error:
            raise pytest.UsageError(
                f"{item.nodeid}: @pytest.mark.allow_blocking: {error}"
            ) from None
    return tuple(rules)


def _unused_markers(item: pytest.Item, guard: BlockingGuard) -> Iterator[str]:
    """Report `allow_blocking` markers that no longer allow anything."""
    unused = guard._unused_rules()
    marked = rules_from_markers(item) if unused else ()
    for rule in unused:
        if rule.text in marked:
            yield f"{item.nodeid}: allow_blocking({rule.text!r}) allowed nothing"
