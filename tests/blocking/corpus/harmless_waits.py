"""Harmless: waiting as one should, and what only looks like waiting."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import queue
import select
import socket
import ssl
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import anyio
import anyio.to_thread

from .case import harmless


@harmless
async def sleeps():
    await anyio.sleep(0.002)
    with anyio.move_on_after(0.001):
        await anyio.sleep(1)


@harmless(only="asyncio")
async def asyncio_sleeps():
    await asyncio.sleep(0.002)
    await asyncio.wait_for(asyncio.sleep(0), 1)


@harmless
async def datagrams_that_are_sent(datagrams):
    sender, address = datagrams
    sender.sendto(b"x", address)
    sender.sendmsg([b"x"], [], 0, address)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as metrics:
        metrics.settimeout(5)
        metrics.connect(address)
        metrics.send(b"hits:1|c")
        metrics.sendall(b"hits:1|c")


@harmless
async def task_group():
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 0.001)


@harmless(only="asyncio")
async def futures():
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_later(0.001, future.set_result, 1)
    await future
    threading.Timer(0, loop.call_soon_threadsafe, [lambda: None]).start()


@harmless(only="asyncio")
async def a_future_of_a_thread():
    executor = ThreadPoolExecutor(1)
    await asyncio.wrap_future(executor.submit(time.sleep, 0.005))
    executor.shutdown(wait=False)


@harmless(only="asyncio")
async def a_result_that_is_there():
    executor = ThreadPoolExecutor(1)
    future = executor.submit(int)
    executor.shutdown(wait=False)
    while not future.done():
        await asyncio.sleep(0.001)
    assert future.result() == 0


@harmless
async def threads():
    await anyio.to_thread.run_sync(time.sleep, 0.005)


@harmless(only="asyncio")
async def asyncio_threads():
    await asyncio.to_thread(time.sleep, 0.005)
    await asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.005)


@harmless
async def many_threads():
    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(anyio.to_thread.run_sync, time.sleep, 0.005)


@harmless
async def a_thread_that_has_ended():
    thread = threading.Thread(target=int)
    thread.start()
    while thread.is_alive():
        await anyio.sleep(0.001)
    thread.join()


@harmless
async def free_locks():
    for lock in (threading.Lock(), threading.RLock(), threading.Condition()):
        with lock:
            pass
        assert lock.acquire(blocking=False)
        lock.release()


@harmless
async def a_lock_that_is_tried(held):
    assert not held.acquire(blocking=False)
    assert not held.acquire(False)


@harmless
async def free_semaphore_and_event():
    with threading.Semaphore():
        pass
    event = threading.Event()
    event.set()
    event.wait()


@harmless
async def a_condition_that_is_told():
    with threading.Condition() as condition:
        condition.notify_all()
        assert condition.wait_for(lambda: True)


@harmless
async def queues():
    for made in (queue.Queue(), queue.SimpleQueue()):
        made.put(1)
        assert made.get_nowait() == 1
        with contextlib.suppress(queue.Empty):
            made.get_nowait()


@harmless
async def a_queue_with_something_in_it():
    for made in (queue.Queue(), queue.SimpleQueue()):
        made.put(1)
        assert made.get() == 1


@harmless(only="asyncio")
async def asyncio_locks():
    items = asyncio.Queue()
    items.put_nowait(1)
    assert await items.get() == 1
    async with asyncio.Lock(), asyncio.Semaphore(1):
        pass


@harmless
async def select_that_does_not_wait(pair):
    select.select([pair[1]], [], [], 0)
    waiting = select.poll()
    waiting.register(pair[1])
    waiting.poll(0)


@harmless
async def context_variables():
    variable = contextvars.ContextVar("variable")
    variable.set(1)
    assert contextvars.copy_context()[variable] == 1


@harmless(only="asyncio")
async def streams():
    async def serve(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"hello\n")
    assert await reader.readline() == b"hello\n"
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


@harmless
async def anyio_streams(web):
    _, _, port = web.rstrip("/").rpartition(":")
    async with await anyio.connect_tcp("127.0.0.1", int(port)) as stream:
        await stream.send(b"GET / HTTP/1.0\r\n\r\n")
        assert await stream.receive()


@harmless(only="asyncio")
async def sockets_of_the_loop(pair):
    loop = asyncio.get_running_loop()
    for one in pair:
        one.setblocking(False)
    await loop.sock_sendall(pair[0], b"x")
    assert await loop.sock_recv(pair[1], 1)


@harmless
async def sockets_that_do_not_block(pair):
    pair[1].setblocking(False)
    pair[1].recv(100)
    with contextlib.suppress(BlockingIOError):
        pair[1].recv(1)


@harmless
async def a_socket_made_and_closed():
    with socket.socket() as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", 0))
        made.listen()


@harmless
async def name_resolution():
    await anyio.getaddrinfo("127.0.0.1", 80)


@harmless(only="asyncio")
async def tls_in_memory():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made = context.wrap_bio(incoming, outgoing, server_hostname="x")
    with contextlib.suppress(ssl.SSLWantReadError):
        made.do_handshake()
    assert outgoing.read()


@harmless
async def a_process():
    await anyio.run_process([sys.executable, "-S", "-c", ""])


@harmless(only="asyncio")
async def a_process_with_pipes():
    process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    out, _ = await process.communicate(b"hello")
    assert out == b"hello"


@harmless
async def clocks():
    for clock in (time.time, time.monotonic, time.perf_counter, time.process_time):
        clock()
    time.strftime("%Y")
