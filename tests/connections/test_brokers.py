"""Faults below nats-py and aio-pika, on real servers: `nox -s brokers`."""

import asyncio
import time

import pytest

from tests import brokers

on_nats = pytest.mark.skipif(
    bool(brokers.missing("nats-server")), reason=brokers.missing("nats-server")
)
on_rabbitmq = pytest.mark.skipif(
    bool(brokers.missing("rabbitmq-server")), reason=brokers.missing("rabbitmq-server")
)


@pytest.fixture(scope="module")
def nats_port():
    pytest.importorskip("nats")
    with brokers.nats() as port:
        yield port


@pytest.fixture(scope="module")
def rabbitmq_port():
    pytest.importorskip("aio_pika")
    with brokers.rabbitmq() as port:
        yield port


@pytest.fixture
def on_a_subject(nats_port):
    """Call `use(connect, client, clock)`; the subject `double` is answered, then flushed."""
    import nats

    def run(use, **options):
        opened = []

        async def silent(error):
            pass

        async def connect(**options):
            client = await nats.connect(
                f"nats://127.0.0.1:{nats_port}",
                error_cb=silent,
                max_reconnect_attempts=1,
                reconnect_time_wait=0.1,
                **options,
            )
            opened.append(client)
            return client

        async def main(clock):
            try:
                answering = await connect()

                async def answer(message):
                    await message.respond(message.data * 2)
                    await answering.flush()

                await answering.subscribe("double", cb=answer)
                await answering.flush()
                return await use(connect, await connect(**options), clock)
            finally:
                for client in opened:
                    await client.close()

        return brokers.in_virtual_time(main)

    return run


@on_nats
def test_nats_latency_is_virtual(on_a_subject, faults, log):
    async def use(connect, client, clock):
        answer = await client.request("double", b"a", timeout=60)
        assert (answer.data, clock.elapsed) == (b"aa", 0.0)
        faults.on("nats://*").latency("30s").first(1)
        begun = time.perf_counter()
        answer = await client.request("double", b"b", timeout=60)
        assert (answer.data, clock.elapsed) == (b"bb", 30.0)
        faults.on("nats://*").latency("30s").first(1)
        await client.flush(timeout=60)
        assert clock.elapsed == 60.0
        assert time.perf_counter() - begun < 30

    on_a_subject(use)
    assert (faults.findings(), log) == ([], [])


@on_nats
def test_nats_timeouts_of_its_own(on_a_subject, faults, log):
    import nats

    async def use(connect, client, clock):
        await client.request("double", b"a", timeout=60)
        faults.on("nats://*").latency("30s").first(1)
        with pytest.raises(nats.errors.TimeoutError):
            await client.request("double", b"b", timeout=4)
        assert clock.elapsed == 4.0
        faults.on("nats://*").connect_timeout()
        begun = time.perf_counter()
        with pytest.raises(nats.errors.NoServersError):
            await connect(connect_timeout=30)
        assert clock.elapsed == pytest.approx(4 + 2 * 30, abs=1)  # it tries twice
        assert time.perf_counter() - begun < 30

    on_a_subject(use)
    assert (faults.findings(), log) == ([], [])


@on_nats
def test_nats_reset(on_a_subject, faults):
    """It connects again by itself; what was asked in between is lost."""
    import nats

    async def use(connect, client, clock):
        await client.request("double", b"a", timeout=60)
        faults.on("nats://*").reset().first(1)
        with pytest.raises(nats.errors.TimeoutError):
            await client.request("double", b"b", timeout=1)
        assert client.stats["reconnects"] == 1
        return (await client.request("double", b"c", timeout=20)).data

    assert on_a_subject(use) == b"cc"
    assert faults.findings() == []


@on_nats
def test_nats_reset_without_reconnecting(on_a_subject, faults):
    import nats

    async def use(connect, client, clock):
        await client.request("double", b"a", timeout=60)
        faults.on("nats://*").reset().first(1)
        with pytest.raises(nats.errors.Error):
            await client.request("double", b"b", timeout=1)
        with pytest.raises(nats.errors.ConnectionClosedError):
            await client.request("double", b"c", timeout=1)

    on_a_subject(use, allow_reconnect=False)


@on_nats
def test_nats_refused(on_a_subject, faults):
    """It tries `max_reconnect_attempts` times more."""
    import nats

    async def use(connect, client, clock):
        rule = faults.on("nats://*").refused().first(3)
        with pytest.raises(nats.errors.NoServersError):
            await connect()
        assert rule.hits == 2
        await connect()
        assert rule.hits == 3

    on_a_subject(use)
    assert faults.findings() == []


@pytest.fixture
def on_a_queue(rabbitmq_port):
    """Call `use(connect, publish, clock)`: `connect()` gives a connection, a channel, a queue."""
    import aio_pika

    def run(use):
        opened = []

        async def connect(how=aio_pika.connect, **options):
            url = f"amqp://guest:guest@127.0.0.1:{rabbitmq_port}/"
            connection = await how(url, **options)
            opened.append(connection)
            channel = await connection.channel()
            return channel, await channel.declare_queue("notes", auto_delete=True)

        async def publish(channel):
            message = aio_pika.Message(b"a")
            await channel.default_exchange.publish(message, routing_key="notes")

        async def main(clock):
            try:
                return await use(connect, publish, clock)
            finally:
                for connection in opened:
                    await connection.close()

        return brokers.in_virtual_time(main)

    return run


@on_rabbitmq
def test_aio_pika_latency_is_virtual(on_a_queue, faults, log):
    """Of a message's confirmation, and of one that is fetched."""

    async def use(connect, publish, clock):
        channel, queue = await connect()
        await publish(channel)
        faults.on("amqp://*").latency("30s").first(1)
        begun = time.perf_counter()
        await publish(channel)
        assert clock.elapsed == 30.0
        faults.on("amqp://*").latency("30s").first(1)
        message = await queue.get(timeout=60)
        assert (message.body, clock.elapsed) == (b"a", 60.0)
        assert time.perf_counter() - begun < 30

    on_a_queue(use)
    assert (faults.findings(), log) == ([], [])


@on_rabbitmq
def test_aio_pika_timeouts_of_its_own(on_a_queue, faults, log):
    """Of an operation and of a connect, beside another connection that is idle."""

    async def use(connect, publish, clock):
        _, queue = await connect()
        faults.on("amqp://*").latency("30s").first(1)
        with pytest.raises(TimeoutError):
            await queue.get(timeout=4)
        assert clock.elapsed == pytest.approx(4, abs=0.5)

    on_a_queue(use)

    async def beside(connect, publish, clock):
        await connect()
        faults.on("amqp://*").connect_timeout().first(1)
        begun = time.perf_counter()
        with pytest.raises(TimeoutError):
            await connect(timeout=60)
        assert clock.elapsed == pytest.approx(60, abs=0.5)
        assert time.perf_counter() - begun < 30

    on_a_queue(beside)
    assert (faults.findings(), log) == ([], [])


@on_rabbitmq
def test_aio_pika_reset(on_a_queue, faults):
    """Its own error; a robust connection is there again a while later."""
    import aio_pika

    async def use(connect, publish, clock):
        channel, _ = await connect()
        await publish(channel)
        faults.on("amqp://*").reset().first(1)
        with pytest.raises(aio_pika.exceptions.AMQPConnectionError):
            await publish(channel)
        with pytest.raises(aio_pika.exceptions.ChannelInvalidStateError):
            await publish(channel)
        channel, _ = await connect(aio_pika.connect_robust, reconnect_interval=1)
        faults.on("amqp://*").reset().first(1)
        with pytest.raises(aio_pika.exceptions.AMQPConnectionError):
            await publish(channel)
        await asyncio.sleep(3)
        await publish(channel)

    on_a_queue(use)
    assert faults.findings() == []


@on_rabbitmq
def test_aio_pika_refused(on_a_queue, faults):
    import aio_pika

    async def use(connect, publish, clock):
        faults.on("amqp://*").refused().first(1)
        with pytest.raises(aio_pika.exceptions.AMQPConnectionError, match="Connect call failed"):
            await connect()
        channel, _ = await connect()
        await publish(channel)

    on_a_queue(use)
    assert faults.findings() == []
