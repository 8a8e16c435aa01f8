"""What is held back of one connection, each with the loop's time at which it is due."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .._core.held_bytes import HELD

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

Item = bytes | str  # bytes of the server, or what happens after them


class Held:
    """A queue with one timer; `forever`: nothing more will come but by us."""

    def __init__(self, due: Callable[[Item], None]) -> None:
        self._due = due
        self._items: deque[tuple[float, Item]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self.forever = False

    def begin(self, loop: asyncio.AbstractEventLoop, fd: int) -> None:
        """Of this connection."""
        self._loop, self._fd = loop, fd

    def last(self) -> float:
        """When all that is held is out: now, where there is nothing."""
        now = self._loop.time()
        return max(now, self._items[-1][0]) if self._items else now

    def put(self, due: float, item: Item) -> None:
        """Hold it until then; `take()` has to follow, unless something is held already."""
        self._items.append((due, item))

    def take(self) -> None:
        """Give what is due, and set the timer for the next."""
        self._give(self._loop.time())

    def _give(self, now: float) -> None:
        while self._items and self._items[0][0] <= now:
            self._due(self._items.popleft()[1])
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._items:
            HELD.add(self._fd)
            self._timer = self._loop.call_at(self._items[0][0], self._wake)
        elif not self.forever:
            HELD.discard(self._fd)

    def _wake(self) -> None:
        self._timer = None
        self._give(self._items[0][0])

    def flush(self) -> None:
        """Give all bytes now."""
        items = list(self._items)
        self.clear()
        for _, item in items:
            if isinstance(item, bytes):
                self._due(item)

    def clear(self) -> None:
        """Forget it all."""
        self._items.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __bool__(self) -> bool:
        return bool(self._items)

    def __repr__(self) -> str:
        return f"<Held {len(self._items)}>"
