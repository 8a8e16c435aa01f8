"""Patterns in which something stands that has only an `==`, such as `mock.ANY`.

respx compares JSON as text, and keeps other values where they must be hashable: there
such a value cannot stand, or never matches. Everything else stays respx's.
"""

from __future__ import annotations

import json as jsonlib
from typing import TYPE_CHECKING, Any

from respx.patterns import JSON, Data, Lookup, Match, Pattern

from .differences import UNSET, compare, in_fields
from .multipart import fields, parts_of

if TYPE_CHECKING:
    import httpx

_NAMED = ("data", "headers", "cookies")
_PLAIN = (str, bytes, int, float, bool, type(None))


class Equal(Pattern):
    """A part of the request that equals a value, by `==` of the value.

    Of headers and cookies those that are named.
    """

    def __init__(self, key: str, value: Any, path: str = "") -> None:
        super().__init__(value)
        self.key = key  # type: ignore[misc]  # of the class it would be respx's own pattern
        self.path = path

    def __hash__(self) -> int:
        return hash((Equal, self.key, self.path, repr(self.value)))

    def match(self, request: httpx.Request) -> Match:
        """Does the request have it?"""
        return Match(not self.differences(request))

    def differences(self, request: httpx.Request) -> list[str]:
        """Where it does not, in words."""
        if self.key == "json":
            return json_differences(request, self.value, self.path)
        if self.key == "data":
            return data_differences(request, self.value)
        if self.key == "content":
            return list(compare("content", request.content, self.value))
        sent: Any = request.headers if self.key == "headers" else _cookies(request)
        return [
            line
            for name, value in self.value.items()
            for line in compare(f"{self.key}[{name!r}]", sent.get(name, UNSET), value)
        ]


def own_patterns(lookups: dict[str, Any]) -> list[Pattern]:
    """Take out of a route's lookups those that respx cannot compare."""
    found: list[Pattern] = []
    for name, value in list(lookups.items()):
        key, _, rest = name.partition("__")
        path = rest.removesuffix("__eq") if rest != "eq" else ""
        if key == "json" and path != "contains" and not _is_json(value):
            found.append(Equal("json", lookups.pop(name), path))
        elif key == "content" and not path and not isinstance(value, (str, bytes)):
            found.append(Equal("content", lookups.pop(name)))
        elif key in _NAMED and not path and isinstance(value, dict) and not _is_plain(value):
            found.append(Equal(key, lookups.pop(name)))
    return found


def _cookies(request: httpx.Request) -> dict[str, str]:
    found = (part.strip().partition("=") for part in request.headers.get("cookie", "").split(";"))
    return {name: value for name, _, value in found if name}


def _is_json(value: Any) -> bool:
    try:
        jsonlib.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_plain(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item) for item in value)
    return isinstance(value, _PLAIN)


# Why a body does not match


def of_leaf(leaf: Any, request: httpx.Request) -> list[str]:
    """How the body of a request differs from what this part of a route's pattern wants."""
    if isinstance(leaf, Equal):
        return leaf.differences(request)
    if isinstance(leaf, JSON):
        return json_differences(request, jsonlib.loads(leaf.value), leaf.path or "")
    if isinstance(leaf, Data) and leaf.lookup is Lookup.EQUAL:
        return data_differences(request, {name: list(leaf.value[name]) for name in leaf.value})
    return []


def json_differences(request: httpx.Request, expected: Any, path: str = "") -> list[str]:
    """How the JSON of a request differs from what is expected of all, or of one path in it."""
    try:
        sent = jsonlib.loads(request.content)
    except ValueError:
        return ["the body is not JSON"]
    name = "json"
    for bit in path.split("__") if path else ():
        key: Any = int(bit) if bit.isdigit() else bit
        name += f"[{key!r}]"
        try:
            sent = sent[key]
        except (LookupError, TypeError):
            return [f"{name}: not sent, expected {expected!r}"]
    return list(compare(name, sent, expected))


def data_differences(request: httpx.Request, expected: dict[str, Any]) -> list[str]:
    """How the fields of a form differ from what is expected."""
    parts = parts_of(request)
    if parts is not None:
        return list(in_fields("data", fields(parts), expected))
    from urllib.parse import parse_qsl

    sent = parse_qsl(request.content.decode("utf-8", "replace"), keep_blank_values=True)
    return list(in_fields("data", sent, expected))
