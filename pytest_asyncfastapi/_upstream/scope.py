"""One test's upstream: its router, its faults, and what comes of each call.

This is the connector's door. `activate()` puts the scope in the way of every
call that httpx and httpx2 make; `findings()` says at the end what was wrong.
Decides; `dispatch.py` carries it out. Does not know pytest.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from .._core import current_loop
from .body_observer import BodyObserver, at_once
from .call_log import CallRecorder, OpenExchange
from .decision import CallPolicy, Decision, MissingTimeout
from .delivery import deliver, deliver_sync
from .dispatch import send_over_memory, send_over_memory_sync, wait_for_pool, wait_for_pool_sync
from .errors import UnroutedCall
from .finding_messages import exhausted
from .intercept import INTERCEPTION
from .prepared_answers import Kept, is_plain
from .router import RouteAnswer, Upstream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import httpx

    from .._core.findings import Finding
    from .._core.frames import UserCode
    from .._faults import Faults
    from .cassettes import CassetteRecording
    from .outgoing import Outgoing
    from .outgoing_call import Call
    from .route_index import Match
    from .script import Script
    from .serve import Serving


class UpstreamScope:
    """The way out of one test.

    `unrouted` says what happens to a call that no route answers: `"fail"`,
    `"pass"` or `"warn"`; the hosts in `passthrough` always pass. Without a
    router (nobody asked for the `upstream` fixture) only faults apply.
    """

    def __init__(
        self,
        *,
        user_code: UserCode,
        faults: Faults,
        unrouted: str = "fail",
        passthrough: tuple[str, ...] = (),
        test: str = "",
    ) -> None:
        if unrouted not in ("fail", "pass", "warn"):
            raise ValueError(f"unrouted={unrouted!r} must be one of fail, pass, warn")
        self.user_code = user_code
        self.faults = faults
        self.test = test
        self.recorder: CallRecorder = CallRecorder(user_code)
        self.router: Upstream | None = None
        self.call_policy: CallPolicy = CallPolicy(user_code, faults, unrouted, passthrough, test)
        # How long (in seconds) a stalled call without a budget of its own waits for one of
        # the app's, such as asyncio.timeout() around it; virtual time makes that free.
        self.patience: Callable[[], float] = lambda: 0.0
        self.tapes = "replay"
        self._plain: Kept = {}
        # A real server takes part from now on, and with it real time.
        self.on_serve: Callable[[], None] = lambda: None
        if faults.user_code is None:
            faults.user_code = user_code

    def open_router(self, *, base_url: str | None = None) -> Upstream:
        """The router of this test; created on first use."""
        if self.router is None:
            self.router = Upstream(
                user_code=self.user_code, recorder=self.recorder, base_url=base_url
            )
            self.router.scope = self
        return self.router

    def let_through(self, hosts: Iterable[str]) -> Callable[[], None]:
        """Let un-routed calls go out, to these hosts or (none) to all; returns the undo."""
        return self.call_policy.let_through(hosts)

    def serve(self, base_url: str | None) -> Serving:
        """A server for the routes of this test; it does not listen yet."""
        from .request_handler import RequestHandler
        from .serve import Serving

        return Serving(
            RequestHandler(
                self.open_router(),
                self.call_policy,
                self.recorder,
                base_url,
                begin=self.on_serve,
                test=self.test,
            )
        )

    def activate(self) -> None:
        """Take part in every upstream call; a second time changes nothing."""
        INTERCEPTION.enter(self)

    def deactivate(self) -> None:
        """Step aside; the last scope restores what was replaced."""
        if self.router is not None:
            self.router.close()
        INTERCEPTION.leave(self)

    def findings(self, *, passed: bool = True) -> list[Finding]:
        """What was wrong; what never happened counts only if the test passed."""
        found = list(self.call_policy.log)
        found += self.router._tape_findings if self.router is not None else []
        if self.router is not None:
            found += [exhausted(*item, self.test) for item in self.router.exhausted]
        if passed:
            found += self.router.findings() if self.router is not None else []
            found += self.faults.findings()
        return found

    async def handle_async(self, call: Call) -> Any:
        """Answer one call of an async client."""
        __tracebackhide__ = True  # the line that called is the app's
        if self.is_idle:
            return await call.real_async()
        if not hasattr(call.request, "_content"):
            await call.request.aread()
        seen = call.library.as_httpx(call.request)
        now, clock = current_loop.now_with_clock()
        out = self.recorder.begin(
            seen, call.library.name, now, sys._getframe(), clock, pool=call.pool
        )
        decision: Decision | None = None
        error: BaseException | None = None
        response: Any = None
        try:
            decision = self.call_policy.decide(
                call, seen, self.router, out.where, lambda: (now, clock)
            )
            if decision.plan is not None:
                out.fault = decision.plan
            if decision.match is not None and decision.way == "answer":
                response = await self._prepared(call, out, decision.match)
            if response is None:
                response = await self._carry_out(call, out, decision)
        except MissingTimeout as stalled:
            out.fault = stalled.plan
            error = await self.stall(seen, stalled.phase, out)
        except BaseException as raised:
            error = call.library.own_error(raised, call.request)
        self._close(call, out, decision, error or response, current_loop.now)
        if error is not None:
            raise error
        return response

    def handle_sync(self, call: Call) -> Any:
        """Answer one call of a sync client, on whatever thread it runs."""
        if self.is_idle:
            return call.real()
        call.request.read()
        seen = call.library.as_httpx(call.request)
        out = self.recorder.begin(
            seen, call.library.name, time.monotonic(), sys._getframe(), "thread", pool=call.pool
        )
        decision: Decision | None = None
        error: BaseException | None = None
        response: Any = None
        try:
            decision = self.call_policy.decide(
                call, seen, self.router, out.where, lambda: (out.started, "")
            )
            if decision.plan is not None:
                out.fault = decision.plan
            response = self._carry_out_sync(call, out, decision)
        except MissingTimeout as stalled:
            out.fault = stalled.plan
            error = self.call_policy.no_timeout(seen, stalled.phase, out)
        except BaseException as raised:
            error = call.library.own_error(raised, call.request)
        self._close(call, out, decision, error or response, time.monotonic)
        if error is not None:
            raise error
        return response

    async def stall(self, seen: httpx.Request, phase: str, out: OpenExchange) -> BaseException:
        """Hold a call that has no budget, as the wire would; nobody may come to end it."""
        try:
            await anyio.sleep(self.patience())
        except BaseException as ended:  # a budget of the app's own: not ours to judge
            return ended
        return self.call_policy.no_timeout(seen, phase, out)

    @property
    def is_idle(self) -> bool:
        """Is there neither a route nor a fault in this test?"""
        return self.router is None and not len(self.faults)

    def _close(
        self,
        call: Call,
        out: OpenExchange,
        decision: Decision | None,
        outcome: Any,
        clock: Callable[[], float],
    ) -> None:
        name = type(outcome).__name__ if isinstance(outcome, BaseException) else ""
        if name or getattr(outcome, "status_code", 0) >= 500:
            self.recorder.failed(out, sys._getframe(), outcome)
        if name:
            self.recorder.end(out, clock(), error=name)
            self.faults.finished(out.request)
        else:
            tape = self._recorded(decision)
            keep = None if tape is None else tape.keep(out.request, outcome)
            self._observe_body(call, out, outcome, clock, keep)
        if decision is not None:
            decision.record_outcome(call, out, outcome)

    def _recorded(self, decision: Decision | None) -> CassetteRecording | None:
        if self.router is None or decision is None or decision.source != "original":
            return None
        return self.router._tape

    def _observe_body(
        self,
        call: Call,
        out: OpenExchange,
        response: Any,
        clock: Callable[[], float],
        keep: Callable[[bytes], None] | None,
    ) -> None:
        now, seen = clock(), out.request
        closed: Callable[[], None] | None = None
        if self.faults._counts_open(seen):
            closed = partial(self.faults.finished, seen)
        else:
            self.faults.finished(seen)
            if keep is None and at_once(self.recorder, out, response, now):
                return
        watch = BodyObserver(self.recorder, out, clock, keep, closed)
        watch.begin(call.library, response, now, sync=clock is time.monotonic)

    async def _prepared(self, call: Call, out: OpenExchange, match: Match) -> Any:
        """The short way of most calls: a response that is ready; None where it is not."""
        await current_loop.checkpoint()
        response = None if self.router is None else self.router._prepared(out.request, match)
        if response is None:
            return None
        if is_plain(match[0], out.request, self._plain):
            return call.library.as_own(response, call.request, sync=False, http2=call.http2)
        return await deliver(call, out, response, self.call_policy.undeliverable)

    def _ready(self, seen: httpx.Request, decided: Decision) -> Callable[[], Any] | None:
        if decided.status is not None:
            return lambda: decided.status
        if self.router is None or decided.match is None:
            return None
        return partial(self.router._prepared, seen, decided.match)

    async def _carry_out(self, call: Call, out: OpenExchange, decision: Decision) -> Any:
        seen = out.request
        if decision.way == "play":

            def script(decided: Decision) -> Script:
                async def answer() -> Any:
                    return decided.status or await self._answer_async(call, seen, decided)

                def again() -> Script | None:
                    return self._again(call, seen, decided, script, current_loop.now_with_clock())

                return decided.script(answer, again, self._ready(seen, decided))

            return await send_over_memory(
                call, script(decision), bypass_pool=decision.source == "original"
            )
        if decision.way == "pool":
            return await wait_for_pool(call, decision.limit)
        if decision.match is None and (decision.source == "router" or decision.status is not None):
            await current_loop.checkpoint()
        response = decision.status or await self._answer_async(call, seen, decision)
        if decision.source == "original" and decision.status is None:
            return response
        return await deliver(call, out, response, self.call_policy.undeliverable)

    def _carry_out_sync(self, call: Call, out: OpenExchange, decision: Decision) -> Any:
        seen = out.request
        if decision.way == "play":

            def script(decided: Decision) -> Script:
                def answer() -> Any:
                    return decided.status or self._answer(call, seen, decided)

                def again() -> Script | None:
                    return self._again(call, seen, decided, script, (time.monotonic(), ""))

                return decided.script(answer, again)

            return send_over_memory_sync(
                call, script(decision), bypass_pool=decision.source == "original"
            )
        if decision.way == "pool":
            return wait_for_pool_sync(call, decision.limit)
        response = decision.status or self._answer(call, seen, decision)
        if decision.source == "original" and decision.status is None:
            return response
        return deliver_sync(call, out, response, self.call_policy.undeliverable)

    def _again(
        self,
        call: Call,
        seen: httpx.Request,
        earlier: Decision,
        script: Callable[[Decision], Script],
        now: tuple[float, str],
    ) -> Script | None:
        """The script as the client connects once more; None: to the real network."""
        if earlier.plan is None:
            return script(earlier)
        where = self.recorder.where(sys._getframe())
        decision = self.call_policy._decide_again(
            call, seen, self.router, where, plan=earlier.plan, now=now
        )
        real = (decision.way, decision.source) == ("answer", "original")
        # An HTTP/2 request is marked as ours by now, and may not leave.
        return None if real and not call.http2 else script(decision)

    async def _answer_async(self, call: Call, seen: httpx.Request, decision: Decision) -> Any:
        if decision.source == "router" and self.router is not None:
            answer = self.answer_of(call, seen, await self.router._answer_async(seen))
            if answer.response is not None:
                return answer.response
        return await call.real_async()

    def _answer(self, call: Call, seen: httpx.Request, decision: Decision) -> Any:
        if decision.source == "router" and self.router is not None:
            answer = self.answer_of(call, seen, self.router.answer(seen))
            if answer.response is not None:
                return answer.response
        return call.real()

    def answer_of(
        self, call: Outgoing, seen: httpx.Request, answer: RouteAnswer | None
    ) -> RouteAnswer:
        """The answer of a route; raises `UnroutedCall` where there is none."""
        if answer is None and self.router is not None:
            raise self.call_policy.unrouted(call, seen, self.router, None)
        if answer is None:
            raise UnroutedCall(f"no route answers {seen.method} {seen.url}")
        return answer

    def __repr__(self) -> str:
        return f"<UpstreamScope {self.test!r} router={self.router!r} faults={len(self.faults)}>"
