"""Runs scenarios on fresh loops, explored and not."""

from __future__ import annotations

import asyncio

from pytest_asyncfastapi import ScheduleFailure, VirtualClock, explore_schedules


def explored(scenario, **options):
    """What `explore_schedules` came to, the failure or `ExplorationResult`."""
    try:
        return asyncio.run(explore_schedules(scenario, **options))
    except ScheduleFailure as failure:
        return failure


def ordinarily(scenario):
    """Run it once on a loop that nobody has touched, but for its time."""

    async def main():
        clock = VirtualClock()
        clock.install()
        try:
            async with asyncio.timeout(1000):
                await scenario()
        finally:
            clock.uninstall()

    asyncio.run(main())
