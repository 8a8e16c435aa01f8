"""Readers for the values of the grammar; each refuses with one sentence (`ValueError`)."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, Literal, get_args

from .._core.units import seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

# What is one of a few words, as the builder takes it; Http2Code: RFC 9113, section 7.
DnsError = Literal["unknown", "temporary"]
TlsError = Literal[
    "untrusted", "hostname", "self_signed", "expired", "not_yet_valid", "client_certificate",
    "unknown_name", "plain_http", "eof", "reset", "stall", "version",
]  # fmt: skip
Http2Code = Literal[
    "no_error", "protocol_error", "internal_error", "flow_control_error", "settings_timeout",
    "stream_closed", "frame_size_error", "refused_stream", "cancel", "compression_error",
    "connect_error", "enhance_your_calm", "inadequate_security", "http_1_1_required",
]  # fmt: skip
ProxyError = Literal[
    407, 502, 503, 504, "407", "502", "503", "504", "eof", "refused", "stall", "tls"
]  # fmt: skip
CODES: tuple[str, ...] = get_args(Http2Code)
TLS_ERRORS: tuple[str, ...] = get_args(TlsError)
PROXY_ERRORS: tuple[str, ...] = tuple(dict.fromkeys(map(str, get_args(ProxyError))))
DNS_ERRORS: tuple[str, ...] = get_args(DnsError)

_RATE = re.compile(
    r"\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>B|KB|MB|GB|KiB|MiB)?\s*/\s*s\s*\Z", re.IGNORECASE
)
_BYTES = {"b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1024, "mib": 1024**2}


def status_code(value: int | str) -> int:
    """An HTTP status of a final response."""
    if str(value).isdecimal() and 200 <= int(value) <= 599:
        return int(value)
    raise ValueError(f"{value!r} is not an HTTP status: write a number from 200 to 599")


def count(value: int | str) -> int:
    """How often: 1 or more."""
    if str(value).isdecimal() and int(value) >= 1:
        return int(value)
    raise ValueError(f"{value!r} is not a count: write 1 or more")


def probability(value: float | str) -> float:
    """A probability above 0, up to 1."""
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if 0 < number <= 1:
        return number
    raise ValueError(f"{value!r} is not a probability: write a number above 0, up to 1")


def rate(value: float | str) -> float:
    """Bytes a second: `16000`, `"16KB/s"`."""
    if isinstance(value, str):
        match = _RATE.match(value)
        number = float(match["number"]) * _BYTES[(match["unit"] or "b").lower()] if match else 0.0
    else:
        number = float(value)
    if 0 < number < math.inf:
        return number
    raise ValueError(f"{value!r} is not a bandwidth: write '16KB/s' or '1.5MB/s'")


def pieces(value: str | tuple[int, float | str]) -> tuple[int, float]:
    """A number and a duration: `"10/2s"`."""
    if isinstance(value, tuple):
        return count(value[0]), positive(value[1])
    number, slash, duration = value.partition("/")
    if not slash or not number.strip().isdecimal():
        raise ValueError(f"{value!r} is not a number in a time: write '10/2s'")
    return count(number.strip()), positive(duration)


def positive(value: float | str) -> float:
    """A duration above 0, in seconds."""
    found = seconds(value)
    if found > 0:
        return found
    raise ValueError(f"{value!r} is not a duration above 0")


def window(value: str) -> tuple[float, float]:
    """From and to: `"10s..20s"`."""
    begin, dots, end = value.partition("..")
    if not dots:
        raise ValueError(f"{value!r} is not a time window: write '10s..20s'")
    return in_order(seconds(begin), seconds(end))


def in_order(begin: float, end: float) -> tuple[float, float]:
    """A window that has a length."""
    if begin < end:
        return begin, end
    raise ValueError(f"the window ends before it begins: {begin:g}s..{end:g}s")


def on_and_off(value: str) -> tuple[float, float]:
    """Two durations: `"5s/1s"`."""
    on, slash, off = value.partition("/")
    if not slash:
        raise ValueError(f"{value!r} is not on/off: write '5s/1s'")
    return positive(on), positive(off)


def numbers(value: str) -> tuple[int, ...]:
    """Places in a row: `"3"`, `"1+4"`."""
    return tuple(count(part.strip()) for part in value.split("+"))


def place(value: str | int) -> str | int:
    """Where an ending comes: `head`, `upload`, or after so many bytes of the body."""
    text = str(value).strip()
    if text in ("head", "upload"):
        return text
    if text.isdecimal():
        return int(text)
    raise ValueError(f"{value!r} is not a place: write 'head', 'upload' or a number of body bytes")


def reset_stream(value: str) -> dict[str, str | int]:
    """After how many body bytes, and with which error code: `"10"`, `"cancel"`, `"10/cancel"`."""
    size, slash, name = value.partition("/")
    if not slash and not value.isdecimal():
        return {"detail": code(value)}
    return {"at": count(size), "detail": code(name) if slash else ""}


def code(value: str) -> str:
    """An error code of HTTP/2."""
    return _one_of(str(value).strip().lower(), CODES, "code of HTTP/2")


def goaway(value: str) -> str:
    """How the server goes away."""
    return _one_of(value.strip().lower(), ("graceful", *CODES), "GOAWAY")


def early_answer(value: str | int) -> dict[str, str | int]:
    """Which status, and whether a reset follows: `"413"`, `"413/reset"`."""
    code, slash, end = str(value).partition("/")
    if slash and end.strip() != "reset":
        raise ValueError(f"{value!r} is not an early answer: write 413 or 413/reset")
    return {"status": status_code(code.strip()), "detail": "reset" if slash else ""}


def dns_error(value: str) -> str:
    """Which error of the name resolution."""
    found = _one_of(value, DNS_ERRORS, "DNS error")
    return "" if found == "unknown" else found


def tls_error(value: str) -> str:
    """Which TLS error."""
    return _one_of(value, TLS_ERRORS, "TLS error")


def proxy_error(value: str | int) -> str:
    """Which proxy error."""
    return _one_of(str(value), PROXY_ERRORS, "proxy error")


def _one_of(value: str, known: tuple[str, ...], what: str) -> str:
    if value in known:
        return value
    raise ValueError(f"{value!r} is not a {what}: write {', '.join(known[:-1])} or {known[-1]}")


NOTHING: Any = object()  # no JSON value is given: None is one


def answer(
    value: Any, html: str | None, headers: Mapping[str, str] | None
) -> tuple[bytes, tuple[tuple[str, str], ...]]:
    """The body and the headers of a status fault. Raises `ValueError` or `TypeError`."""
    given = dict(headers or {})
    for name, text in given.items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise TypeError(f"headers must map names to text; got {name!r}: {text!r}")
    if value is not NOTHING and html is not None:
        raise ValueError("a status has one body: give json= or html=, not both")
    body, kind = b"", ""
    if value is not NOTHING:
        try:
            body, kind = json.dumps(value).encode(), "application/json"
        except (TypeError, ValueError) as error:
            raise ValueError(f"json={value!r} is not JSON: {error}") from None
    elif html is not None:
        if not isinstance(html, str):
            raise TypeError(f"html must be text, such as '<h1>Maintenance</h1>'; got {html!r}")
        body, kind = html.encode(), "text/html; charset=utf-8"
    if kind and "content-type" not in {name.lower() for name in given}:
        given["Content-Type"] = kind
    return body, tuple(given.items())
