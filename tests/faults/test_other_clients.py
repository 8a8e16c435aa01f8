"""What aiohttp and requests meet in memory is what they meet on real sockets: every row."""

import asyncio
import json
from pathlib import Path

import pytest
from test_reference import prepare

from pytest_asyncfastapi import VirtualClock

pytest.importorskip("aiohttp")
pytest.importorskip("requests")

from reference import CASES

from tests.faults import other_clients

ROWS = json.loads((Path(__file__).parent.parent / "data/other_clients_faults.json").read_text())


def url_of(name):
    if name.startswith("dns_"):
        return CASES[name].url.replace("127.0.0.1", "nowhere.example")
    return CASES[name].url


@pytest.mark.parametrize("name", other_clients.NAMES)
def test_aiohttp(name, new_scope):
    """At the virtual second at which the real one ended."""
    scope = new_scope()
    prepare(scope, name)

    async def main():
        clock = VirtualClock()
        clock.install()
        try:
            return await other_clients.by_aiohttp(url_of(name), clock.time)
        finally:
            clock.uninstall()

    found, recorded = asyncio.run(main()), dict(ROWS["faults"][name]["aiohttp"])
    assert found.pop("at_s") == pytest.approx(recorded.pop("at_s"), abs=0.1)
    assert found == recorded


@pytest.mark.parametrize("name", other_clients.NAMES)
def test_requests(name, new_scope):
    """In real time, which a busy machine may stretch."""
    scope = new_scope()
    prepare(scope, name)
    found, recorded = (
        other_clients.by_requests(url_of(name)),
        dict(ROWS["faults"][name]["requests"]),
    )
    assert found.pop("at_s") >= recorded.pop("at_s") - 0.1
    assert found == recorded
