"""A request body that comes piece by piece, from the caller's own generator.

The generator runs in a task of its own, as a client's upload does: an app that
gives up its `receive()` and asks again (`request.is_disconnected()` does), or
asks twice at a time, neither ends the generator nor loses a piece. It is asked
for the next piece only when the app asks. Knows no ASGI messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from .._core.tasks import Signal, SpawnedTask, spawn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextvars import Context


class Upload:
    """Pulls `source` on demand; `context` is the caller's."""

    def __init__(self, source: AsyncIterator[bytes], context: Context, label: str) -> None:
        self._source = source
        self._context = context
        self._label = label
        self._task: SpawnedTask | None = None
        self._piece: bytes | None = None
        self._error: BaseException | None = None
        self._wanted = False
        self._over = False
        self._requested = Signal()
        self._ready = Signal()

    async def next(self) -> bytes | None:
        """The next piece, None after the last; raises what the generator raised, once."""
        while self._piece is None and not self._over:
            self._wanted = True
            if self._task is None:
                self._task, _ = spawn(self._pull(), self._context, f"upload of {self._label}")
                continue  # an eager task may have it by now
            self._requested.fire()
            await self._ready.wait()
        error, self._error = self._error, None
        if error is not None:
            raise error
        piece, self._piece = self._piece, None
        return piece

    async def _pull(self) -> None:
        try:
            async for piece in self._source:
                self._piece, self._wanted = piece, False
                self._ready.fire()
                while not self._wanted:
                    await self._requested.wait()
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:
            self._error = error
        finally:
            self._over = True
            self._ready.fire()

    def close(self) -> None:
        """Nobody wants the rest."""
        if self._task is not None and not self._over:
            self._task.cancel()
