"""Time stands still while real work is pending."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import http.server
import signal
import socket
import sys
import threading
import time

import anyio
import anyio.abc
import anyio.from_thread
import anyio.to_thread
import httpx
import pytest

COUNT = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x<20000) {}"
COUNT = COUNT.format("SELECT count(*) FROM c")


async def in_executor(job):
    return await asyncio.get_running_loop().run_in_executor(None, job)


async def in_own_pool(job):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, job)


async def in_wrapped_future(job):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return await asyncio.wrap_future(pool.submit(job))


@pytest.mark.parametrize(
    "run",
    [in_executor, in_own_pool, in_wrapped_future, asyncio.to_thread, anyio.to_thread.run_sync],
)
def test_a_thread_never_trips_a_virtual_timeout(virtually, run):
    """0.1 s of real work in a worker thread takes no virtual time at all."""

    async def body(clock):
        async with asyncio.timeout(60):
            await asyncio.gather(*(run(functools.partial(time.sleep, 0.1)) for _ in range(3)))
        assert clock.time() == 0.0
        assert clock.real_waited > 0.05
        await asyncio.sleep(60)
        assert clock.time() == 60.0

    virtually(body)


def test_anyio_counts_its_workers_as_we_think(virtually):
    """A busy worker of anyio's is seen from the queue to the delivery, then no more."""
    from pytest_asyncfastapi._clock.pending_work import busy_anyio_workers

    async def body(clock):
        loop = asyncio.get_running_loop()
        assert busy_anyio_workers(loop) == []
        started, finish = threading.Event(), threading.Event()

        def job():
            started.set()
            finish.wait(30)

        task = asyncio.create_task(anyio.to_thread.run_sync(job))
        while not started.is_set():
            await asyncio.sleep(0)
        assert len(busy_anyio_workers(loop)) == 1
        finish.set()
        await task
        assert busy_anyio_workers(loop) == []

    virtually(body)


def test_a_worker_that_waits_for_the_loop_is_no_work(virtually):
    """A thread inside from_thread.run lets time jump for the coroutine it waits for."""

    async def upstream():
        await asyncio.sleep(30)
        return 7

    async def body(clock):
        assert await anyio.to_thread.run_sync(anyio.from_thread.run, upstream) == 7
        assert clock.time() == 30.0
        loop = asyncio.get_running_loop()

        def job():
            return asyncio.run_coroutine_threadsafe(upstream(), loop).result()

        assert await asyncio.to_thread(job) == 7
        assert clock.time() == 60.0
        assert clock.notes == []

    virtually(body, freeze_bound=30)


def test_a_worker_goes_back_and_forth(virtually):
    """Between two visits to the loop the thread is at work, even if it has yet to wake up."""

    def job():
        for _ in range(40):
            anyio.from_thread.run(anyio.sleep, 1)
            time.sleep(0.0005)

    async def body(clock):
        async with asyncio.timeout(41):
            await anyio.to_thread.run_sync(job)
        assert clock.time() == 40.0

    virtually(body)


def test_a_job_that_nobody_awaits_any_more(virtually):
    """A cancelled thread job does not stop time; it flows at real speed until the job ends."""

    async def body(clock):
        ended = []
        job = asyncio.create_task(asyncio.to_thread(lambda: (time.sleep(0.15), ended.append(True))))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        job.cancel()
        await asyncio.sleep(20)
        assert ended
        assert clock.time() == 20.0

    virtually(body)


def test_aiosqlite_never_trips_a_virtual_timeout(virtually):
    """Queries on a database thread take no virtual time; sleeps beside them do."""
    aiosqlite = pytest.importorskip("aiosqlite")

    async def body(clock):
        async with asyncio.timeout(5):
            async with aiosqlite.connect(":memory:") as database:
                for _ in range(30):
                    async with database.execute(COUNT) as cursor:
                        assert await cursor.fetchall() == [(20000,)]
                    await asyncio.sleep(0.01)
        assert clock.time() == 0.3
        assert clock.notes == []

    virtually(body)


def test_a_connection_that_is_older_than_the_clock(virtually):
    """A database opened before install() counts all the same."""
    aiosqlite = pytest.importorskip("aiosqlite")
    from pytest_asyncfastapi._clock import VirtualClock

    async def main():
        async with aiosqlite.connect(":memory:") as database:
            clock = VirtualClock()
            clock.install()
            async with asyncio.timeout(5):
                for _ in range(10):
                    async with database.execute(COUNT) as cursor:
                        await cursor.fetchall()
            assert clock.time() == 0.0
            clock.uninstall()

    asyncio.run(main())


def test_an_idle_database_thread_does_not_stop_time(virtually):
    """An open connection that nobody awaits lets time jump, also for futures of one's own."""
    aiosqlite = pytest.importorskip("aiosqlite")

    async def body(clock):
        async with aiosqlite.connect(":memory:"):
            future = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_later(30, future.set_result, 1)
            assert await future == 1
            assert clock.time() == 30.0
        assert clock.notes == []

    virtually(body)


def test_sqlalchemy_on_aiosqlite_never_trips_a_virtual_timeout(virtually):
    """An async engine works inside a virtual 5 s timeout."""
    asyncio_extension = pytest.importorskip("sqlalchemy.ext.asyncio")
    pytest.importorskip("aiosqlite")
    from sqlalchemy import text

    async def body(clock):
        engine = asyncio_extension.create_async_engine("sqlite+aiosqlite:///:memory:")
        async with asyncio.timeout(5):
            for _ in range(5):
                async with engine.begin() as connection:
                    result = await connection.execute(text(COUNT))
                    assert result.scalar() == 20000
                await asyncio.sleep(0.5)
        await engine.dispose()
        assert clock.time() == 2.5
        assert clock.notes == []

    virtually(body)


def test_def_endpoint_in_the_thread_pool(virtually):
    """A plain `def` endpoint that works for real never trips the client's timeout."""
    fastapi = pytest.importorskip("fastapi")
    app = fastapi.FastAPI()

    @app.get("/")
    def slow():
        time.sleep(0.1)
        return {"answer": 42}

    async def body(clock):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            async with asyncio.timeout(60):
                response = await client.get("/")
        assert response.json() == {"answer": 42}
        assert clock.time() == 0.0

    virtually(body)


def test_a_loopback_server_in_the_same_loop(virtually):
    """Client and server on one loop: bytes take no time, the server's sleeps do."""

    async def serve(reader, writer):
        while line := await reader.readline():
            await asyncio.sleep(30)
            writer.write(line)
            await writer.drain()
        writer.close()

    async def body(clock):
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            for number in range(1, 6):
                async with asyncio.timeout(31):
                    writer.write(b"hello\n")
                    assert await reader.readline() == b"hello\n"
                assert clock.time() == number * 30.0
            # The idle connection and the listener do not stop time.
            await asyncio.sleep(100)
            assert clock.time() == 250.0
            writer.close()
            await asyncio.sleep(1)
        assert clock.notes == []

    virtually(body)


def test_a_loopback_peer_that_reads_slowly(virtually):
    """A writer that waits for a peer in the same loop is not real work: the peer's sleep passes."""

    async def serve(reader, writer):
        await asyncio.sleep(30)
        count = 0
        while data := await reader.read(65536):
            count += len(data)
        writer.write(str(count).encode())
        writer.close()

    async def body(clock):
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server, asyncio.timeout(60):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"x" * 10_000_000)
            await writer.drain()
            writer.write_eof()
            assert await reader.read() == b"10000000"
            writer.close()
            assert clock.time() == 30.0
        assert clock.notes == []

    virtually(body)


def test_an_anyio_server_in_the_same_loop(virtually):
    """anyio's sockets at both ends behave like asyncio's streams."""

    async def serve(stream):
        async with stream:
            async for data in stream:
                await anyio.sleep(30)
                await stream.send(data)

    async def body(clock):
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, serve)
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                for _ in range(3):
                    with anyio.fail_after(31):
                        await stream.send(b"x")
                        assert await stream.receive() == b"x"
            group.cancel_scope.cancel()
        assert clock.time() == 90.0

    virtually(body)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_signal_that_is_awaited_is_no_deadlock(virtually):
    """With a signal handler on the loop, waiting for the signal goes on."""

    async def body(clock):
        event, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGALRM, event.set)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        await event.wait()
        loop.remove_signal_handler(signal.SIGALRM)

    virtually(body)


def test_a_closed_transport_has_no_descriptor(virtually):
    """Its number may be another thread's socket by now, even if somebody keeps the transport."""
    from pytest_asyncfastapi._clock.sockets import Sockets

    async def serve(reader, writer):
        await reader.read()
        writer.close()

    async def body(clock):
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            fd, kept = writer.get_extra_info("socket").fileno(), writer.transport
            sockets = Sockets(asyncio.get_running_loop())
            assert fd in [one.fd for one in sockets.descriptors()]
            writer.close()
            await writer.wait_closed()
            assert kept.is_closing()
            assert fd not in [one.fd for one in sockets.descriptors()]
            await asyncio.sleep(1)

    virtually(body)


@pytest.mark.skipif(sys.platform != "linux", reason="who owns the other end is asked elsewhere")
def test_unix_sockets_within_the_loop(virtually):
    """A socket pair served by one loop is not the outside world."""

    async def body(clock):
        left, right = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=left)
        other_reader, other_writer = await asyncio.open_connection(sock=right)

        async def answer():
            line = await other_reader.readline()
            await asyncio.sleep(30)
            other_writer.write(line)

        task = asyncio.create_task(answer())
        async with asyncio.timeout(31):
            writer.write(b"x\n")
            assert await reader.readline() == b"x\n"
        await task
        assert clock.time() == 30.0
        writer.close()
        other_writer.close()
        await asyncio.sleep(0.1)
        assert clock.notes == []

    virtually(body)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        time.sleep(0.1)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args):
        pass


def test_a_real_server_outside_the_loop(virtually):
    """An awaited answer over a real socket takes no virtual time; an idle connection is idle."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    async def body(clock):
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            url = f"http://localhost:{server.server_port}/"
            assert (await client.get(url)).text == "ok"
            assert clock.time() == 0.0
            await asyncio.sleep(50)  # a kept-alive connection is open
            assert clock.time() == 50.0
        assert clock.notes == []

    try:
        virtually(body)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_subprocess_is_real_work(virtually):
    """Waiting for a process or its output takes no virtual time."""

    async def body(clock):
        async with asyncio.timeout(5):
            code = "import time; time.sleep(0.05); print(5)"
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
            )
            out, _ = await process.communicate()
            assert out.strip() == b"5"
            process = await asyncio.create_subprocess_exec(sys.executable, "-c", "pass")
            assert await process.wait() == 0
            assert (await anyio.run_process([sys.executable, "-c", "pass"])).returncode == 0
        assert clock.time() == 0.0

    virtually(body)


def test_name_lookup_is_a_job(virtually):
    """getaddrinfo goes through the executor and takes no virtual time."""

    async def body(clock):
        async with asyncio.timeout(0.001):
            await asyncio.get_running_loop().getaddrinfo("localhost", 80)
        assert clock.time() == 0.0

    virtually(body)


def test_an_unknown_thread_lets_time_run_at_real_speed(virtually):
    """A thread of the user's own is no reason to jump, nor to stop forever."""

    async def body(clock):
        event, loop = asyncio.Event(), asyncio.get_running_loop()

        def work():
            time.sleep(0.4)
            loop.call_soon_threadsafe(event.set)

        thread = threading.Thread(target=work)
        thread.start()
        async with asyncio.timeout(30):
            await event.wait()
        assert clock.time() < 20
        thread.join()
        await asyncio.sleep(3600)
        assert "work" in clock.notes[0]

    virtually(body)


def test_a_future_that_a_foreign_thread_sets(virtually):
    """A future made outside asyncio, awaited while a foreign thread lives, is real work."""

    async def body(clock):
        loop = asyncio.get_running_loop()
        future = loop.create_future()

        def work():
            time.sleep(0.15)
            loop.call_soon_threadsafe(future.set_result, 3)

        thread = threading.Thread(target=work)
        thread.start()
        async with asyncio.timeout(5):
            assert await asyncio.shield(future) == 3
        assert clock.time() == 0.0
        thread.join()

    virtually(body)


def test_a_freeze_is_bounded(virtually):
    """After the bound time flows, a note names the work, and the timeout can fire."""

    async def body(clock):
        task = asyncio.create_task(asyncio.to_thread(time.sleep, 0.2))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await asyncio.shield(task)
        assert clock.time() == 0.05
        await task
        assert len(clock.notes) == 1
        assert "sleep() in an executor" in clock.notes[0]
        assert "50 ms" in clock.notes[0]
        await asyncio.sleep(3600)

    virtually(body, freeze_bound=0.05)


def test_closing_the_executor_takes_no_virtual_time():
    """asyncio.run's own shutdown, with the clock still on, does not time out."""
    from pytest_asyncfastapi._clock import VirtualClock

    clock = VirtualClock()

    async def main():
        clock.install()
        asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.1)
        await asyncio.sleep(0)

    asyncio.run(main())
    assert clock.time() == 0.0
    clock.uninstall()
