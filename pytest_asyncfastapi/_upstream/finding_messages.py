"""The findings of this package, in words: what, where, why it matters, what to change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from .._core.findings import Finding, Location
from .._core.timeout_remedies import timeout_remedy
from .._faults import missing_timeout
from .near_misses import nearest, show_route, show_url, suggestion

if TYPE_CHECKING:
    import httpx
    from respx.models import Route

    from .call_log import OpenExchange
    from .errors import UpstreamExhausted


def show_request(request: httpx.Request) -> str:
    """A request in one line."""
    return f"{request.method} {show_url(request.url)}"


def unrouted(
    request: httpx.Request,
    library: str,
    routes: list[Route],
    *,
    where: Location | None,
    activity: str,
    severity: Literal["error", "warning"],
    test: str,
) -> Finding:
    """A call that no route answers."""
    near = nearest(routes, request)
    if near:
        evidence = "the nearest routes:\n" + "\n".join(f"- {line}" for line in near)
    else:
        evidence = "there are no routes yet"
    return Finding(
        kind="unrouted",
        title=f"no route answers {show_request(request)} ({library})",
        where=where,
        activity=activity,
        why="the test would reach the real network",
        remedy=suggestion(request),
        evidence=evidence,
        allow=f"asyncfastapi_passthrough = {request.url.host}",
        severity=severity,
        test=test,
    )


def no_timeout(
    request: httpx.Request, out: OpenExchange, phase: str, activity: str, test: str
) -> Finding:
    """A call that nothing would ever end."""
    return Finding(
        kind="no-timeout",
        title=missing_timeout(phase, show_request(request)),
        where=out.where,
        activity=activity,
        why="an upstream that stops answering holds the request and its connection without limit",
        remedy=timeout_remedy(out.library, [phase]),
        test=test,
    )


def undeliverable(
    request: httpx.Request, why: str, where: Location | None, activity: str, test: str
) -> Finding:
    """An answer that no server could send."""
    return Finding(
        kind="undeliverable-answer",
        title=f"the answer to {show_request(request)} breaks HTTP: {why}",
        where=where,
        activity=activity,
        why="a client rejects it, as it would one of a server",
        remedy="leave out the header: it is made from the body; or send what it says",
        severity="warning",
        test=test,
    )


def exhausted(error: UpstreamExhausted, route: Route, where: Location | None, test: str) -> Finding:
    """A route whose list of answers was used up."""
    return Finding(
        kind="upstream-exhausted",
        title=str(error).partition("\n")[0],
        where=where,
        why="a list of answers is used up in order, and is not begun again",
        remedy="one more answer in side_effect=[...], or .respond(...) for every call",
        evidence=show_route(route),
        test=test,
    )


def text_of(finding: Finding) -> str:
    """The finding as the text of an exception."""
    lines = [finding.title]
    if finding.where is not None:
        source = f": {finding.where.source}" if finding.where.source else ""
        lines.append(f"  called at {finding.where} in {finding.where.function}{source}")
    lines += [f"  {line}" for line in finding.evidence.splitlines()]
    lines += [f"  because {finding.why}", f"  write: {finding.remedy}"]
    setting, _, value = finding.allow.partition(" = ")
    if value:
        lines.append(f"  or allow it: --{setting.replace('_', '-')}={value}")
    return "\n".join(lines)
