"""asyncio's debug mode under the guard: the same stacks of callbacks, made for less."""

from __future__ import annotations

import asyncio
import importlib
import sys
import threading
import traceback
from asyncio import constants, format_helpers

import pytest

from pytest_asyncfastapi._blocking import debug_stacks
from pytest_asyncfastapi._blocking.debug_stacks import summarise_lines_once


@pytest.fixture
def both():
    """asyncio's own function, and what the guard puts in its place."""
    original = format_helpers.extract_stack
    undo = summarise_lines_once()
    yield original, format_helpers.extract_stack
    undo()
    assert format_helpers.extract_stack is original


def below(depth: int, function):
    """Call it so many frames deeper."""
    return below(depth - 1, function) if depth else function(sys._getframe())


@pytest.mark.parametrize("depth", [0, 3, 30])
def test_the_stack_is_asyncios_own(both, depth):
    """The first time and the second, with the text of each line."""
    shown = [
        [(item, item.line, item.end_lineno, item.colno) for item in below(depth, function)]
        for function in (both[0], both[1], both[1])
    ]
    assert shown[0] == shown[1] == shown[2]
    assert len(shown[0]) == constants.DEBUG_STACK_DEPTH


def test_a_short_stack_ends_with_its_outermost_frame(both):
    """A thread of its own, three frames above it."""
    found = []

    def only():
        found.extend([both[0](sys._getframe()), both[1](sys._getframe()), both[1]()])

    thread = threading.Thread(target=only)
    thread.start()
    thread.join()
    assert found[0][-1].name == "only"
    assert len(found[0]) < constants.DEBUG_STACK_DEPTH
    assert found[0] == found[1] == found[2]


def test_a_limit_is_kept(both):
    assert below(20, lambda frame: both[1](frame, 3)) == below(20, lambda frame: both[0](frame, 3))


def test_a_module_that_was_changed_has_its_new_text(both, tmp_path, monkeypatch):
    """Loaded again: other code, at the same line."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    path = tmp_path / "reloaded_module.py"
    texts = []
    module = None
    versions = ["def use(extract): return list(extract())", "def use(found): return [*found()]"]
    for text in versions:
        path.write_text(text)
        module = importlib.import_module(path.stem) if module is None else importlib.reload(module)
        texts.append([item.line for item in module.use(both[1]) if item.filename == str(path)])
    sys.modules.pop(path.stem)
    assert texts == [[text] for text in versions]


def test_what_is_kept_is_bounded(both, monkeypatch):
    monkeypatch.setattr(debug_stacks, "_MAX_LINES", 50)
    for number in range(200):
        space: dict = {}
        exec(compile("def use(extract): return extract()", f"<made {number}>", "exec"), space)
        assert space["use"](both[1])[-1].filename == f"<made {number}>"
    assert len(debug_stacks._SUMMARIES) <= 50


def test_a_replacement_of_somebody_else_is_left_alone(monkeypatch):
    undo = summarise_lines_once()
    other = lambda f=None, limit=None: []  # noqa: E731
    with monkeypatch.context() as patch:
        patch.setattr(format_helpers, "extract_stack", other)
        undo()
        assert format_helpers.extract_stack is other
    undo()


def test_a_guarded_loop_in_debug_mode_says_where_a_callback_was_created(watch):
    """As asyncio does, and no frame of the plugin is between."""
    stacks = []

    async def endpoint():
        loop = asyncio.get_running_loop()
        loop.set_debug(True)
        for _ in range(2):
            handle = loop.call_soon(int)
            stacks.append(traceback.format_list(handle._source_traceback))

    watch(endpoint)
    assert stacks[0] == stacks[1]
    assert "handle = loop.call_soon(int)" in stacks[0][-1]
