"""A finding in words, for people who have never seen this plugin.

First line: what happened. Then, each under a name: where, in what, through
what, why it matters, what to write instead, and how to allow it.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._core.findings import Finding, Location

_WIDTH = 10
_MOST = 5


def failure(errors: Sequence[Finding], *, phase: str = "call", seed: str = "") -> str:
    """The text of a test that fails because of findings only."""
    number = len(errors)
    head = "1 finding" if number == 1 else f"{number} findings"
    when = "after the test had ended" if phase == "teardown" else "the test's own assertions passed"
    parts = [f"pytest-asyncfastapi: {head}; {when}", ""]
    parts.append(findings(errors))
    if seed:
        parts.append(seed)
    return "\n".join(parts).rstrip()


def findings(items: Sequence[Finding]) -> str:
    """Several findings, a blank line between them."""
    return "\n\n".join(finding(item) for item in items)


def finding(item: Finding) -> str:
    """One finding."""
    times = f" (x {item.count})" if item.count > 1 else ""
    lines = [f"{item.title}{times}"]
    if item.where is not None:
        lines.append(_row("where", _place(item.where)))
        if item.where.source:
            lines.append(" " * (_WIDTH + 4) + item.where.source)
    if item.activity:
        lines.append(_row("in", item.activity))
    if len(item.chain) > 1:
        lines.append(_row("through", "\n".join(_step(step) for step in item.chain)))
    if item.created:
        lines.append(_row("created", item.created))
    seen = "seen by" if item.kind == "blocking" else "detail"
    if also := item.data.get("also"):
        more = [f"and {len(also) - _MOST} more"] if len(also) > _MOST else []
        lines.append(_row("also", "\n".join([*also[:_MOST], *more])))
    for name, value in (("why", item.why), (seen, item.evidence), ("fix", item.remedy)):
        if value:
            lines.append(_row(name, _wrapped(value)))
    if item.replay:
        lines.append(_row("replay", item.replay))
    if item.allow:
        lines.append(_row("intended?", item.allow))
    return "\n".join(lines)


def is_told(item: Finding, shown: str) -> bool:
    """Does a failure that is shown so tell this finding already?

    It may be its text, or an exception with what happened and what to write instead.
    """
    parts = (item.title, item.remedy, *item.data.get("also", ()))
    return all(part in shown for part in parts) or finding(item) in shown


def _row(name: str, value: str) -> str:
    first, *rest = value.splitlines()
    pad = " " * (_WIDTH + 2)
    return "\n".join([f"  {name:<{_WIDTH}}{first}", *(f"{pad}{line}" for line in rest)])


def _place(where: Location) -> str:
    return f"{where}, in {where.function}" if where.function else str(where)


def _step(step: Location) -> str:
    return f"{step.function.rpartition('.')[2] or '?'} ({step})"


def _wrapped(value: str) -> str:
    """Sentences broken at 80 columns; code, addresses and what is indented are left whole."""
    lines: list[str] = []
    for line in value.splitlines():
        if line.startswith("  "):
            lines.append(line)
            continue
        lines += textwrap.wrap(
            line,
            80 - _WIDTH - 2,
            subsequent_indent="  " if line.startswith("- ") else "",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines)
