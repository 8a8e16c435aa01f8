"""What must be right on asyncio and on trio; run under every runner by test_the_list.py."""

import http.server
import subprocess
import sys
import threading
import time

import anyio
import anyio.from_thread
import anyio.to_thread
import httpx
import pytest
import sniffio
import stamina
import tenacity
from fastapi import FastAPI

app = FastAPI()


@app.get("/thread")
def in_thread():
    time.sleep(0.05)
    return "thread"


@app.get("/slow")
async def slow():
    await anyio.sleep(2)
    return "slow"


@pytest.fixture
def asgi_app():
    return app


async def test_sleep(clock):
    for _ in range(100):
        await anyio.sleep(0.1)
    assert clock.time() == clock.elapsed == 10.0


async def test_the_library_s_own_sleep(clock):
    if sniffio.current_async_library() == "trio":
        import trio as library
    else:
        import asyncio as library
    await library.sleep(3600)
    assert clock.elapsed == 3600.0


async def test_fail_after(clock):
    with pytest.raises(TimeoutError):
        with anyio.fail_after(1.5):
            await anyio.sleep_forever()
    assert clock.elapsed == 1.5


async def test_move_on_after(clock):
    with anyio.move_on_after(3) as scope:
        await anyio.sleep(60)
    assert scope.cancelled_caught
    assert clock.elapsed == 3.0


async def test_a_timeout_that_suffices(clock):
    with anyio.fail_after(9.5):
        await anyio.sleep(9)
    assert clock.elapsed == 9.0


async def test_parallel_sleeps(clock):
    async with anyio.create_task_group() as group:
        for number in range(100):
            group.start_soon(anyio.sleep, number / 10)
    assert clock.elapsed == 9.9


async def test_an_answer_after_two_seconds(asgi_client, clock):
    assert (await asgi_client.get("/slow")).json() == "slow"
    assert clock.elapsed == 2.0


async def test_def_endpoint(asgi_client, clock):
    with anyio.fail_after(60):
        answers = []

        async def ask():
            answers.append((await asgi_client.get("/thread")).json())

        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(ask)
    assert answers == ["thread"] * 4
    assert clock.elapsed == 0.0


async def test_thread_job(clock):
    with anyio.fail_after(60):
        await anyio.to_thread.run_sync(time.sleep, 0.1)
    assert clock.elapsed == 0.0
    assert clock.real_waited > 0.05
    assert clock.notes == []


async def test_more_jobs_than_threads(clock):
    limiter = anyio.CapacityLimiter(2)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            for _ in range(6):
                group.start_soon(
                    lambda: anyio.to_thread.run_sync(time.sleep, 0.02, limiter=limiter)
                )
    assert clock.elapsed == 0.0


async def test_timers_armed_while_work_is_pending(clock):
    done = []

    async def job():
        await anyio.to_thread.run_sync(time.sleep, 0.1)
        done.append(("job", clock.elapsed))

    async def timer():
        for _ in range(3):
            with anyio.move_on_after(5):
                await anyio.sleep(10)
        done.append(("timer", clock.elapsed))

    async with anyio.create_task_group() as group:
        group.start_soon(job)
        group.start_soon(timer)
    assert done == [("job", 0.0), ("timer", 15.0)]


async def test_from_thread(clock):
    async def within():
        await anyio.sleep(30)
        return 7

    assert await anyio.to_thread.run_sync(anyio.from_thread.run, within) == 7
    assert clock.elapsed == 30.0
    assert clock.notes == []


async def test_from_thread_back_and_forth(clock):
    def job():
        for _ in range(20):
            anyio.from_thread.run(anyio.sleep, 1)
            time.sleep(0.0005)
            anyio.from_thread.run_sync(len, "x")

    with anyio.fail_after(21):
        await anyio.to_thread.run_sync(job)
    assert clock.elapsed == 20.0


async def test_one_thread_waits_for_the_loop_and_one_works(clock):
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.to_thread.run_sync, anyio.from_thread.run, anyio.sleep, 30)
        with anyio.fail_after(20):
            await anyio.to_thread.run_sync(time.sleep, 0.1)
        assert clock.elapsed == 0.0
    assert clock.elapsed == 30.0


async def test_loopback_within_the_loop(clock):
    async def serve(stream):
        async with stream:
            async for data in stream:
                await anyio.sleep(30)
                await stream.send(data)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            for _ in range(3):
                with anyio.fail_after(31):
                    await stream.send(b"x")
                    assert await stream.receive() == b"x"
            await anyio.sleep(100)  # a connection that is kept alive
        group.cancel_scope.cancel()
    await listener.aclose()
    assert clock.elapsed == 190.0
    assert clock.notes == []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        time.sleep(0.1)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args):
        pass


@pytest.fixture
def real_server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_server_outside_the_loop(real_server, clock):
    transport = httpx.AsyncHTTPTransport()
    async with httpx.AsyncClient(transport=transport, timeout=5, trust_env=False) as client:
        assert (await client.get(real_server)).text == "ok"
        assert clock.elapsed == 0.0
        await anyio.sleep(50)
    assert clock.elapsed == 50.0
    assert clock.notes == []


async def test_subprocess(clock):
    with anyio.fail_after(5):
        code = "import time; time.sleep(0.05); print(5)"
        done = await anyio.run_process([sys.executable, "-c", code])
        assert done.stdout.strip() == b"5"
        process = await anyio.open_process(
            [sys.executable, "-c", "pass"], stdin=None, stdout=subprocess.DEVNULL, stderr=None
        )
        assert await process.wait() == 0
    assert clock.elapsed == 0.0


async def test_hundreds_of_cancelled_timers(clock):
    async def never():
        await anyio.sleep(450)

    async with anyio.create_task_group() as group:
        for _ in range(300):
            group.start_soon(never)
        await anyio.sleep(1)
        group.cancel_scope.cancel()
    await anyio.sleep(1000)
    assert clock.elapsed == 1001.0


async def test_nested_timeouts_with_equal_deadlines(clock):
    with anyio.move_on_after(5) as outer:
        with anyio.move_on_after(5) as inner:
            await anyio.sleep(60)
        pytest.fail("the inner one caught what was the outer one's")  # pragma: no cover
    assert outer.cancelled_caught
    assert not inner.cancelled_caught
    assert clock.elapsed == 5.0


async def test_advance(clock):
    ticks = []

    async def ticker():
        while True:
            await anyio.sleep(1)
            ticks.append(clock.elapsed)

    async with anyio.create_task_group() as group:
        group.start_soon(ticker)
        await clock.advance("3s")
        assert ticks == [1.0, 2.0, 3.0]
        assert clock.elapsed == 3.0
        await clock.advance(0.05)
        assert clock.elapsed == 3.05
        group.cancel_scope.cancel()


async def test_advance_waits_for_worker_threads(clock):
    done = []

    async def job():
        await anyio.sleep(1)
        await anyio.to_thread.run_sync(time.sleep, 0.05)
        done.append(clock.elapsed)

    async with anyio.create_task_group() as group:
        group.start_soon(job)
        await clock.advance(1)
        assert done == [1.0]


async def test_tenacity_s_stop_after_delay(clock):
    clock.patch_time()
    calls = []

    @tenacity.retry(
        stop=tenacity.stop_after_delay(10), wait=tenacity.wait_fixed(3), sleep=anyio.sleep
    )
    async def fails():
        calls.append(clock.elapsed)
        raise ValueError

    with pytest.raises(tenacity.RetryError):
        await fails()
    assert calls == [0.0, 3.0, 6.0, 9.0, 12.0]


async def test_stamina_s_budget(clock):
    clock.patch_time()
    calls = []

    @stamina.retry(
        on=ValueError, attempts=None, timeout=10, wait_initial=3, wait_max=3, wait_jitter=0
    )
    async def fails():
        calls.append(clock.elapsed)
        raise ValueError

    with pytest.raises(ValueError):
        await fails()
    assert 3 <= len(calls) <= 5
    assert 6.0 <= clock.elapsed <= 12.0


async def test_time_functions_move_along(clock):
    clock.patch_time()
    names = ("time", "monotonic", "perf_counter")
    before = {name: getattr(time, name)() for name in names}
    before_ns = {name: getattr(time, name + "_ns")() for name in names}
    await anyio.sleep(3600)
    for name in names:
        assert getattr(time, name)() - before[name] == pytest.approx(3600, abs=1e-6)
        assert getattr(time, name + "_ns")() - before_ns[name] == 3600 * 10**9
    real = await anyio.to_thread.run_sync(time.monotonic)
    assert real - before["monotonic"] < 1800


async def test_patched_time_ends_with_its_block(clock):
    real = time.monotonic
    with clock.patch_time():
        taken = time.monotonic
        await anyio.sleep(3600)
        assert taken() - real() > 3000
    assert time.monotonic is real
    assert abs(taken() - real()) < 60


async def test_keep_alive_expires_in_virtual_time(clock):
    """httpcore reads time.monotonic: 5 s of keep-alive are over after 6 virtual ones."""
    accepted = []

    async def serve(stream):
        accepted.append(clock.elapsed)
        async with stream:
            async for _ in stream:
                await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    clock.patch_time()
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    limits = httpx.Limits(keepalive_expiry=5)
    async with anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        transport = httpx.AsyncHTTPTransport(limits=limits)
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            for pause in (0, 3, 6):
                await anyio.sleep(pause)
                response = await client.get(f"http://127.0.0.1:{port}/")
                assert response.elapsed.total_seconds() == 0.0
        group.cancel_scope.cancel()
    await listener.aclose()
    assert accepted == [0.0, 9.0]


async def test_datetime_moves_along(clock):
    pytest.importorskip("time_machine")
    from datetime import UTC, datetime, timedelta

    real = datetime.now(UTC)
    with clock.patch_time(datetime=True):
        before, stamp = datetime.now(UTC), time.time()
        assert before - real < timedelta(seconds=60)
        await anyio.sleep(86400.25)
        assert datetime.now(UTC) - before == timedelta(days=1, milliseconds=250)
        assert time.time() - stamp == pytest.approx(86400.25, abs=1e-5)
    assert datetime.now(UTC) - real < timedelta(hours=1)


@pytest.mark.asyncfastapi(clock="flow")
async def test_a_slow_thread_hits_the_timeout_under_flow(clock):
    with pytest.raises(TimeoutError):
        with anyio.fail_after(0.1):
            await anyio.to_thread.run_sync(time.sleep, 0.3, abandon_on_cancel=True)
    assert clock.elapsed >= 0.1
    await anyio.sleep(30)
    assert clock.elapsed >= 30


@pytest.mark.asyncfastapi(clock="flow")
async def test_flow_jumps_where_nothing_is_pending(clock):
    await anyio.sleep(3600)
    assert clock.elapsed == 3600.0


@pytest.mark.asyncfastapi(freeze_bound="50ms")
async def test_a_freeze_is_bounded_and_named(clock):
    with pytest.raises(TimeoutError):
        with anyio.fail_after(0.05):
            await anyio.to_thread.run_sync(time.sleep, 0.3, abandon_on_cancel=True)
    assert clock.elapsed == 0.05
    assert len(clock.notes) == 1
    assert "still ran after 50 ms of real time" in clock.notes[0]


async def test_an_unknown_thread_lets_time_run_at_real_speed(clock):
    finish = threading.Event()
    thread = threading.Thread(target=finish.wait, args=(30,), name="mine")
    thread.start()
    try:
        await anyio.sleep(0.4)
        assert clock.elapsed == 0.4
        assert "'mine'" in clock.notes[0]
    finally:
        finish.set()
        await anyio.to_thread.run_sync(thread.join)
    began = clock.elapsed
    await anyio.sleep(3600)
    assert clock.elapsed == pytest.approx(began + 3600, abs=1e-6)


async def test_a_fault_turns_time_on_in_mid_test(upstream, faults):
    await anyio.sleep(0.01)
    upstream.get("https://slow.example/").respond(204)
    faults.on("*").latency("3h")
    began = anyio.current_time()
    async with httpx.AsyncClient(timeout=None) as client:
        assert (await client.get("https://slow.example/")).status_code == 204
    assert anyio.current_time() - began == pytest.approx(3 * 3600, abs=60)


@pytest.mark.asyncfastapi(clock="freeze")
async def test_a_marker_turns_time_on():
    began = anyio.current_time()
    await anyio.sleep(7200)
    assert anyio.current_time() - began == pytest.approx(7200, abs=1e-6)


async def test_there_is_no_virtual_time_where_nobody_asks():
    began = time.perf_counter()
    await anyio.sleep(0.02)
    assert time.perf_counter() - began >= 0.019
