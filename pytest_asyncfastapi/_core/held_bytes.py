"""Bytes that a fault holds back: the clock and the connections share it.

A descriptor in `HELD` has nothing to bring but what a timer of ours brings, so time
does not stand still for it; nor, meanwhile, for one in `AT_REST`, from which nothing is expected.
`unwrap_protocol()` finds a protocol that another one stands in for.
"""

from __future__ import annotations

from typing import Any

HELD: set[int] = set()
AT_REST: set[int] = set()


def is_known_idle(fd: int) -> bool:
    """Is it known that time need not stand still for this descriptor?"""
    return bool(HELD) and (fd in HELD or fd in AT_REST)


def unwrap_protocol(protocol: Any) -> Any:
    """The client's own protocol."""
    return getattr(protocol, "_asyncfastapi_behind", protocol)
