"""Calls of clients that are not httpx: what is decided, and scripts that answer over memory.

Each such client has a module that knows where it opens connections (`aiohttp_calls.py`,
`urllib3_calls.py`). All above that is the client's own: its pool, timers, parser and errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from .script import REAL, Script
from .sent_calls import ForeignCall, SentCall

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from .decision import Decision
    from .scope import UpstreamScope


def begin(
    scope: UpstreamScope,
    call: ForeignCall,
    instant: Callable[[], tuple[float, str]],
    frame: FrameType,
    *,
    in_thread: bool = False,
) -> SentCall:
    """The call goes out now, from the code above `frame`."""
    at, clock = instant()
    clock = "thread" if in_thread else clock
    name = call.library.name
    out = scope.recorder.begin(call.request, name, at, frame, clock, pool=call.pool)
    scope.recorder.failed(out, frame)  # it is not known beforehand, and not seen from here
    return SentCall(scope, call, out, instant)


def decide(scope: UpstreamScope, sent: SentCall) -> Decision:
    """What is to happen to it; raises as `CallPolicy.decide` does."""
    call, out = sent.call, sent.out
    decision = scope.call_policy.decide(call, call.request, scope.router, out.where, sent.instant)
    sent.decision = decision
    if decision.plan is not None:
        out.fault = decision.plan
    return decision


def goes_out(decision: Decision) -> bool:
    """Does it take its own way, to the real network?"""
    return (decision.way, decision.source) == ("answer", "original") and decision.status is None


def script(
    scope: UpstreamScope, sent: SentCall, decision: Decision, answer: Callable[[Decision], Any]
) -> Script:
    """What the network does to it; `answer` makes the answer, or an awaitable of it."""

    def again() -> Script | None:
        if decision.plan is None:
            return script(scope, sent, decision, answer)
        renewed = scope.call_policy._decide_again(
            sent.call,
            sent.call.request,
            scope.router,
            sent.out.where,
            plan=decision.plan,
            now=sent.instant(),
        )
        return None if goes_out(renewed) else script(scope, sent, renewed, answer)

    return decision.script(lambda: answer(decision), again)


async def answer_async(scope: UpstreamScope, sent: SentCall, decision: Decision) -> Any:
    """The answer: of a fault, of a route, or of the real upstream, which is then played."""
    call, seen = sent.call, sent.call.request
    sent.response = decision.status
    if sent.response is None and decision.source == "router" and scope.router is not None:
        answer = scope.answer_of(call, seen, await scope.router._answer_async(seen))
        sent.response = answer.response
    if sent.response is None:
        token = REAL.set(True)
        try:
            async with httpx.AsyncClient(timeout=None) as client:  # the call's own limits hold
                sent.response = await client.send(seen)
        finally:
            REAL.reset(token)
    return sent.response


def answer_sync(scope: UpstreamScope, sent: SentCall, decision: Decision) -> Any:
    """The same in a thread."""
    call, seen = sent.call, sent.call.request
    sent.response = decision.status
    if sent.response is None and decision.source == "router" and scope.router is not None:
        sent.response = scope.answer_of(call, seen, scope.router.answer(seen)).response
    if sent.response is None:
        token = REAL.set(True)
        try:
            with httpx.Client(timeout=None) as client:
                sent.response = client.send(seen)
        finally:
            REAL.reset(token)
    return sent.response


def as_seen(
    method: str,
    url: str,
    headers: list[tuple[str, str]],
    content: bytes,
    timeouts: dict[str, float | None],
) -> httpx.Request:
    """The request as routes see it; a body that is not known yet is empty."""
    extensions = {"timeout": timeouts}
    seen = httpx.Request(method, url, headers=headers, content=content, extensions=extensions)
    given = {name.lower() for name, _ in headers}
    for name in ("content-length", "transfer-encoding"):
        if not content and name not in given and name in seen.headers:
            del seen.headers[name]
    return seen
