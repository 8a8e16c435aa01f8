"""Who asks for a name: asyncio and trio look it up in a thread, which does not know.

Replaced while a test refuses the network; a hook in the thread then finds the line.
"""

from __future__ import annotations

import sys
from asyncio import base_events
from functools import wraps
from typing import Any

from .._core.active_scopes import ActiveScopes


class Names(ActiveScopes[Any]):
    """Who is active, and what has been replaced; one object for the process."""

    def __init__(self) -> None:
        super().__init__("asyncfastapi_names")

    def _install(self) -> None:
        owners: list[Any] = [base_events.BaseEventLoop]
        if "trio" in sys.modules:
            owners += [
                sys.modules[name]
                for name in ("trio.socket", "trio._highlevel_open_tcp_stream")
                if name in sys.modules
            ]
        for owner in owners:
            original = vars(owner).get("getaddrinfo")
            if original is not None:
                self._patches.replace(owner, "getaddrinfo", _noted(original))

    def __repr__(self) -> str:
        return f"<Names scopes={len(self._active)}>"


def _noted(original: Any) -> Any:
    place = 1 if "self" in original.__code__.co_varnames[:1] else 0

    @wraps(original)
    async def getaddrinfo(*args: Any, **how: Any) -> Any:
        __tracebackhide__ = True
        refusing = NAMES.current()
        if refusing is not None:
            host = args[place] if len(args) > place else how.get("host")
            refusing.asks(host, sys._getframe(1))
        return await original(*args, **how)

    return getaddrinfo


NAMES = Names()
