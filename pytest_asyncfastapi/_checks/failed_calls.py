"""What the app does about a call that failed: sends it again, or says that all went well.

Only what is wrong beyond doubt is reported. Knows the calls of a test as the recorder of
`_upstream` keeps them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .source_code import looks_at_status, swallows, takes_exceptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .._core.findings import Finding
    from .._core.frames import UserCode
    from .._upstream.call_log import OpenExchange
    from .rules import Policy

_NOT_SAFE = ("POST", "PATCH")
_WRITES = (*_NOT_SAFE, "PUT", "DELETE")
# After these nobody knows whether the upstream has done what it was asked for.
_ERRORS = frozenset(
    [
        "ReadTimeout",
        "ReadError",
        "RemoteProtocolError",
        "ServerTimeoutError",
        "SocketTimeoutError",
        "ServerDisconnectedError",
        "ClientOSError",
        "ReadTimeoutError",
        "TimeoutError",
        "ProtocolError",
    ]
)
_STATUSES = (500, 502, 504)
# Raised by this plugin for what has a finding of its own.
_TOLD = ("UnroutedCall", "NoTimeoutSet")
# Of these the recorder has seen the very error that the app gets; others put it into their own.
_RAISE_THEIR_OWN = ("httpx", "httpx2")
# A POST that only asks for something may be sent again.
_QUESTIONS = frozenset(
    [
        "token",
        "tokens",
        "search",
        "query",
        "graphql",
        "login",
        "introspect",
        "lookup",
        "oauth",
        "oauth2",
        "completions",
        "embeddings",
        "msearch",
        "validate",
        "verify",
        "check",
        "rpc",
        "batch",
    ]
)
_KEYS = ("idempot", "request-id", "request_id", "client-token", "client_token", "dedup")


def unsafe_retries(calls: Sequence[OpenExchange], policy: Policy) -> Iterator[Finding]:
    """A POST or PATCH sent again after it may have been processed, and without a key."""
    seen: set[tuple[str, int]] = set()
    for first in calls:
        if first.method not in _NOT_SAFE or not _may_be_done(first) or first.served is None:
            continue
        if _is_a_question(first) or first.until is None:
            continue
        again = next((call for call in calls[first.until :] if _is_same(first, call)), None)
        if again is None or again.where is None or _has_key(first, again):
            continue
        if (place := (again.where.path, again.where.line)) in seen:
            continue
        seen.add(place)
        came = first.error or str(first.status)
        path = f"{first.method} {first.url}".partition("?")[0]
        yield policy.finding(
            "unsafe-retry",
            f"unsafe retry: {path} may have been processed when it met {came}, and was sent again",
            again.where,
            first.activity,
            why="what it asks for may be done twice: a second charge, a second order",
            remedy="send an Idempotency-Key that stays the same for all tries, or do not send "
            "again what may have been done",
            evidence=f"first sent at {first.where}" if first.where != again.where else "",
        )


def _may_be_done(call: OpenExchange) -> bool:
    return call.error in _ERRORS or (not call.error and call.status in _STATUSES)


def _is_a_question(call: OpenExchange) -> bool:
    return not _QUESTIONS.isdisjoint(re.split(r"[/_:.-]", str(call.url.path).lower()))


def _is_same(first: OpenExchange, other: OpenExchange) -> bool:
    return (
        other.served is first.served
        and other.method == first.method
        and str(other.url) == str(first.url)
        and _body(other) == _body(first)
    )


def _body(call: OpenExchange) -> Any:
    return getattr(call.request, "_content", None)


def _has_key(first: OpenExchange, again: OpenExchange) -> bool:
    """Can the upstream tell that it is the same request, by a header or in the body?"""
    for name, value in first.request.headers.items():
        named = any(key in name.lower() for key in _KEYS)
        if named and again.request.headers.get(name) == value:
            return True
    body = _body(first)
    text = body.decode(errors="replace").lower() if isinstance(body, bytes) else ""
    return any(key in text for key in _KEYS)


def swallowed(calls: Sequence[OpenExchange], policy: Policy, user: UserCode) -> Iterator[Finding]:
    """A call that failed while its request was answered as a success, without a word about it."""
    for call in calls:
        served = call.served
        failed = bool(call.error) or (call.status or 0) >= 500
        if not failed or call.late or served is None or not served.finished or not call.chain:
            continue
        if call.error in _TOLD:
            continue
        status = getattr(served, "status", 0)
        if served.error is not None or not 200 <= status < 300 or _came_later(call, calls):
            continue
        if call.error:
            place = _dropped_at(call)
            what = call.error
        else:
            place = None if _is_looked_at(call) else call.chain[0]
            what = f"status {call.status}"
        if place is None:
            continue
        path = f"{call.method} {call.url}".partition("?")[0]
        yield policy.finding(
            "swallowed",
            f"swallowed: {path} met {what}, and {served.label} answered {status}",
            user.location(*place),
            call.activity,
            why="the caller gets a success, and the failure is neither logged nor reported"
            if call.error
            else "nobody looks at the status of the answer",
            remedy="catch the client's own error (httpx.HTTPError), log it, and answer 502, or say "
            "in the answer what is missing"
            if call.error
            else "call response.raise_for_status(), and answer 502 where it raises",
            evidence=f"called at {call.where}" if call.where and place != call.chain[0] else "",
        )


def _came_later(call: OpenExchange, calls: Sequence[OpenExchange]) -> bool:
    """Was it tried again, with success?"""
    until = len(calls) if call.until is None else call.until
    return any(
        other.served is call.served
        and other.method == call.method
        and str(other.url) == str(call.url)
        and not other.error
        and (other.status or 500) < 400
        for other in calls[until:]
    )


def _lines(call: OpenExchange) -> Iterator[tuple[Any, int]]:
    yield from call.chain
    site = call.site
    while site is not None:
        if site.code is not None:
            yield site.code, site.line
        site = site.parent


def _dropped_at(call: OpenExchange) -> tuple[Any, int] | None:
    """The handler that dropped the error; None where none is known to have."""
    for code, line in _lines(call):
        if takes_exceptions(code, line):
            return None
        kinds = call.kinds if call.library in _RAISE_THEIR_OWN else ()
        found = swallows(code, line, kinds, writes=call.method in _WRITES)
        if found is not None:
            return (code, found) if found else None
    return None


def _is_looked_at(call: OpenExchange) -> bool:
    return any(looks_at_status(code, line) for code, line in _lines(call))
