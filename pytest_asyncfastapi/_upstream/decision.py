"""What is to happen to one call: by the faults, the routes and the policy.

Runs on the app's stack before anything is sent, so that a call that may not go
out fails where it was made. Carries nothing out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import httpx

from .._core.activity import ACTIVITY
from .._core.findings import FindingLog, Location
from .._core.timeout_remedies import SOCKS
from .._faults import CallProperties, Effect, FaultPlan, Faults, Hit, NoTimeoutSet
from . import finding_messages, users_respx
from .errors import UnroutedCall
from .outgoing import timeouts
from .prepared_answers import body_of, prepared_by
from .script import Script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .._core.frames import UserCode
    from .call_log import OpenExchange
    from .outgoing import Outgoing
    from .route_index import Match
    from .router import Upstream

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
    plan: FaultPlan | None = None
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

    def record_outcome(self, call: Outgoing, out: OpenExchange, outcome: Any) -> None:
        """Tell the rules that struck what came of it: a response or an error."""
        if self.plan is None:
            return
        if isinstance(outcome, BaseException):
            budget = _BUDGETS.get(type(outcome).__name__, "")
            limit = timeouts(call).get(budget)
            self.plan.record_outcome(Hit(out.method, str(out.url), budget, limit))
        else:
            hit = Hit(out.method, str(out.url))
            self.plan.record_outcome(
                hit, lambda: "none" if out.method == "HEAD" else body_of(outcome)
            )


_BUDGETS = {
    "ConnectTimeout": "connect",
    "ReadTimeout": "read",
    "WriteTimeout": "write",
    "PoolTimeout": "pool",
}


class MissingTimeout(Exception):
    """Inside this package: the call is stalled, and has no budget of its own for `phase`."""

    def __init__(self, phase: str, plan: FaultPlan) -> None:
        super().__init__(phase)
        self.phase = phase
        self.plan = plan


class CallPolicy:
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
        self.log: FindingLog = FindingLog()

    def decide(
        self,
        call: Outgoing,
        seen: httpx.Request,
        router: Upstream | None,
        where: Location | None,
        clock: Callable[[], tuple[float, str]],
    ) -> Decision:
        """Decide; raises `UnroutedCall` at the call, `MissingTimeout` if nothing ends it.

        `clock()` is the time in force (s) and, where it is not the process's, its name.
        """
        if seen.url.scheme not in ("http", "https"):
            return Decision("answer", "original")  # the library itself refuses it
        router = _asked(router, seen)
        # Counts as called, even if a budget cuts it off before the route has answered.
        match = None if router is None else router.reach(seen)
        plan = None
        if len(self._faults):
            plan = self._faults.decide(seen, *clock(), self._properties(call, seen, match))
        if plan is None:
            return self._without_fault(call, seen, router, where, match)
        return self._with_fault(call, seen, router, where, match=match, plan=plan)

    def _decide_again(
        self,
        call: Outgoing,
        seen: httpx.Request,
        router: Upstream | None,
        where: Location | None,
        *,
        plan: FaultPlan,
        now: tuple[float, str],
    ) -> Decision:
        """Decide as the client connects once more for this call; raises as `decide` does."""
        router = _asked(router, seen)
        match = None if router is None else router.reach(seen)
        plan = self._faults._decide_again(seen, plan, *now, self._properties(call, seen, match))
        if not plan.struck:
            return replace(self._without_fault(call, seen, router, where, match), plan=plan)
        return self._with_fault(call, seen, router, where, match=match, plan=plan)

    def _properties(
        self, call: Outgoing, seen: httpx.Request, match: Match | None
    ) -> CallProperties:
        """What of this call decides whether a fault can have an effect on it."""
        body: Literal["", "none", "empty"] = ""
        if self._faults._in_bodies:
            answer = None if match is None else prepared_by(match[0])
            body = "" if answer is None else body_of(answer)
            if seen.method == "HEAD":
                body = "none"
        return CallProperties(call.proxy, bool(seen.content), call.http2, body, call.pool)

    def _with_fault(
        self,
        call: Outgoing,
        seen: httpx.Request,
        router: Upstream | None,
        where: Location | None,
        *,
        match: Match | None,
        plan: FaultPlan,
    ) -> Decision:
        effect = plan.effect
        budget = effect.stalled_budget(http2=call.http2)
        if effect.kind.stage == "proxy" and budget is not None and call.handshakes_unbounded:
            raise MissingTimeout(SOCKS, plan)
        if budget is not None and timeouts(call).get(budget) is None:
            raise MissingTimeout(budget, plan)
        if effect.waits_for_pool:
            limit = timeouts(call).get("pool") or 0.0
            return Decision("pool", "router", plan, limit=limit)
        if effect.kind.is_answer:
            return Decision("play", "router", plan, status=_status(seen, plan))
        if not effect.answered:
            return Decision("play", "router", plan)
        if match is not None:
            return Decision("play", "router", plan, match=match)
        return Decision("play", self._source(call, seen, router, where), plan)

    def _without_fault(
        self,
        call: Outgoing,
        seen: httpx.Request,
        router: Upstream | None,
        where: Location | None,
        match: Match | None,
    ) -> Decision:
        if router is not None and match is not None:
            play = self._faults._fill_pools or router._needs_network(match[0])
            return Decision("play" if play else "answer", "router", match=match)
        return Decision("answer", self._source(call, seen, router, where))

    def _source(
        self, call: Outgoing, seen: httpx.Request, router: Upstream | None, where: Location | None
    ) -> Source:
        if router is None:
            return "original"
        if router.reach(seen) is not None:
            return "router"
        if seen.url.host.lower() in self._passthrough or self._policy == "pass":
            return "original"
        if users_respx.answers(call.library.name, seen):
            return "original"
        if call.is_private:
            return "original"
        if self._policy == "warn":
            self.log.add(self._finding(call, seen, router, where, "warning"))
            return "original"
        raise self.unrouted(call, seen, router, where)

    def unrouted(
        self, call: Outgoing, seen: httpx.Request, router: Upstream, where: Location | None
    ) -> UnroutedCall:
        """Log a call that no route answers; gives the error for the app."""
        finding = self._finding(call, seen, router, where, "error")
        self.log.add(finding)
        return UnroutedCall(finding_messages.text_of(finding))

    def _finding(
        self,
        call: Outgoing,
        seen: httpx.Request,
        router: Upstream,
        where: Location | None,
        severity: Literal["error", "warning"],
    ) -> Any:
        return finding_messages.unrouted(
            seen,
            call.library.name,
            list(router.routes),
            where=where,
            activity=ACTIVITY.get(),
            severity=severity,
            test=self._test,
        )

    def finished(self, seen: httpx.Request) -> None:
        """This request is no longer in flight."""
        self._faults.finished(seen)

    def undeliverable(self, out: OpenExchange, why: str) -> None:
        """Log an answer that no server could send; nothing is wrong where `why` is empty."""
        if why:
            activity, where = ACTIVITY.get(), out.where
            finding = finding_messages.undeliverable(out.request, why, where, activity, self._test)
            self.log.add(finding)

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

    def no_timeout(self, seen: httpx.Request, phase: str, out: OpenExchange) -> NoTimeoutSet:
        """Log a stalled call that nothing ends; gives the error for the app."""
        self.log.add(finding_messages.no_timeout(seen, out, phase, ACTIVITY.get(), self._test))
        return NoTimeoutSet(phase, finding_messages.show_request(seen), out.where, out.library)


def _asked(router: Upstream | None, seen: httpx.Request) -> Upstream | None:
    """The router, where this request is to be mocked at all."""
    return router if router is not None and router.should_mock(seen) else None


def _status(seen: httpx.Request, plan: FaultPlan) -> httpx.Response:
    effect = plan.effect
    after = [("Retry-After", effect.retry_after)] if effect.retry_after else []
    return httpx.Response(
        effect.status, headers=[*effect.headers, *after], content=effect.body, request=seen
    )
