"""The faults that a sweep tries: the kinds of faults that say so, and answers of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._faults.kinds import KINDS

if TYPE_CHECKING:
    from .._faults.kinds import FaultKind, Swept


@dataclass(frozen=True, slots=True)
class SweptFault:
    """One of them, in the words of the faults' grammar.

    `on` is what it can meet. `processed`: the upstream has read the request then, and may have
    done what it says. `shape` is JSON of another shape, in an answer with 200. `not_served` says
    that no server can do it to a request that has arrived.
    """

    spec: str
    on: tuple[Swept, ...] = ("call",)
    processed: bool = False
    shape: str = ""
    not_served: bool = False


_STATUSES = {
    "500": SweptFault("status=500", processed=True),
    "503": SweptFault("status=503, retry_after=1", processed=True),
    "429": SweptFault("status=429, retry_after=1"),
}
_OTHERS = {
    "slow": SweptFault("latency={slow}s", ("call", "exchange"), processed=True),
    "503_html": SweptFault("status=503", processed=True),
    "no_body": SweptFault("status=200"),
    "json_object": SweptFault("status=200", shape="{}"),
    "json_array": SweptFault("status=200", shape="[]"),
    "json_null": SweptFault("status=200", shape="null"),
}


def swept_faults() -> dict[str, SweptFault]:
    """All by name: what the connection does, statuses, and what stands in the answers."""
    kinds = [kind for kind in KINDS.values() if kind.swept]
    of_wire = {kind.name: _of(kind) for kind in kinds if kind.content is None}
    of_content = {kind.name: _of(kind) for kind in kinds if kind.content is not None}
    return {**of_wire, **_STATUSES, **of_content, **_OTHERS}


def _of(kind: FaultKind) -> SweptFault:
    processed = kind.stage == "answer"
    return SweptFault(kind.name, kind.swept, processed, not_served=bool(kind.not_served))
