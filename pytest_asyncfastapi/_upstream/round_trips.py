"""Round trips with databases and caches, counted."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from .._faults.connections import Server

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .call_log import Exchange


def peak_with(server: str, round_trips: Iterable[Exchange]) -> int:
    """How many exchanges with these servers were out at one time; connects do not count.

    Raises `ValueError` for what is not the address of a server.
    """
    where = Server(server)
    moments: list[tuple[float, int]] = []
    for call in round_trips:
        if not call.request.is_connect and where.covers(call.request.place):
            moments.append((call.started, 1))
            moments.append((inf if call.ended is None else call.ended, -1))
    out = peak = 0
    for _, change in sorted(moments):  # at one moment an end comes before a begin
        out += change
        peak = max(peak, out)
    return peak
