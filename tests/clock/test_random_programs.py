"""Random async programs against an exact model of what time they end at."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import Any

import aiosqlite
import anyio
import anyio.to_thread
import pytest

US = 1_000_000


@dataclass
class Node:
    kind: str
    number: int
    length: int = 0  # microseconds: of a sleep, or of a timeout
    children: list[Node] = field(default_factory=list)


class Program:
    """A tree of sleeps, real jobs, parallel parts and timeouts, from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.count = 0
        self.tree = self.node(5)

    def node(self, depth: int) -> Node:
        self.count += 1
        number, draw = self.count, self.random
        leaf = ["sleep", "sleep", "executor", "to_thread", "anyio", "database"]
        inner = ["steps", "steps", "parallel", "timeout", "wait_for", "fail_after"]
        kind = draw.choice(leaf if depth == 0 or draw.random() < 0.2 else inner)
        node = Node(kind, number, draw.randrange(1, 40 * US))
        if kind in ("steps", "parallel"):
            node.children = [self.node(depth - 1) for _ in range(draw.randrange(1, 5))]
        elif kind in inner:
            node.children = [self.node(depth - 1)]
        return node


def model(node: Node, now: int) -> tuple[int, list[tuple[int, str, int]]]:
    """When the node ends, and what is logged on the way: (time, event, node)."""
    if node.kind == "sleep":
        end = now + node.length
        return end, [(end, "slept", node.number)]
    if node.kind == "steps":
        log = []
        for child in node.children:
            now, more = model(child, now)
            log += more
        return now, log
    if node.kind == "parallel":
        parts = [model(child, now) for child in node.children]
        return max(end for end, _ in parts), [entry for _, log in parts for entry in log]
    if not node.children:
        return now, [(now, "worked", node.number)]  # real work takes no virtual time
    end, log = model(node.children[0], now)
    cut = now + node.length
    if end <= cut:
        return end, log
    return cut, [*(entry for entry in log if entry[0] < cut), (cut, "timed out", node.number)]


class Interpreter:
    def __init__(self, clock: Any, database: Any, seed: int) -> None:
        self.clock = clock
        self.database = database
        self.random = random.Random(seed)
        self.log: list[tuple[int, str, int]] = []

    def note(self, event: str, node: Node) -> None:
        self.log.append((round(self.clock.time() * US), event, node.number))

    async def run(self, node: Node) -> None:
        if node.kind == "sleep":
            sleep = self.random.choice([asyncio.sleep, anyio.sleep])
            await sleep(node.length / US)
            self.note("slept", node)
        elif node.kind == "steps":
            for child in node.children:
                await self.run(child)
        elif node.kind == "parallel":
            await asyncio.gather(*(self.run(child) for child in node.children))
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
            else:
                with anyio.fail_after(limit):
                    await self.run(child)
        except TimeoutError:
            self.note("timed out", node)

    async def work(self, node: Node) -> None:
        real = self.random.choice([0, 0.0005, 0.002])
        if node.kind == "executor":
            await asyncio.get_running_loop().run_in_executor(None, time.sleep, real)
        elif node.kind == "to_thread":
            await asyncio.to_thread(time.sleep, real)
        elif node.kind == "anyio":
            await anyio.to_thread.run_sync(time.sleep, real)
        else:
            async with self.database.execute("SELECT 1") as cursor:
                assert await cursor.fetchall() == [(1,)]


@pytest.mark.parametrize("first", range(0, 60, 10))
def test_random_programs_match_the_model(virtually, first):
    """No program sees a spurious timeout; every event comes at its exact microsecond."""

    async def body(clock):
        async with aiosqlite.connect(":memory:") as database:
            for seed in range(first, first + 10):
                program = Program(seed)
                start = round(clock.time() * US)
                end, expected = model(program.tree, start)
                interpreter = Interpreter(clock, database, seed)
                await interpreter.run(program.tree)
                assert sorted(interpreter.log) == sorted(expected), f"seed {seed}"
                assert round(clock.time() * US) == end, f"seed {seed}"
        assert clock.notes == []

    virtually(body)
