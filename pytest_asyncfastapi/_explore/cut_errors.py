"""Which errors of a request that was cut are only a consequence of the cut, and no bug.

A cancellation, a client that is gone, what Starlette's middleware raises where the app
below it was cancelled. Depends on both loops and on Starlette by name.
"""

from __future__ import annotations

from traceback import walk_tb

import anyio

from .await_steps import cancelled

_ECHOES = (RuntimeError, anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError)


def is_cancel(error: BaseException) -> bool:
    """Is it only the echo of having been cut: a cancellation, a client that is gone?"""
    if isinstance(error, BaseExceptionGroup):
        return all(is_cancel(inner) for inner in error.exceptions)
    if _is_frameworks(error):
        return True
    # Starlette's exception, and `_client`'s.
    return isinstance(error, cancelled()) or type(error).__name__ in (
        "ClientDisconnect",
        "ClientDisconnected",
        "WebSocketDisconnect",
    )


def _is_frameworks(error: BaseException) -> bool:
    """Is it what Starlette's middleware raises where the app below it was cancelled?

    Nearly every app has one, and its code cannot do anything about it.
    """
    if type(error).__module__.partition(".")[0] not in ("builtins", "anyio"):
        return False
    modules = [frame.f_globals.get("__name__") for frame, _ in walk_tb(error.__traceback__)]
    return modules[-1:] == ["starlette.middleware.base"] and isinstance(error, _ECHOES)
