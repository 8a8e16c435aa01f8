"""What stands around each step of asyncio's loops: layers, put on and taken off in any order.

Whoever times the steps stays on from test to test, whoever records the tasks of a test does not.
A layer that is taken off below another one would stay forever, and one more with each test.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def add_layer(make: Callable[[Any], Any]) -> Callable[[], None]:
    """Put `make(what was there)` in the place of `Handle._run`; returns what takes it off again."""
    handle: Any = asyncio.events.Handle
    below = handle._run
    layer = make(below)
    layer.__wrapped__ = below

    def take_off() -> None:
        layer.is_off = True
        # Those below that were to go before this one go with it.
        while getattr(handle._run, "is_off", False):
            handle._run = handle._run.__wrapped__

    handle._run = layer
    return take_off


def has_layer(module: str) -> bool:
    """Is a layer of this module in place, with others above it or not?"""
    layer: Any = asyncio.events.Handle._run
    while layer is not None:
        if layer.__module__ == module and not getattr(layer, "is_off", False):
            return True
        layer = getattr(layer, "__wrapped__", None)
    return False
