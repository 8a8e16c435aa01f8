"""Fresh responses from a prepared one, at the cost of a dictionary.

One response that a test has prepared answers many calls, and each call needs
two: one that the app reads, one that stays as it is in the list of calls.
`httpx.Response(...)` looks at every argument again; these copy what a response
holds. Knows httpx's fields, and nothing else; a test compares them.
"""

from __future__ import annotations

from typing import Any, TypeVar

import httpx


class PreloadedResponse(httpx.Response):
    """A response whose body is there: `aread()` does what httpx's does, less two generators."""

    async def aread(self) -> bytes:
        """Read the body and close the response (httpx)."""
        body = self._ready_body()
        if body is None:
            return await super().aread()
        self.is_stream_consumed = True
        self._num_bytes_downloaded = len(body)
        self._content: bytes = body
        self.is_closed = True
        await self.stream.aclose()  # type: ignore[union-attr]  # in memory: nothing can fail
        return body

    def _ready_body(self) -> bytes | None:
        """The body, unless it is to be decoded, has been read, or somebody put a stream over it."""
        stream: Any = self.stream
        if type(stream).__module__ == "httpx._client":  # what the client puts over every stream
            stream = stream._stream
        plain = type(stream) is httpx.ByteStream and "content-encoding" not in self.headers
        if not plain or self.is_stream_consumed or self.is_closed or hasattr(self, "_content"):
            return None
        return b"".join(stream)


R = TypeVar("R", bound=httpx.Response)

# What a response holds that has not been read yet: a field that a later httpx adds is kept.
_BLANK = vars(httpx.Response(200, stream=httpx.ByteStream(b"")))


def copy_response(model: httpx.Response, request: httpx.Request, kind: type[R]) -> R:
    """An unread response like `model`, sharing its stream, as the answer to `request`."""
    response = kind.__new__(kind)
    state = response.__dict__
    state.update(_BLANK)
    state["status_code"] = model.status_code
    state["headers"] = _headers(model.headers)
    state["_request"] = request
    state["extensions"] = dict(model.extensions)
    state["history"] = []
    state["stream"] = model.stream
    return response


def copy_with_content(model: httpx.Response, request: httpx.Request) -> httpx.Response:
    """A response like `model` whose `.content` can be read at once.

    The stream of `model` must be an `httpx.ByteStream`.
    """
    response = copy_response(model, request, httpx.Response)
    headers: Any = response.headers
    if b"content-encoding" in [name for _, name, _ in headers._list]:
        response.read()  # to be decoded
        return response
    state = response.__dict__
    content = state["_content"] = b"".join(response.stream)  # type: ignore[arg-type]
    state["is_stream_consumed"] = state["is_closed"] = True
    state["_num_bytes_downloaded"] = len(content)
    return response


def _headers(model: Any) -> httpx.Headers:
    headers = httpx.Headers.__new__(httpx.Headers)
    headers._list = list(model._list)
    headers._encoding = model.encoding  # found out once: each copy needs it several times
    return headers
