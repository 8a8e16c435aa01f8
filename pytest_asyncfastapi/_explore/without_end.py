"""What never ends: a wait without a timeout, and a request that is retried forever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import injected_faults
from .call_identity import MAX_STRIKES
from .problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .call_identity import SweptCall


def waits(call: SweptCall, slow: float) -> Iterator[Problem]:
    """Did the app wait for all of an answer that took `slow` seconds, without a timeout?"""
    exchange = call.exchange
    if injected_faults.own_timeout(call) is not None or exchange.error:
        return
    if exchange.duration is None or exchange.duration < slow:
        return
    remedy = (
        "give the call a timeout (httpx's default is 5 s a read), or asyncio.timeout() around it"
    )
    if call.is_round_trip:
        # A driver may wait for the answer to what the app has given up long ago.
        if call.answer is not None and call.answer.duration < slow:
            return
        remedy = exchange.request.remedy
    yield Problem(
        "no timeout",
        f"the app waited {slow:g} s for {exchange.method} {exchange.url}",
        exchange.where,
        remedy,
    )


def retries(call: SweptCall | None) -> Iterator[Problem]:
    """Does a request try this call again without an end? Background work may."""
    if call is None or call.answer is None or call.late:
        return
    yield Problem(
        "hung",
        f"{call.answer.label} has met the fault {MAX_STRIKES} times and tries again: nothing "
        "ends it",
        call.out.where,
        "give up after some tries, or asyncio.timeout() around them all",
    )
