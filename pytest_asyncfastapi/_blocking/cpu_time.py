"""What a call of C code has computed: the thread's CPU time, or what its arguments say.

Password hashes are slow on purpose, by a work factor that tests set to next to nothing.
Knows the arguments of Argon2, which computes in threads of its own; nothing of its callers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

    from .catalog import Entry

# The judges that measure CPU time (see `catalog.kinds`).
CPU_JUDGES = frozenset({"hashes", "certificates"})
# Less is not reported, in seconds of CPU time: a hash with the work factor of a test (bcrypt's
# least takes 1 to 3 ms, passlib's default for PBKDF2 13), a file with one certificate, for which
# a busy machine takes up to 2.6 ms. Those of all authorities take 7 ms or more.
_MIN_CPU_TIME = {"hashes": 0.005, "certificates": 0.003}
_PER_SECOND = 1_500_000  # KiB that Argon2 goes through
_ENCODED = re.compile(rb"m=(\d+),t=(\d+)")


def counted_cpu_time(entry: Entry, frame: FrameType, cpu: float) -> float:
    """Seconds of computing that count, 0.0 if there are too few; `cpu` is the thread's own."""
    cost = _of_argon2(frame) if ".argon2_" in entry.name else None
    cost = cpu if cost is None else cost
    return cost if cost >= _MIN_CPU_TIME[entry.judge] else 0.0


def _of_argon2(frame: FrameType) -> float | None:
    """From the variables of the function in `argon2.low_level` that calls the C function."""
    names = frame.f_locals
    passes, memory, encoded = names.get("time_cost"), names.get("memory_cost"), names.get("hash")
    if type(encoded) is bytes and (found := _ENCODED.search(encoded)):
        passes, memory = int(found[2]), int(found[1])
    return _seconds(passes, memory)


def _seconds(passes: Any, memory: Any) -> float | None:
    if type(passes) is not int or type(memory) is not int:
        return None
    return passes * memory / _PER_SECOND
