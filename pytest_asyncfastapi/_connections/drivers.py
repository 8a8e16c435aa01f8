"""Which driver opens a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._faults.connections import PACKAGES

if TYPE_CHECKING:
    from types import FrameType

_FRAMES = 30  # how far up a driver is looked for


def driver_of(frame: FrameType | None, protocol: Any = None) -> str:
    """The package of the driver that stands above `frame`, or whose protocol this is.

    Or whose function makes one: a driver that is compiled (asyncmy) has no frames.
    """
    package = str(getattr(protocol, "__module__", "")).partition(".")[0]
    if package in PACKAGES:
        return package
    for _ in range(_FRAMES):
        if frame is None:
            break
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in PACKAGES:
            return package
        frame = frame.f_back
    return ""
