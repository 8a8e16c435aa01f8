"""Connections of any asyncio driver: TLS from the start or later, Unix sockets, buffers."""

import asyncio
import ssl

import pytest
import trustme

from pytest_asyncfastapi import VirtualClock


@pytest.fixture(scope="module")
def contexts():
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    return server, client


async def echo(reader, writer):
    while line := await reader.readline():
        writer.write(b"<" + line)
    writer.close()


def run(call):
    async def main():
        clock = VirtualClock()
        clock.install()
        try:
            await call(clock)
        finally:
            clock.uninstall()

    asyncio.run(main())


async def ask(reader, writer, text=b"a\n"):
    writer.write(text)
    return await reader.readline()


async def closed(writer):
    writer.close()
    try:
        await writer.wait_closed()
    except ConnectionError:
        pass


def test_tls_from_the_start(faults, contexts):
    """The handshake is real; delays and resets are above it."""

    async def call(clock):
        served, trusted = contexts
        async with await asyncio.start_server(echo, "localhost", 0, ssl=served) as server:
            port = server.sockets[0].getsockname()[1]
            rule = faults.on(f"tcp://localhost:{port}").latency("30s").first(1)
            reader, writer = await asyncio.open_connection("localhost", port, ssl=trusted)
            assert clock.elapsed == 0.0
            assert await ask(reader, writer) == b"<a\n"
            assert (clock.elapsed, rule.hits) == (30.0, 1)
            faults.on("tcp://localhost").reset().first(1)
            with pytest.raises(ConnectionResetError):
                await ask(reader, writer)
            await closed(writer)

    run(call)


@pytest.mark.parametrize("when", ["before", "after"])
def test_tls_begins_later(faults, contexts, when):
    """As PostgreSQL's does, and SMTP's; the fault is added before or after that."""

    async def starting(reader, writer):
        assert await reader.readline() == b"tls\n"
        writer.write(b"ok\n")
        await writer.start_tls(contexts[0])
        await echo(reader, writer)

    async def call(clock):
        async with await asyncio.start_server(starting, "localhost", 0) as server:
            port = server.sockets[0].getsockname()[1]
            if when == "before":
                faults.on("tcp://localhost").latency("30s").after(1).first(1)
            reader, writer = await asyncio.open_connection("localhost", port)
            assert await ask(reader, writer, b"tls\n") == b"ok\n"
            await writer.start_tls(contexts[1], server_hostname="localhost")
            if when == "after":
                faults.on("tcp://localhost").latency("30s").first(1)
            assert await ask(reader, writer) == b"<a\n"
            assert clock.elapsed == 30.0
            await closed(writer)

    run(call)
    assert faults.findings() == []


def test_a_unix_socket(faults, tmp_path):
    """By its path."""
    path = str(tmp_path / "cache.sock")

    async def call(clock):
        async with await asyncio.start_unix_server(echo, path):
            faults.on("unix://*/cache.sock").latency("3s")
            faults.on("unix://*/cache.sock").refused().after(1)
            reader, writer = await asyncio.open_unix_connection(path)
            assert await ask(reader, writer) == b"<a\n"
            assert clock.elapsed == 3.0
            await closed(writer)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_unix_connection(path)

    run(call)


def test_a_protocol_with_a_buffer_of_its_own(faults):
    """As in pymongo's async client, which also connects the socket by itself."""

    class Buffered(asyncio.BufferedProtocol):
        def __init__(self):
            self.buffer = bytearray(4)
            self.data = b""
            self.lost = asyncio.get_running_loop().create_future()
            self.whole = asyncio.get_running_loop().create_future()

        def get_buffer(self, hint):
            return self.buffer

        def buffer_updated(self, size):
            self.data += self.buffer[:size]
            if self.data.endswith(b"\n"):
                self.whole.set_result(self.data)

        def connection_lost(self, error):
            self.lost.set_result(error)

    async def call(clock):
        import socket

        loop = asyncio.get_running_loop()
        async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
            address = server.sockets[0].getsockname()
            faults.on("tcp://127.0.0.1").latency("3s").first(1)
            sock = socket.socket()
            sock.setblocking(False)
            await loop.sock_connect(sock, address)
            transport, protocol = await loop.create_connection(Buffered, sock=sock)
            assert isinstance(protocol, Buffered)
            transport.write(b"0123456789\n")
            assert await protocol.whole == b"<0123456789\n"
            assert clock.elapsed == 3.0
            faults.on("tcp://127.0.0.1").reset()
            transport.write(b"x\n")
            assert isinstance(await protocol.lost, ConnectionResetError)

    run(call)


def test_what_the_server_sends_by_itself_is_not_held(faults):
    """Only answers are late; the end of the connection stays behind them."""

    async def speaks(reader, writer):
        writer.write(b"hello\n")
        await reader.readline()
        writer.write(b"bye\n")
        writer.close()

    async def call(clock):
        async with await asyncio.start_server(speaks, "127.0.0.1", 0) as server:
            faults.on("tcp://127.0.0.1").latency("3s")
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await reader.readline() == b"hello\n"
            assert clock.elapsed == 0.0
            assert await ask(reader, writer) == b"bye\n"
            assert (await reader.read(), clock.elapsed) == (b"", 3.0)
            await closed(writer)

    run(call)


def test_two_connections_at_one_time(faults):
    """The latencies of two answers pass together, and one that is idle holds nothing up."""

    async def call(clock):
        async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            faults.on("tcp://127.0.0.1").latency("3s")
            answers = await asyncio.gather(*(ask(*pair) for pair in pairs[:2]))
            assert (answers, clock.elapsed) == ([b"<a\n"] * 2, 3.0)
            for _, writer in pairs:
                await closed(writer)

    run(call)


@pytest.mark.parametrize(
    ("library", "why"), [("uvloop", "uvloop opens connections in C"), ("trio", "on trio")]
)
def test_where_no_connection_is_seen_the_unused_fault_says_so(faults, library, why):
    module = pytest.importorskip(library)

    async def call():
        faults.on("redis://*").reset()

    module.run(call() if library == "uvloop" else call)
    (finding,) = faults.findings()
    assert why in finding.evidence
