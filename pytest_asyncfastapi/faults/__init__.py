"""Faults: what goes wrong on the way out, when, and how often.

A rule is *where* (a URL glob, a respx route or pattern) x *what* (an
`Effect`) x *when* (a schedule). This room decides; it does not know how a
fault is played on the wire, nor how pytest runs. Everything here is standard
library only, so that options can be validated without importing httpx.
"""

from .effect import Effect
from .errors import FaultSpecError, NoTimeoutSet
from .grammar import FaultSpec, parse
from .rule import FaultRule, Hit
from .table import Faults, Plan

__all__ = [
    "Effect",
    "FaultRule",
    "FaultSpec",
    "FaultSpecError",
    "Faults",
    "Hit",
    "NoTimeoutSet",
    "Plan",
    "parse",
]
