"""respx's router, with typed methods, and the assertions of `unittest.mock` about all calls."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from respx.router import Router

from .._faults.rule import RequestPattern
from .assertion_messages import CallAssertions
from .expected_request import Expected
from .near_misses import show_route
from .round_trips import peak_with
from .route import Route, checked_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from .call_log import CallRecorder, Exchange


class AssertingRouter(Router):
    """respx's router, whose routes and calls have the assertions of `unittest.mock`.

    Without a method or URL an assertion is about all calls. A URL is a glob as
    in `faults.on(...)`; one without a query covers any.
    """

    _recorder: CallRecorder
    _round_trips: CallRecorder

    def route(self, *patterns: Any, name: str | None = None, **lookups: Any) -> Route:
        """Add a route (respx)."""
        if not self._bases:
            checked_url(lookups.get("url"))
        route = Route(*patterns, **lookups)
        route._recorder = self._recorder
        return self.add(route, name=name)  # type: ignore[return-value]

    def request(self, method: str, url: Any = None, **options: Any) -> Route:
        """Add a route (respx)."""
        return super().request(method, url, **options)  # type: ignore[return-value]

    def get(self, url: Any = None, **options: Any) -> Route:
        """Add a route for GET (respx)."""
        return self.request("GET", url, **options)

    def post(self, url: Any = None, **options: Any) -> Route:
        """Add a route for POST (respx)."""
        return self.request("POST", url, **options)

    def put(self, url: Any = None, **options: Any) -> Route:
        """Add a route for PUT (respx)."""
        return self.request("PUT", url, **options)

    def patch(self, url: Any = None, **options: Any) -> Route:
        """Add a route for PATCH (respx)."""
        return self.request("PATCH", url, **options)

    def delete(self, url: Any = None, **options: Any) -> Route:
        """Add a route for DELETE (respx)."""
        return self.request("DELETE", url, **options)

    def head(self, url: Any = None, **options: Any) -> Route:
        """Add a route for HEAD (respx)."""
        return self.request("HEAD", url, **options)

    def options(self, url: Any = None, **options: Any) -> Route:
        """Add a route for OPTIONS (respx)."""
        return self.request("OPTIONS", url, **options)

    def _selected(self, method: str | None, url: Any) -> CallAssertions:
        if method is not None and not isinstance(method, str):
            raise TypeError(
                f"{method!r} is not a method: write a method and a URL first, and what was sent by "
                'name, as in upstream.assert_called_with("POST", url, json={...})'
            )
        where = RequestPattern("*" if url is None else url)

        def covers(request: httpx.Request) -> bool:
            return (method is None or request.method == method.upper()) and where.covers(request)

        chosen = [call for call in self.calls if covers(call.request)]
        others = [call for call in self.calls if not covers(call.request)]
        words = [*([method.upper()] if method else []), *([where.text] if url is not None else [])]
        return CallAssertions(" ".join(words) or "upstream", chosen, others, self._recorder, covers)

    @contextmanager
    def assert_calls(self, total: int | None = None, /, **of_route: int) -> Iterator[None]:
        """Fail unless this block makes so many calls: in all, or of each route by its name.

        `with upstream.assert_calls(charge=1, mail=0): ...`, for routes that were added with
        `name="charge"`.
        """
        __tracebackhide__ = True
        if total is None and not of_route:
            raise TypeError("assert_calls() takes a number, or names of routes with one each")
        unknown = [name for name in of_route if name not in self.routes._names]
        if unknown:
            known = ", ".join(self.routes._names) or 'none: add a route with name="..."'
            raise ValueError(f"there is no route named {unknown[0]!r}. Names of routes: {known}")
        before = {name: len(self.routes[name].calls) for name in of_route}
        first = len(self.calls)
        yield
        for name, wanted in of_route.items():
            route: Any = self.routes[name]
            CallAssertions(
                show_route(route), route.calls[before[name] :], (), self._recorder, lambda _: False
            ).called(wanted)
        if total is not None:
            CallAssertions(
                "upstream", self.calls[first:], (), self._recorder, lambda _: False
            ).called(total)

    def assert_called(self, method: str | None = None, url: Any = None) -> None:
        """Fail if no such call was answered."""
        __tracebackhide__ = True
        self._selected(method, url).called()

    def assert_not_called(self, method: str | None = None, url: Any = None) -> None:
        """Fail if such a call was answered."""
        __tracebackhide__ = True
        self._selected(method, url).called(0)

    def assert_called_once(self, method: str | None = None, url: Any = None) -> None:
        """Fail unless exactly one such call was answered."""
        __tracebackhide__ = True
        self._selected(method, url).called(1)

    def assert_called_with(
        self, method: str | None = None, url: Any = None, **expected: Any
    ) -> None:
        """Fail unless the last such call sent this (see `Route.assert_called_with`)."""
        __tracebackhide__ = True
        self._selected(method, url).last_with(Expected(**expected))

    def assert_called_once_with(
        self, method: str | None = None, url: Any = None, **expected: Any
    ) -> None:
        """Fail unless there was exactly one such call, and it sent this."""
        __tracebackhide__ = True
        calls = self._selected(method, url)
        calls.called(1)
        calls.last_with(Expected(**expected))

    def assert_any_call(self, method: str | None = None, url: Any = None, **expected: Any) -> None:
        """Fail unless one of such calls sent this."""
        __tracebackhide__ = True
        self._selected(method, url).any_with(Expected(**expected))

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Every call, in the order in which they were made."""
        return self._recorder.exchanges

    @property
    def round_trips(self) -> tuple[Exchange, ...]:
        """Every exchange with a database, cache or broker, and every attempt to connect to one.

        `method` is the command (`GET`, `SELECT`, `connect`), `url` the server.
        """
        return self._round_trips.exchanges

    @property
    def peak_in_flight(self) -> int:
        """The largest number of calls that were out at one time."""
        return self._recorder.peak

    def assert_max_in_flight(self, n: int, server: str = "") -> None:
        """Fail if more than `n` calls were ever out at one time.

        HTTP calls; or, with a `server` such as `"postgresql://*"`, round trips with it.
        """
        __tracebackhide__ = True
        if isinstance(n, bool) or not isinstance(n, int):
            raise TypeError(f"assert_max_in_flight({n!r}): {n!r} is not a number of calls")
        what, peak, recorder = "upstream calls", self.peak_in_flight, self._recorder
        if server:
            what, recorder = f"exchanges with {server}", self._round_trips
            peak = peak_with(server, self.round_trips)
        if peak <= n:
            return
        callers = "".join(f"\n  {line}" for line in recorder.callers()[:3])
        # Not `assert`, to which pytest would add its own words.
        raise AssertionError(
            f"{peak} {what} were in flight at one time, "
            f"and at most {n} are allowed: limit them with anyio.CapacityLimiter({n}){callers}"
        )
