"""The vocabulary of the grammar: every word, what it reads, and an example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import values
from .delay import delay
from .effect import CHANGES, ENDINGS, PLACED

if TYPE_CHECKING:
    from collections.abc import Callable

# What the pattern of a fault in a dependency begins with.
PREFIX = "dependency:"


@dataclass(frozen=True, slots=True)
class Keyword:
    """A word with a value: how it is read, which field of `Effect` it sets.

    `bare` words may stand without a value; `ending` words end the call.
    """

    read: Callable[[str], Any]
    needs: str
    field: str = ""
    ending: str = ""
    bare: bool = False
    default: str = ""


def _delay(field: str, example: str) -> Keyword:
    return Keyword(delay, f"a duration ({example})", field)


SCHEDULES: dict[str, Keyword] = {
    "first": Keyword(values.count, "a count (first=2)"),
    "after": Keyword(values.count, "a count (after=2)"),
    "every": Keyword(values.count, "a count (every=3)"),
    "nth": Keyword(values.numbers, "numbers (nth=2 or nth=1+4)"),
    "between": Keyword(values.window, "a time window (between=10s..20s)"),
    "flapping": Keyword(values.on_and_off, "two durations (flapping=5s/1s)"),
    "ramp": Keyword(values.positive, "a duration (ramp=30s)"),
    "probability": Keyword(values.probability, "a number above 0, up to 1 (probability=0.5)"),
    "p": Keyword(values.probability, "a number above 0, up to 1 (p=0.5)"),
    "concurrency": Keyword(values.count, "a count (concurrency=10)"),
    "quota": Keyword(values.pieces, "a number in a time (quota=10/1s)"),
}
VALUES: dict[str, Keyword] = {
    "latency": _delay("delay", "latency=3s"),
    "head": _delay("delay", "head=3s"),
    "dns": _delay("dns", "dns=1s"),
    "connect": _delay("connect", "connect=1s"),
    "tls": _delay("tls", "tls=1s"),
    "accept": _delay("accept", "accept=1s"),
    "first_byte": _delay("first_byte", "first_byte=1s"),
    "gap": _delay("gap", "gap=1s"),
    "tail": _delay("tail", "tail=1s"),
    "bandwidth": Keyword(values.rate, "bytes a second (bandwidth=16KB/s)", "bandwidth"),
    "dribble": Keyword(values.pieces, "pieces in a time (dribble=10/2s)", "dribble"),
    "head_dribble": Keyword(values.pieces, "pieces in a time (head_dribble=10/2s)", "head_dribble"),
    "interim": Keyword(values.pieces, "a number, each after a time (interim=10/100ms)", "interim"),
    "upload_rate": Keyword(values.rate, "bytes a second (upload_rate=16KB/s)", "upload_rate"),
    "early_answer": Keyword(
        values.early_answer,
        "a status (early_answer=413, early_answer=413/reset)",
        "",
        "early_answer",
    ),
    "dns_error": Keyword(
        values.dns_error, "which (dns_error=temporary)", "detail", "dns_error", bare=True
    ),
    "status": Keyword(values.status_code, "an HTTP status (status=503)", "status", "status"),
    "raises": Keyword(str, "an exception (raises=OSError, raises=pkg.mod:Error)", "raises"),
    "retry_after": Keyword(str, "seconds or a date (retry_after=1)", "retry_after"),
    **{
        word: Keyword(values.place, f"a place ({word}=head or {word}=10)", "at", word, bare=True)
        for word in PLACED
    },
    "reset_stream": Keyword(
        values.reset_stream,
        "a number of body bytes or an error code (reset_stream=10, reset_stream=cancel)",
        "",
        "reset_stream",
        bare=True,
    ),
    "goaway": Keyword(
        values.goaway, "graceful or an error code (goaway=graceful)", "detail", "goaway", bare=True
    ),
    "close_after": Keyword(values.count, "a number of body bytes (close_after=10)", "at", "close"),
    "tls_error": Keyword(
        values.tls_error,
        "which (tls_error=expired)",
        "detail",
        "tls_error",
        bare=True,
        default="untrusted",
    ),
    "proxy_error": Keyword(values.proxy_error, "which (proxy_error=503)", "detail", "proxy_error"),
    **SCHEDULES,
}
WORDS = (*ENDINGS, *CHANGES, *VALUES, "optional")
KNOWN = (
    "delays: latency=3s (or head=), dns=, connect=, tls=, accept=, first_byte=, gap=, tail=;"
    " also 200ms±50ms, uniform(1s, 2s), normal, lognormal, exponential\n"
    "pace: bandwidth=16KB/s, dribble=10/2s, head_dribble=10/2s, interim=10/100ms,"
    " upload_rate=16KB/s\n"
    f"changes: {', '.join(CHANGES)}\n"
    f"endings: {', '.join(ENDINGS)}, dns_error (also =temporary), early_answer=413 (or 413/reset),"
    " status=503 (with retry_after=1), tls_error=expired,"
    " proxy_error=503; reset, close and stall, also =head, =upload or =10 body bytes"
    " (close_after=10); reset_stream, also =10, =cancel; goaway, also =graceful\n"
    "in a dependency (dependency:pkg.mod:get_db): latency=, raises=OSError\n"
    "schedules: first=2, after=2, every=3, nth=1+4, between=10s..20s, flapping=5s/1s, ramp=30s,"
    " probability=0.5 (or p=0.5), concurrency=10, quota=10/1s, optional"
)
