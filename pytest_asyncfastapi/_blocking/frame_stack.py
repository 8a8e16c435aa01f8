"""Space in CPython's frame stack, so that a callback of the call monitor never needs a new chunk.

CPython keeps the frames of a thread in chunks of 16 KB. A function that is called where one is
full maps a new chunk and unmaps it when it returns; where that is a callback in a loop, it
happens thousands of times and takes longer than everything else.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# Of 8 bytes: a frame of this size gets a chunk of 1 MB, half of which is left to those above.
_SLOTS = 1 << 16


def _call_with_large_frame(function: Callable[..., Any], *args: Any) -> Any:
    __tracebackhide__ = True
    return function(*args)


_call_with_large_frame.__code__ = _call_with_large_frame.__code__.replace(co_stacksize=_SLOTS)


def reserve_frame_stack(on_loop_end: Callable[[], None]) -> Callable[[], None]:
    """From now on, run each asyncio loop above one large frame; returns the undo.

    `on_loop_end()` is called on its thread whenever one has stopped.
    """
    loop: Any = asyncio.BaseEventLoop
    original = loop.run_forever

    def run_forever(self: Any) -> Any:
        __tracebackhide__ = True
        # To map and unmap the chunk takes 20 us; a loop that is closed only waits for threads.
        closing = getattr(self, "_asyncgens_shutdown_called", False)
        try:
            return original(self) if closing else _call_with_large_frame(original, self)
        finally:
            on_loop_end()

    def undo() -> None:
        if loop.run_forever is run_forever:
            loop.run_forever = original

    loop.run_forever = run_forever
    return undo
