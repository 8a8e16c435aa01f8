"""How long something takes: a number of seconds, or a distribution of them.

`"3s"`, `"200ms±50ms"`, `uniform(1s, 2s)`, `normal(200ms, 50ms)`,
`lognormal(200ms, 0.4)` and `exponential(1s)`. A distribution is drawn from the
stream of the rule it belongs to, and never gives less than 0.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._core.units import seconds, show

if TYPE_CHECKING:
    import random

SHAPES = {
    "uniform": "uniform(1s, 2s)",
    "normal": "normal(200ms, 50ms)",
    "lognormal": "lognormal(200ms, 0.4)",
    "exponential": "exponential(1s)",
}
_CALL = re.compile(r"\s*(?P<shape>[a-z_]+)\s*\((?P<values>[^()]*)\)\s*\Z", re.IGNORECASE)
_JITTER = re.compile(r"±|\+/?-")


@dataclass(frozen=True, slots=True)
class Distribution:
    """A delay that is drawn anew for every call.

    `a` and `b` are the bounds (uniform), mean and deviation (normal), median
    (seconds) and sigma (lognormal), or the mean (exponential).
    """

    shape: str
    a: float
    b: float = 0.0

    def draw(self, stream: random.Random) -> float:
        """Seconds, 0 or more, from this stream."""
        if self.shape == "uniform":
            drawn = stream.uniform(self.a, self.b)
        elif self.shape == "normal":
            drawn = stream.gauss(self.a, self.b)
        elif self.shape == "lognormal":
            drawn = self.a * math.exp(stream.gauss(0.0, self.b))
        else:
            drawn = stream.expovariate(1 / self.a) if self.a else 0.0
        return max(0.0, drawn)

    def __str__(self) -> str:
        if self.shape == "exponential":
            return f"exponential({_show(self.a)})"
        second = f"{self.b:g}" if self.shape == "lognormal" else _show(self.b)
        return f"{self.shape}({_show(self.a)}, {second})"


Delay = float | Distribution


def delay(value: float | str | Distribution) -> Delay:
    """Read a delay; `ValueError` with a sentence otherwise."""
    if isinstance(value, Distribution):
        return value
    if not isinstance(value, str):
        return seconds(value)
    call = _CALL.match(value)
    if call is not None:
        return _shaped(value, call["shape"].lower(), call["values"].split(","))
    middle, jitter, width = _JITTER.sub("\0", value, count=1).partition("\0")
    if not jitter:
        return seconds(value)
    centre, spread = seconds(middle), seconds(width)
    if spread > centre:
        raise ValueError(f"{value!r} could be less than 0: the part after ± is the larger one")
    return Distribution("uniform", centre - spread, centre + spread)


def _shaped(text: str, shape: str, values: list[str]) -> Distribution:
    example = SHAPES.get(shape)
    if example is None:
        raise ValueError(f"{text!r} is not a duration: the shapes are {', '.join(SHAPES.values())}")
    wanted = 1 if shape == "exponential" else 2
    if len(values) != wanted:
        raise ValueError(f"{text!r} has {len(values)} values and needs {wanted}: write {example}")
    first = seconds(values[0])
    if shape == "exponential":
        return Distribution(shape, first)
    second = _plain(text, values[1]) if shape == "lognormal" else seconds(values[1])
    if shape == "uniform" and second < first:
        raise ValueError(f"{text!r} ends before it begins: write {example}")
    return Distribution(shape, first, second)


def _plain(text: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if 0 <= number < math.inf:
        return number
    raise ValueError(f"{text!r}: sigma must be a number such as 0.4; got {value.strip()!r}")


def show_delay(value: Delay) -> str:
    """As it is written in the grammar."""
    return str(value) if isinstance(value, Distribution) else _show(value)


def _show(value: float) -> str:
    return show(value).replace(" ", "")
