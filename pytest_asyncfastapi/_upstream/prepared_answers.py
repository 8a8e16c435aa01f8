"""What is known of an answer before it is sent: its body, and whether a network would change it.

HEAD and 204 have no body, a length that is not kept breaks the connection: what a network would
make of such an answer is found out by sending it over one. Nearly every answer arrives as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import httpx

from .._core.frames import identity

if TYPE_CHECKING:
    from respx.models import Route

_BODILESS = (204, 304)
# Prepared answers by their route: each with its headers, and whether it arrives as it is.
Kept = dict[int, tuple[httpx.Response, list[Any], bool]]


def prepared_by(route: Route) -> httpx.Response | None:
    """What `resolve` finds for a plain route, but for a copy: the one needed is made later."""
    response = route._return_value
    if response is None or route._side_effect or route.is_pass_through:
        return None
    return response if response._request is None else None


def body_of(response: Any) -> Literal["", "none", "empty"]:
    """What is known of the body of an answer, in the words of `faults.Setting`."""
    if response.status_code in _BODILESS or response.headers.get("content-length") == "0":
        return "none"
    stream = response.stream
    return "empty" if isinstance(stream, httpx.ByteStream) and not any(stream) else ""


def changed(request: Any, response: Any) -> str | None:
    """Does a network change this answer? None where not; else what is wrong with it, if anything.

    The request and the answer are httpx's.
    """
    stream, status = response.stream, response.status_code
    if not 200 <= status <= 599:
        return f"its status is {status}"
    size = sum(map(len, stream)) if type(stream) is httpx.ByteStream else -1
    bodiless = request.method == "HEAD" or status in _BODILESS
    length: bytes | None = None
    for name, value in response.headers.raw:
        lower = name.lower()
        if b"\n" in value or b"\r" in value or b"\0" in value:
            return f"its header {name.decode('latin-1')} has a line break or NUL"
        if lower == b"content-length":
            if length not in (None, value) or not value.isdigit():
                return "it has two lengths" if length else "its Content-Length is not a number"
            length = value
        elif lower == b"transfer-encoding":
            size = -1
    if size < 0 or (bodiless and size):
        return ""
    if length is not None and not bodiless and int(length) != size:
        return f"its Content-Length is {int(length)}, and its body has {size} bytes"
    return None


def is_plain(route: Route, request: Any, kept: Kept) -> bool:
    """Does a prepared answer arrive as it is? Checked for each call that it answers.

    `kept` has what was found out before.
    """
    model = route._return_value
    if model is None or request.method == "HEAD":
        return False
    headers: Any = model.headers
    key = identity(route)
    known = kept.get(key)
    if known is None or known[0] is not model or known[1] != headers._list:
        known = model, list(headers._list), changed(request, model) is None
        kept[key] = known
    return known[2]
