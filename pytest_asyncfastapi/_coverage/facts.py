"""What happened in the tests of one process, and what the app has that could happen.

Collects while tests run, and hands over what is new since the last time as plain data: so it
travels on pytest's reports. Knows ASGI, Starlette's routes where there are some, and the
recorder's calls; neither pytest nor how it is shown.
"""

from __future__ import annotations

import inspect
import re
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .._core.frames import UserCode
    from .._upstream.call_log import OpenExchange

    Route = tuple[str, str, Callable[..., Any]]
    Called = tuple[Any, Any, Any]

LOADED = 10  # requests at one time that make a load
_MADE = re.compile(r"(?<=/)[^/]*\d[^/]*(?=/|$)")
_ENDED = "CancelledError"  # by a timeout of the app's own, around the call


class Facts:
    """One process's facts, a set of lines for each kind.

    `route`: method, path, place, and whether it is a `def`. `request`: method, path, and what
    came of it (`done`, `cut`, `loaded`), test. `call`: method, URL, place, and what came of it
    (`made`, `failed`, `bounded`, `timed out`), test.
    """

    def __init__(self, user_code: UserCode) -> None:
        self._user = user_code
        self._known: set[tuple[str, ...]] = set()
        self._new: list[list[str]] = []
        self._active: Counter[tuple[str, str]] = Counter()

    def take(self) -> list[list[str]]:
        """What is new since the last time."""
        new, self._new = self._new, []
        return new

    def _add(self, *fact: str, test: str = "") -> None:
        if fact not in self._known:
            self._known.add(fact)
            self._new.append([*fact, test])

    # Requests

    def watched(self, app: Any, test: str) -> Any:
        """The app, its requests noted; its routes are those of the app."""
        known = [*routes(app)]
        for method, path, endpoint in known:
            where, kind = self._place(endpoint), "def" if _in_thread(endpoint) else "async"
            self._add("route", method, path, where, kind)

        async def called(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            request = _Request(self, known, test, (scope, receive, send))
            try:
                await app(scope, request.receive, request.send)
            except BaseException as error:
                request.error = error
                raise
            finally:
                request.end()

        setattr(called, "app", app)  # noqa: B010 - as middleware has it: whoever looks for the app
        return called

    def requested(self, method: str, path: str, what: str, test: str) -> None:
        """A request has come to something."""
        self._add("request", method, path, what, test=test)

    def _place(self, endpoint: Any) -> str:
        code = getattr(inspect.unwrap(endpoint), "__code__", None)
        return "" if code is None else str(self._user.location(code, code.co_firstlineno))

    # Upstream calls

    def add_calls(self, calls: list[OpenExchange], test: str) -> None:
        """What became of the calls of a test."""
        for call in calls:
            if call.where is None or call.served is None:
                continue
            parts = urlsplit(str(call.url))
            url = f"{parts.scheme}://{parts.netloc}{_MADE.sub('*', parts.path)}"
            key = ("call", call.method, url, str(call.where))
            limits = call.request.extensions.get("timeout") or {}
            self._add(*key, "made", test=test)
            if call.error or (call.status or 0) >= 500:
                self._add(*key, "failed", test=test)
            if limits.get("read") is not None or call.own_budget:
                self._add(*key, "bounded", test=test)
            if "Timeout" in call.error or call.error == _ENDED:
                self._add(*key, "timed out", test=test)

    def __repr__(self) -> str:
        return f"<Facts: {len(self._known)}>"


class _Request:
    """One request: its route is known when it is over."""

    def __init__(self, facts: Facts, known: list[Route], test: str, called: Called) -> None:
        scope, self._receive, self._send = called
        self._known = known
        self._facts = facts
        self._scope = scope
        self._test = test
        self._cut = self._complete = False
        self.error: BaseException | None = None
        self._key = (scope["method"], scope["path"])
        facts._active[self._key] += 1
        self._peak = facts._active[self._key]

    async def receive(self) -> Any:
        """Is the client gone before the answer is complete?"""
        message = await self._receive()
        if message["type"] == "http.disconnect" and not self._complete:
            self._cut = True
        return message

    async def send(self, message: Any) -> None:
        """Pass on what the app sends."""
        await self._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self._complete = True

    def end(self) -> None:
        """The app is done with it."""
        self._peak = max(self._peak, self._facts._active[self._key])
        self._facts._active[self._key] -= 1
        method, endpoint = self._key[0], self._scope.get("endpoint")
        paths = [path for verb, path, each in self._known if each is endpoint and verb == method]
        if not paths:
            return
        path = paths[0]
        self._facts.requested(method, path, "done", self._test)
        if self._cut or (self.error is not None and not isinstance(self.error, Exception)):
            self._facts.requested(method, path, "cut", self._test)
        if self._peak >= LOADED:
            self._facts.requested(method, path, "loaded", self._test)


def routes(app: Any) -> Iterator[Route]:
    """Method, path and endpoint of each route of a Starlette app, those of mounted apps too."""
    yield from _routes(getattr(app, "routes", ()), "")


def _routes(found: Any, prefix: str) -> Iterator[Route]:
    for route in found or ():
        path = prefix + str(getattr(route, "path", ""))
        inner = getattr(route, "routes", None)
        endpoint = getattr(route, "endpoint", None)
        included = getattr(route, "effective_route_contexts", None)  # of FastAPI's routers
        if included is not None:
            yield from _routes(included(), prefix)
        elif inner:
            yield from _routes(inner, path)
        elif endpoint is not None and getattr(route, "include_in_schema", True):
            for method in sorted((getattr(route, "methods", None) or set()) - {"HEAD"}):
                yield method, path, endpoint


def _in_thread(endpoint: Any) -> bool:
    return inspect.isfunction(endpoint) and not inspect.iscoroutinefunction(endpoint)
