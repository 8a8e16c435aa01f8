"""What nothing ends: a wait without a timeout, and a request that tries again forever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import injected_faults
from .call_identity import ENDLESS
from .problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .call_identity import Made


def waits(made: Made, slow: float) -> Iterator[Problem]:
    """Did the app wait for all of an answer that took `slow` seconds, without a timeout?"""
    call = made.exchange
    if injected_faults.own_timeout(made) is not None or call.error:
        return
    if call.duration is None or call.duration < slow:
        return
    remedy = (
        "give the call a timeout (httpx's default is 5 s a read), or asyncio.timeout() around it"
    )
    if made.is_round_trip:
        # A driver may wait for the answer to what the app has given up long ago.
        if made.answer is not None and made.answer.duration < slow:
            return
        remedy = call.request.remedy
    yield Problem(
        "no timeout",
        f"the app waited {slow:g} s for {call.method} {call.url}",
        call.where,
        remedy,
    )


def retries(made: Made | None) -> Iterator[Problem]:
    """Does a request try this call again without an end? Background work may."""
    if made is None or made.answer is None or made.late:
        return
    yield Problem(
        "hung",
        f"{made.answer.label} has met the fault {ENDLESS} times and tries again: nothing ends it",
        made.out.where,
        "give up after some tries, or asyncio.timeout() around them all",
    )
