"""The faults of a sweep, built for the call that they strike.

Which of them a call may meet, and the bodies of their answers, depend on the answer in the
clean run: JSON, HTML, nothing.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .swept_faults import swept_faults

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .call_identity import SweptCall
    from .swept_faults import SweptFault

_UNKNOWN = 1e8  # a served call has no budget that could be seen; in its install stands a huge one
_TITLES = {500: "Internal Server Error", 503: "Service Unavailable", 429: "Too Many Requests"}

_GONE = "refused"  # from one exchange on, the whole server


def faults(names: Sequence[str], call: SweptCall) -> list[str]:
    """Those of `names` that this call may meet."""
    known = swept_faults()
    if call.is_round_trip:
        what = "connect" if call.is_connect else "exchange"
        return [name for name in names if what in known[name].on]
    return [
        name
        for name in names
        if _fits(name, known[name], call) and not (known[name].not_served and is_served(call))
    ]


def outages(names: Sequence[str], call: SweptCall) -> list[str]:
    """Those that the server of a round trip may meet from then on, for good."""
    return [name for name in names if name == _GONE and call.is_round_trip]


def left_out(names: Sequence[str], call: SweptCall) -> list[str]:
    """Those that cannot be played where the call is served on a real socket."""
    known = swept_faults()
    return [name for name in names if known[name].not_served and is_served(call)]


def is_served(call: SweptCall | None) -> bool:
    """Has it come in on a socket that the test serves?"""
    return call is not None and call.out.library == "served"


def _fits(name: str, fault: SweptFault, call: SweptCall) -> bool:
    """Another body is a fault only where there was one of this kind, and a different one."""
    if fault.shape:
        return _is_json(call) and _parsed(call) != json.loads(fault.shape)
    if name == "no_body":
        return bool(_body(call))
    return "call" in fault.on and (name != "503_html" or _is_json(call))


def effect(name: str, call: SweptCall | None, slow: float) -> Any:
    """What the fault of this name does to the call."""
    from .._faults import values
    from .._faults.grammar import parse

    fault = swept_faults()[name]
    if fault.shape:
        return _answer(200, json.loads(fault.shape))
    if name == "no_body":
        return _answer(200)
    if name == "503_html":
        return _answer(503, html=_page(503))
    found = parse(f"*: {fault.spec.format(slow=slow)}").effect
    if not name.isdigit() or call is None:
        return found
    status = int(name)
    if _is_json(call):
        problem = {"type": "about:blank", "title": _TITLES[status], "status": status}
        body, headers = values.answer(problem, None, {"Content-Type": "application/problem+json"})
    else:
        body, headers = values.answer(values.NOTHING, _page(status), None)
    return replace(found, body=body, headers=headers)


def round_trip_effects(name: str, call: SweptCall | None, slow: float) -> tuple[Any, Any]:
    """What the fault of this name does to an exchange, and to an attempt to connect."""
    exchange, connect = "reset", "refused"
    on = swept_faults()[name].on
    if call is not None and call.is_round_trip:
        if call.is_connect and "connect" in on:
            connect = name
        elif "exchange" in on:
            exchange = name
    return effect(exchange, None, slow), effect(connect, None, slow)


def _answer(status: int, value: Any = ..., html: str | None = None) -> Any:
    from .._faults import Effect, values

    body, headers = values.answer(values.NOTHING if value is ... else value, html, None)
    return Effect(ending="status", status=status, body=body, headers=headers)


def own_timeout(call: SweptCall | None) -> float | None:
    """The read timeout (s) that the app has given to this call itself."""
    if call is None:
        return None
    limit = getattr(call.out.request, "extensions", {}).get("timeout", {}).get("read")
    return limit if limit is not None and limit < _UNKNOWN else None


def _page(status: int) -> str:
    title = f"{status} {_TITLES[status]}"
    return f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"


def _is_json(call: SweptCall) -> bool:
    headers = getattr(call.out.response, "headers", {})
    return "json" in headers.get("content-type", "")


def _body(call: SweptCall) -> bytes:
    response = call.out.response
    stream = getattr(response, "stream", None)
    for content in (getattr(response, "_content", None), getattr(stream, "_stream", None)):
        if isinstance(content, bytes):
            return content
    return b"?" if getattr(response, "headers", {}).get("content-length", "0") != "0" else b""


def _parsed(call: SweptCall) -> Any:
    try:
        return json.loads(_body(call))
    except ValueError:
        return ...
