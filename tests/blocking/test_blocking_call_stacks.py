"""The stack of a call is read once for each way that leads to it, and each way is its own."""

from __future__ import annotations

import os

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from pytest_asyncfastapi import open_app
from pytest_asyncfastapi._blocking import call_stack


def look(path: object) -> None:
    os.stat(path)


def first(path: object) -> None:
    look(path)


def second(path: object) -> None:
    look(path)


async def endpoint(request):
    look(__file__)
    return PlainTextResponse("x")


APP = Starlette(routes=[Route("/", endpoint)])


@pytest.fixture
def read(monkeypatch):
    """The functions whose calls' stacks are read frame by frame in this test."""
    found: list[str] = []
    read_frames = call_stack._read_frames
    monkeypatch.setattr(call_stack, "_STACKS", {})
    monkeypatch.setattr(call_stack, "_FRAMES", {})

    def counted(frames, key):
        found.append(frames[0][1].co_name)
        return read_frames(frames, key)

    monkeypatch.setattr(call_stack, "_read_frames", counted)
    return found


def test_the_same_way_is_read_once(watch, read, tmp_path):
    async def body():
        for _ in range(50):
            first(tmp_path)

    guards = [watch(body, profile="strict") for _ in range(2)]
    assert [len(guard.calls) for guard in guards] == [50, 50]
    assert guards[0].calls[0].where == guards[1].calls[-1].where
    assert read == ["look"]


def test_two_ways_to_a_line_keep_their_own_frames(watch, tmp_path):
    async def body():
        for function in (first, second, first):
            function(tmp_path)

    calls = watch(body, profile="strict").calls
    assert [[at.function for at in call.chain][-2:] for call in calls] == [
        ["first", "look"],
        ["second", "look"],
        ["first", "look"],
    ]
    assert [call.chain[-2].line for call in calls] == [
        function.__code__.co_firstlineno + 1 for function in (first, second, first)
    ]


def test_two_lines_of_a_function_are_two_places(watch, tmp_path):
    async def body():
        first(tmp_path)
        first(tmp_path)

    calls = watch(body, profile="strict").calls
    lines = [call.chain[-3].line for call in calls]
    assert lines[1] == lines[0] + 1


def test_the_same_code_with_another_name_of_its_module(watch, tmp_path):
    """Two functions that were compiled for themselves, as modules that are loaded again."""
    source = "import os\ndef look(path):\n    os.stat(path)\n"
    names = []
    for name in ("one", "two"):
        module = {"__name__": name}
        exec(compile(source, str(tmp_path / "module.py"), "exec"), module)

        async def body(look=module["look"]):
            look(tmp_path)

        (call,) = watch(body, profile="strict").calls
        names.append(call.allow)
    assert names == ["file_metadata@one", "file_metadata@two"]


def test_a_request_is_the_same_way_in_each_test(watch, read):
    """The stack ends at the client: the test's own frames beyond it do not matter."""

    async def request():
        async with open_app(APP) as client:
            await client.get("/")

    async def one():
        await request()

    async def other():
        await request()

    for body in (one, other):
        (call,) = watch(body, profile="strict").calls
        assert call.activity == "GET /"
        assert [at.function for at in call.chain] == ["endpoint", "look"]
    assert read.count("look") == 1


def test_the_stacks_that_are_kept_are_limited(watch, read, monkeypatch, tmp_path):
    monkeypatch.setattr(call_stack, "_MAX_STACKS", 3)

    async def body():
        source = "import os\ndef look(path):\n    os.stat(path)\n"
        for _ in range(10):
            module: dict = {}
            exec(compile(source, str(tmp_path / "module.py"), "exec"), module)
            module["look"](tmp_path)

    assert len(watch(body, profile="strict").calls) == 10
    assert read == ["look"] * 10
    assert len(call_stack._STACKS) <= 3
    assert len(call_stack._FRAMES) <= 30
