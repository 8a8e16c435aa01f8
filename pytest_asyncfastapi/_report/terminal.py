"""The summary at the end of a run: findings by place, like `--durations`."""

from __future__ import annotations

import textwrap
from itertools import chain
from typing import TYPE_CHECKING

from .._core.rules import page_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _pytest.terminal import TerminalReporter

    from .._core.findings import Finding

_TITLE = "pytest-asyncfastapi"
_INDENT = " " * 6
_MOST = 10  # lines of one finding, unless pytest is verbose


def write_summary(
    terminal: TerminalReporter, gathered: tuple[list[Finding], list[str]], *, site: str = ""
) -> None:
    """Write what was found, once a place; nothing at all if nothing was found.

    `site` is where the documentation is published.
    """
    found, notes = gathered
    if not found and not notes:
        return
    terminal.section(_TITLE, sep="=", cyan=True)
    for finding, tests in _by_place(found):
        severe = finding.severity == "error"
        terminal.ensure_newline()
        terminal.write("FOUND " if severe else "warn  ", red=severe, yellow=not severe, bold=True)
        terminal.line(finding.title + (f" (x {finding.count})" if finding.count > 1 else ""))
        verbose, width = terminal.config.get_verbosity() > 0, terminal._tw.fullwidth - len(_INDENT)
        for line in _details(finding, tests, site, verbose=verbose, width=width):
            terminal.write_line(f"{_INDENT}{line}")
    for note in notes:
        terminal.write_line(f"note  {note}")
    errors = sum(1 for finding, _ in _by_place(found) if finding.severity == "error")
    if found:
        places = len(list(_by_place(found)))
        terminal.write_line(
            f"{_count(errors, 'finding')} that fail{'s' if errors == 1 else ''} tests, "
            f"{_count(places - errors, 'warning')}"
        )


def _details(
    finding: Finding, tests: list[str], site: str, *, verbose: bool, width: int
) -> list[str]:
    head: list[str] = []
    if finding.where is not None:
        source = f"  {finding.where.source}" if finding.where.source else ""
        head.append(f"{finding.where}{source}")
    if finding.activity:
        head.append(f"in {finding.activity}")
    tail: list[str] = []
    tests = sorted(tests)  # under xdist they arrive in any order
    shown = tests if verbose else tests[:2]
    more = len(tests) - len(shown)
    if shown and shown[0]:
        tail.append(f"seen in {', '.join(shown)}{f' and {more} more' if more else ''}")
    if page := page_of(finding.kind, site):
        tail.append(f"see {page}")
    middle = [*_explained(finding, verbose=verbose, width=width)]
    room = _MOST - 1 - len(head) - len(tail)
    if not verbose and len(middle) > room:
        middle = [*middle[: room - 1], "... (-v shows all)"]
    return [*chain(head, middle, tail)]


def _explained(finding: Finding, *, verbose: bool, width: int) -> Iterable[str]:
    if finding.kind.startswith("sweep.") and finding.severity == "warning":
        yield from _wrapped("detail: ", finding.evidence, width)  # no failed test shows it
    if finding.remedy:
        yield from _wrapped("fix: ", finding.remedy if verbose else _first(finding.remedy), width)


def _wrapped(name: str, text: str, width: int) -> Iterable[str]:
    """Sentences, below their name; code and addresses are left whole."""
    pad = " " * len(name)
    for line in text.splitlines():
        yield from textwrap.wrap(
            line,
            width,
            initial_indent=name,
            subsequent_indent=pad,
            break_long_words=False,
            break_on_hyphens=False,
        )
        name = pad


def _first(text: str) -> str:
    return text.partition("\n")[0]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _by_place(found: Iterable[Finding]) -> list[tuple[Finding, list[str]]]:
    places: dict[tuple[str, str, int], tuple[Finding, list[str]]] = {}
    for finding in found:
        first, tests = places.setdefault(finding.place, (finding, []))
        if finding.severity == "error" and first.severity != "error":
            places[finding.place] = (finding, tests)
        if finding.test not in tests:
            tests.append(finding.test)
    return sorted(places.values(), key=lambda pair: pair[0].severity != "error")
