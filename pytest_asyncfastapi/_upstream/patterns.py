"""Patterns in which something stands that has only an `==`, such as `mock.ANY`.

respx compares JSON as text, and keeps other values where they must be hashable: there
such a value cannot stand, or never matches. Everything else stays respx's.
"""

from __future__ import annotations

import difflib
import json as jsonlib
from typing import Any

import httpx
from respx.patterns import JSON, Content, Data, Files, Lookup, Match, Pattern

from .differences import UNSET, compare, in_fields, short
from .multipart import fields, in_files, parts_of

_MOST = 4  # differences of a body that are shown
_NAMED = ("data", "headers", "cookies")
_EXTENSIONS = ("timeout", "extensions")  # what httpx hands on with a request
_LOOKUPS = tuple(lookup.value for lookup in Lookup)
_PLAIN = (str, bytes, int, float, bool, type(None))


class Equal(Pattern):
    """A part of the request that equals a value, by `==` of the value.

    Of headers, cookies, timeouts and extensions those that are named.
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

    def reason(self, request: httpx.Request) -> str:
        """Why it does not, for who looks for the nearest route."""
        if self.key in ("headers", "cookies"):  # names only: values may be secrets
            names = ", ".join(sorted(self.value))
            return f"the {self.key} do not have what the route wants for {names}"
        if self.key in _EXTENSIONS:
            return "; ".join(self.differences(request))
        return body_differs(self, self.key, request)

    def differences(self, request: httpx.Request) -> list[str]:
        """Where it does not, in words."""
        if self.key == "json":
            return json_differences(request, self.value, self.path)
        if self.key == "data":
            found = data_differences(request, self.value)
            if self.path == "contains":
                found = [line for line in found if not line.endswith(", not expected")]
            return found
        if self.key == "content":
            return list(compare("content", request.content, self.value))
        sent: Any = request.extensions
        if self.key != "extensions":
            sent = sent.get("timeout", {}) if self.key == "timeout" else request.headers
        if self.key == "cookies":
            sent = _cookies(request)
        return [
            line
            for name, value in self.value.items()
            for line in compare(f"{self.key}[{name!r}]", sent.get(name, UNSET), value)
        ]


def check_lookups(lookups: dict[str, Any]) -> None:
    """Refuse what no route can match by, in words."""
    known = sorted({*Pattern.registry, *_EXTENSIONS, "url"})
    for name in lookups:
        key, _, rest = name.partition("__")
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise TypeError(f"a route cannot match by {key!r}; {hint}It can by {', '.join(known)}")
        if rest and key not in ("json", *_EXTENSIONS) and rest not in _LOOKUPS:
            raise TypeError(f"{name!r}: {rest!r} must be one of {', '.join(_LOOKUPS)}")


def own_patterns(lookups: dict[str, Any]) -> list[Pattern]:
    """Take out of a route's lookups those that respx cannot compare."""
    found: list[Pattern] = []
    for name, value in list(lookups.items()):
        key, _, rest = name.partition("__")
        path = rest.removesuffix("__eq") if rest != "eq" else ""
        if key == "json" and path != "contains" and not _is_json(value):
            found.append(Equal("json", lookups.pop(name), path))
        elif key in _EXTENSIONS:
            wanted = timeouts(value) if key == "timeout" and not path else value
            found.append(Equal(key, {path: wanted} if path else wanted))
            del lookups[name]
        elif key == "content" and not path and not isinstance(value, (str, bytes)):
            found.append(Equal("content", lookups.pop(name)))
        elif key in _NAMED and path in ("", "contains") and _has_matchers(value):
            found.append(Equal(key, lookups.pop(name), path))
    return found


def timeouts(value: Any) -> Any:
    """The four budgets (s), of which each may be named; a number is all of them."""
    if isinstance(value, dict):
        return value
    if isinstance(value, httpx.Timeout):
        return value.as_dict()
    return dict.fromkeys(("connect", "read", "write", "pool"), value)


def _cookies(request: httpx.Request) -> dict[str, str]:
    found = (part.strip().partition("=") for part in request.headers.get("cookie", "").split(";"))
    return {name: value for name, _, value in found if name}


def _is_json(value: Any) -> bool:
    try:
        jsonlib.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _has_matchers(value: Any) -> bool:
    return isinstance(value, dict) and not _is_plain(value)


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_plain(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item) for item in value)
    return isinstance(value, _PLAIN)


# Why a body does not match


def body_differs(leaf: Any, key: str, request: httpx.Request) -> str:
    """The same as a reason, with the first few differences."""
    found = of_leaf(leaf, request)
    more = f"; {len(found) - _MOST} more" if len(found) > _MOST else ""
    differences = f": {'; '.join(found[:_MOST])}{more}" if found else ""
    return f"the {key} of the body differs from what the route wants{differences}"


def of_leaf(leaf: Any, request: httpx.Request) -> list[str]:
    """How the body of a request differs from what this part of a route's pattern wants."""
    if isinstance(leaf, Equal):
        return leaf.differences(request)
    if isinstance(leaf, JSON):
        return json_differences(request, jsonlib.loads(leaf.value), leaf.path or "")
    if isinstance(leaf, Data) and leaf.lookup is Lookup.EQUAL:
        return data_differences(request, {name: list(leaf.value[name]) for name in leaf.value})
    if isinstance(leaf, Content) and leaf.lookup is Lookup.EQUAL:
        return [f"sent {short(request.content)!r}, expected {short(leaf.value)!r}"]
    if isinstance(leaf, Files):
        expected = [(name, file) for name, files in leaf.value.items() for file in files]
        found = list(in_files(parts_of(request) or [], expected))
        exact = leaf.lookup is Lookup.EQUAL
        return [line for line in found if exact or not line.endswith(", not expected")]
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
