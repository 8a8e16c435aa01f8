"""The kinds of faults that take time: delays, and the pace of what is sent."""

from __future__ import annotations

from .. import values
from ..delay import delay
from .entry import FaultKind, Keyword

_STANDS = "the connection stands already: use .latency(...)"
_PHASES = "time in that phase"
_TIMELINE = (
    "`.timeline(dns=, connect=, tls=, accept=, head=, first_byte=, gap=, tail=)`",
    "each is a word",
)


def _phase(name: str, *, connection: bool = False, not_served: str = "") -> FaultKind:
    return FaultKind(
        name=name,
        category="delay",
        what=_PHASES,
        builder=_TIMELINE[0],
        grammar=_TIMELINE[1],
        words={name: Keyword(delay, "a duration", f"{name}=1s", name)},
        connection="opening" if connection else "",
        not_served=not_served,
    )


TIMING = (
    FaultKind(
        name="latency",
        category="delay",
        what="time between the request and the response head",
        builder='`.latency("3s")`',
        grammar="`latency=3s`, `head=3s`",
        words={
            "latency": Keyword(delay, "a duration", "latency=3s", "delay"),
            "head": Keyword(delay, "a duration", "head=3s", "delay"),
        },
        connection="exchange",
    ),
    _phase("dns", connection=True, not_served=_STANDS),
    _phase("connect", connection=True, not_served=_STANDS),
    _phase("tls", not_served=_STANDS),
    _phase("accept"),
    _phase("first_byte"),
    _phase("gap"),
    _phase("tail"),
    FaultKind(
        name="bandwidth",
        category="pace",
        what="the body at this rate",
        builder='`.bandwidth("16KB/s")`',
        grammar="`bandwidth=16KB/s`",
        words={
            "bandwidth": Keyword(values.rate, "bytes a second", "bandwidth=16KB/s", "bandwidth")
        },
        connection="exchange",
    ),
    FaultKind(
        name="upload_rate",
        category="pace",
        what="the request's body is read at this rate: async clients need it whole within `write`,"
        " a sync one only a part",
        builder='`.upload_rate("16KB/s")`',
        grammar="`upload_rate=16KB/s`",
        words={
            "upload_rate": Keyword(
                values.rate, "bytes a second", "upload_rate=16KB/s", "upload_rate"
            )
        },
        not_served="a request is read whole before it is answered: use .latency(...) or .reset()",
    ),
    FaultKind(
        name="dribble",
        category="pace",
        what="in pieces, spread over the time",
        builder='`.dribble(10, "2s")`',
        grammar="`dribble=10/2s`",
        words={"dribble": Keyword(values.pieces, "pieces in a time", "dribble=10/2s", "dribble")},
    ),
    FaultKind(
        name="head_dribble",
        category="pace",
        what="in pieces, spread over the time",
        builder="`head=True`",
        grammar="`head_dribble=10/2s`",
        words={
            "head_dribble": Keyword(
                values.pieces, "pieces in a time", "head_dribble=10/2s", "head_dribble"
            )
        },
    ),
    FaultKind(
        name="interim",
        category="pace",
        what="`100 Continue` again and again",
        builder='`.interim(10, "100ms")`',
        grammar="`interim=10/100ms`",
        words={
            "interim": Keyword(
                values.pieces, "a number, each after a time", "interim=10/100ms", "interim"
            )
        },
    ),
)
