"""lock, join, queue: waiting for another thread. Only the wait counts, so all of them wait."""

from __future__ import annotations

import queue
import threading

from .case import blocks
from .resources import BRIEF, later, once_caller_waits


@blocks("lock")
async def acquire(held):
    later(held.release)
    held.acquire()  # <- here


@blocks("lock")
async def acquire_with_a_timeout(held):
    held.acquire(timeout=BRIEF)  # <- here


@blocks("lock")
async def with_lock(held):
    later(held.release)
    with held:  # <- here
        pass


@blocks("lock")
async def with_the_lock_of_an_object(held):
    class Cache:
        def __init__(self):
            self.lock = held

        def get(self):
            with self.lock:  # <- here
                return 1

    later(held.release)
    Cache().get()


@blocks("lock")
async def with_one_of_many_locks(held):
    locks = {"mug": held}
    later(held.release)
    with locks["mug"]:  # <- here
        pass


@blocks("lock")
async def with_a_reentrant_lock(reentrant):
    with reentrant:  # <- here
        pass


@blocks("lock")
async def reentrant_lock(reentrant):
    reentrant.acquire()  # <- here
    reentrant.release()


@blocks("lock")
async def bound_acquire(held):
    take = held.acquire
    later(held.release)
    take()  # <- here


@blocks("lock")
async def condition():
    changed = threading.Condition()
    with changed:
        changed.wait(BRIEF)  # <- here


@blocks("lock")
async def condition_for_something():
    changed = threading.Condition()
    with changed:
        changed.wait_for(lambda: False, BRIEF)  # <- here


@blocks("lock")
async def event():
    ready = threading.Event()
    later(ready.set)
    ready.wait()  # <- here


@blocks("lock")
async def event_with_a_timeout():
    threading.Event().wait(BRIEF)  # <- here


@blocks("lock")
async def semaphore():
    places = threading.Semaphore(0)
    later(places.release)
    with places:  # <- here
        pass


@blocks("lock")
async def barrier():
    both = threading.Barrier(2)
    later(both.wait)
    both.wait()  # <- here


@blocks("join")
async def thread_join():
    thread = threading.Thread(target=once_caller_waits())
    thread.start()
    thread.join()  # <- here


@blocks("join")
async def timer_join():
    timer = threading.Timer(0, once_caller_waits())
    timer.start()
    timer.join()  # <- here


@blocks("queue")
async def queue_get(items):
    later(items.put, 1)
    items.get()  # <- here


@blocks("queue")
async def queue_get_with_a_timeout(items):
    try:
        items.get(timeout=BRIEF)  # <- here
    except queue.Empty:
        pass


@blocks("queue")
async def queue_put(items):
    items.put(1)
    later(items.get)
    items.put(2)  # <- here


@blocks("queue")
async def queue_join(items):
    items.put(1)
    later(items.task_done)
    items.join()  # <- here


@blocks("queue")
async def simple_queue():
    made = queue.SimpleQueue()
    later(made.put, 1)
    made.get()  # <- here


@blocks("queue")
async def lifo_queue():
    made = queue.LifoQueue()
    later(made.put, 1)
    made.get()  # <- here
