"""The list of routes, where adding one costs the same however many there are.

respx compares a new route with every earlier one; here its pattern is looked
up. What adding means is unchanged: a route with a known name or pattern
replaces what the earlier one did, and keeps its place and its calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from respx.models import Route, RouteList

if TYPE_CHECKING:
    from collections.abc import Iterable


class Routes(RouteList):
    """respx's list with an index; two patterns are the same where their hashes are (respx)."""

    def __init__(self, routes: RouteList | None = None) -> None:
        super().__init__(routes)
        self._index = _indexed(self._routes)

    def __setitem__(self, i: slice, routes: RouteList) -> None:
        super().__setitem__(i, routes)
        self._index = _indexed(self._routes)

    def reindex(self) -> None:
        """Look at every pattern again: a roll-back changes patterns in place."""
        self._index = _indexed(self._routes)

    def clear(self) -> None:
        """Remove all."""
        super().clear()
        self._index.clear()

    def add(self, route: Route, name: str | None = None) -> Route:
        """Add a route, or let the one with its name or pattern take over what it does."""
        place = self._names.pop(name, None) if name else None
        twin = self._index.get(hash(route.pattern))
        if twin is not None and twin is not place:
            self._unname(twin)
            if place is None:
                place = twin
            else:
                self._drop(twin)
        if place is None:
            place = route
            self._routes.append(route)
        else:
            self._index.pop(hash(place.pattern), None)
            _take_over(place, route)
        self._index[hash(place.pattern)] = place
        if name:
            place._name = name
            self._names[name] = place
        return place

    def pop(self, name: str, default: Any = ...) -> Any:
        """Remove by name; raises `KeyError` where there is neither the name nor a default."""
        if name not in self._names:
            if default is ...:
                raise KeyError(name)
            return default
        route = self._names.pop(name)
        self._drop(route)
        return route

    def _drop(self, route: Route) -> None:
        self._routes = [item for item in self._routes if item is not route]
        self._index.pop(hash(route.pattern), None)

    def _unname(self, route: Route) -> None:
        if route.name:
            del self._names[route.name]
            route._name = None

    def __repr__(self) -> str:
        return f"<Routes {len(self._routes)}>"


def _indexed(routes: Iterable[Route]) -> dict[int, Route]:
    found: dict[int, Route] = {}
    for route in routes:
        found.setdefault(hash(route.pattern), route)
    return found


def _take_over(place: Route, route: Route) -> None:
    place._pattern = route.pattern
    place.return_value = route.return_value
    place.side_effect = route.side_effect
    place.pass_through(route.is_pass_through)
