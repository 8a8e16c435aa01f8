"""Find the routes for a request without trying every one.

A route whose method, scheme, host and path are all literal is found by a
dictionary; the others are tried one by one. The order is respx's: the route
that was added first wins, whichever kind it is.
"""

from __future__ import annotations

from heapq import merge
from typing import TYPE_CHECKING, Any

from respx.models import Route
from respx.patterns import Lookup

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import httpx

_LITERAL = ("method", "scheme", "host", "path")
_Key = tuple[str, str, str, str]
# The route's place in the order, the route, and what the key does not say.
_Entry = tuple[int, Route, list[Any]]
# A route, and what its pattern captured.
Match = tuple[Route, dict[str, Any]]


def leaves(pattern: Any) -> Iterator[Any]:
    """The parts of a pattern that must all match; an `or` and a `not` count as one."""
    if type(pattern).__name__ == "_And":
        for part in pattern.value:
            yield from leaves(part)
    elif pattern:
        yield pattern


def _split(route: Route) -> tuple[_Key | None, list[Any]]:
    """The literal key of a route, if it has one, and the parts left to match."""
    found: dict[str, str] = {}
    rest: list[Any] = []
    for leaf in leaves(route.pattern):
        key = getattr(leaf, "key", None)
        if key in _LITERAL and key not in found and leaf.lookup is Lookup.EQUAL and not leaf.base:
            found[key] = leaf.value
        else:
            rest.append(leaf)
    if len(found) < len(_LITERAL):
        return None, [route.pattern] if route.pattern else []
    return (found["method"], found["scheme"], found["host"], found["path"]), rest


class RouteTable:
    """An index over a list of routes; built once, thrown away when routes change."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._literal: dict[_Key, list[_Entry]] = {}
        self._patterns: list[_Entry] = []
        for order, route in enumerate(routes):
            key, rest = _split(route)
            entries = self._patterns if key is None else self._literal.setdefault(key, [])
            entries.append((order, route, rest))

    def matching(self, request: httpx.Request) -> Iterator[Match]:
        """The routes that match, in order, each with what its pattern captured."""
        url = request.url
        entries: Iterable[_Entry] = self._patterns
        literal = self._literal.get((request.method, url.scheme, url.host, url.path))
        if literal is not None:
            entries = merge(literal, entries, key=_order) if self._patterns else literal
        for _, route, rest in entries:
            context: dict[str, Any] = {}
            for part in rest:
                match = part.match(request)
                if not match:
                    break
                context.update(match.context)
            else:
                yield route, context

    def __repr__(self) -> str:
        return f"<RouteTable literal={len(self._literal)} patterns={len(self._patterns)}>"


def _order(entry: _Entry) -> int:
    return entry[0]
