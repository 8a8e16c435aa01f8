"""`--asyncfastapi-coverage`: the facts of each test ride on its reports, and meet at the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .._core.redaction import redacted
from .feature import Feature
from .payloads import ATTRIBUTE, payloads
from .settings import SETTINGS

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from .._coverage.facts import Facts
    from .._coverage.result import Coverage
    from .feature import App, TestContext
    from .upstream import UpstreamFeature

FACTS = pytest.StashKey["Facts"]()
RESULT = pytest.StashKey["Coverage"]()
TERMINAL = "terminal"


def wanted(config: pytest.Config) -> bool:
    """Is coverage to be reported, or to reach a floor?"""
    chosen = config.stash[SETTINGS]
    return bool(chosen.coverage or chosen.coverage_floor)


class CoverageFeature(Feature):
    """`_coverage`, for one test: the facts are the process's, put on the reports that are shown."""

    def __init__(self, test: TestContext, upstream: UpstreamFeature) -> None:
        super().__init__(test)
        self._upstream = upstream

    def _facts(self) -> Facts | None:
        """Where the facts of this process are collected; None where nobody wants them."""
        config = self.test.item.config
        if not wanted(config):
            return None
        if FACTS not in config.stash:
            from .._coverage.facts import Facts

            config.stash[FACTS] = Facts(self.test.user_code)
        return config.stash[FACTS]

    def wrap_app(self, app: App) -> App:
        """Note its requests."""
        facts = self._facts()
        return app if facts is None else facts.watched(app, self.test.test)

    def end(self, *, judge: bool) -> None:
        """A test, or a run of it by a sweep, is over."""
        facts = self._facts()
        if facts is not None:
            facts.add_calls(self._upstream.calls(), self.test.test)


class Carrier:
    """Puts what is new on the reports that are shown: those of a sweep's runs are not."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Before xdist sends it; a run that is tried again keeps its facts for the next."""
        facts = self._config.stash.get(FACTS, None)
        if facts is None or report.outcome == "rerun":  # type: ignore[comparison-overlap]
            return
        if new := facts.take():
            payload = getattr(report, ATTRIBUTE, None) or {}
            setattr(report, ATTRIBUTE, {**payload, "coverage": redacted(new)})


def install(config: pytest.Config) -> None:
    """Let the facts of this process ride on its reports, if they are wanted."""
    if wanted(config):
        config.pluginmanager.register(Carrier(config), "asyncfastapi_coverage")


def result(terminal: TerminalReporter, config: pytest.Config) -> Coverage:
    """The coverage of the whole run; put together once."""
    if RESULT not in config.stash:
        from .._coverage.result import put_together

        facts = [fact for each in payloads(terminal) for fact in each.get("coverage", ())]
        config.stash[RESULT] = put_together(facts)
    return config.stash[RESULT]


def is_below_floor(terminal: TerminalReporter, config: pytest.Config) -> bool:
    """Was less tested than there should be?"""
    floor = config.stash[SETTINGS].coverage_floor
    return bool(floor) and result(terminal, config).percent < floor


def write(terminal: TerminalReporter, config: pytest.Config) -> None:
    """Show the result, and write it to the files that were named."""
    if not wanted(config):
        return
    from .._coverage import writers

    chosen, found = config.stash[SETTINGS], result(terminal, config)
    terminal.section("pytest-asyncfastapi: coverage of behaviour", sep="=", cyan=True)
    for line in writers.as_lines(found, verbose=config.get_verbosity() > 0):
        terminal.write_line(line)
    for name in chosen.coverage:
        if name == TERMINAL:
            continue
        page = name.endswith(".html")
        text = writers.as_page(found) if page else json.dumps(found.to_json(), indent=1) + "\n"
        path = Path(config.invocation_params.dir, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        terminal.write_line(f"written: {name}")
    if is_below_floor(terminal, config):
        terminal.write_line(
            f"FAILED: {found.percent} % is below the floor of {chosen.coverage_floor} %", red=True
        )
