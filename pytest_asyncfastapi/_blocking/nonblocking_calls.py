"""A wait with a timeout of zero: `select(..., 0)`, `poll(0)`, `waitpid(pid, os.WNOHANG)`.

The detectors get only a call's first argument; the last one is found in the bytecode before the
call, by `operands.py`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .._core.frames import identity
from .operands import Operand, last_argument

if TYPE_CHECKING:
    from types import CodeType, FrameType

_WNOHANG = getattr(os, "WNOHANG", 0)
_LOCK_NB = 4  # of flock(), on every system that has it
_TIMEOUTS = frozenset(
    {"select.select", "select.poll.poll", "select.epoll.poll", "select.devpoll.poll",
     "select.kqueue.control", "signal.sigtimedwait"}
)  # fmt: skip
_FLAGS = {
    "os.waitpid": _WNOHANG,
    "os.wait3": _WNOHANG,
    "os.wait4": _WNOHANG,
    "os.waitid": _WNOHANG,
    "fcntl.flock": _LOCK_NB,
}
_MAX_SITES = 4_000
# Process-wide like code objects, which are kept with what was found in them.
_SITES: dict[tuple[int, int], tuple[CodeType, Operand | None]] = {}


def can_be_nonblocking(name: str) -> bool:
    """Can this function be called in a non-blocking way?"""
    return name in _TIMEOUTS or name in _FLAGS


def is_nonblocking(name: str, frame: FrameType) -> bool:
    """Is the current call of `frame` non-blocking?"""
    site = (identity(frame.f_code), frame.f_lasti)
    known = _SITES.get(site)
    if known is None:
        if len(_SITES) >= _MAX_SITES:
            _SITES.clear()
        keyword = "timeout" if name == "select.epoll.poll" else ""
        last = last_argument(frame.f_code, frame.f_lasti, keyword)
        if last is None and keyword:
            last = last_argument(frame.f_code, frame.f_lasti)
        known = _SITES[site] = (frame.f_code, last)
    given: Any = None if known[1] is None else known[1].value(frame)
    if type(given) not in (int, float):
        # In some modules flags have a class of their own, never a user's.
        return False
    return given == 0 if name in _TIMEOUTS else bool(int(given) & _FLAGS[name])
