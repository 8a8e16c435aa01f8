"""One route: respx's, with an answer in pieces and assertions about its calls.

The names of the assertions and their meaning are those of `unittest.mock`:
`assert_called_with` is about the last call, `assert_any_call` about any.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx
import respx

from .assertion_messages import CallAssertions
from .bodies import as_stream
from .call_list import CallList
from .differences import UNSET
from .expected_request import Expected
from .near_misses import show_route
from .patterns import check_lookups, own_patterns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .call_log import CallRecorder

_HOST = re.compile(r"[\w-]+(\.[\w-]+)+(:\d+)?(/|\Z)")


class Route(respx.Route):
    """respx's route, with the assertions of `unittest.mock` about its calls."""

    _recorder: CallRecorder | None = None
    is_optional: bool = False

    def __init__(self, *patterns: Any, **lookups: Any) -> None:
        check_lookups(lookups)
        own = own_patterns(lookups)
        super().__init__(*patterns, *own, **lookups)
        self.calls: CallList = CallList(self)  # type: ignore[assignment]

    def respond(  # type: ignore[override]
        self,
        status_code: int = 200,
        *,
        json: Any = None,
        text: str | None = None,
        html: str | None = None,
        content: Any = None,
        stream: Any = None,
        headers: Any = None,
        cookies: Any = None,
        content_type: str | None = None,
        http_version: str | None = None,
    ) -> Route:
        """Answer every call with this (respx).

        Args:
            status_code: The status, three digits.
            json: The body, as a JSON value.
            text: The body, as text.
            html: The body, as HTML.
            content: The body, as text or bytes.
            stream: A body in pieces: a list or a generator, async or not, of text, bytes or
                anything that becomes a line of JSON; or the path of a file. Every call gets it from
                its start.
            headers: Headers of the response.
            cookies: Cookies that the response sets.
            content_type: The value of `Content-Type`.
            http_version: The version of the response, such as `"HTTP/1.1"`.

        Returns:
            This route.

        Raises:
            TypeError: If `status_code` is not a whole number.
            ValueError: If it has not three digits.

        Example:
            ```python
            upstream.post("https://pay.example/charges").respond(201, json={"id": 7})
            ```
        """
        if isinstance(status_code, bool) or not isinstance(status_code, int):
            raise TypeError(
                f"respond({status_code!r}): a status is a number, as in respond(200, json={{...}})"
            )
        if not 100 <= status_code <= 999:
            raise ValueError(f"respond({status_code}): a status has three digits")
        return super().respond(  # type: ignore[return-value]
            status_code,
            json=json,
            text=text,
            html=html,
            content=content,
            stream=None if stream is None else as_stream(stream),
            headers=headers,
            cookies=cookies,
            content_type=content_type,
            http_version=http_version,
        )

    def mock(self, return_value: Any = None, *, side_effect: Any = None) -> Route:
        """Answer with this response, or by a side effect (respx).

        Args:
            return_value: An `httpx.Response`.
            side_effect: An exception, a function of the request, or a list of responses and
                exceptions.

        Returns:
            This route.

        Raises:
            TypeError: If one of them is none of these.

        Example:
            ```python
            upstream.get("https://pay.example/").mock(side_effect=httpx.ConnectError("refused"))
            ```
        """
        if return_value is not None and not isinstance(return_value, httpx.Response):
            raise TypeError(
                f"mock({return_value!r}): give an httpx.Response, or write .respond(200, "
                "json={...}), or .mock(side_effect=...)"
            )
        listed = hasattr(side_effect, "__iter__") and not isinstance(side_effect, (str, bytes))
        if not (side_effect is None or callable(side_effect) or listed or _raises(side_effect)):
            raise TypeError(
                f"mock(side_effect={side_effect!r}): give an exception, a function of the request, "
                "or a list of responses and exceptions"
            )
        return super().mock(return_value, side_effect=side_effect)  # type: ignore[return-value]

    def optional(self) -> Route:
        """Let the test pass if this route is never called.

        Returns:
            This route.
        """
        self.is_optional = True
        return self

    def _calls(self) -> CallAssertions:
        pattern = self.pattern
        covers = lambda request: bool(pattern.match(request)) if pattern else True  # noqa: E731
        return CallAssertions(show_route(self), self.calls, (), self._recorder, covers)

    def assert_called(self) -> None:
        """Fail if no call reached this route.

        Raises:
            AssertionError: With the calls that were made.
        """
        __tracebackhide__ = True
        self._calls().called()

    def assert_not_called(self) -> None:
        """Fail if a call reached this route.

        Raises:
            AssertionError: With these calls.
        """
        __tracebackhide__ = True
        self._calls().called(0)

    def assert_called_once(self) -> None:
        """Fail unless exactly one call reached this route.

        Raises:
            AssertionError: With the calls that were made.
        """
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
        timeout: Any = UNSET,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        """Fail unless the last call sent this.

        What is not given is not compared.

        Args:
            json: The body, as a JSON value; compared as a whole.
            headers: Compared: only those that are named.
            params: The query; compared as a whole.
            content: The body, as bytes or text; compared as a whole.
            data: A form; compared as a whole.
            files: The files of a form, written as httpx takes them; compared as a whole.
            timeout: Seconds, or `{"read": 5}`; compared: only those that are named.
            extensions: Compared: only those that are named.

        Raises:
            AssertionError: With the differences, or the calls that were made.

        Example:
            ```python
            pay = upstream.post("https://pay.example/charges").respond(201)
            await asgi_client.post("/checkout")
            pay.assert_called_with(json={"amount": 5})
            ```
        """
        __tracebackhide__ = True
        expected = Expected(
            json=json,
            headers=headers,
            params=params,
            content=content,
            data=data,
            files=files,
            timeout=timeout,
            extensions=extensions,
        )
        self._calls().last_with(expected)

    def assert_called_once_with(self, **expected: Any) -> None:
        """Fail unless there was exactly one call, and it sent this.

        Args:
            **expected: As for `assert_called_with`.

        Raises:
            AssertionError: With the differences, or the calls that were made.
        """
        __tracebackhide__ = True
        calls = self._calls()
        calls.called(1)
        calls.last_with(Expected(**expected))

    def assert_any_call(self, **expected: Any) -> None:
        """Fail unless one of the calls sent this.

        Args:
            **expected: As for `assert_called_with`.

        Raises:
            AssertionError: With the differences to the nearest call.
        """
        __tracebackhide__ = True
        self._calls().any_with(Expected(**expected))


def _raises(value: Any) -> bool:
    return isinstance(value, BaseException)


def checked_url(url: Any) -> None:
    """Refuse a host without a scheme, which respx takes for a path."""
    if isinstance(url, str) and _HOST.match(url):
        raise ValueError(
            f"{url!r} has no scheme, so it would be a path: write 'https://{url}', or "
            f"host={url.partition('/')[0]!r} for every URL of that host"
        )
