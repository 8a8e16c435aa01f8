"""Durations and sizes as people write them: `"3s"`, `"50ms"`, `"16KB"`.

One parser for flags, ini keys, markers and fixture calls, so that the same
text means the same everywhere.
"""

from __future__ import annotations

import re

_DURATION = re.compile(r"\s*(?P<number>\d+(?:\.\d+)?|\.\d+)\s*(?P<unit>us|ms|s|m|h)?\s*\Z")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}


def seconds(value: float | str) -> float:
    """Turn `3`, `0.05`, `"3s"`, `"50ms"` or `"2m"` into seconds.

    Raises `ValueError` with one sentence that says what is understood.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"{value!r} is not a duration: write seconds (0.05) or '50ms', '3s', '2m'")
    if isinstance(value, str):
        match = _DURATION.match(value)
        if match is None:
            raise ValueError(f"{value!r} is not a duration: write '50ms', '3s', '2m' or '1h'")
        # A division keeps "50ms" at exactly 0.05, where 50 * 1e-3 may not be.
        unit = match["unit"]
        number = float(match["number"])
        return number / 1000 if unit == "ms" else number * _SECONDS[unit]
    if not 0 <= value < float("inf"):
        raise ValueError(f"{value!r} is not a duration: it must be 0 or more, and finite")
    return float(value)


def show(duration: float) -> str:
    """Write seconds the way a person reads them: `200 ms`, `1.5 s`, `2 min`."""
    if duration < 0.0000005:
        return "0 s"
    if duration < 0.001:
        return f"{duration * 1e6:.0f} us"
    if duration < 1:
        return f"{duration * 1000:.3g} ms" if duration < 0.01 else f"{duration * 1000:.0f} ms"
    if duration < 120:
        return f"{duration:.3g} s"
    return f"{duration / 60:.3g} min"
