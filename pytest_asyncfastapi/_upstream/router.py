"""`upstream`: respx's router, with answers that can be given again and words.

Everything that respx's `Router` can do is inherited; how a request is resolved
is our own: an index instead of a scan, bodies that can be read by each call, a
list of answers that says when it is exhausted. Knows routes, not networks.
"""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
from respx.models import Route, SideEffectError

from .._core.findings import Finding, Location
from .bodies import ReplayableStream
from .call_list import CallList
from .call_log import CallRecorder
from .cassette_methods import CassetteRouter
from .errors import UpstreamExhausted
from .httpx_libraries import library_of
from .mounts import Mounting
from .near_misses import show_route
from .prepared_answers import prepared_by
from .response_copy import copy_response, copy_with_content
from .route_index import Match, RouteTable
from .route_list import Routes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from .._core.frames import UserCode
    from .cassettes import CassetteRecording
    from .router_scope import RouterScope
    from .serve import Serving


@dataclass(slots=True, eq=False)
class RouteAnswer:
    """What a route says to a request; no response means: let it pass through."""

    route: Route
    response: httpx.Response | None


class Upstream(Mounting, CassetteRouter):
    """The routes of one test.

    Attributes:
        allow_unused_routes: Switches off the failure for routes never called.
        through_network: Sends every routed call through the client's real pool, so that pool
            limits hold and a slow side effect meets the read timeout (a coroutine side effect
            always goes that way).
        should_mock: Called for each request: whether it is to be mocked at all; the others really
            go out.

    Example:
        ```python
        pay = upstream.post("https://pay.example/charges").respond(201, json={"id": 7})
        assert (await asgi_client.post("/checkout")).status_code == 200
        pay.assert_called_once_with(json={"amount": 5})
        ```
    """

    def __init__(
        self,
        *,
        user_code: UserCode | None = None,
        recorder: CallRecorder | None = None,
        assert_all_called: bool = True,
        base_url: str | None = None,
    ) -> None:
        self._table: RouteTable | None = None
        self._user_code = user_code
        self._recorder = recorder or CallRecorder(user_code)
        self._round_trips = CallRecorder(user_code)
        self._added: dict[int, Location | None] = {}
        self._reached: set[int] = set()
        self._replays: dict[int, tuple[Any, ReplayableStream]] = {}
        self.allow_unused_routes: bool = not assert_all_called
        self.through_network = False
        self.should_mock: Callable[[httpx.Request], bool] = lambda request: True
        self.scope: RouterScope | None = None
        self._servings: list[Serving] = []
        self._tape: CassetteRecording | None = None
        self._tape_findings: list[Finding] = []
        self.exhausted: list[tuple[UpstreamExhausted, Route, Location | None]] = []
        super().__init__(assert_all_called=assert_all_called, base_url=base_url)
        self.routes: Routes = Routes()
        self.calls: CallList = CallList(self)  # type: ignore[assignment]

    # What respx calls when routes change.

    def add(self, route: Route, *, name: str | None = None) -> Route:
        """Add a route (respx).

        Args:
            route: The route.
            name: A name for it, unique: `upstream["charge"]`.

        Returns:
            The route.
        """
        self._table = None
        added = super().add(route, name=name)
        if self._user_code is not None:
            self._added[id(added)] = self._recorder.where(sys._getframe())
        return added

    def pop(self, *args: Any, **kwargs: Any) -> Any:
        """Remove a route by name (respx).

        Args:
            *args: The name, and what to return if there is none.
            **kwargs: The same by their names in respx.

        Returns:
            The route that was removed.
        """
        self._table = None
        return super().pop(*args, **kwargs)

    def clear(self) -> None:
        """Remove all routes (respx)."""
        self._table = None
        super().clear()

    def rollback(self) -> None:
        """Go back to the last snapshot (respx)."""
        self._table = None
        super().rollback()
        self.routes.reindex()

    # Answering.

    def _first_match(self, request: httpx.Request) -> Route | None:
        """The first route whose pattern matches; nothing is called or recorded."""
        match = self._first(request)
        return None if match is None else match[0]

    def answers(self, request: Any) -> bool:
        """Whether there is a route for this request.

        Args:
            request: A request of httpx or httpx2, whose body has been read.

        Returns:
            True if there is one.
        """
        return self._first(library_of(request).as_httpx(request)) is not None

    def reach(self, request: httpx.Request) -> Match | None:
        """The route for this call, if there is one; it counts as used, whatever ends the call.

        Args:
            request: A request of httpx.

        Returns:
            The route, and what its pattern captured; None if there is none.
        """
        match = self._first(request)
        if match is not None:
            self._reached.add(id(match[0]))
        return match

    def _needs_network(self, route: Route) -> bool:
        """Must a call of this route run through the client's pool, so that its timeouts hold?"""
        if self.through_network:
            return True
        effect = route.side_effect
        return effect is not None and inspect.iscoroutinefunction(effect)

    def _prepared(self, request: httpx.Request, match: Match) -> httpx.Response | None:
        """The response of a route that has one and nothing else; None: ask it the long way."""
        route = match[0]
        response = prepared_by(route)
        if response is None or type(response.stream) is not httpx.ByteStream:
            return None
        response = copy_with_content(response, request)
        # As `record()` does, which first asks whether it is given a path.
        route.calls.append(self.calls.record(request, response))
        return response

    def answer(self, request: httpx.Request) -> RouteAnswer | None:
        """What a sync client gets.

        Args:
            request: A request of httpx.

        Returns:
            The answer; None where every matching route declined.

        Raises:
            TypeError: If the side effect of the route is async.
        """
        for route, found in self._prospects(request):
            wait: Any = getattr(route.side_effect, "wait_in_thread", None)  # of a mounted app
            prospect = found if wait is None else wait(found)
            if inspect.isawaitable(prospect):
                _discard(prospect)
                raise TypeError(
                    f"the side effect of {show_route(route)} is async, and a sync client "
                    "called it: use a plain function"
                )
            if prospect is not None:
                return self._settle(request, route, prospect)
        return None

    async def _answer_async(self, request: httpx.Request) -> RouteAnswer | None:
        """What an async client gets; None where every matching route declined."""
        for route, prospect in self._prospects(request):
            result = prospect
            if inspect.isawaitable(result):
                try:
                    result = await result
                except Exception:
                    self.record(request, response=None, route=route)
                    raise
            if result is not None:
                return self._settle(request, route, result)
        return None

    def _first(self, request: httpx.Request) -> Match | None:
        for match in self._matching(request):
            return match
        return None

    def _matching(self, request: httpx.Request) -> Iterator[Match]:
        if self._table is None:
            self._table = RouteTable(self.routes)
        return self._table.matching(request)

    def _prospects(self, request: httpx.Request) -> Iterator[tuple[Route, Any]]:
        for route, context in self._matching(request):
            yield route, self._prospect(route, request, context)

    def _prospect(self, route: Route, request: httpx.Request, context: dict[str, Any]) -> Any:
        if route.is_pass_through:
            return request
        prepared = prepared_by(route)
        if prepared is not None:
            return prepared
        try:
            return route.resolve(request, **context)
        except StopIteration:
            error: BaseException = self._exhaust(route, request)
        except SideEffectError as failed:
            self.record(request, response=None, route=route)
            error = failed.origin
        raise error

    def _settle(self, request: httpx.Request, route: Route, result: Any) -> RouteAnswer:
        if result is request or isinstance(result, httpx.Request):
            self.record(request, response=None, route=route)
            return RouteAnswer(route, None)
        if not isinstance(result, httpx.Response):  # the other library's
            result = httpx.Response(
                result.status_code, headers=result.headers.raw, content=result.content
            )
        if isinstance(result.stream, httpx.ByteStream):
            result = copy_with_content(result, request)
        else:
            if result._request is None:
                result = copy_response(result, request, httpx.Response)
            if ReplayableStream.needed(result.stream):
                stream = result.stream
                result.stream = self._replays.setdefault(
                    id(stream), (stream, ReplayableStream(stream))
                )[1]
        self.record(request, response=result, route=route)
        return RouteAnswer(route, result)

    def _exhaust(self, route: Route, request: httpx.Request) -> UpstreamExhausted:
        had = route.call_count
        self.record(request, response=None, route=route)
        where = self._user_code.where(sys._getframe()) if self._user_code is not None else None
        place = f"\n  called at {where}" if where is not None else ""
        error = UpstreamExhausted(
            f"{show_route(route)} has no answer left: its list had {had}, "
            f"and this is call {route.call_count}{place}\n"
            "  a list is used up in order, and is not begun again\n"
            "  write: one more answer in side_effect=[...], or .respond(...) for every call"
        )
        self.exhausted.append((error, route, where))
        return error

    # Beyond httpx.

    def serve(self, base_url: str | None = None) -> Serving:
        """A real server on loopback with these routes, for clients that are not httpx.

        It answers a request to `server.url` + path as if it were sent to the base URL. Times are
        real.

        Args:
            base_url: Where the calls are meant for; None: the only origin of the routes.

        Returns:
            The server, to be entered with `async with` or `with`.

        Raises:
            RuntimeError: Outside of a test.

        Example:
            ```python
            async with upstream.serve("https://pay.example") as server:
                settings.pay_url = server.url
                await asgi_client.post("/checkout")
            ```
        """
        if self.scope is None:
            raise RuntimeError("only the `upstream` of a test can be served: this one has no test")
        serving = self.scope.serve(base_url)
        self._servings.append(serving)
        return serving

    @property
    def _served_places(self) -> set[tuple[str, int]]:
        """The hosts and ports at which these routes are served."""
        return {serving.place for serving in self._servings}

    def close(self) -> None:
        """The end of the test: stop the servers that still run, write the tape."""
        self._end_recording()
        while self._servings:
            self._servings.pop().stop()

    def _unused(self) -> list[tuple[Route, Location | None]]:
        """The routes that were never called, and where each was added."""
        if self.allow_unused_routes:
            return []
        return [
            (route, self._added.get(id(route)))
            for route in self.routes
            if not (route.called or getattr(route, "is_optional", False))
            and id(route) not in self._reached
        ]

    def findings(self) -> list[Finding]:
        """Routes never called.

        Returns:
            A finding for each.
        """
        return [
            Finding(
                kind="unused-route",
                title=f"route never called: {show_route(route)}",
                where=where,
                why="the app did not make the call that the test prepared",
                remedy="remove the route, or add .optional() to it, or for all routes: "
                "upstream.allow_unused_routes = True",
            )
            for route, where in self._unused()
        ]

    def __repr__(self) -> str:
        return f"<Upstream routes={len(self.routes)} calls={len(self.calls)}>"


def _discard(awaitable: Awaitable[Any]) -> None:
    if inspect.iscoroutine(awaitable):
        awaitable.close()
