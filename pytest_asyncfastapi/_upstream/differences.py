"""Where two values differ, down to the smallest part, in words.

Anything with an `==` of its own may stand in (`unittest.mock.ANY`, `pytest.approx`).
Used for what a test expects of a call, and for why a call matches no route.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

UNSET: Any = type("Unset", (), {"__repr__": lambda self: "..."})()
_LONG = 200


def short(content: bytes) -> str:
    """The beginning of a body."""
    text = content.decode("utf-8", "backslashreplace")
    return text if len(text) <= _LONG else f"{text[:_LONG]}... ({len(content)} bytes)"


def in_fields(name: str, sent: list[tuple[str, Any]], expected: Any) -> Iterator[str]:
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
        yield from compare(
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


def compare(path: str, sent: Any, expected: Any) -> Iterator[str]:
    """Where the two differ."""
    if sent is UNSET or expected is UNSET:
        if sent is UNSET and expected is not UNSET:
            yield f"{path}: not sent, expected {expected!r}"
        elif expected is UNSET and sent is not UNSET:
            yield f"{path}: sent {sent!r}, not expected"
    elif expected == sent:
        return
    elif isinstance(sent, dict) and isinstance(expected, dict):
        for key in [*expected, *(key for key in sent if key not in expected)]:
            yield from compare(f"{path}[{key!r}]", sent.get(key, UNSET), expected.get(key, UNSET))
    elif isinstance(sent, list) and isinstance(expected, list) and len(sent) == len(expected):
        for index, (mine, theirs) in enumerate(zip(sent, expected, strict=True)):
            yield from compare(f"{path}[{index}]", mine, theirs)
    else:
        yield f"{path}: sent {sent!r}, expected {expected!r}"
