"""Calls without a timeout, and many at one time without a limit.

Knows the calls of a test as the recorder of `_upstream` keeps them.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any

from .._core.activity import BODY
from .._core.timeout_remedies import timeout_remedy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .._core.creation_site import CreationSite
    from .._core.findings import Finding
    from .._core.frames import UserCode
    from .._upstream.call_log import OpenExchange
    from .rules import Policy

_DEFAULT = "asyncfastapi.default_timeout"  # see `_upstream/call_log.py`
_PHASES = {
    "connect": "to be connected",
    "read": "for the answer",
    "pool": "for a free connection of its pool",
}
_EVENTS = "text/event-stream"  # pauses between events have no upper bound


def no_timeout(calls: Sequence[OpenExchange], policy: Policy) -> Iterator[Finding]:
    """Calls of the app that wait without a limit, or with one that the app did not choose."""
    seen: set[tuple[str, int]] = set()
    for call in calls:
        request = call.request
        limits = request.extensions.get("timeout") or {}
        missing = [name for name in _PHASES if name in limits and limits[name] is None]
        if "read" in missing and _EVENTS in request.headers.get("accept", ""):
            missing.remove("read")
        default = request.extensions.get(_DEFAULT)
        where = call.where
        if not (missing or default) or call.own_budget or not _is_the_apps(call):
            continue
        if where is None or (where.path, where.line) in seen:
            continue
        seen.add((where.path, where.line))
        label = f"{call.method} {call.url}".partition("?")[0]
        if missing:
            yield policy.finding(
                "no-timeout",
                f"no timeout: {label} waits without a limit{_joined(missing)}",
                where,
                call.activity,
                why="an upstream that stops answering holds the request and its connection "
                "without limit",
                remedy=timeout_remedy(call.library, missing),
            )
        else:
            yield policy.finding(
                "default-timeout",
                f"timeout not chosen: {label} may take {call.library}'s default of "
                f"{default / 60:g} minutes",
                where,
                call.activity,
                why="a caller has given up long before, and the request and its connection are "
                "held meanwhile",
                remedy=timeout_remedy(call.library, ["total"]),
            )


def _joined(missing: list[str]) -> str:
    if len(missing) == len(_PHASES) or missing == ["connect", "read"]:
        return ""
    return " " + " and ".join(_PHASES[name] for name in missing)


def fan_out(calls: Sequence[OpenExchange], policy: Policy, user: UserCode) -> Iterator[Finding]:
    """More calls to one host at one time, from one line and one request, than there should be."""
    groups: dict[tuple[Any, str, int, str], list[tuple[int, OpenExchange]]] = {}
    if len(calls) <= policy.fan_out:
        return
    for number, call in enumerate(calls):
        if call.where is not None and _is_the_apps(call):
            who = id(call.served) if call.served is not None else call.activity
            key = (who, call.where.path, call.where.line, str(call.url.host))
            groups.setdefault(key, []).append((number, call))
    for (*_, host), group in groups.items():
        most = _most_in_flight(group) if len(group) > policy.fan_out else 0
        if most <= policy.fan_out:
            continue
        first = group[0][1]
        made = _made_by([call.site for _, call in group])
        where = first.where if made is None else made.where(user)
        called = "" if where == first.where else f"called at {first.where}: {first.where.source}"  # type: ignore[union-attr]
        yield policy.finding(
            "fan-out",
            f"no limit: {most} calls to {host} in flight at one time",
            where,
            first.activity,
            why="the number grows with the data; the upstream answers 429 or slows down, and "
            "connections, files and memory run out",
            remedy="`limit = asyncio.Semaphore(10)` and `async with limit:` around the call, or a "
            "client with `limits=httpx.Limits(max_connections=10)`",
            evidence=called,
        )


def _most_in_flight(group: list[tuple[int, OpenExchange]]) -> int:
    """How many of these were out at one time; a client's pool lets only so many out."""
    out: dict[int, list[float]] = {}
    limits: dict[int, int] = {}
    most = 0
    for number, call in group:
        pool, limit = call.pool
        limits[pool] = limit
        for ends in out.values():
            while ends and ends[0] <= number:
                heapq.heappop(ends)
        until = float("inf") if call.until is None else float(call.until)
        heapq.heappush(out.setdefault(pool, []), until)
        most = max(most, sum(min(len(ends), limits[each]) for each, ends in out.items()))
    return most


def _made_by(sites: list[CreationSite | None]) -> CreationSite | None:
    """The one line that created the tasks of all the calls, such as a `gather()`."""
    while sites and None not in sites:
        known = [site for site in sites if site is not None]
        parents = {id(site.parent) for site in known}
        lines = {(site.code, site.line) for site in known}
        if len(lines) > 1:
            return None
        if len(parents) == 1 and len({id(site) for site in known}) > 1:
            return known[0] if known[0].code is not None else None
        sites = [site.parent for site in known]
    return None


def _is_the_apps(call: OpenExchange) -> bool:
    """Is it made by the app, and not by the test itself?"""
    return call.served is not None or call.activity not in ("", BODY)
