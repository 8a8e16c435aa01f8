"""What a test expects a call to have sent, and how a sent one differs from it.

`json`, `params`, `data`, `files` and `content` are compared as a whole, `headers` only
for the names that are given. Asserts nothing.
"""

from __future__ import annotations

import json as jsonlib
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from . import multipart
from .differences import UNSET, compare, in_fields, short
from .near_misses import show_url
from .patterns import Equal, timeouts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import httpx

_FORM = "application/x-www-form-urlencoded"


class Expected:
    """The parts of a request that a test names."""

    def __init__(
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
        **unknown: Any,
    ) -> None:
        if unknown:
            raise TypeError(
                f"a call cannot be compared by {', '.join(map(repr, unknown))}: write json=, "
                "headers=, params=, data=, files=, content=, timeout= or extensions="
            )
        self.json = json
        self.headers = headers
        self.params = params
        self.content = content.encode() if isinstance(content, str) else content
        self.data = data
        self.files = files
        self.timeout = timeout
        self.extensions = extensions

    def differences(self, request: httpx.Request) -> list[str]:
        """Each part that is not as expected, in words; empty where all is."""
        return [
            *self._headers(request),
            *self._params(request),
            *self._json(request),
            *self._data(request),
            *self._files(request),
            *self._content(request),
            *self._extensions(request),
        ]

    def _headers(self, request: httpx.Request) -> Iterator[str]:
        for name, value in (self.headers or {}).items():
            sent = request.headers.get(name, UNSET)
            yield from compare(f"headers[{name!r}]", sent, value)

    def _params(self, request: httpx.Request) -> Iterator[str]:
        if self.params is not None:
            yield from in_fields("params", request.url.params.multi_items(), self.params)

    def _json(self, request: httpx.Request) -> Iterator[str]:
        if self.json is UNSET:
            return
        try:
            sent = jsonlib.loads(request.content)
        except ValueError:
            yield f"json: the body is not JSON but {short(request.content)}"
            return
        yield from compare("json", sent, self.json)

    def _data(self, request: httpx.Request) -> Iterator[str]:
        if self.data is None:
            return
        parts = multipart.parts_of(request)
        kind = request.headers.get("content-type", "")
        if parts is not None:
            yield from in_fields("data", multipart.fields(parts), self.data)
        elif kind.startswith(_FORM):
            sent = parse_qsl(request.content.decode(), keep_blank_values=True)
            yield from in_fields("data", sent, self.data)
        else:
            yield f"data: the body is not a form but {kind or 'without a content-type'}"

    def _files(self, request: httpx.Request) -> Iterator[str]:
        if self.files is None:
            return
        parts = multipart.parts_of(request)
        if parts is None:
            kind = request.headers.get("content-type", "") or "without a content-type"
            yield f"files: the body is not multipart but {kind}"
        else:
            yield from multipart.in_files(parts, self.files)

    def _content(self, request: httpx.Request) -> Iterator[str]:
        if self.content is not None:
            yield from compare("content", request.content, self.content)

    def _extensions(self, request: httpx.Request) -> Iterator[str]:
        if self.timeout is not UNSET:
            yield from Equal("timeout", timeouts(self.timeout)).differences(request)
        if self.extensions is not None:
            yield from Equal("extensions", self.extensions).differences(request)

    def __str__(self) -> str:
        unset: dict[str, Any] = {"json": UNSET, "timeout": UNSET}
        return ", ".join(
            f"{name}={value!r}"
            for name, value in vars(self).items()
            if value is not unset.get(name)
        )


def show_sent(request: httpx.Request) -> str:
    """A request in one line, with the beginning of its body."""
    parts = multipart.parts_of(request)
    if parts is not None:
        body = f" form {', '.join(map(str, parts))}"
    else:
        body = f" {short(request.content)}" if request.content else ""
    return f"{request.method} {show_url(request.url)}{body}"
