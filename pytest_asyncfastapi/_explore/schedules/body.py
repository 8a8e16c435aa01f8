"""A whole test body under one schedule, for the sweep that runs a test repeatedly.

`scheduled(token)` is put around the awaited body, inside its running loop, with
virtual time on; everything is restored at its end. The fixtures before and after
it run in the ordinary order. Must not import pytest, nor depend on the engine.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from .on_asyncio import ScheduledLoop
from .token import parse
from .trace import Row, StepRecorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..._core.frames import UserCode
    from .policies import Changes, Offer


def _nothing() -> None:
    """The default of a `BodyRun` that was not started."""


@dataclass(slots=True)
class BodyRun:
    """The run of a body; filled in at its end.

    `changes` makes the same order of the ordinary one: `fifo-SEED@decision:lane...`;
    `decisions` is the length for `pct-SEEDxLENGTH`. `stuck` is the description of a
    deadlock, if the body could never have ended; it was cancelled then. `repeats` is False where
    the machine has decided too. `begin` lets a schedule begin that waits for it, after `rest`
    everything is in the ordinary order again, after `end` the loop is as it was.
    """

    trace: str = ""
    decisions: int = 0
    changes: Changes = ()
    rows: list[Row] = field(default_factory=list)
    offers: list[Offer] = field(default_factory=list)
    stuck: str = ""
    repeats: bool = True
    begin: Callable[[], None] = _nothing
    rest: Callable[[], None] = _nothing
    end: Callable[[], None] = _nothing


@contextmanager
def scheduled(
    token: str,
    *,
    note: Callable[[str], None],
    users: UserCode | None = None,
    waits: bool = False,
) -> Iterator[BodyRun]:
    """Run what is awaited in the block, by the calling task, under this schedule.

    With `users` it is noted who ran when (`rows`); with `waits` the ordinary order is kept
    until `BodyRun.begin()` is called. Raises `ValueError` for a token
    that names no schedule, `ClockError` without virtual time, and `RuntimeError` where
    no asyncio loop runs.
    """
    schedule, body = parse(token), BodyRun()
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def on_stuck(text: str) -> None:
        body.stuck = body.stuck or text
        task.cancel()

    others = asyncio.all_tasks(loop) - {task}
    recorder = None if users is None else StepRecorder(users, others)
    state = random.getstate()
    random.seed(schedule.seed)
    on = ScheduledLoop(loop, on_stuck=on_stuck, note=note, recorder=recorder)
    body.begin, body.rest, body.end = partial(on.begin, schedule.policy()), on.rest, on.end
    if not waits:
        body.begin()
    try:
        yield body
    finally:
        on.end()
        random.setstate(state)
        body.trace, body.decisions = on.lanes.trace(), on.lanes.decisions
        body.changes, body.offers = tuple(on.lanes.changes), on.lanes.offers
        body.repeats = not on.jobs.gave_up
        if recorder is not None:
            body.rows.extend(recorder.rows)
