"""The verbs people type after `faults.on(pattern)`.

Each verb adds one rule and returns it, so that a schedule can follow:
`faults.on("https://pay.example/*").read_timeout().first(2)`.
"""

from __future__ import annotations

from .answer_faults import AnswerFaults
from .connection_faults import ConnectionFaults
from .plain_faults import PlainFaults
from .timing_faults import TimingFaults


class FaultPoint(TimingFaults, ConnectionFaults, AnswerFaults, PlainFaults):
    """A place where a fault can be put.

    A duration is seconds, `"3s"`, `"200ms±50ms"`, `"uniform(1s, 2s)"`,
    `"normal(...)"`, `"lognormal(...)"` or `"exponential(...)"`.
    """
