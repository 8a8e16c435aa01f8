"""What a request on a served socket gets: the decision of the test's scope, as a script.

The same policy, routes, faults and recorder as for httpx. What a server cannot
do (a client's pool, its name resolution) is refused in words, and found at the
end of the test. Knows no sockets.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import TYPE_CHECKING, Any

import httpx

from .._core.findings import Finding
from .._faults import Effect, Hit
from .errors import UnroutedCall, UpstreamExhausted
from .finding_messages import show_request
from .httpx_libraries import Library
from .outgoing_call import Call
from .script import Script

if TYPE_CHECKING:
    from collections.abc import Callable

    import h11

    from .._faults import FaultPlan
    from .call_log import CallRecorder, OpenExchange
    from .decision import CallPolicy
    from .router import Upstream

# The client's budgets are its own affair; to the policy each call has all of them.
_BUDGETS = {"timeout": {"connect": 1e9, "read": 1e9, "write": 1e9, "pool": 1e9}}
_SERVED = Library("served", "")


class CannotServe(Exception):
    """Inside this package: this request gets a status and a text, and the test fails."""


class ServedCall:
    """One call that is out: its script, and what is to be noted when it is done."""

    def __init__(
        self,
        out: OpenExchange,
        script: Script,
        finish: Callable[[OpenExchange, str], None],
        plan: FaultPlan | None = None,
        failed: str = "",
    ) -> None:
        self.script = script
        self._out = out
        self._finish = finish
        self._plan = plan
        self._failed = failed
        self._over = False

    def done(self, error: str = "") -> None:
        """The answer has been said, or the call broke off; once is enough."""
        if self._over:
            return
        self._over = True
        self._finish(self._out, self._failed or error)
        if self._plan is not None:
            self._plan.record_outcome(Hit(self._out.method, str(self._out.url)))

    def __repr__(self) -> str:
        return f"<ServedCall {self._out.method} {self._out.url}>"


class RequestHandler:
    """Answers for one base URL of one test."""

    def __init__(
        self,
        router: Upstream,
        policy: CallPolicy,
        recorder: CallRecorder,
        base: str | None,
        *,
        begin: Callable[[], None],
        test: str,
    ) -> None:
        self._router = router
        self._policy = policy
        self._recorder = recorder
        self._begin = begin
        self._test = test
        # The URL that requests are routed as if sent to.
        self.base: str = "" if base is None else _checked(base)

    def bind(self) -> None:
        """Begin: where no base was given, it is the only origin of the routes, or `ValueError`."""
        self._begin()
        self.base = self.base or self._only_origin()

    def _only_origin(self) -> str:
        from .route_index import leaves

        found = set()
        for route in self._router.routes:
            parts = {getattr(leaf, "key", ""): leaf.value for leaf in leaves(route.pattern)}
            if isinstance(parts.get("host"), str):
                found.add(f"{parts.get('scheme', 'https')}://{parts['host']}")
        if len(found) == 1:
            return found.pop()
        have = f"routes to {', '.join(sorted(found))}" if found else "no route to a host yet"
        raise ValueError(
            f"there {'are' if found else 'is'} {have}: say which upstream is served, as in "
            'upstream.serve("https://pay.example")'
        )

    def request(self, head: h11.Request, body: bytes) -> httpx.Request:
        """The request as routes see it."""
        base = httpx.URL(self.base)
        headers = [(name, value) for name, value in head.headers if name != b"host"]
        target = head.target.decode("ascii", "replace")
        request = httpx.Request(
            head.method.decode(),
            f"{str(base).rstrip('/')}{target}",
            headers=[(b"Host", base.netloc), *headers],
            stream=httpx.ByteStream(body),
            extensions=_BUDGETS,
        )
        request.read()
        return request

    def handle(self, request: httpx.Request) -> ServedCall:
        """One call, which is out until its `done()`."""
        out = self._recorder.begin(request, "served", time.monotonic(), None)
        try:
            return self._decide(request, out)
        except (UnroutedCall, CannotServe) as refused:
            text = str(refused)
            script = Script(lambda: httpx.Response(501, text=text))
            return ServedCall(out, script, self._finish, failed=type(refused).__name__)

    def _decide(self, request: httpx.Request, out: OpenExchange) -> ServedCall:
        call = Call(_SERVED, None, request, lambda *_: None)
        instant = out.started, ""
        decision = self._policy.decide(call, request, self._router, None, lambda: instant)
        plan = decision.plan
        effect = Effect() if plan is None else plan.effect
        out.fault = "" if plan is None else str(plan)
        why = _not_served(effect)
        if why:
            self._refuse(request, f"the fault {effect} cannot be served", why)
        if decision.source == "original":
            title = "a served call cannot pass through to the real upstream"
            self._refuse(request, title, f"add a route for {show_request(request)}")

        def answer() -> Any:
            response = decision.status or self._answer(request)
            self._recorder.answered(out, response, time.monotonic())
            return response

        return ServedCall(out, Script(answer, effect), self._finish, plan)

    def _finish(self, out: OpenExchange, error: str) -> None:
        self._policy.finished(out.request)
        self._recorder.end(out, time.monotonic(), error=error)

    def _refuse(self, request: httpx.Request, title: str, remedy: str) -> None:
        self._policy.log.add(
            Finding(
                kind="not-served",
                title=f"{title}: {show_request(request)}",
                why="the test would see another failure than the one it is about",
                remedy=remedy,
                test=self._test,
            )
        )
        raise CannotServe(f"pytest-asyncfastapi: {title}; {remedy}")

    def _answer(self, request: httpx.Request) -> httpx.Response:
        router = self._router
        route = router._first_match(request)
        if route is not None and inspect.iscoroutinefunction(route.side_effect):
            answer = asyncio.run(router._answer_async(request))
        else:
            answer = router.answer(request)
        if answer is None or answer.response is None:
            call = Call(_SERVED, None, request, lambda *_: None)
            raise self._policy.unrouted(call, request, router, None)
        return answer.response

    def error_response(self, error: Exception) -> tuple[int, str]:
        """Status and text where a side effect has raised."""
        if isinstance(error, (UnroutedCall, UpstreamExhausted)):
            return 501, str(error)
        self.record_error(error)
        return 500, f"pytest-asyncfastapi: {type(error).__name__}: {error}"

    def record_error(self, error: Exception) -> None:
        """Something raised in a thread of the server, where nobody would see it."""
        self._policy.log.add(
            Finding(
                kind="serve-error",
                title=f"a served call failed: {type(error).__name__}: {error}",
                why="what a side effect raises on a served socket can reach nobody else",
                remedy="let the side effect return a response, or use a fault",
                test=self._test,
            )
        )

    def __repr__(self) -> str:
        return f"<RequestHandler {self.base or 'for the only origin'}>"


def _not_served(effect: Effect) -> str:
    """Why a server cannot do this to a request that has arrived, in words; empty where it can."""
    return next(
        (
            kind.not_served
            for kind in effect.kinds
            if not kind.not_served_details or effect.detail in kind.not_served_details
            if kind.not_served
        ),
        "",
    )


def _checked(base: str) -> str:
    url = httpx.URL(base)
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise ValueError(
            f"{base!r} is not a base URL: write the upstream's own, as in "
            'upstream.serve("https://pay.example")'
        )
    return base
