"""Which errors of a request that was cut only say that it was: they are nobody's mistake.

A cancellation, a client that is gone, what Starlette's middleware raises where the app
below it was cancelled. Knows both loops and Starlette by name.
"""

from __future__ import annotations

import asyncio
import sys

import anyio

_ECHOES = (RuntimeError, anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError)


def is_cancel(error: BaseException) -> bool:
    """Is it only the echo of having been cut: a cancellation, a client that is gone?"""
    if isinstance(error, BaseExceptionGroup):
        return all(is_cancel(inner) for inner in error.exceptions)
    if _is_frameworks(error):
        return True
    trio = sys.modules.get("trio")
    kinds = (asyncio.CancelledError, *((trio.Cancelled,) if trio is not None else ()))
    # Starlette's word for it, and `_client`'s.
    return isinstance(error, kinds) or type(error).__name__ in (
        "ClientDisconnect",
        "ClientDisconnected",
        "WebSocketDisconnect",
    )


def _is_frameworks(error: BaseException) -> bool:
    """Is it what Starlette's middleware raises where the app below it was cancelled?

    Nearly every app has one, and its code cannot do anything about it.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or type(error).__module__.partition(".")[0] not in ("builtins", "anyio"):
        return False
    module = trace.tb_frame.f_globals.get("__name__", "")
    return module == "starlette.middleware.base" and isinstance(error, _ECHOES)
