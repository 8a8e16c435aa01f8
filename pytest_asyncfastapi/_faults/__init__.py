"""Faults: what goes wrong on the way out, when, and how often.

A rule is *where* (a URL glob, a respx route or pattern) x *what* (an
`Effect`) x *when* (a schedule). This package decides; it does not know how a
fault is played on the wire, nor how pytest runs. Everything here is standard
library only, so that options can be validated without importing httpx.
"""

from .call_properties import NO_POOL, CallProperties, InFlight, Pool
from .effect import Effect
from .errors import FaultSpecError, NoTimeoutSet, missing_timeout
from .grammar import FaultSpec, parse
from .plan import FaultPlan
from .registry import Faults
from .rule import FaultRule, Hit

__all__ = [
    "NO_POOL",
    "CallProperties",
    "Effect",
    "FaultPlan",
    "FaultRule",
    "FaultSpec",
    "FaultSpecError",
    "Faults",
    "Hit",
    "InFlight",
    "NoTimeoutSet",
    "Pool",
    "missing_timeout",
    "parse",
]
