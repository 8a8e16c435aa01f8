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
        """Add a route (respx).

        Args:
            *patterns: Patterns that a request must match.
            name: A name for the route, unique: `upstream["charge"]`.
            **lookups: Parts that a request must have, such as `url="..."` or `json={...}`.

        Returns:
            The route, to be given its answer.

        Example:
            ```python
            upstream.route(host="pay.example", name="pay").respond(200, json={})
            ```
        """
        if not self._bases:
            checked_url(lookups.get("url"))
        route = Route(*patterns, **lookups)
        route._recorder = self._recorder
        return self.add(route, name=name)  # type: ignore[return-value]

    def request(self, method: str, url: Any = None, **options: Any) -> Route:
        """Add a route (respx).

        Args:
            method: The HTTP method.
            url: A URL or a pattern of it, below `base_url` if there is one; None: any.
            **options: More to match by, or `name=`, as respx takes them.

        Returns:
            The route, to be given its answer.
        """
        return super().request(method, url, **options)  # type: ignore[return-value]

    def get(self, url: Any = None, **options: Any) -> Route:
        """Add a route for GET (respx).

        Args:
            url: A URL or a pattern of it, below `base_url` if there is one; None: any.
            **options: More to match by, or `name=`, as respx takes them.

        Returns:
            The route, to be given its answer.

        Example:
            ```python
            upstream.get("https://stock.example/mug").respond(200, json={"left": 3})
            ```
        """
        return self.request("GET", url, **options)

    def post(self, url: Any = None, **options: Any) -> Route:
        """Add a route for POST (respx).

        Args:
            url: A URL or a pattern of it, below `base_url` if there is one; None: any.
            **options: More to match by, or `name=`, as respx takes them.

        Returns:
            The route, to be given its answer.
        """
        return self.request("POST", url, **options)

    def put(self, url: Any = None, **options: Any) -> Route:
        """Add a route for PUT (respx).

        Args:
            url: A URL or a pattern of it, below `base_url` if there is one; None: any.
            **options: More to match by, or `name=`, as respx takes them.

        Returns:
            The route, to be given its answer.
        """
        return self.request("PUT", url, **options)

    def patch(self, url: Any = None, **options: Any) -> Route:
        """Add a route for PATCH (respx).

        Args:
            url: A URL or a pattern of it, below `base_url` if there is one; None: any.
            **options: More to match by, or `name=`, as respx takes them.

        Returns:
            The route, to be given its answer.
        """
        return self.request("PATCH", url, **options)

    def delete(self, url: Any = None, **options: Any) -> Route:
        """Add a route for DELETE (respx).

        Args:
            url: A URL or a pattern of it, below `base_url` if there is one; None: any.
            **options: More to match by, or `name=`, as respx takes them.

        Returns:
            The route, to be given its answer.
        """
        return self.request("DELETE", url, **options)

    def head(self, url: Any = None, **options: Any) -> Route:
        """Add a route for HEAD (respx).

        Args:
            url: A URL or a pattern of it, below `base_url` if there is one; None: any.
            **options: More to match by, or `name=`, as respx takes them.

        Returns:
            The route, to be given its answer.
        """
        return self.request("HEAD", url, **options)

    def options(self, url: Any = None, **options: Any) -> Route:
        """Add a route for OPTIONS (respx).

        Args:
            url: A URL or a pattern of it, below `base_url` if there is one; None: any.
            **options: More to match by, or `name=`, as respx takes them.

        Returns:
            The route, to be given its answer.
        """
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

        Args:
            total: How many in all; None: not counted.
            **of_route: How many of each route that was added with this `name=`.

        Returns:
            A context manager.

        Raises:
            AssertionError: At the end of the block, with the calls that were made.
            TypeError: If no number is given.
            ValueError: If no route has such a name.

        Example:
            ```python
            with upstream.assert_calls(charge=1, mail=0):
                await asgi_client.post("/checkout")
            ```
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
        """Fail if no such call was answered.

        Args:
            method: Only calls with this HTTP method; None: any.
            url: Only calls of this URL or pattern of it; None: any.

        Raises:
            AssertionError: With the calls that were made.
        """
        __tracebackhide__ = True
        self._selected(method, url).called()

    def assert_not_called(self, method: str | None = None, url: Any = None) -> None:
        """Fail if such a call was answered.

        Args:
            method: Only calls with this HTTP method; None: any.
            url: Only calls of this URL or pattern of it; None: any.

        Raises:
            AssertionError: With the calls that were made.
        """
        __tracebackhide__ = True
        self._selected(method, url).called(0)

    def assert_called_once(self, method: str | None = None, url: Any = None) -> None:
        """Fail unless exactly one such call was answered.

        Args:
            method: Only calls with this HTTP method; None: any.
            url: Only calls of this URL or pattern of it; None: any.

        Raises:
            AssertionError: With the calls that were made.
        """
        __tracebackhide__ = True
        self._selected(method, url).called(1)

    def assert_called_with(
        self, method: str | None = None, url: Any = None, **expected: Any
    ) -> None:
        """Fail unless the last such call sent this.

        Args:
            method: Only calls with this HTTP method; None: any.
            url: Only calls of this URL or pattern of it; None: any.
            **expected: What is compared, as for `Route.assert_called_with`.

        Raises:
            AssertionError: With the differences, or the calls that were made.
        """
        __tracebackhide__ = True
        self._selected(method, url).last_with(Expected(**expected))

    def assert_called_once_with(
        self, method: str | None = None, url: Any = None, **expected: Any
    ) -> None:
        """Fail unless there was exactly one such call, and it sent this.

        Args:
            method: Only calls with this HTTP method; None: any.
            url: Only calls of this URL or pattern of it; None: any.
            **expected: What is compared, as for `Route.assert_called_with`.

        Raises:
            AssertionError: With the differences, or the calls that were made.

        Example:
            ```python
            upstream.assert_called_once_with("POST", "https://pay.example/", json={"amount": 5})
            ```
        """
        __tracebackhide__ = True
        calls = self._selected(method, url)
        calls.called(1)
        calls.last_with(Expected(**expected))

    def assert_any_call(self, method: str | None = None, url: Any = None, **expected: Any) -> None:
        """Fail unless one of such calls sent this.

        Args:
            method: Only calls with this HTTP method; None: any.
            url: Only calls of this URL or pattern of it; None: any.
            **expected: What is compared, as for `Route.assert_called_with`.

        Raises:
            AssertionError: With the differences, or the calls that were made.
        """
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
        """Fail if more calls than this were ever out at one time.

        Args:
            n: How many are allowed.
            server: Count round trips with this server, such as `"postgresql://*"`; empty: HTTP
                calls.

        Raises:
            AssertionError: With the peak, and the lines that made the calls.
            TypeError: If `n` is not a number of calls.

        Example:
            ```python
            upstream.assert_max_in_flight(10)
            ```
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
