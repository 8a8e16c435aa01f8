"""A step of a loop that was too long, as the step timer hands it to the guards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextvars import Context

    from .._core.creation_site import CreationSite
    from .call_stack import FrameInfo


@dataclass(frozen=True, slots=True)
class Sample:
    """The stack of a thread in a long step, and the system call in which it slept, or ""."""

    stack: list[FrameInfo]
    sleeping_in: str


@dataclass(frozen=True, slots=True)
class Stall:
    """A step that was too long, in seconds.

    `wall` is what it took beyond the calls that were recorded; of that `cpu`
    was spent computing and `blocked` asleep in the kernel, the rest was
    waiting for a processor or for the GIL. `from_scheduler` says that this is by the statistics
    of the system's scheduler, and not only by clocks.
    """

    wall: float
    cpu: float
    blocked: float
    from_scheduler: bool
    samples: tuple[Sample, ...]
    context: Context
    label: str
    callback: str
    started: float
    creation_site: CreationSite | None = None
