"""Does a timeout of the app's own run here, beside those of the client that it calls with?

`asyncio.timeout()`, `asyncio.wait_for()`, `asyncio.wait(timeout=...)`, async_timeout and
anyio's (and trio's) cancel scopes. Where it cannot be known the answer is yes. Changes nothing.
"""

from __future__ import annotations

import asyncio
import sys
from math import inf


def has_deadline() -> bool:
    """May a timeout of the app's own end what the caller is about to wait for?

    One of asyncio's counts whichever task it is for: a task may wait for this one. In a thread
    nothing ends a call but the call's own limits.
    """
    loop = asyncio._get_running_loop()
    if loop is None:
        return _on_trio()
    if _effective_deadline("anyio") != inf:
        return True
    scheduled = getattr(loop, "_scheduled", None)
    return scheduled is None or any(_ends_a_wait(handle) for handle in list(scheduled))


def _ends_a_wait(handle: object) -> bool:
    callback = getattr(handle, "_callback", None)  # None: it was cancelled
    owner = getattr(callback, "__self__", None)
    if owner is not None:
        return type(owner).__name__ == "Timeout"
    return getattr(callback, "__name__", "") == "_release_waiter"


def _on_trio() -> bool:
    try:
        return _effective_deadline("trio") != inf
    except RuntimeError:  # no run of trio's in this thread
        return False


def _effective_deadline(library: str) -> float:
    module = sys.modules.get(library)
    return inf if module is None else float(module.current_effective_deadline())
