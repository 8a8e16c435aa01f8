"""What a test expects a call to have sent, and how a sent one differs from it.

`json`, `params`, `data` and `content` are compared as a whole, `headers` only
for the names that are given. Anything with an `==` of its own may stand in
(`unittest.mock.ANY`, `pytest.approx`). Asserts nothing.
"""

from __future__ import annotations

import json as jsonlib
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import httpx

from .nearest import show_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

UNSET: Any = type("Unset", (), {"__repr__": lambda self: "..."})()
_LONG = 200


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
    ) -> None:
        self.json = json
        self.headers = headers
        self.params = params
        self.content = content.encode() if isinstance(content, str) else content
        self.data = data

    def differences(self, request: httpx.Request) -> list[str]:
        """Each part that is not as expected, in words; empty where all is."""
        return [
            *self._headers(request),
            *self._params(request),
            *self._json(request),
            *self._data(request),
            *self._content(request),
        ]

    def _headers(self, request: httpx.Request) -> Iterator[str]:
        for name, value in (self.headers or {}).items():
            sent = request.headers.get(name, UNSET)
            yield from _compare(f"headers[{name!r}]", sent, value)

    def _params(self, request: httpx.Request) -> Iterator[str]:
        if self.params is not None:
            yield from _fields("params", request.url.params.multi_items(), self.params)

    def _json(self, request: httpx.Request) -> Iterator[str]:
        if self.json is UNSET:
            return
        try:
            sent = jsonlib.loads(request.content)
        except ValueError:
            yield f"json: the body is no JSON but {_short(request.content)}"
            return
        yield from _compare("json", sent, self.json)

    def _data(self, request: httpx.Request) -> Iterator[str]:
        if self.data is None:
            return
        kind = request.headers.get("content-type", "")
        if not kind.startswith("application/x-www-form-urlencoded"):
            yield f"data: the body is no form but {kind or 'without a content-type'}"
            return
        sent = parse_qsl(request.content.decode(), keep_blank_values=True)
        yield from _fields("data", sent, self.data)

    def _content(self, request: httpx.Request) -> Iterator[str]:
        if self.content is not None:
            yield from _compare("content", request.content, self.content)

    def __str__(self) -> str:
        given = ("json", "headers", "params", "data", "content")
        return ", ".join(
            f"{name}={getattr(self, name)!r}"
            for name in given
            if getattr(self, name) is not (UNSET if name == "json" else None)
        )


def show_sent(request: httpx.Request) -> str:
    """A request in one line, with the beginning of its body."""
    body = f" {_short(request.content)}" if request.content else ""
    return f"{request.method} {show_url(request.url)}{body}"


def _short(content: bytes) -> str:
    text = content.decode("utf-8", "backslashreplace")
    return text if len(text) <= _LONG else f"{text[:_LONG]}... ({len(content)} bytes)"


def _fields(name: str, sent: list[tuple[str, str]], expected: Any) -> Iterator[str]:
    """Two sets of fields, of which each may have several values, in any order of the fields."""
    has: dict[str, Any] = {}
    for key, value in sent:
        has.setdefault(key, []).append(value)
    wants: dict[str, Any] = {}
    if isinstance(expected, dict):
        wants = {key: _values(value) for key, value in expected.items()}
    else:
        for key, value in httpx.QueryParams(expected).multi_items():
            wants.setdefault(key, []).append(value)
    for key in [*wants, *(key for key in has if key not in wants)]:
        yield from _compare(
            f"{name}[{key!r}]", _single(has.get(key, UNSET)), _single(wants.get(key, UNSET))
        )


def _values(value: Any) -> Any:
    """As httpx writes them."""
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in _values(item)]
    if value is None or isinstance(value, (bool, str, int, float)):
        return [str(httpx.QueryParams({"x": value})["x"])]
    return [value]  # unittest.mock.ANY and the like


def _single(values: Any) -> Any:
    return values[0] if isinstance(values, list) and len(values) == 1 else values


def _compare(path: str, sent: Any, expected: Any) -> Iterator[str]:
    """Where the two differ, down to the smallest part."""
    if sent is UNSET or expected is UNSET:
        if sent is UNSET and expected is not UNSET:
            yield f"{path}: not sent, expected {expected!r}"
        elif expected is UNSET and sent is not UNSET:
            yield f"{path}: sent {sent!r}, not expected"
    elif expected == sent:
        return
    elif isinstance(sent, dict) and isinstance(expected, dict):
        for key in [*expected, *(key for key in sent if key not in expected)]:
            yield from _compare(f"{path}[{key!r}]", sent.get(key, UNSET), expected.get(key, UNSET))
    elif isinstance(sent, list) and isinstance(expected, list) and len(sent) == len(expected):
        for index, (mine, theirs) in enumerate(zip(sent, expected, strict=True)):
            yield from _compare(f"{path}[{index}]", mine, theirs)
    else:
        yield f"{path}: sent {sent!r}, expected {expected!r}"
