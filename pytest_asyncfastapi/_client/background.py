"""What an app does after its response has been sent whole: it is waited for, as by a server.

A background task is not cut because its client has what it wants. One that does not end in time
is cancelled, and that is reported. Knows no library.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import anyio

from .._core.current_loop import checkpoint
from .._core.units import show

if TYPE_CHECKING:
    from .exchange import Exchange

# How long (s) the end of a client waits for background tasks, as a server does that shuts down.
PATIENCE = 10.0
_STEPS = 3


async def wait_for_end(exchange: Exchange, patience: float | None, grace: float) -> None:
    """Wait until the app has ended; after `patience` seconds cancel it, and report that."""
    since = exchange.now()
    # Mostly it is about to end: a few steps of the loop spare an event and a timer.
    for _ in range(_STEPS):
        if exchange.finished:
            return
        await checkpoint()
    with anyio.move_on_after(patience):
        while not exchange.finished:
            await exchange.changed()
    if exchange.finished:
        return
    await exchange.disconnect_and_wait(grace)
    exchange.error = None  # the cancellation is ours
    text = (
        f"{exchange.label}: its background task still ran {show(exchange.now() - since)} after the "
        "response, and was cancelled. Fix: bound it, or let the test wait for its end."
    )
    if exchange.warn is not None:
        exchange.warn(text)
    else:
        warnings.warn(text, RuntimeWarning, stacklevel=2)
