"""Why a request matched no route: the nearest ones, with a reason for each.

Knows respx's patterns; decides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from respx.patterns import Lookup

from .patterns import body_differs
from .route_index import leaves

if TYPE_CHECKING:
    from collections.abc import Iterable

    import httpx
    from respx.models import Route

# How much it says about two requests that they agree in this part.
_WEIGHT = {"host": 8, "path": 4, "method": 2, "params": 1, "scheme": 1, "port": 1}
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


def show_url(url: Any) -> str:
    """The URL without user name and password."""
    return str(url.copy_with(username=None, password=None)) if url.userinfo else str(url)


def show_route(route: Route) -> str:
    """A route as people write it: `GET https://pay.example/charge`."""
    parts = {getattr(leaf, "key", ""): leaf for leaf in leaves(route.pattern)}
    named = f" (named {route.name!r})" if route.name else ""
    if "url" in parts:
        where = _value(parts["url"])
    elif "host" in parts or "path" in parts:
        scheme = _value(parts["scheme"]) + "://" if "scheme" in parts else ""
        host = _value(parts["host"]) if "host" in parts else "*"
        port = f":{_value(parts['port'])}" if "port" in parts else ""
        where = f"{scheme}{host}{port}{_value(parts['path']) if 'path' in parts else ''}"
    else:
        where = "any URL"
    if "params" in parts:
        where += f"?{parts['params'].value}"
    method = f"{_value(parts['method'])} " if "method" in parts else ""
    return f"{method}{where}{named}"


def nearest(routes: Iterable[Route], request: httpx.Request, limit: int = 3) -> list[str]:
    """The routes that come closest, each with every part that does not match."""
    scored = []
    for order, route in enumerate(routes):
        good, reasons = 0, []
        for leaf in leaves(route.pattern):
            if leaf.match(request):
                good += _WEIGHT.get(getattr(leaf, "key", ""), 1)
            else:
                reasons.append(_reason(leaf, request))
        why = "; ".join(reasons) or "its side effect returned None, so it does not answer"
        scored.append((-good, len(reasons), order, f"{show_route(route)}: {why}"))
    return [text for *_, text in sorted(scored)[:limit]]


def suggestion(request: httpx.Request) -> str:
    """The line that would route this request."""
    url = show_url(request.url).partition("?")[0]
    if request.method in _METHODS:
        return f'upstream.{request.method.lower()}("{url}").respond(json={{...}})'
    return f'upstream.request("{request.method}", "{url}").respond(json={{...}})'


def _value(leaf: Any) -> str:
    value = leaf.value
    if leaf.lookup is Lookup.REGEX:
        return f"~{value.pattern}"
    if leaf.lookup is Lookup.STARTS_WITH:
        return f"{value}*"
    return "|".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _reason(leaf: Any, request: httpx.Request) -> str:
    if hasattr(leaf, "reason"):
        return str(leaf.reason(request))
    key = getattr(leaf, "key", "")
    if key in ("method", "scheme", "host", "port", "path", "url"):
        return f"the {key} is {leaf.parse(request)!s}, the route wants {_value(leaf)}"
    if key == "params":
        asked = request.url.query.decode() or "none"
        return f"the params are {asked}, the route wants {leaf.value}"
    if key in ("headers", "cookies"):
        # Names only: values may be secrets.
        names = leaf.value.keys() if key == "headers" else [name for name, _ in leaf.value]
        return f"the {key} do not have what the route wants for {', '.join(sorted(names))}"
    if key:
        return body_differs(leaf, key, request)
    return f"it does not match {leaf!r}"
