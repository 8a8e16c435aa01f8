"""Runs a coroutine function on a fresh loop whose time is virtual."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from pytest_asyncfastapi._clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable


def run_virtually(body: Callable[[VirtualClock], Any], **options: Any) -> Any:
    async def main() -> Any:
        clock = VirtualClock(**options)
        clock.install()
        try:
            return await body(clock)
        finally:
            clock.uninstall()

    return asyncio.run(main())


@pytest.fixture
def virtually() -> Callable[..., Any]:
    """`virtually(body)` runs `await body(clock)` in virtual time."""
    return run_virtually
