"""What a fault does to one request, as plain data.

Knows the words and which of the client's four budgets each one spends; does
not know how they are played on a wire.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from .call_properties import WITHOUT
from .delay import Delay, Distribution, show_delay

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Iterator

    from .call_properties import CallProperties

Phase = Literal["connect", "read", "write", "pool"]

# The endings that need no value, with one line for people.
ENDINGS: dict[str, str] = {
    "read_timeout": "the server reads the request and never answers",
    "connect_timeout": "the connection is never established",
    "pool_timeout": "no connection of the pool becomes free",
    "pool_exhausted": "the same, by its other name",
    "write_timeout": "the server stops reading the request",
    "refused": "nothing listens on the port",
    "empty_reply": "the server closes the connection before it answers",
    "stale_keepalive": "the server closes a kept connection as the request arrives",
    "refused_stream": "the server refuses the request's stream (HTTP/2)",
    "idle_close": "the server closes the connection after the answer, unannounced",
    "until_close": "the answer has no length, and ends with the connection",
    "garbage": "bytes that are not HTTP",
    "bad_status_line": "a status line without a status",
    "bad_header": "a header line without a colon",
    "two_lengths": "two lengths that differ",
    "head_too_long": "200 KiB of headers",
    "tls_on_plain": "a TLS alert in answer to plain HTTP",
    "truncated": "the server closes in the middle of the body",
    "bad_chunk": "a chunk size that is not a number",
    "bad_chunk_end": "a chunk that goes on after its end",
    "too_long": "a body longer than its Content-Length",
    "bad_gzip": "Content-Encoding: gzip, and no gzip",
    "truncated_gzip": "half of a gzip stream, correctly framed",
    "bad_json": "JSON that does not parse",
}
# The endings that can come at a place: before the head, in it, in the body.
PLACED: dict[str, str] = {
    "reset": "the server resets the connection",
    "close": "the server closes the connection",
    "stall": "the server goes silent",
    "reset_stream": "the server resets the request's stream (HTTP/2)",
}

# The error codes of HTTP/2 (RFC 9113, section 7).
CODES = (
    *("no_error", "protocol_error", "internal_error", "flow_control_error", "settings_timeout"),
    *("stream_closed", "frame_size_error", "refused_stream", "cancel", "compression_error"),
    *("connect_error", "enhance_your_calm", "inadequate_security", "http_1_1_required"),
)
TLS_ERRORS: dict[str, str] = {
    "untrusted": "the certificate is signed by nobody that is known",
    "hostname": "the certificate is for another host",
    "self_signed": "the certificate is signed by itself",
    "expired": "the certificate has expired",
    "not_yet_valid": "the certificate is not valid yet",
    "client_certificate": "the server wants a certificate of the client",
    "unknown_name": "the server knows no certificate for this host",
    "plain_http": "the server speaks plain HTTP on the TLS port",
    "eof": "the server closes in the middle of the handshake",
    "reset": "the server resets the connection in the handshake",
    "stall": "the server never answers the handshake",
    "version": "there is no TLS version in common",
}
PROXY_ERRORS = ("407", "502", "503", "504", "eof", "refused", "stall", "tls")
DNS_ERRORS = ("unknown", "temporary")
# What is changed of an answer or a connection, without being its end.
CHANGES: dict[str, str] = {
    "connection_close": "the answer says Connection: close, and the server closes",
    "http10": "the answer is one of HTTP/1.0",
    "no_http2": "the server does not offer HTTP/2",
}
DELAYS = ("dns", "connect", "tls", "accept", "delay", "first_byte", "gap", "tail")
_BEFORE_CONNECTED = {"connect_timeout", "refused", "dns_error", "tls_error"}
_ANSWERED = {
    "two_lengths",
    *("idle_close", "until_close", "truncated", "bad_chunk", "bad_chunk_end", "too_long"),
    *("bad_gzip", "truncated_gzip", "bad_json"),
}
_FIRST_WINS = ("bandwidth", "dribble", "head_dribble", "interim", "upload_rate", *CHANGES)
_STALLS: dict[str, Phase] = {
    "read_timeout": "read",
    "stall": "read",
    "connect_timeout": "connect",
    "write_timeout": "write",
    "pool_timeout": "pool",
    "pool_exhausted": "pool",
}


@dataclass(frozen=True)
class Effect:
    """The timeline of one exchange, and how it ends.

    The delays are seconds: `dns`, `connect` (TCP), `tls`, `accept` (until the
    server reads), `delay` (until the head), `first_byte` (of the body), `gap`
    (between its pieces), `tail` (before its end). `spread` holds those that
    are drawn. `bandwidth` and `upload_rate` are bytes a second. `dribble` and `head_dribble` are
    (pieces, seconds in all), `interim` (times, seconds each). `ending` is a
    word of `ENDINGS` or `PLACED`, `"status"`, `"tls_error"`, `"proxy_error"`,
    or empty for the normal answer; a status has a `body` and `headers`. `at` is
    where a placed one comes: `""`, `"head"`, `"upload"` or a count of body bytes;
    `detail` is which TLS or proxy error.
    """

    delay: float = 0.0
    ending: str = ""
    status: int = 0
    retry_after: str = ""
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    at: str | int = ""
    detail: str = ""
    dns: float = 0.0
    connect: float = 0.0
    tls: float = 0.0
    accept: float = 0.0
    first_byte: float = 0.0
    gap: float = 0.0
    tail: float = 0.0
    bandwidth: float = 0.0
    dribble: tuple[int, float] | None = None
    head_dribble: tuple[int, float] | None = None
    interim: tuple[int, float] | None = None
    upload_rate: float = 0.0
    connection_close: bool = False
    http10: bool = False
    no_http2: bool = False
    spread: tuple[tuple[str, Distribution], ...] = ()

    def timed(self, **delays: Delay) -> Effect:
        """The same with these delays, each a number of seconds or a distribution."""
        plain = {name: value for name, value in delays.items() if isinstance(value, float)}
        spread = tuple((n, v) for n, v in delays.items() if isinstance(v, Distribution))
        changed = replace(self, spread=(*self.spread, *spread))
        return replace(changed, **plain)  # type: ignore[arg-type]

    def _waits_in(self, *phases: str) -> bool:
        spread = any(name in phases for name, _ in self.spread)
        return spread or any(getattr(self, name) for name in phases)

    @property
    def stalls(self) -> Phase | None:
        """The client's budget that has to end this, if nothing else does."""
        if self.detail == "stall":
            return "connect" if self.ending == "tls_error" else "read"
        return _STALLS.get(self.ending)

    def stalled_budget(self, *, http2: bool) -> Phase | None:
        """`stalls`; over HTTP/2 a client waits to be let write on its read budget."""
        return "read" if http2 and self.ending == "write_timeout" else self.stalls

    @cached_property
    def takes_time(self) -> bool:
        """Does it wait for anything, so that virtual time pays off?"""
        paced = self.bandwidth or self.dribble or self.head_dribble or self.interim
        return bool(paced or self.upload_rate) or self._waits_in(*DELAYS) or self.stalls is not None

    @cached_property
    def before_request(self) -> bool:
        """Does it strike while the connection is made, so that a new one is needed?"""
        early = self._waits_in("dns", "connect", "tls", "accept")
        early = early or self.no_http2
        return early or self.ending in _BEFORE_CONNECTED or self.ending == "proxy_error"

    @property
    def counts_attempts(self) -> bool:
        """Does it strike each attempt that the client makes for a request?"""
        return self.before_request or self.ending == "goaway"

    @property
    def waits_for_pool(self) -> bool:
        """Is it over before a connection is requested?"""
        return self.ending in ("pool_timeout", "pool_exhausted")

    @cached_property
    def needs_tls(self) -> bool:
        """Can it strike only where there is a TLS handshake?"""
        return self.ending == "tls_error" or self._waits_in("tls")

    @cached_property
    def _reasons(self) -> dict[tuple[object, ...], str]:
        return {}

    def powerless(self, setting: CallProperties) -> str:
        """Why it can have no effect on such a call, in words; empty where it can."""
        key = (setting.proxy, setting.uploads, setting.http2, setting.body)
        why = self._reasons.get(key)
        if why is None:
            why = self._reasons[key] = _no_effect(self, setting)
        return why

    @cached_property
    def in_body(self) -> bool:
        """Is it one of a body alone, so that it matters whether the answer has one?"""
        return bool(self.powerless(WITHOUT["none"]) or self.powerless(WITHOUT["empty"]))

    @property
    def answered(self) -> bool:
        """Is the route's own answer sent, whole or in part?"""
        if self.ending in PLACED:
            return self.at not in ("", "upload")
        return not self.ending or self.ending in _ANSWERED

    @cached_property
    def is_paced(self) -> bool:
        """Does it change when or what is said, and not only how the exchange ends?"""
        return self.takes_time or self.ending not in ("", "status")

    @cached_property
    def writes_slowly(self) -> bool:
        """Does it matter how the client writes its request?"""
        late = self.ending in ("write_timeout", "early_answer")
        return bool(self.at or self.upload_rate or late)

    @cached_property
    def only_delays(self) -> bool:
        """Once the head is due, does the answer come whole and at once?"""
        paced = self.bandwidth or self.dribble or self.head_dribble or self.interim
        late = paced or self._waits_in("first_byte", "gap", "tail")
        changed = self.upload_rate or self.connection_close or self.http10
        return not (late or changed or self.at) and self.ending in ("", "status")

    def drawn(self, stream: random.Random) -> Effect:
        """The same with every distribution replaced by one draw."""
        if not self.spread:
            return self
        found = {name: shape.draw(stream) for name, shape in self.spread}
        return replace(self, spread=()).timed(**found)

    def __str__(self) -> str:
        return ", ".join(describe(self)) or "latency=0s"


def describe(effect: Effect) -> Iterable[str]:
    """What it does, in words of the grammar."""
    spread = dict(effect.spread)
    for name in DELAYS:
        value = spread.get(name) or getattr(effect, name)
        if value:
            yield f"{'latency' if name == 'delay' else name}={show_delay(value)}"
    if effect.bandwidth:
        yield f"bandwidth={effect.bandwidth:g}B/s"
    for name in ("dribble", "head_dribble", "interim"):
        paced = getattr(effect, name)
        if paced is not None:
            yield f"{name}={paced[0]}/{show_delay(paced[1])}"
    if effect.upload_rate:
        yield f"upload_rate={effect.upload_rate:g}B/s"
    yield from (name for name in CHANGES if getattr(effect, name))
    if effect.ending == "status":
        yield f"status={effect.status}"
        if effect.retry_after:
            yield f"retry_after={effect.retry_after}"
    elif effect.ending:
        parts = (effect.status or "", effect.at, effect.detail)
        value = "/".join(str(part) for part in parts if part != "")
        yield f"{effect.ending}={value}" if value else effect.ending


def combine(effects: Iterable[Effect]) -> Effect:
    """What several effects on one request come to: delays add up, the first of each else wins."""
    result = Effect()
    for effect in effects:
        found: dict[str, object] = {}
        for field in fields(Effect):
            mine, theirs = getattr(result, field.name), getattr(effect, field.name)
            if field.name in DELAYS:
                found[field.name] = mine + theirs
            elif field.name in _FIRST_WINS:
                found[field.name] = mine or theirs
        if not result.ending:
            for name in ("ending", "status", "retry_after", "body", "headers", "at", "detail"):
                found[name] = getattr(effect, name)
        result = replace(result, **found)  # type: ignore[arg-type]
    return result


# The endings that only a body can show, and the delays in one.
_IN_BODY = {
    *("truncated", "bad_chunk", "bad_chunk_end", "bad_gzip", "truncated_gzip", "bad_json"),
}
_PACE = ("first_byte", "gap")


def _no_effect(effect: Effect, setting: CallProperties) -> str:
    """Why this effect can have none on such a call, in words; empty where it can.

    Such a fault does not strike, so that a test cannot pass because nothing went wrong.
    """
    if effect == type(effect)():
        return ""
    return next((why for is_so, why in _reasons(effect, setting) if is_so), "")


def _reasons(effect: Effect, setting: CallProperties) -> Iterator[tuple[bool, str]]:
    if effect.ending == "proxy_error":
        yield not setting.proxy, "no proxy is used"
        yield effect.detail == "tls" and setting.proxy != "https", "the proxy is not https://"
    yield effect.no_http2 and setting.http2 is False, "the client does not speak HTTP/2 there"
    if not setting.uploads:
        sent = effect.at == "upload" or effect.ending == "early_answer"
        yield sent or _is_only(effect, upload_rate=0.0), "the request has no body"
    if setting.http2:
        of_http1 = {"connection_close": False, "http10": False}
        resets = (effect.ending, effect.detail) == ("early_answer", "reset")
        yield resets or _is_only(effect, **of_http1), "the client speaks HTTP/2"
    yield setting.body == "none" and _only_in_body(effect), "the answer has no body"
    yield setting.body == "empty" and _only_paces_body(effect), "the answer's body is empty"


def _is_only(effect: Effect, **unset: object) -> bool:
    """Is nothing left of it without these?"""
    return replace(effect, **unset) == type(effect)()  # type: ignore[arg-type]


def _only_paces_body(effect: Effect) -> bool:
    kept = tuple(item for item in effect.spread if item[0] not in _PACE)
    return _is_only(effect, bandwidth=0.0, dribble=None, first_byte=0.0, gap=0.0, spread=kept)


def _only_in_body(effect: Effect) -> bool:
    if effect.ending and not (effect.ending in _IN_BODY or isinstance(effect.at, int)):
        return False
    kept = tuple(item for item in effect.spread if item[0] != "tail")
    return _only_paces_body(replace(effect, ending="", at="", detail="", tail=0.0, spread=kept))
