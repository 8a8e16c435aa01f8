"""What an assertion about calls says, for a route and for `upstream`.

What counts are respx's `calls`; one that a fault cut off before a route answered is only
reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .expected_request import Expected, show_sent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import httpx

    from .call_log import CallRecorder, Exchange


class CallAssertions:
    """The calls that an assertion is about, their places, and what it calls them."""

    def __init__(
        self,
        what: str,
        calls: Sequence[Any],
        others: Sequence[Any],
        recorder: CallRecorder | None,
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
