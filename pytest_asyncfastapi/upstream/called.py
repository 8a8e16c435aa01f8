"""`assert_called_with` and its family, for a route and for `upstream`.

The names and their meaning are those of `unittest.mock`: `assert_called_with`
is about the last call, `assert_any_call` about any. What counts are respx's
`calls`; one that a fault cut off before a route answered is only told of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import respx
from respx.router import Router

from ..faults.rule import Where
from .call_list import CallList
from .differences import UNSET
from .expected import Expected, show_sent
from .nearest import show_route
from .patterns import own_patterns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import httpx

    from .record import Exchange, Recorder


class Calls:
    """The calls that an assertion is about, their places, and what it calls them."""

    def __init__(
        self,
        what: str,
        calls: Sequence[Any],
        others: Sequence[Any],
        recorder: Recorder | None,
        covers: Callable[[httpx.Request], bool],
    ) -> None:
        self._what = what
        self._requests: list[httpx.Request] = [call.request for call in calls]
        self._others: list[httpx.Request] = [call.request for call in others]
        exchanges = recorder.exchanges if recorder is not None else ()
        self._known: dict[int, Exchange] = {id(item.request): item for item in exchanges}
        answered = {id(request) for request in (*self._requests, *self._others)}
        self._cut = [
            item for item in exchanges if id(item.request) not in answered and covers(item.request)
        ]

    def called(self, times: int | None = None) -> None:
        """At least once, or so many times."""
        __tracebackhide__ = True
        count = len(self._requests)
        if times is None and not count:
            raise AssertionError(f"{self._what} was never called{self._told(self._others)}")
        if times is not None and count != times:
            often = "once" if times == 1 else f"{times} times"
            wanted = f"was expected to be called {often}" if times else "was not to be called"
            raise AssertionError(
                f"{self._what} {wanted}, and was called "
                f"{'once' if count == 1 else f'{count} times'}{self._told(self._requests)}"
            )

    def last_with(self, expected: Expected) -> None:
        """The last one sent what is expected."""
        __tracebackhide__ = True
        self.called()
        self._check(self._requests[-1], expected)

    def any_with(self, expected: Expected) -> None:
        """One of them sent what is expected; the nearest is shown otherwise."""
        __tracebackhide__ = True
        self.called()
        nearest = min(self._requests, key=lambda request: len(expected.differences(request)))
        self._check(nearest, expected)

    def _check(self, request: httpx.Request, expected: Expected) -> None:
        __tracebackhide__ = True
        differences = expected.differences(request)
        if not differences:
            return
        number = next(n for n, item in enumerate(self._requests, 1) if item is request)
        lines = [
            f"{self._what} was called, but not with what is expected "
            f"(call {number} of {len(self._requests)})",
            *differences,
            f"expected: {expected}",
            f"sent:     {show_sent(request)}",
            *self._place(request),
        ]
        others = [item for item in self._requests if item is not request]
        raise AssertionError("\n  ".join(lines) + self._told(others, "the other calls:"))

    def _place(self, request: httpx.Request) -> list[str]:
        exchange = self._known.get(id(request))
        where = exchange.where if exchange is not None else None
        if where is None:
            return []
        source = f": {where.source}" if where.source else ""
        return [f"called at {where} in {where.function}{source}"]

    def _told(self, requests: Sequence[httpx.Request], title: str = "the calls:") -> str:
        lines = []
        for request in requests:
            lines.append("; ".join([f"- {show_sent(request)}", *self._place(request)]))
        for item in self._cut:
            how = f"ended by {item.error or item.status}"
            fault = f" (fault {item.fault})" if item.fault else ""
            place = "; ".join(
                [
                    f"- {show_sent(item.request)}: {how}{fault}, before a route answered",
                    *self._place(item.request),
                ]
            )
            lines.append(place)
        return "".join(f"\n  {line}" for line in [title, *lines]) if lines else ""


class Route(respx.Route):
    """respx's route, with the assertions of `unittest.mock` about its calls."""

    _recorder: Recorder | None = None

    def __init__(self, *patterns: Any, **lookups: Any) -> None:
        own = own_patterns(lookups)
        super().__init__(*patterns, *own, **lookups)
        self.calls: CallList = CallList(self)  # type: ignore[assignment]

    def respond(self, status_code: int = 200, **options: Any) -> Route:
        """Answer every call with this (respx)."""
        return super().respond(status_code, **options)  # type: ignore[return-value]

    def mock(self, return_value: Any = None, *, side_effect: Any = None) -> Route:
        """Answer with this response, or by a side effect (respx)."""
        return super().mock(return_value, side_effect=side_effect)  # type: ignore[return-value]

    def _calls(self) -> Calls:
        pattern = self.pattern
        covers = lambda request: bool(pattern.match(request)) if pattern else True  # noqa: E731
        return Calls(show_route(self), self.calls, (), self._recorder, covers)

    def assert_called(self) -> None:
        """Fail if no call reached this route."""
        __tracebackhide__ = True
        self._calls().called()

    def assert_not_called(self) -> None:
        """Fail if a call reached this route."""
        __tracebackhide__ = True
        self._calls().called(0)

    def assert_called_once(self) -> None:
        """Fail unless exactly one call reached this route."""
        __tracebackhide__ = True
        self._calls().called(1)

    def assert_called_with(
        self,
        *,
        json: Any = UNSET,
        headers: Mapping[str, Any] | None = None,
        params: Any = None,
        content: bytes | str | None = None,
        data: Mapping[str, Any] | None = None,
        files: Any = None,
    ) -> None:
        """Fail unless the last call sent this.

        `json`, `params`, `data` (a form), `files` (written as httpx takes them) and
        `content` are compared as a whole; of `headers` only those that are named.
        """
        __tracebackhide__ = True
        expected = Expected(
            json=json, headers=headers, params=params, content=content, data=data, files=files
        )
        self._calls().last_with(expected)

    def assert_called_once_with(self, **expected: Any) -> None:
        """Fail unless there was exactly one call, and it sent this (see `assert_called_with`)."""
        __tracebackhide__ = True
        calls = self._calls()
        calls.called(1)
        calls.last_with(Expected(**expected))

    def assert_any_call(self, **expected: Any) -> None:
        """Fail unless one of the calls sent this (see `assert_called_with`)."""
        __tracebackhide__ = True
        self._calls().any_with(Expected(**expected))


class AssertingRouter(Router):
    """respx's router, whose routes and calls have the assertions of `unittest.mock`.

    Without a method or URL an assertion is about all calls. A URL is a glob as
    in `faults.on(...)`; one without a query covers any.
    """

    _recorder: Recorder

    def route(self, *patterns: Any, name: str | None = None, **lookups: Any) -> Route:
        """Add a route (respx)."""
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

    def _selected(self, method: str | None, url: Any) -> Calls:
        where = Where("*" if url is None else url)

        def covers(request: httpx.Request) -> bool:
            return (method is None or request.method == method.upper()) and where.covers(request)

        chosen = [call for call in self.calls if covers(call.request)]
        others = [call for call in self.calls if not covers(call.request)]
        words = [*([method.upper()] if method else []), *([where.text] if url is not None else [])]
        return Calls(" ".join(words) or "upstream", chosen, others, self._recorder, covers)

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
