"""What only the whole run can tell: allow rules that allow nothing, and the baseline's state.

Each guarded test says what it used; here the reports of all tests (and workers) meet.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from .blocking import BASELINE
from .settings import SETTINGS

if TYPE_CHECKING:
    import pytest
    from _pytest.terminal import TerminalReporter

    from .._blocking import baseline
    from .._core.findings import Finding

_MOST = 10  # stale entries that are shown


def session_notes(terminal: TerminalReporter, config: pytest.Config) -> list[str]:
    """The lines for the end of the run; writes the baseline if it is to be written."""
    rules = config.stash[SETTINGS].allow_blocking
    if not rules and BASELINE not in config.stash:
        return []
    from .reporting import runs

    said = [item for item in runs(terminal) if "used" in item]
    whole = is_full_run(terminal, config)
    found: list[str] = []
    if said and whole:
        used = {text for item in said for text in item["used"]}
        found += [
            f"asyncfastapi_allow_blocking: {rule!r} allowed nothing in the whole run"
            for rule in dict.fromkeys(rules)
            if rule not in used
        ]
    if BASELINE in config.stash:
        found += _of_baseline(config, {tuple(key) for item in said for key in item["known"]}, whole)
    return found


def findings(terminal: TerminalReporter, config: pytest.Config) -> list[Finding]:
    """What was configured for the whole run and struck nothing."""
    chosen = config.stash[SETTINGS]
    if not (chosen.sweep != "off" or chosen.schedules or chosen.fault or chosen.replay):
        return []
    from . import unused_flags
    from .reporting import runs, sweeps

    swept = sweeps(terminal)
    found = unused_flags.findings(chosen, swept, runs(terminal))
    if unused_flags.is_replay_without_test(chosen, swept):
        found.append(unused_flags.no_test_to_replay(chosen))
    return found


def _of_baseline(config: pytest.Config, seen: set[baseline.Key], whole: bool) -> list[str]:
    from .._blocking import baseline

    kept = config.stash[BASELINE]
    name = os.path.relpath(kept.path, config.rootpath)
    if kept.keys is None:
        before: frozenset[baseline.Key] = frozenset()
        if not whole and kept.path.exists():
            before = baseline.load(kept.path)  # of the tests that did not run
        baseline.save(kept.path, seen | before)
        return [f"baseline: {len(seen)} blocking calls recorded in {name}"]
    stale = sorted(kept.keys - seen) if whole else []
    lines = [f"baseline: {len(seen)} of {len(kept.keys)} known blocking calls in {name} were made"]
    lines += [f"baseline: not made any more: {baseline.describe(key)}" for key in stale[:_MOST]]
    if stale:
        lines.append(f"baseline: {len(stale)} to forget, with update:{name}")
    return lines


def is_full_run(terminal: TerminalReporter, config: pytest.Config) -> bool:
    """Did every test of the project run, as far as pytest lets us know?"""
    option, stats = config.option, terminal.stats
    chosen = ("keyword", "markexpr", "lf", "stepwise", "deselect", "maxfail")
    if any(getattr(option, name, None) for name in chosen) or stats.get("deselected"):
        return False
    if stats.get("error") and not stats.get("passed"):
        return False
    if config.args_source != config.ArgsSource.ARGS:
        by_paths = config.args_source == config.ArgsSource.TESTPATHS
        return by_paths or config.invocation_params.dir.resolve() == config.rootpath.resolve()
    given = [
        (config.invocation_params.dir / arg.partition("::")[0]).resolve() for arg in config.args
    ]
    if not all(path.is_dir() for path in given) or any("::" in arg for arg in config.args):
        return False
    wanted = [config.rootpath / path for path in config.getini("testpaths")] or [config.rootpath]
    return all(any(Path(path).is_relative_to(top) for top in given) for path in wanted)
