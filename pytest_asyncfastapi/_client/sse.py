"""Server-sent events of the app: `async with client.sse("/events") as events`.

A streamed request of the client like any other; leaving the block early ends
it, so that the app's generator is finalised and no task is left.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from .._core.base_error import AsyncFastAPIError
from .sse_parser import EventParser, ServerSentEvent

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import TracebackType
    from typing import Self

    from .bound_client import BoundClient

_HEADERS = {
    "accept": "text/event-stream",
    "cache-control": "no-store",
    # Compressed events would wait in a compressor's buffer.
    "accept-encoding": "identity",
}


class NotAnEventStream(AsyncFastAPIError, RuntimeError):
    """The app answered a request for events with something else.

    Attributes:
        response: The app's answer.
    """

    def __init__(self, response: Any, what: str) -> None:
        self.response = response
        request = response.request
        super().__init__(
            f"{request.method} {request.url.path}: expected status 200 and content-type "
            f"text/event-stream, but the app answered {what}; a browser gives up on this. "
            "Fix: use .get() for what is not an event stream, or set media_type in the app."
        )


class EventStream:
    """The events of one response, one at a time as the app sends them.

    Each is waited for as long as the request's `read` timeout, then raised as the library's
    `ReadTimeout`; comments (such as pings) are skipped, but start it anew. The app's own
    exception surfaces as itself.

    Attributes:
        response: The library's response, once the stream is entered.

    Example:
        ```python
        async with asgi_client.sse("/events") as events:
            async for event in events:
                assert event.json()["state"] == "done"
                break
        ```
    """

    def __init__(
        self,
        client: BoundClient,
        url: Any,
        *,
        method: str = "GET",
        headers: Any = None,
        **options: Any,
    ) -> None:
        merged = client.library.Headers(_HEADERS)
        merged.update(headers)
        stream: Any = client.stream  # type: ignore[attr-defined]
        self._opening: Any = stream(method, url, headers=merged, **options)
        self._parser = EventParser()
        self._ready: deque[ServerSentEvent] = deque()
        self._chunks: AsyncGenerator[bytes, None]
        self.response: Any = None

    @property
    def last_event_id(self) -> str:
        """What a browser would send as `Last-Event-ID` when it connects again."""
        return self._parser.last_event_id

    async def __aenter__(self) -> Self:
        """Send the request. Raises `NotAnEventStream` if the answer is none."""
        self.response = await self._opening.__aenter__()
        try:
            await self._check()
        except BaseException as error:
            await self._opening.__aexit__(type(error), error, error.__traceback__)
            raise
        # Not aiter_bytes(), which is two generators deep: one that is left in the middle has
        # to be closed, and only the outer one could be reached.
        self._chunks = self.response.stream.__aiter__()
        return self

    async def _check(self) -> None:
        response = self.response
        kind = response.headers.get("content-type", "")
        encoding = response.headers.get("content-encoding", "identity")
        media_type = kind.partition(";")[0].strip().lower()
        if response.status_code == 200 and media_type == "text/event-stream":
            if encoding == "identity":
                return
            raise NotAnEventStream(response, f"with content-encoding {encoding}")
        what = f"{response.status_code} with " + (kind or "no content-type")
        if "content-length" in response.headers:  # else it may never end
            await response.aread()
            what += f": {response.text[:200]!r}"
        raise NotAnEventStream(response, what)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave: an app that still streams gets `http.disconnect`, its grace, then is cancelled."""
        await self._chunks.aclose()
        await self._opening.__aexit__(kind, error, traceback)

    def __aiter__(self) -> Self:
        """The events until the app ends the stream."""
        return self

    async def __anext__(self) -> ServerSentEvent:
        while not self._ready:
            if self.response is None:
                raise RuntimeError(
                    "this event stream is not open. Write: async with "
                    'asgi_client.sse("/events") as events: async for event in events: ...'
                )
            self._ready.extend(self._parser.feed(await anext(self._chunks)))
        return self._ready.popleft()

    def __repr__(self) -> str:
        state = "not connected" if self.response is None else f"status {self.response.status_code}"
        return f"<EventStream: {state}>"
