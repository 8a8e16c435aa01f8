"""What a fault does to one request, as plain data.

Which of the client's four budgets it spends, and whether it can have an effect on a call, by what
the entry of its kind says; does not know how it is played on a wire.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING

from .call_properties import WITHOUT
from .delay import Delay, Distribution, show_delay
from .kinds import KINDS, NORMAL

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Iterator

    from .call_properties import CallProperties
    from .kinds import Budget, FaultKind

CHANGES = tuple(kind.name for kind in KINDS.values() if kind.category == "change")
PACES = tuple(kind.name for kind in KINDS.values() if kind.category == "pace")
DELAYS = ("dns", "connect", "tls", "accept", "delay", "first_byte", "gap", "tail")
_FIELDS = {"latency": "delay"}  # of the kinds whose field has another name


@dataclass(frozen=True)
class Effect:
    """The timeline of one exchange, and how it ends.

    The delays are seconds: `dns`, `connect` (TCP), `tls`, `accept` (until the
    server reads), `delay` (until the head), `first_byte` (of the body), `gap`
    (between its pieces), `tail` (before its end). `spread` holds those that
    are drawn. `bandwidth` and `upload_rate` are bytes a second. `dribble` and `head_dribble` are
    (pieces, seconds in all), `interim` (times, seconds each). `ending` is the name of a kind of
    fault, or empty for the normal answer; a status has a `body` and `headers`. `at` is
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

    @cached_property
    def kind(self) -> FaultKind:
        """The entry of its ending."""
        return KINDS.get(self.ending, NORMAL)

    @property
    def kinds(self) -> Iterator[FaultKind]:
        """Its ending, and every kind of delay, pace and change that it has."""
        if self.ending:
            yield self.kind
        spread = dict(self.spread)
        for kind in KINDS.values():
            if kind.category != "ending":
                name = _FIELDS.get(kind.name, kind.name)
                if getattr(self, name) or name in spread:
                    yield kind

    def _waits_in(self, *phases: str) -> bool:
        spread = any(name in phases for name, _ in self.spread)
        return spread or any(getattr(self, name) for name in phases)

    @property
    def stalls(self) -> Budget | None:
        """The client's budget that has to end this, if nothing else does."""
        return self.kind.detail_budgets.get(self.detail) or self.kind.budget

    def stalled_budget(self, *, http2: bool) -> Budget | None:
        """`stalls`; over HTTP/2 a client waits to be let write on its read budget."""
        return "read" if http2 and self.stops_reading else self.stalls

    @property
    def stops_reading(self) -> bool:
        """Does the server not read what the client writes?"""
        return self.kind.budget == "write"

    @property
    def never_connects(self) -> bool:
        """Is the connection never established?"""
        return self.kind.stage == "connect" and self.kind.budget is not None

    @property
    def is_refused(self) -> bool:
        """Does nothing listen where the client connects to, its proxy or the server?"""
        at_proxy = self.kind.stage == "proxy" and self.detail == "refused"
        return at_proxy or (self.kind.stage == "connect" and not self.never_connects)

    @property
    def handshake_stalls(self) -> bool:
        """Does the TLS handshake never end?"""
        return self.kind.stage == "tls" and self.detail == "stall"

    @property
    def resets_upload(self) -> bool:
        """Does it reset the connection as soon as it has answered, early?"""
        return self.kind.needs_upload and self.detail == "reset"

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
        return early or self.kind.stage in ("resolve", "connect", "tls", "proxy")

    @property
    def counts_attempts(self) -> bool:
        """Does it strike each attempt that the client makes for a request?"""
        return self.before_request or self.kind.counts_attempts

    @property
    def waits_for_pool(self) -> bool:
        """Is it over before a connection is requested?"""
        return self.kind.stage == "pool"

    @cached_property
    def needs_tls(self) -> bool:
        """Can it strike only where there is a TLS handshake?"""
        return self.kind.stage == "tls" or self._waits_in("tls")

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
        if self.kind.is_placed:
            return self.at not in ("", "upload")
        return self.kind.answered

    @cached_property
    def is_paced(self) -> bool:
        """Does it change when or what is said, and not only how the exchange ends?"""
        return self.takes_time or bool(self.ending and not self.kind.is_answer)

    @cached_property
    def writes_slowly(self) -> bool:
        """Does it matter how the client writes its request?"""
        return bool(self.at or self.upload_rate or self.kind.stage == "upload")

    @cached_property
    def only_delays(self) -> bool:
        """Once the head is due, does the answer come whole and at once?"""
        paced = self.bandwidth or self.dribble or self.head_dribble or self.interim
        late = paced or self._waits_in("first_byte", "gap", "tail")
        changed = self.upload_rate or self.connection_close or self.http10
        plain = not self.ending or self.kind.is_answer
        return plain and not (late or changed or self.at)

    def drawn(self, stream: random.Random) -> Effect:
        """The same with every distribution replaced by one draw."""
        if not self.spread:
            return self
        found = {name: shape.draw(stream) for name, shape in self.spread}
        return replace(self, spread=()).timed(**found)

    def __str__(self) -> str:
        return ", ".join(describe(self)) or "latency=0s"


def plain(name: str) -> Effect:
    """What a fault of this kind does, where nothing more is said."""
    if KINDS[name].category == "change":
        return replace(Effect(), **{name: True})  # type: ignore[arg-type]
    return Effect(ending=name)


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
    if effect.kind.is_answer:
        yield f"{effect.ending}={effect.status}"
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
            elif field.name in (*PACES, *CHANGES):
                found[field.name] = mine or theirs
        if not result.ending:
            for name in ("ending", "status", "retry_after", "body", "headers", "at", "detail"):
                found[name] = getattr(effect, name)
        result = replace(result, **found)  # type: ignore[arg-type]
    return result


# The delays in a body.
_PACE = ("first_byte", "gap")


def _no_effect(effect: Effect, setting: CallProperties) -> str:
    """Why this effect can have none on such a call, in words; empty where it can.

    Such a fault does not strike, so that a test cannot pass because nothing went wrong.
    """
    if effect == type(effect)():
        return ""
    return next((why for is_so, why in _reasons(effect, setting) if is_so), "")


def _reasons(effect: Effect, setting: CallProperties) -> Iterator[tuple[bool, str]]:
    if effect.kind.stage == "proxy":
        yield not setting.proxy, "no proxy is used"
        yield effect.detail == "tls" and setting.proxy != "https", "the proxy is not https://"
    yield effect.no_http2 and setting.http2 is False, "the client does not speak HTTP/2 there"
    if not setting.uploads:
        sent = effect.at == "upload" or effect.kind.needs_upload
        yield sent or _is_only(effect, upload_rate=0.0), "the request has no body"
    if setting.http2:
        of_http1 = {"connection_close": False, "http10": False}
        yield effect.resets_upload or _is_only(effect, **of_http1), "the client speaks HTTP/2"
    yield setting.body == "none" and _only_in_body(effect), "the answer has no body"
    yield setting.body == "empty" and _only_paces_body(effect), "the answer's body is empty"


def _is_only(effect: Effect, **unset: object) -> bool:
    """Is nothing left of it without these?"""
    return replace(effect, **unset) == type(effect)()  # type: ignore[arg-type]


def _only_paces_body(effect: Effect) -> bool:
    kept = tuple(item for item in effect.spread if item[0] not in _PACE)
    return _is_only(effect, bandwidth=0.0, dribble=None, first_byte=0.0, gap=0.0, spread=kept)


def _only_in_body(effect: Effect) -> bool:
    if effect.ending and not (effect.kind.needs_body or isinstance(effect.at, int)):
        return False
    kept = tuple(item for item in effect.spread if item[0] != "tail")
    return _only_paces_body(replace(effect, ending="", at="", detail="", tail=0.0, spread=kept))
