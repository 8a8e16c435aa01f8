"""The guard and other tools, each as a context manager that says what it has reported.

All are used as their documentation says, around a whole run of a loop. A report that the app
swallows (an exception raised at the call) counts as `swallowed`, not as found.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ROOT = Path(__file__).parents[2]
THRESHOLD = 0.05  # seconds, for each tool that has one


@dataclass
class Report:
    """What a tool reported of one case."""

    found: list[str] = field(default_factory=list)
    swallowed: list[str] = field(default_factory=list)


@contextlib.contextmanager
def ours() -> Iterator[Report]:
    """The guard, profile strict."""
    from pytest_asyncfastapi._blocking import BlockingGuard, BlockingPolicy
    from pytest_asyncfastapi._core.frames import UserCode

    policy = BlockingPolicy(profile="strict", step_threshold=THRESHOLD, cpu_threshold=THRESHOLD)
    report = Report()
    with BlockingGuard(policy, UserCode(ROOT)) as guard:
        yield report
    report.found += [found.title for found in guard.findings()]


@contextlib.contextmanager
def blockbuster() -> Iterator[Report]:
    """Raises at the call; whether that error left the app is known by its response."""
    from blockbuster import BlockBuster, BlockingError

    report, made = Report(), BlockingError.__init__

    def noted(self: Any, *args: Any) -> None:
        report.swallowed.append(str(args))
        made(self, *args)

    BlockingError.__init__ = noted
    tool = BlockBuster()
    tool.activate()
    try:
        yield report
    finally:
        tool.deactivate()
        BlockingError.__init__ = made


@contextlib.contextmanager
def aiocop() -> Iterator[Report]:
    """Audit hooks and slow steps, with a callback."""
    import aiocop as tool

    report = Report()

    def told(event: Any) -> None:
        if event.blocking_events or event.exceeded_threshold:
            report.found.append(event.reason)

    tool.clear_slow_task_callbacks()
    tool.patch_audit_functions()
    tool.start_blocking_io_detection(trace_depth=20)
    tool.detect_slow_tasks(threshold_ms=int(THRESHOLD * 1000), cpu_sampling=False)
    tool.register_slow_task_callback(told)
    try:
        yield report
    finally:
        tool.deactivate()


@contextlib.contextmanager
def debug_mode() -> Iterator[Report]:
    """asyncio's own: a log line for each slow callback."""
    report, logger = Report(), logging.getLogger("asyncio")

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().startswith("Executing"):
                report.found.append(record.getMessage())

    handler = Collect()
    logger.addHandler(handler)
    with contextlib.redirect_stderr(io.StringIO()):
        yield report
    logger.removeHandler(handler)


@contextlib.contextmanager
def pyleak() -> Iterator[Report]:
    """Pings the loop from another thread; a block inside of the loop, see `inside`."""
    yield Report()


@contextlib.asynccontextmanager
async def inside(name: str, report: Report) -> AsyncIterator[None]:
    """What a tool needs inside the running loop."""
    loop = asyncio.get_running_loop()
    if name == "asyncio debug mode":
        loop.set_debug(True)
        loop.slow_callback_duration = THRESHOLD
        yield
    elif name == "aiocop":
        import aiocop as tool

        tool.activate()
        yield
    elif name == "pyleak":
        from pyleak import no_event_loop_blocking
        from pyleak.eventloop import EventLoopBlockError

        try:
            async with no_event_loop_blocking(action="raise", threshold=THRESHOLD):
                yield
        except EventLoopBlockError as error:
            report.found.append(str(error))
    else:
        yield


TOOLS = {
    "pytest-asyncfastapi (strict)": ours,
    "blockbuster": blockbuster,
    "aiocop": aiocop,
    "pyleak": pyleak,
    "asyncio debug mode": debug_mode,
}


def installed(name: str) -> bool:
    """Is this tool installed?"""
    from importlib.util import find_spec

    return name not in ("blockbuster", "aiocop", "pyleak") or find_spec(name) is not None


if __name__ == "__main__":
    sys.exit("run `python -m benchmarks.blocking`")
