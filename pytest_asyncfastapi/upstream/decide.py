"""What is to happen to one call: by the faults, the routes and the policy.

Runs on the app's stack before anything is sent, so that a call that may not go
out fails where it was made. Carries nothing out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import httpx

from ..activity import ACTIVITY
from ..faults import Effect, Faults, NoTimeoutSet, Plan
from ..findings import FindingLog, Location
from . import beside, messages
from .errors import UnroutedCall
from .peer import Script
from .play import timeouts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..frames import UserCode
    from .intercept import Call
    from .router import Upstream
    from .table import Match

Way = Literal["answer", "play", "pool"]
Source = Literal["router", "original"]


@dataclass(slots=True, eq=False)
class Decision:
    """How the call goes, who answers it, and the faults that struck it.

    `status` is the response of a status fault; `limit` the pool budget (s);
    `match` the route that was found and will answer. Not changed
    once made, and not frozen: one is made for every call.
    """

    way: Way
    source: Source
    plan: Plan | None = None
    status: httpx.Response | None = None
    limit: float = 0.0
    match: Match | None = None

    def script(
        self,
        answer: Callable[[], Any],
        again: Callable[[], Script | None] | None = None,
        ready: Callable[[], Any] | None = None,
    ) -> Script:
        """The network's part of it; `again` gives that of the next attempt to connect."""
        effect = Effect() if self.plan is None else self.plan.effect
        return Script(answer, effect, again=again, ready=ready)


_PLAY = Decision("play", "router")


class Unbounded(Exception):
    """Inside this room: the call is stalled, and has no budget of its own for `phase`."""

    def __init__(self, phase: str, plan: Plan) -> None:
        super().__init__(phase)
        self.phase = phase
        self.plan = plan


class Judge:
    """Decides for every call of one test, and logs what must not be."""

    def __init__(
        self,
        user_code: UserCode,
        faults: Faults,
        policy: str,
        passthrough: tuple[str, ...],
        test: str,
    ) -> None:
        self._user_code = user_code
        self._faults = faults
        self._policy = policy
        self._passthrough = frozenset(host.strip().lower() for host in passthrough)
        self._test = test
        self.log = FindingLog()

    def decide(
        self,
        call: Call,
        seen: httpx.Request,
        router: Upstream | None,
        where: Location | None,
        clock: Callable[[], tuple[float, str]],
    ) -> Decision:
        """Decide; raises `UnroutedCall` where the call was made, `Unbounded` if nothing ends it.

        `clock()` is the time in force (s) and, where it is not the process's, its name.
        """
        if seen.url.scheme not in ("http", "https"):
            return Decision("answer", "original")  # the library itself refuses it
        router = _asked(router, seen)
        plan = self._faults.decide(seen, *clock()) if len(self._faults) else None
        if plan is None:
            return self._unharmed(call, seen, router, where)
        return self._harmed(call, seen, router, where, plan)

    def decide_again(
        self,
        call: Call,
        seen: httpx.Request,
        router: Upstream | None,
        where: Location | None,
        *,
        plan: Plan,
        now: tuple[float, str],
    ) -> Decision:
        """Decide as the client connects once more for this call; raises as `decide` does."""
        router = _asked(router, seen)
        plan = self._faults.decide_again(seen, plan, *now)
        if not plan.struck:
            return replace(self._unharmed(call, seen, router, where), plan=plan)
        return self._harmed(call, seen, router, where, plan)

    def _harmed(
        self,
        call: Call,
        seen: httpx.Request,
        router: Upstream | None,
        where: Location | None,
        plan: Plan,
    ) -> Decision:
        effect = plan.effect
        if effect.stalls is not None and timeouts(call).get(effect.stalls) is None:
            raise Unbounded(effect.stalls, plan)
        # The call was made, even if a budget cuts it off before the route has answered.
        match = router.reach(seen) if router is not None else None
        if effect.waits_for_pool:
            limit = timeouts(call).get("pool") or 0.0
            return Decision("pool", "router", plan, limit=limit)
        if effect.ending == "status":
            networked = router is not None and router.through_network
            way: Way = "play" if effect.is_paced or networked else "answer"
            return Decision(way, "router", plan, status=_status(seen, plan))
        if not effect.answered:
            return Decision("play", "router", plan)
        if match is not None:
            return Decision("play", "router", plan, match=match)
        return Decision("play", self._source(call, seen, router, where), plan)

    def _unharmed(
        self, call: Call, seen: httpx.Request, router: Upstream | None, where: Location | None
    ) -> Decision:
        if router is not None:
            match = router.reach(seen)
            if match is not None:
                if router.needs_network(match[0]):
                    return _PLAY
                return Decision("answer", "router", match=match)
        return Decision("answer", self._source(call, seen, router, where))

    def _source(
        self, call: Call, seen: httpx.Request, router: Upstream | None, where: Location | None
    ) -> Source:
        if router is None:
            return "original"
        if router.reach(seen) is not None:
            return "router"
        if seen.url.host.lower() in self._passthrough or self._policy == "pass":
            return "original"
        if beside.answers(call.library.name, seen):
            return "original"
        if self._policy == "warn":
            self.log.add(self._finding(call, seen, router, where, "warning"))
            return "original"
        raise self.unrouted(call, seen, router, where)

    def unrouted(
        self, call: Call, seen: httpx.Request, router: Upstream, where: Location | None
    ) -> UnroutedCall:
        """Log a call that no route answers; gives the error for the app."""
        finding = self._finding(call, seen, router, where, "error")
        self.log.add(finding)
        return UnroutedCall(messages.text_of(finding))

    def _finding(
        self,
        call: Call,
        seen: httpx.Request,
        router: Upstream,
        where: Location | None,
        severity: Literal["error", "warning"],
    ) -> Any:
        return messages.unrouted(
            seen,
            call.library.name,
            list(router.routes),
            where=where,
            activity=ACTIVITY.get(),
            severity=severity,
            test=self._test,
        )

    def let_through(self, hosts: Iterable[str]) -> Callable[[], None]:
        """Let un-routed calls go out, to these hosts or (none) to all; returns the undo."""
        before = self._policy, self._passthrough
        if names := frozenset(host.lower() for host in hosts):
            self._passthrough |= names
        else:
            self._policy = "pass"

        def undo() -> None:
            self._policy, self._passthrough = before

        return undo

    def no_timeout(self, seen: httpx.Request, phase: str, where: Location | None) -> NoTimeoutSet:
        """Log a stalled call that nothing ends; gives the error for the app."""
        self.log.add(messages.no_timeout(seen, phase, where, ACTIVITY.get(), self._test))
        return NoTimeoutSet(phase, messages.show_request(seen), where)


def _asked(router: Upstream | None, seen: httpx.Request) -> Upstream | None:
    """The router, where this request is to be mocked at all."""
    return router if router is not None and router.should_mock(seen) else None


def _status(seen: httpx.Request, plan: Plan) -> httpx.Response:
    after = plan.effect.retry_after
    headers = {"Retry-After": after} if after else {}
    return httpx.Response(plan.effect.status, headers=headers, content=b"", request=seen)
