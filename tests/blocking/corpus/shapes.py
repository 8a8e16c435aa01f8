"""One and the same sleep, reached in every way that code can be written."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import operator
import os
import signal
import socket
import threading
import time
from time import sleep
from time import sleep as nap

from .case import blocks

later_on = functools.partial(time.sleep, 0.001)
pause = time.sleep
TOOLS = {"sleep": time.sleep}


class Service:
    wait = staticmethod(time.sleep)


@blocks("sleep")
async def from_time_import_sleep():
    sleep(0.001)  # <- here


@blocks("sleep")
async def imported_as_something_else():
    nap(0.001)  # <- here


@blocks("sleep")
async def a_partial():
    later_on()  # <- here


@blocks("sleep")
async def a_partial_of_a_partial():
    functools.partial(functools.partial(time.sleep), 0.001)()  # <- here


@blocks("sleep")
async def a_module_variable():
    pause(0.001)  # <- here


@blocks("sleep")
async def a_default_argument():
    def work(wait=time.sleep):
        wait(0.001)  # <- here

    work()


@blocks("sleep")
async def a_class_attribute():
    Service.wait(0.001)  # <- here


@blocks("sleep")
async def a_table():
    TOOLS["sleep"](0.001)  # <- here


@blocks("sleep")
async def star_arguments():
    time.sleep(*[0.001], **{})  # <- here


@blocks("sleep")
async def by_name_of_attribute():
    getattr(time, "sleep")(0.001)  # <- here


@blocks("sleep")
async def by_method_caller():
    operator.methodcaller("sleep", 0.001)(time)  # <- here


@blocks("sleep")
async def by_dunder_call():
    time.sleep.__call__(0.001)  # <- here


@blocks("sleep")
async def in_a_lambda():
    wait = lambda: time.sleep(0.001)  # noqa: E731  # <- here
    wait()


@blocks("sleep")
async def in_a_decorator():
    def slowly(function):
        @functools.wraps(function)
        def inner():
            time.sleep(0.001)  # <- here
            return function()

        return inner

    @slowly
    def work():
        return 1

    work()


@blocks("sleep")
async def where_something_harmless_was_called_before():
    for call in (abs, float, time.sleep):
        call(0.001)  # <- here


@blocks("sleep")
async def where_an_attribute_was_harmless_before():
    class Box:
        call = None

    for Box.call in (abs, float, time.sleep):
        Box.call(0.001)  # <- here


@blocks("sleep")
async def where_a_global_was_harmless_before():
    space = {"call": abs, "sleep": time.sleep}
    exec("def work(): call(0.001)", space)
    space["work"]()
    space["call"] = lambda seconds: sleep(seconds)  # <- here
    space["work"]()


@blocks("network")
async def a_method_bound_before(bound_recv):
    bound_recv(1)  # <- here


@blocks("network")
async def a_socket_that_blocks_again(pair):
    pair[1].setblocking(False)
    for blocking in (False, True):
        pair[1].setblocking(blocking)
        pair[1].recv(1)  # <- here


@blocks("sleep")
async def swallowed_by_except():
    try:
        time.sleep(0.001)  # <- here
    except Exception:
        pass


@blocks("sleep")
async def swallowed_by_suppress():
    with contextlib.suppress(BaseException):
        time.sleep(0.001)  # <- here


@blocks("sleep")
async def in_finally():
    try:
        pass
    finally:
        time.sleep(0.001)  # <- here


@blocks("sleep")
async def in_a_property():
    class Price:
        @property
        def value(self):
            time.sleep(0.001)  # <- here
            return 1

    assert Price().value


@blocks("sleep")
async def in_a_generator():
    def rows():
        time.sleep(0.001)  # <- here
        yield 1

    list(rows())


@blocks("sleep")
async def in_an_async_generator():
    async def rows():
        yield 1
        time.sleep(0.001)  # <- here

    async for _ in rows():
        pass


@blocks("sleep")
async def in_a_context_manager():
    @contextlib.asynccontextmanager
    async def opened():
        yield
        time.sleep(0.001)  # <- here

    async with opened():
        pass


@blocks("sleep")
async def in_a_sort_key():
    def key(number):
        time.sleep(0.001)  # <- here
        return number

    sorted([2, 1], key=key)


@blocks("sleep")
async def in_del():
    class Handle:
        def __del__(self):
            time.sleep(0.001)  # <- here

    Handle()


@blocks("sleep")
async def in_del_of_a_cycle(young_heap):
    class Handle:
        def __init__(self):
            self.me = self

        def __del__(self):
            time.sleep(0.001)  # <- here

    Handle()
    gc.collect()


@blocks("sleep")
async def in_repr():
    class Thing:
        def __repr__(self):
            time.sleep(0.001)  # <- here
            return "thing"

    f"{Thing()}"


@blocks("sleep")
async def in_a_signal_handler():
    def handle(*_):
        time.sleep(0.001)  # <- here

    before = signal.signal(signal.SIGUSR1, handle)
    os.kill(os.getpid(), signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


@blocks("sleep")
async def deep_down():
    def down(levels):
        if levels:
            return down(levels - 1)
        time.sleep(0.001)  # <- here

    down(50)


@blocks("sleep")
async def many_times():
    for _ in range(300):
        time.sleep(0)  # <- here


@blocks("sleep")
async def compiled_on_the_spot():
    eval("sleep(0.001)")  # <- here


@blocks("sleep")
async def a_subclass_that_waits():
    class Waiting(threading.Event):
        def wait(self, timeout=None):
            time.sleep(timeout)  # <- here

    Waiting().wait(0.001)


@blocks("sleep", only="asyncio")
async def a_task():
    async def work():
        time.sleep(0.001)  # <- here

    await asyncio.create_task(work())


@blocks("sleep", only="asyncio")
async def a_detached_task():
    async def work():
        await asyncio.sleep(0)
        time.sleep(0.001)  # <- here

    a_detached_task.task = asyncio.get_running_loop().create_task(work())


@blocks("sleep", only="asyncio")
async def gather_with_exceptions_returned():
    async def work():
        time.sleep(0.001)  # <- here
        raise ValueError

    await asyncio.gather(work(), return_exceptions=True)


@blocks("sleep", only="asyncio")
async def task_group():
    async def work():
        time.sleep(0.001)  # <- here

    async with asyncio.TaskGroup() as group:
        group.create_task(work())


@blocks("sleep", only="asyncio")
async def wait_for():
    async def work():
        time.sleep(0.001)  # <- here

    await asyncio.wait_for(work(), 1)


@blocks("sleep", only="asyncio")
async def shielded():
    async def work():
        time.sleep(0.001)  # <- here

    await asyncio.shield(work())


@blocks("sleep", only="asyncio")
async def call_soon():
    asyncio.get_running_loop().call_soon(lambda: time.sleep(0.001))  # <- here


@blocks("sleep", only="asyncio")
async def call_soon_without_a_frame():
    asyncio.get_running_loop().call_soon(time.sleep, 0.001)  # <- here
    await asyncio.sleep(0)


@blocks("sleep", only="asyncio")
async def call_later():
    def work():
        time.sleep(0.001)  # <- here

    asyncio.get_running_loop().call_later(0.001, work)
    await asyncio.sleep(0.005)


@blocks("sleep", only="asyncio")
async def call_soon_threadsafe():
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def work():
        time.sleep(0.001)  # <- here
        done.set()

    await asyncio.to_thread(loop.call_soon_threadsafe, work)
    await done.wait()


@blocks("sleep", only="asyncio")
async def a_done_callback():
    def done(task):
        time.sleep(0.001)  # <- here

    task = asyncio.create_task(asyncio.sleep(0))
    task.add_done_callback(done)
    await task


@blocks("network", only="asyncio")
async def add_reader(pair):
    done = asyncio.Event()

    def ready():
        pair[1].recv(1)  # <- here
        done.set()

    asyncio.get_running_loop().add_reader(pair[1], ready)
    await done.wait()
    asyncio.get_running_loop().remove_reader(pair[1])


@blocks("sleep", only="asyncio")
async def a_protocol(pair):
    done = asyncio.Event()

    class Protocol(asyncio.Protocol):
        def data_received(self, data):
            time.sleep(0.001)  # <- here
            done.set()

    transport, _ = await asyncio.get_running_loop().create_connection(Protocol, sock=pair[1])
    await done.wait()
    transport.close()


@blocks("sleep", only="asyncio")
async def a_signal_handler_of_the_loop():
    done = asyncio.Event()

    def handle():
        time.sleep(0.001)  # <- here
        done.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, handle)
    os.kill(os.getpid(), signal.SIGUSR1)
    await done.wait()
    loop.remove_signal_handler(signal.SIGUSR1)


@blocks("sleep", only="asyncio")
async def a_loop_in_another_thread():
    async def work():
        time.sleep(0.001)  # <- here

    import contextvars

    await asyncio.to_thread(contextvars.copy_context().run, asyncio.run, work())


@blocks("sleep", only="asyncio")
async def cancelled():
    async def work():
        try:
            await asyncio.sleep(10)
        finally:
            time.sleep(0.001)  # <- here

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@blocks("sleep", only="asyncio")
async def a_loop_inside_the_loop():
    other = asyncio.new_event_loop()
    running = asyncio.get_running_loop()

    async def work():
        time.sleep(0.001)  # <- here

    # From Python 3.14 on a thread has one current task, whichever loop runs it.
    swap = getattr(asyncio.tasks, "_swap_current_task", lambda loop, task: None)
    task = swap(running, None)
    asyncio._set_running_loop(None)
    try:
        other.run_until_complete(work())
    finally:
        other.close()
        asyncio._set_running_loop(running)
        swap(running, task)


@blocks("network", only="asyncio")
async def a_socket_of_the_loop_used_by_hand(pair):
    pair[0].setblocking(False)
    await asyncio.get_running_loop().sock_sendall(pair[0], b"x")
    assert isinstance(pair[1], socket.socket)
    pair[1].recv(1)  # <- here
