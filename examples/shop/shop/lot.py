"""What the flash sale has left, counted in the memory of the one process that sells it."""

from collections.abc import AsyncGenerator

import anyio

SIZE = 5


class Lot:
    def __init__(self) -> None:
        self.left = SIZE
        self.sold = 0
        self.watching = 0
        self._changed = anyio.Event()

    def set(self, left: int) -> None:
        """So many are left now; everybody who watches is told."""
        self.left = left
        self._changed.set()
        self._changed = anyio.Event()

    async def counts(self) -> AsyncGenerator[int]:
        """How many are left: now, and at each change."""
        self.watching += 1
        try:
            while True:
                changed = self._changed
                yield self.left
                await changed.wait()
        finally:
            self.watching -= 1
