"""What is known of a driver without a server: whose connection it is, and what asks nothing."""

import asyncio

import pytest

from pytest_asyncfastapi import VirtualClock
from tests.connections.peer import running

HEARTBEAT = b"\x08\0\0\0\0\0\0\xce"


class Protocol(asyncio.Protocol):
    def __init__(self):
        self.received = asyncio.Event()

    def data_received(self, data):
        self.received.set()


def make_protocol():
    return Protocol()


@pytest.fixture
def of_driver(monkeypatch):
    """As if a compiled driver made the protocol: its module is known, a frame of it not."""

    def of(module):
        monkeypatch.setattr(make_protocol, "__module__", module)

    return of


def in_virtual_time(use):
    """Run `use(loop, clock)`."""

    async def main():
        clock = VirtualClock()
        clock.install()
        try:
            return await use(asyncio.get_running_loop(), clock)
        finally:
            clock.uninstall()

    return asyncio.run(main())


@pytest.mark.parametrize(("module", "hits"), [("asyncmy.connection", 1), ("shop.rates", 0)])
def test_the_driver_is_known_by_what_makes_its_protocol(faults, of_driver, module, hits):
    of_driver(module)
    rule = faults.on("mysql://*").latency("30s", optional=True)

    async def use(loop, clock):
        transport, protocol = await loop.create_connection(make_protocol, "127.0.0.1", peer.port)
        transport.write(b"*1\r\n$4\r\nPING\r\n")
        await protocol.received.wait()
        transport.close()
        return clock.elapsed

    with running() as peer:
        assert in_virtual_time(use) == 30.0 * hits
    assert rule.hits == hits


@pytest.mark.parametrize(
    ("module", "sent", "is_struck"),
    [
        ("aiormq.connection", HEARTBEAT, True),
        ("aiormq.connection", HEARTBEAT[:-1], False),
        ("nats.aio.client", b"PONG\r\n", True),
        ("nats.aio.client", b"PUB a 1\r\nx\r\n", False),
        ("asyncmy.connection", HEARTBEAT, False),
    ],
)
def test_a_heartbeat_begins_no_exchange(faults, of_driver, module, sent, is_struck):
    """What is asked after it is struck; not what is asked before anything else is answered."""
    of_driver(module)

    class Server(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            if b"ask" in data:
                self.transport.write(b"answer")

    async def use(loop, clock):
        faults.on("nats://elsewhere").reset(optional=True)
        server = await loop.create_server(Server, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        transport, protocol = await loop.create_connection(make_protocol, "127.0.0.1", port)
        transport.write(sent)
        rule = faults.on(f"tcp://127.0.0.1:{port}").latency("30s", optional=True)
        transport.write(b"ask")
        await protocol.received.wait()
        transport.close()
        server.close()
        return bool(rule.hits), clock.elapsed

    assert in_virtual_time(use) == (is_struck, 30.0 * is_struck)
