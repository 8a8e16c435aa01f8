"""Ours beside looptime and simloop, on one list of cases: is each answer right?

`python -m benchmarks.clock.cases` runs each case in a process of its own (a loop that
hangs or breaks must not hide the rest). A case is right when it takes exactly the virtual
time that it should and no timeout fires that would not have fired in reality.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import anyio
import anyio.from_thread
import anyio.to_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

LOOPS = ("ours", "looptime", "simloop")
LIMIT = 20.0


async def sleep() -> float:
    await asyncio.sleep(3600)
    return 3600


async def anyio_sleep_1000_times() -> float:
    for _ in range(1000):
        await anyio.sleep(0.1)
    return 100


async def wait_for() -> float:
    try:
        await asyncio.wait_for(asyncio.sleep(60), 1.5)
    except TimeoutError:
        return 1.5
    return -1


async def timeout() -> float:
    try:
        async with asyncio.timeout(2):
            await asyncio.sleep(60)
    except TimeoutError:
        return 2
    return -1


async def move_on_after() -> float:
    with anyio.move_on_after(3) as scope:
        await anyio.sleep(60)
    return 3 if scope.cancelled_caught else -1


async def nested_equal_deadlines() -> float:
    try:
        async with asyncio.timeout(5) as outer:
            async with asyncio.timeout(5):
                await asyncio.sleep(60)
    except TimeoutError:
        return 5 if outer.expired() else -1
    return -1


async def many_cancelled_timers() -> float:
    loop = asyncio.get_running_loop()
    for number in range(1, 901):
        loop.call_later(number, print).cancel()
    await asyncio.sleep(1000)
    return 1000


async def equal_deadlines_in_order() -> float:
    fired: list[int] = []
    for number in range(200):
        asyncio.get_running_loop().call_later(1, fired.append, number)
    await asyncio.sleep(2)
    return 2 if fired == list(range(200)) else -1


async def run_in_executor() -> float:
    async with asyncio.timeout(60):
        await asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.2)
    return 0


async def anyio_thread() -> float:
    with anyio.fail_after(60):
        await anyio.to_thread.run_sync(time.sleep, 0.2)
    return 0


async def def_endpoint() -> float:
    import httpx
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/")
    def slow() -> None:
        time.sleep(0.2)

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        async with asyncio.timeout(60):
            assert (await client.get("/")).status_code == 200
    return 0


async def from_thread() -> float:
    await anyio.to_thread.run_sync(anyio.from_thread.run, anyio.sleep, 30)
    return 30


async def timer_while_a_thread_works() -> float:
    job = asyncio.create_task(asyncio.to_thread(time.sleep, 0.2))
    await asyncio.sleep(5)
    return 5 if job.done() else -1


async def aiosqlite() -> float:
    import aiosqlite as database

    query = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x<200000) "
    async with asyncio.timeout(60):
        async with database.connect(":memory:") as connection:
            async with connection.execute(query + "SELECT count(*) FROM c") as cursor:
                await cursor.fetchall()
    return 0


async def sqlalchemy() -> float:
    from sqlalchemy import text
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine("sqlite+aiosqlite:///:memory:")
    async with asyncio.timeout(60):
        async with engine.begin() as connection:
            await connection.execute(text("SELECT 1"))
    await engine.dispose()
    return 0


async def loopback_inside() -> float:
    async def serve(reader: Any, writer: Any) -> None:
        await asyncio.sleep(30)
        writer.write(await reader.readline())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with asyncio.timeout(31):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"x\n")
        assert await reader.readline() == b"x\n"
    writer.close()
    server.close()
    return 30


async def server_outside() -> float:
    import socket

    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            data = connection.recv(10)
            time.sleep(0.2)
            connection.sendall(data)

    thread = threading.Thread(target=serve)
    thread.start()
    async with asyncio.timeout(60):
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(b"x\n")
        assert await reader.readline() == b"x\n"
    writer.close()
    thread.join()
    listener.close()
    return 0


async def subprocess_() -> float:
    async with asyncio.timeout(60):
        done = await anyio.run_process([sys.executable, "-c", "import time; time.sleep(0.2)"])
    return 0 if done.returncode == 0 else -1


async def tenacity_budget() -> float:
    import tenacity

    stop, wait = tenacity.stop_after_delay(10), tenacity.wait_fixed(3)

    @tenacity.retry(stop=stop, wait=wait, sleep=asyncio.sleep)
    async def fails() -> None:
        raise ValueError

    try:
        await fails()
    except tenacity.RetryError:
        return 12
    return -1


async def deadlock_is_said_at_once() -> float:
    await asyncio.Event().wait()
    return -1


CASES: dict[str, Callable[[], Coroutine[Any, Any, float]]] = {
    case.__name__.strip("_").replace("_", " "): case
    for case in (
        sleep,
        anyio_sleep_1000_times,
        wait_for,
        timeout,
        move_on_after,
        nested_equal_deadlines,
        many_cancelled_timers,
        equal_deadlines_in_order,
        run_in_executor,
        anyio_thread,
        def_endpoint,
        from_thread,
        timer_while_a_thread_works,
        aiosqlite,
        sqlalchemy,
        loopback_inside,
        server_outside,
        subprocess_,
        tenacity_budget,
        deadlock_is_said_at_once,
    )
}


def run_here(kind: str, name: str) -> str:
    """Run one case on one kind of loop in this process; "right", or what was wrong."""

    async def main() -> str:
        loop = asyncio.get_running_loop()
        began = loop.time()
        due = await CASES[name]()
        took = loop.time() - began
        if due < 0:
            return "wrong answer"
        return "right" if abs(took - due) < 1e-4 else f"took {took:.4g} s instead of {due:g} s"

    async def ours() -> str:
        from pytest_asyncfastapi import VirtualClock

        clock = VirtualClock()
        clock.install()
        if name.startswith("tenacity"):
            clock.patch_time()
        try:
            return await main()
        finally:
            clock.uninstall()

    try:
        if kind == "ours":
            return asyncio.run(ours())
        if kind == "looptime":
            import looptime

            loop: Any = looptime.new_event_loop(start=0, _enabled=True)
        else:
            import simloop

            loop = simloop.SimLoop()  # as its own runner does: it is not for asyncio.Runner
        asyncio.set_event_loop(loop)
        return str(loop.run_until_complete(main()))
    except TimeoutError:
        return "a timeout that never happened"
    except BaseException as error:
        text = f"{type(error).__name__} {error}"
        said = name.startswith("deadlock") and "eadlock" in text
        return "right" if said else f"refused: {type(error).__name__}"


def run_apart(kind: str, name: str) -> str:
    command = [sys.executable, "-m", "benchmarks.clock.cases", kind, name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return "hangs"
    return (done.stdout.strip().splitlines() or ["dies"])[-1]


def main() -> str:
    """The table, a row a case."""
    loops = []
    for kind in LOOPS:
        try:
            version("pytest-asyncfastapi" if kind == "ours" else kind)
        except PackageNotFoundError:
            continue
        loops.append(kind)
    heads = [kind if kind == "ours" else f"{kind} {version(kind)}" for kind in loops]
    lines = [f"| case | {' | '.join(heads)} |", "|---" * (len(loops) + 1) + "|"]
    right = dict.fromkeys(loops, 0)
    for name in CASES:
        answers = [run_apart(kind, name) for kind in loops]
        for kind, answer in zip(loops, answers, strict=True):
            right[kind] += answer == "right"
        lines.append(f"| {name} | {' | '.join(answers)} |")
    sums = " | ".join(f"**{right[kind]} of {len(CASES)}**" for kind in loops)
    return "\n".join([*lines, f"| right | {sums} |"])


if __name__ == "__main__":
    if sys.argv[1:]:
        print(run_here(*sys.argv[1:]), flush=True)
        os._exit(0)  # a thread that waits for a dead loop must not keep us
    print(main())
