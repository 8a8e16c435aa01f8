"""join: waiting for the results of executors, and executors that wait when they close."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import multiprocessing.popen_spawn_posix
import multiprocessing.queues
import multiprocessing.resource_tracker
import multiprocessing.spawn
import multiprocessing.synchronize
from concurrent.futures import ThreadPoolExecutor

from .case import blocks
from .resources import BRIEF, later, once_caller_waits

# Where processes are spawned, the first lock starts one that tracks them.
FORKED = multiprocessing.get_context("fork")


@blocks("join")
async def result(executor):
    executor.submit(once_caller_waits()).result()  # <- here


@blocks("join")
async def exception(executor):
    executor.submit(once_caller_waits()).exception()  # <- here


@blocks("join")
async def wait(executor):
    concurrent.futures.wait([executor.submit(once_caller_waits())])  # <- here


@blocks("join")
async def as_completed(executor):
    for _ in concurrent.futures.as_completed([executor.submit(once_caller_waits())]):  # <- here
        pass


@blocks("join")
async def mapping(executor):
    list(executor.map(once_caller_waits(), [0]))  # <- here


@blocks("join")
async def shutdown():
    made = ThreadPoolExecutor(1)
    made.submit(once_caller_waits())
    made.shutdown()  # <- here


@blocks("join")
async def the_end_of_a_with_block():
    with ThreadPoolExecutor(1) as made:  # <- here
        made.submit(once_caller_waits())


@blocks("join")
async def a_future_of_ones_own():
    future = concurrent.futures.Future()
    later(future.set_result, 1)
    future.result()  # <- here


@blocks("lock")
async def process_lock():
    lock = FORKED.Lock()
    lock.acquire()
    later(lock.release)
    lock.acquire()  # <- here


@blocks("lock")
async def with_process_lock():
    lock = FORKED.Lock()
    lock.acquire()
    later(lock.release)
    with lock:  # <- here
        pass


@blocks("lock")
async def process_event():
    event = FORKED.Event()
    event.wait(BRIEF)  # <- here


@blocks("queue")
async def process_queue():
    items = FORKED.Queue()
    later(items.put, 1)
    items.get()  # <- here
    items.close()


@blocks("queue")
async def process_pipe():
    left, right = multiprocessing.Pipe()
    later(left.send, 1)
    right.recv()  # <- here
    left.close()
    right.close()


@blocks("queue")
async def polling_a_process_pipe():
    left, right = multiprocessing.Pipe()
    right.poll(BRIEF)  # <- here
    left.close()
    right.close()


@blocks("subprocess")
async def process_start(spawn):
    process = spawn.Process(target=int)
    process.start()  # <- here
    process.join()  # <- here: join
    process.close()
