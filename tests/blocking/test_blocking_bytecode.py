"""What is read from bytecode, of which each Python has its own: compared with `ast` and `dis`."""

from __future__ import annotations

import ast
import asyncio.base_events
import concurrent.futures.thread
import dis
import io
import json.decoder
import logging
import os
import select
import socket
import subprocess
import sys
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_asyncfastapi._blocking.call_site_filter import callee_names
from pytest_asyncfastapi._blocking.operands import (
    MISSING,
    Operand,
    enters_with_block,
    find_block_lines,
    last_argument,
)

BESIDE = ("EXTENDED_ARG", "PRECALL")
MODULES = (asyncio.base_events, concurrent.futures.thread, json.decoder, logging, subprocess)
only_monitoring = pytest.mark.skipif(sys.version_info < (3, 12), reason="needs sys.monitoring")


def functions(source: str) -> Iterator[types.CodeType]:
    """Every code object of a source."""
    found = [compile(textwrap.dedent(source), "it.py", "exec")]
    for code in found:
        found += [each for each in code.co_consts if isinstance(each, types.CodeType)]
        yield code


def function(body: str) -> types.CodeType:
    """One function, of these lines."""
    source = "def f(a, lock, files, i):\n" + textwrap.indent(textwrap.dedent(body), "    ")
    *_, found = (code for code in functions(source) if code.co_name == "f")
    return found


def calls(code: types.CodeType) -> Iterator[dis.Instruction]:
    return (each for each in dis.get_instructions(code) if each.opname.startswith("CALL"))


# What is called by which name


def by_position(source: str) -> dict[Any, ast.expr]:
    """From where each call of a source begins and ends, its callee."""
    return {
        (node.lineno, node.end_lineno, node.col_offset, node.end_col_offset): node.func
        for node in ast.walk(ast.parse(textwrap.dedent(source)))
        if isinstance(node, ast.Call)
    }


def compared(source: str) -> Iterator[tuple[str, str, Any]]:
    """For each call of a source: the name that was found, the right one, and where it is."""
    callees = by_position(source)
    for code in functions(source):
        places = list(code.co_positions())
        variables = {*code.co_varnames, *code.co_cellvars, *code.co_freevars}
        for at, name in callee_names(code).items():
            callee = callees.get(places[at // 2])
            if isinstance(callee, ast.Attribute):
                yield name, callee.attr, places[at // 2]
            elif callee is not None:  # a `with`, a decorator, a class
                fixed = isinstance(callee, ast.Name) and callee.id not in variables
                yield name, ast.unparse(callee) if fixed else "", places[at // 2]


NAMES = """
def f(table, key, x):
    plain(x)
    a.method(x)
    table[key](x)
    table["key"](x)
    glob[0](x)
    glob[-1](x)
    glob.attr[x + 1](x)
    make()(x)
    make(key).method(x)
    make(key)[0](x)
    (one if key else two)(x)
    (key or two)(x)
    (lambda: x)()
    plain(each for each in x)
    plain(*x, **key)
    table[0](*x, key=1, **key)
    plain(x, key=[other(y) for y in x])
    with lock: plain(1000)
    return super().method(x)
"""


@only_monitoring
def test_the_fixed_name_of_a_callee() -> None:
    """A global or an attribute has one; an item, a variable or a result has none."""
    found = list(compared(NAMES))
    assert len(found) > 20
    assert [each for each in found if each[0] != each[1]] == []


@only_monitoring
def test_the_fixed_name_of_a_callee_behind_a_long_jump() -> None:
    """The argument of a jump over many lines takes two instructions."""
    inside = "\n".join(f"        x{n} = key.a{n}.b{n}.c{n}.d{n}(x)" for n in range(80))
    found = list(compared(f"def f(key, x):\n    if key:\n        plain(x)\n{inside}\n"))
    assert len(found) == 81
    assert [each for each in found if each[0] != each[1]] == []


@only_monitoring
@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_no_callee_gets_the_name_of_another(module) -> None:
    """Over whole modules: the right name or none, and mostly the right one."""
    found = list(compared(Path(module.__file__).read_text()))
    assert len(found) > 30
    unsure = [each for each in found if each[0] != each[1]]
    assert not any(name for name, _, _ in unsure)
    assert len(unsure) < len(found) / 20, unsure


# What an argument stands for


ARGUMENTS: list[tuple[str, Any]] = [
    ("poll(0)", 0),
    ("poll(a, 0)", 0),
    ("poll(a, 1)", 1),
    ("poll(a, 255)", 255),
    ("poll(a, 256)", 256),
    ("poll(a, -1)", -1),
    ("poll(a, 0.0)", 0.0),
    ("poll(a, None)", None),
    ("poll(a, True)", True),
    ("poll(a, '')", ""),
    ("poll(a, timeout=0)", 0),
    ("poll(a, i)", "i"),
    ("poll(a, out.file)", "out.file"),
    ("poll(a, files[0])", "files[0]"),
    ("poll(a, files[-1])", "files[-1]"),
    ("poll(a, files['x'].raw)", "files['x'].raw"),
    ("poll(a, out.files[2])", "out.files[2]"),
    ("poll(a, print(a))", MISSING),
    ("poll(a, i + 1)", MISSING),
]


def written(operand: Operand | None) -> Any:
    """An operand as it is written in a program."""
    if operand is None:
        return MISSING
    if operand.constant is not MISSING:
        return operand.constant
    path = (f".{name}" if kind == "attribute" else f"[{name!r}]" for kind, name in operand.path)
    return operand.root + "".join(path)


@pytest.mark.parametrize(("call", "expected"), ARGUMENTS, ids=[call for call, _ in ARGUMENTS])
@pytest.mark.parametrize("many", [False, True], ids=["few names", "many names"])
def test_the_last_argument_of_a_call(call: str, expected: Any, many: bool) -> None:
    """A constant, a variable, or an attribute or item of one; else none."""
    names = "\n".join(f"x{n} = y{n}.z{n} + {n * 1000 + 300}" for n in range(300)) if many else ""
    code = function(f"{names}\n{call}")
    *_, outer = calls(code)
    keyword = "timeout" if "timeout" in call else ""
    found = written(last_argument(code, outer.offset, keyword))
    assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_arguments_are_what_dis_says(module) -> None:
    """Over whole modules: a call whose last argument is one load."""
    seen = 0
    for code in functions(Path(module.__file__).read_text()):
        steps = [each for each in dis.get_instructions(code) if each.opname not in BESIDE]
        for load, call in zip(steps, steps[1:], strict=False):
            if call.opname != "CALL" or not call.arg or "PUSH_NULL" in load.opname:
                continue
            found = last_argument(code, call.offset)
            if load.opname in ("LOAD_CONST", "LOAD_SMALL_INT"):
                assert found is not None
                assert found.constant == load.argval
            elif load.opname.startswith("LOAD_FAST"):
                names = load.argval if isinstance(load.argval, tuple) else (load.argval,)
                assert found == Operand(names[-1], True)
            else:
                continue
            seen += 1
    assert seen > 10


# Lines of `for` and `with`


@pytest.mark.parametrize("begins", ["for line in {}: pass", "x = [line for line in {}]",
                                    "x = {{line for line in {}}}",
                                    "x = {{line: 1 for line in {} if line}}"])  # fmt: skip
@pytest.mark.parametrize("over", ["a", "open_files", "files[0]", "files['x']", "a.file"])
def test_what_a_loop_goes_through(begins: str, over: str) -> None:
    """Of a statement and of a comprehension, in which versions it has other instructions."""
    code = function("a\n" + begins.format(over))
    if sys.version_info < (3, 12) and not begins.startswith("for"):
        return  # a function of its own, which is not read
    found = find_block_lines(code)
    assert found is not None
    ((what, operand, _),) = found.begins[3]
    assert (what, written(operand)) == ("for", over)


def test_loops_of_nothing_that_has_a_name() -> None:
    """What a call has made, or an expression."""
    assert find_block_lines(function("for x in make(): pass\nfor x in a + a: pass")) is None


@pytest.mark.parametrize("lock", ["lock", "files['x']", "a.lock", "make()"])
def test_the_entry_of_a_block(lock: str) -> None:
    """The instruction at which a frame stands that waits for the lock of a `with`."""
    stands = set()

    class Lock:
        def __enter__(self) -> None:
            frame = sys._getframe(1)
            stands.add(enters_with_block(frame.f_code, frame.f_lasti))

        def __exit__(self, *details: object) -> None:
            frame = sys._getframe(1)
            stands.add(enters_with_block(frame.f_code, frame.f_lasti) and "left")

        @property
        def lock(self) -> Lock:
            frame = sys._getframe(1)
            stands.add(enters_with_block(frame.f_code, frame.f_lasti) and "read")
            return self

    names: dict[str, Any] = {"make": Lock}
    exec(compile(f"def f(a, lock, files):\n  with {lock}: pass", "it.py", "exec"), names)
    names["f"](Lock(), Lock(), {"x": Lock()})
    assert stands <= {True, False}
    assert True in stands


# What the guard reports

HANDLERS = {"harmless": len, "blocks": os.fsync}


def pick(key: str) -> Any:
    return HANDLERS[key]


def by_item(key: str, argument: Any) -> None:
    HANDLERS[key](argument)


def by_result(key: str, argument: Any) -> None:
    pick(key)(argument)


def by_variable_item(key: str, argument: Any) -> None:
    handlers = [len, os.fsync]
    handlers[key == "blocks"](argument)


def by_choice(key: str, argument: Any) -> None:
    (len if key == "harmless" else os.fsync)(argument)


@only_monitoring
@pytest.mark.parametrize("call", [by_item, by_result, by_variable_item, by_choice])
def test_a_callee_that_blocks_later(watch, call, tmp_path) -> None:
    """One call site, whose first callees are harmless: it stays enabled."""
    with (tmp_path / "file").open("w") as file:

        async def endpoint() -> None:
            for key in ("harmless", "harmless", "blocks"):
                call(key, "text" if key == "harmless" else file.fileno())

        guard = watch(endpoint, profile="strict")
    assert [found.name for found in guard.calls] == ["os.fsync"]
    assert guard.calls[0].where.line == call.__code__.co_firstlineno + (
        2 if call is by_variable_item else 1
    )


@only_monitoring
def test_files_in_containers(watch, tmp_path) -> None:
    """By constant keys, small or not; a mock file is not reported."""
    (tmp_path / "file").write_text("a\n")
    with (tmp_path / "file").open("r+") as file:
        files, table, fakes = [file], {"x": file}, [io.StringIO("a\n")]

        async def endpoint() -> None:
            for _ in files[0]:
                pass
            for _ in table["x"]:
                pass
            print("a", file=files[0])
            for _ in fakes[0]:
                pass
            print("a", file=fakes[0])

        guard = watch(endpoint, profile="strict")
    first = endpoint.__code__.co_firstlineno
    assert sorted({found.where.line - first for found in guard.calls}) == [1, 3, 5]


def test_polls_are_not_waits(watch) -> None:
    """`select(..., 0)`, whatever instruction loads the 0; one with a timeout is reported."""
    left, right = socket.socketpair()
    with left, right:

        async def endpoint() -> None:
            select.select([left], [], [], 0)
            select.select([left], [], [], 0.0)
            select.select([left], [], [], False)
            select.select([left], [], [], 0.01)

        guard = watch(endpoint, profile="strict")
    first = endpoint.__code__.co_firstlineno
    assert [found.where.line - first for found in guard.calls] == [4]
