"""Which of asyncio's locks and semaphores the app has taken in a run and not given back.

Hears `acquire` and `release` of asyncio's own classes while a probe listens. anyio's
and trio's are known to nobody but themselves: the request that is sent once more
finds those.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..findings import Location
    from ..frames import UserCode

_KINDS = (asyncio.Lock, asyncio.Semaphore)


@dataclass(frozen=True, slots=True)
class Held:
    """A lock that is still held: its class, and the user's line that took it."""

    what: str
    where: Location


class HeldLocks:
    """Listens between `start()` and `stop()`; `held()` is what was taken and not given back."""

    def __init__(self, user_code: UserCode) -> None:
        self._user_code = user_code
        self._taken: dict[int, list[tuple[Any, Location]]] = {}
        self._undo: list[tuple[Any, str, Any]] = []

    def start(self) -> None:
        """Begin to listen."""
        for kind in _KINDS:
            self._replace(kind, "acquire", self._acquiring)
            self._replace(kind, "release", self._releasing)

    def stop(self) -> None:
        """Put back what was there."""
        while self._undo:
            kind, name, original = self._undo.pop()
            setattr(kind, name, original)

    def _replace(self, kind: Any, name: str, make: Callable[[Any], Any]) -> None:
        original = kind.__dict__[name]
        self._undo.append((kind, name, original))
        setattr(kind, name, make(original))

    def _acquiring(self, original: Any) -> Any:
        async def acquire(lock: Any) -> Any:
            where = self._user_code.where(sys._getframe(1))
            got = await original(lock)
            if where is not None:
                self._taken.setdefault(id(lock), []).append((lock, where))
            return got

        return acquire

    def _releasing(self, original: Any) -> Any:
        def release(lock: Any) -> None:
            original(lock)
            taken = self._taken.get(id(lock))
            if taken:
                taken.pop(0)

        return release

    def held(self) -> list[Held]:
        """What is still held."""
        return [
            Held(type(lock).__name__, where)
            for taken in self._taken.values()
            for lock, where in taken
        ]

    def __repr__(self) -> str:
        return f"<HeldLocks: {len(self.held())} held>"
