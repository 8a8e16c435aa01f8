"""A guard around a coroutine, started and stopped as the plugin will."""

import asyncio
import types
from pathlib import Path

import certifi
import pytest

from pytest_asyncfastapi._blocking import BlockingGuard, BlockingPolicy
from pytest_asyncfastapi._blocking.detectors import DETECTORS
from pytest_asyncfastapi._core.frames import UserCode
from tests.blocking.corpus.known_misses import HAS_THREAD_STATS

needs_thread_stats = pytest.mark.skipif(
    not HAS_THREAD_STATS,
    reason="a sleep without a call event is detected by the statistics of Linux alone",
)
ROOT = Path(__file__).parent.parent.parent


class Watch:
    """Makes guards, runs coroutines under them, and stops what a test leaves running."""

    def __init__(self) -> None:
        self.guards: list[BlockingGuard] = []

    def guard(self, **policy) -> BlockingGuard:
        guard = BlockingGuard(BlockingPolicy(**policy), UserCode(ROOT), test="test_it")
        self.guards.append(guard)
        return guard

    def __call__(self, function, **policy) -> BlockingGuard:
        """Run `async def function()` in a fresh loop under a fresh guard."""
        guard = self.guard(**policy)
        guard.start()
        assert guard.not_watched == ""
        try:
            asyncio.run(function())
        finally:
            guard.stop()
        return guard


def installed_library(folder: Path, name: str, text: str) -> types.ModuleType:
    """A module of this text whose file is in site-packages, which makes it a library's code."""
    path = folder / "site-packages" / f"{name}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    module = types.ModuleType(name)
    exec(compile(text, str(path), "exec"), vars(module))
    return module


@pytest.fixture(autouse=True)
def _whole_ca_bundle(monkeypatch):
    """To read it takes long, which these tests are about."""
    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())


@pytest.fixture
def watch():
    DETECTORS.stop_idle()  # the call monitor of an earlier test's guard is still on
    made = Watch()
    yield made
    for guard in made.guards:
        guard.stop()
