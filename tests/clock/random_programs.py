"""Random async programs, and an exact model of what happens in them when.

A program is a tree, from a seed: sleeps, real work in threads, a database and
sockets (which takes no virtual time), parallel parts, nested timeouts. The
interpreter runs it on asyncio or trio; the model says what it must log.
"""

from __future__ import annotations

import asyncio
import random
import socketserver
import threading
import time
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiosqlite
import anyio
import anyio.abc
import anyio.to_thread
import sniffio

from pytest_asyncfastapi._clock import VirtualClock

US = 1_000_000
WORK = ("to_thread", "loopback", "outside")
WORK_ON_ASYNCIO = (*WORK, "executor", "asyncio.to_thread", "database")
LIMITS = ("fail_after", "move_on_after")
LIMITS_ON_ASYNCIO = (*LIMITS, "timeout", "wait_for")


@dataclass
class Node:
    """A part of a program; `length` is in microseconds: of a sleep, or of a timeout."""

    kind: str
    number: int
    length: int = 0
    children: list[Node] = field(default_factory=list)


class Program:
    """A tree of sleeps, real jobs, parallel parts and timeouts, from a seed."""

    def __init__(self, seed: int, backend: str, *, longest: int = 40, depth: int = 5) -> None:
        self.random = random.Random(f"{seed} {backend} {longest}")
        self.backend = backend
        self.longest = longest
        self.count = 0
        self.tree = self.node(depth)

    def node(self, depth: int) -> Node:
        self.count += 1
        number, draw = self.count, self.random
        on_asyncio = self.backend == "asyncio"
        leaf = ["sleep"] * 3 + list(WORK_ON_ASYNCIO if on_asyncio else WORK)
        inner = ["steps", "steps", "parallel", *(LIMITS_ON_ASYNCIO if on_asyncio else LIMITS)]
        kind = draw.choice(leaf if depth == 0 or draw.random() < 0.2 else inner)
        node = Node(kind, number, draw.randrange(1, self.longest * US))
        if kind in ("steps", "parallel"):
            node.children = [self.node(depth - 1) for _ in range(draw.randrange(1, 5))]
        elif kind in inner:
            node.children = [self.node(depth - 1)]
        return node


class Model:
    """When a node ends and what it logs: (time, event, node); `margin` is the nearest call."""

    def __init__(self) -> None:
        self.margin = 1 << 62

    def run(self, node: Node, now: int) -> tuple[int, list[tuple[int, str, int]]]:
        if node.kind == "sleep":
            return now + node.length, [(now + node.length, "slept", node.number)]
        if node.kind == "steps":
            log: list[tuple[int, str, int]] = []
            for child in node.children:
                now, more = self.run(child, now)
                log += more
            return now, log
        if node.kind == "parallel":
            parts = [self.run(child, now) for child in node.children]
            return max(end for end, _ in parts), [entry for _, log in parts for entry in log]
        if not node.children:
            return now, [(now, "worked", node.number)]  # real work takes no virtual time
        end, log = self.run(node.children[0], now)
        cut = now + node.length
        self.margin = min(self.margin, *(abs(when - cut) for when in (end, *(e[0] for e in log))))
        if end <= cut:
            return end, log
        return cut, [*(entry for entry in log if entry[0] < cut), (cut, "timed out", node.number)]


class Echo(socketserver.StreamRequestHandler):
    """Answers every line after a real moment."""

    def handle(self) -> None:
        for line in self.rfile:
            time.sleep(0.0005)
            self.wfile.write(line)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


@contextmanager
def outside_server() -> Any:
    """The port of an echo server in threads of its own."""
    server = _Server(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Surroundings:
    """What programs work with: ports of an echo server within the loop and of one outside."""

    inner: int
    outer: int
    database: Any


class Interpreter:
    """Runs a program and logs (time, event, node)."""

    def __init__(self, clock: VirtualClock, around: Surroundings, seed: int) -> None:
        self.clock = clock
        self.around = around
        self.random = random.Random(seed)
        self.log: list[tuple[int, str, int]] = []

    def note(self, event: str, node: Node) -> None:
        self.log.append((round(self.clock.time() * US), event, node.number))

    async def run(self, node: Node) -> None:
        if node.kind == "sleep":
            await anyio.sleep(node.length / US)
            self.note("slept", node)
        elif node.kind == "steps":
            for child in node.children:
                await self.run(child)
        elif node.kind == "parallel":
            async with anyio.create_task_group() as group:
                for child in node.children:
                    group.start_soon(self.run, child)
        elif node.children:
            await self.limited(node)
        else:
            await self.work(node)
            self.note("worked", node)

    async def limited(self, node: Node) -> None:
        limit, child = node.length / US, node.children[0]
        try:
            if node.kind == "timeout":
                async with asyncio.timeout(limit):
                    await self.run(child)
            elif node.kind == "wait_for":
                await asyncio.wait_for(self.run(child), limit)
            elif node.kind == "move_on_after":
                with anyio.move_on_after(limit) as scope:
                    await self.run(child)
                if scope.cancelled_caught:
                    raise TimeoutError
            else:
                with anyio.fail_after(limit):
                    await self.run(child)
        except TimeoutError:
            self.note("timed out", node)

    async def work(self, node: Node) -> None:
        real = self.random.choice([0, 0.0005, 0.002])
        if node.kind == "executor":
            await asyncio.get_running_loop().run_in_executor(None, time.sleep, real)
        elif node.kind == "asyncio.to_thread":
            await asyncio.to_thread(time.sleep, real)
        elif node.kind == "to_thread":
            await anyio.to_thread.run_sync(time.sleep, real)
        elif node.kind == "database":
            async with self.around.database.execute("SELECT 1") as cursor:
                assert await cursor.fetchall() == [(1,)]
        else:
            port = self.around.inner if node.kind == "loopback" else self.around.outer
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(b"x\n")
                assert await stream.receive() == b"x\n"


@dataclass
class Outcome:
    """What came of some programs."""

    programs: int = 0
    timeouts: int = 0
    spurious: int = 0
    wrong: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


async def run_programs(seeds: Any, policy: Any, outer: int) -> Outcome:
    """Run one program a seed in one loop and compare each with the model.

    Under `freeze` every event must come at its exact microsecond; under `flow`, where
    real work does take time, only programs without a near call (5 s) are run, and the
    same events must come, none before its time.
    """
    flow = policy == "flow"
    backend = sniffio.current_async_library()
    outcome, clock = Outcome(), VirtualClock(policy=policy)
    clock.install()
    async with AsyncExitStack() as stack:
        stack.callback(clock.uninstall)
        around = await stack.enter_async_context(_Around(backend, outer))
        for seed in seeds:
            program = Program(seed, backend, longest=4000 if flow else 40)
            start, model = round(clock.time() * US), Model()
            end, expected = model.run(program.tree, start)
            if flow and model.margin < 5 * US:
                continue
            interpreter = Interpreter(clock, around, seed)
            await interpreter.run(program.tree)
            _judge(outcome, seed, interpreter.log, expected, exact=not flow)
            outcome.wrong += [seed] * (not flow and round(clock.time() * US) != end)
        outcome.notes = clock.notes
    return outcome


def _judge(outcome: Outcome, seed: int, log: Any, expected: Any, *, exact: bool) -> None:
    outcome.programs += 1
    seen = {(event, number): when for when, event, number in log}
    due = {(event, number): when for when, event, number in expected}
    outcome.timeouts += sum(event == "timed out" for event, _ in seen)
    outcome.spurious += sum(key[0] == "timed out" and key not in due for key in seen)
    right = (
        sorted(log) == sorted(expected)
        if exact
        else set(seen) == set(due) and all(seen[key] >= due[key] - 1 for key in seen)
    )
    if not right:
        outcome.wrong.append(seed)


class _Around(AsyncExitStack):
    """An echo server within the loop, and on asyncio a database."""

    def __init__(self, backend: str, outer: int) -> None:
        super().__init__()
        self._backend = backend
        self._outer = outer

    async def __aenter__(self) -> Surroundings:  # type: ignore[override]
        await super().__aenter__()
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        self.push_async_callback(listener.aclose)
        group = await self.enter_async_context(anyio.create_task_group())
        self.callback(group.cancel_scope.cancel)
        group.start_soon(listener.serve, _echo)
        database = None
        if self._backend == "asyncio":
            database = await self.enter_async_context(aiosqlite.connect(":memory:"))
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        return Surroundings(port, self._outer, database)


async def _echo(stream: anyio.abc.SocketStream) -> None:
    async with stream:
        async for data in stream:
            await stream.send(data)
