"""From many results to few findings: one for each thing that is wrong at one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.findings import Finding, Location
from .model import NOT_JUDGED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .model import Result

    Title = Callable[[Sequence[Result]], str]

LISTED = (
    *("masked", "lost background task", "unexpected data", "unsafe retry"),
    *("cleanup cut off", "cancel swallowed", "database gone"),
)


def grouped(
    test: str,
    name: str,
    done: Sequence[Result],
    title: Title,
    why: Mapping[str, str],
    *,
    listed: Sequence[str] = LISTED,
) -> list[Finding]:
    """The bad results, and those that are only `listed`, one finding a group."""
    groups: dict[tuple[bool, str], list[Result]] = {}
    for result in done:
        if result.bad or result.verdict in listed:
            groups.setdefault((not result.bad, result.group), []).append(result)
    in_order = sorted(groups.items(), key=lambda pair: pair[0][0])
    return [_finding(test, name, results, title, why) for _, results in in_order]


def _finding(
    test: str, name: str, results: Sequence[Result], title: Title, why: Mapping[str, str]
) -> Finding:
    first = results[0]
    # Of these nothing is known but the token.
    text = first.verdict if first.verdict == NOT_JUDGED else title(results)
    where = first.data.get("where")
    replay = f"{quoted(test)} --asyncfastapi-replay={first.token}"
    return Finding(
        kind=f"sweep.{first.verdict.replace(' ', '-')}",
        title=f"{name}: {text}",
        where=Location(*where) if where else None,
        activity=first.data.get("activity", ""),
        evidence=first.detail,
        why=why.get(first.verdict, ""),
        remedy=first.data.get("remedy", ""),
        replay=f"pytest {replay}",
        severity="error" if first.bad else "warning",
        test=test,
        data={"tokens": [result.token for result in results]},
    )


def quoted(test: str) -> str:
    """A test's name as a shell takes it."""
    import shlex

    return shlex.quote(test)
