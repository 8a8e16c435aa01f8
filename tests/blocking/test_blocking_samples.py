"""A step that computes below no line of the user's: named by what its samples have in common."""

from __future__ import annotations

import json
import sys
import threading
import types
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import freezegun.api
import pytest

import pytest_asyncfastapi
from pytest_asyncfastapi._blocking import BlockingPolicy
from pytest_asyncfastapi._blocking.blocking_findings import is_reportable, narrowest_rule
from pytest_asyncfastapi._blocking.call_stack import read_stack
from pytest_asyncfastapi._blocking.slow_steps import Sample, Stall
from pytest_asyncfastapi._blocking.stack_analysis import analyze_stack
from pytest_asyncfastapi._blocking.stalls import find_causes
from pytest_asyncfastapi._core.frames import UserCode
from tests.blocking.conftest import ROOT, installed_library

if TYPE_CHECKING:
    from pytest_asyncfastapi._blocking.call_stack import FrameInfo

PARTS = [f"part_{number}" for number in range(12)]
LIBRARY = """
import time

async def handle():
    convert(until(0.15))

def until(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        yield

def convert(turns):
    for number, _ in enumerate(turns):
        for part in PARTS[number % len(PARTS):]:
            part()
""" + "\n".join(f"def {name}(): work()\n" for name in PARTS)

CLIENT = """
async def get(app):
    await app()
"""


def library(folder: Path, work) -> types.ModuleType:
    """A library in site-packages, whose work is done in a dozen functions in turn."""
    module = installed_library(folder, "converterlike", LIBRARY)
    module.work = work
    module.PARTS = [getattr(module, name) for name in PARTS]
    return module


def test_what_a_library_computes_is_named_with_its_module(watch, tmp_path):
    """Run: how often and where it is sampled depends on how busy the machine is."""
    made = library(tmp_path, partial(sum, range(500)))
    guard = watch(made.handle, step_threshold=0.02, cpu_threshold=0.05)
    (found,) = guard.findings()
    assert found.title.startswith("blocking computation: converterlike.")
    assert found.where.path.endswith("converterlike.py")


@pytest.mark.parametrize(("allow", "expected"), [((), 1), (("cpu@converterlike",), 0)])
def test_the_rule_that_is_offered_is_of_the_library_that_computes(watch, tmp_path, allow, expected):
    """Not of what is further out, as a client that each request goes through."""
    made = library(tmp_path, partial(sum, range(500)))
    outer = installed_library(tmp_path, "clientlike", CLIENT)

    found = watch(
        lambda: outer.get(made.handle), step_threshold=0.02, cpu_threshold=0.05, allow=allow
    ).findings()
    rules = ["asyncfastapi_allow_blocking = cpu@converterlike"]
    assert [each.allow for each in found] == rules[:expected]


def test_the_rule_without_any_library_is_of_the_innermost_module():
    """Not of the loop or thread that runs it, whose rule would allow everything."""
    stacks: list[list[FrameInfo]] = []

    def seen(value: object) -> str:
        stacks.append(read_stack(sys._getframe(1)))
        return repr(value)

    thread = threading.Thread(target=partial(json.dumps, object(), default=seen))
    thread.start()
    thread.join()
    site = analyze_stack(stacks[0], UserCode(ROOT), "GET /")
    assert (site.user_frame, site.library_frame) == (None, None)
    assert site.labels[-1].startswith("threading:")
    assert narrowest_rule("cpu", site) == "cpu@json.encoder"


def test_the_common_function_is_named(samples):
    """Each part was sampled once, so that none of them is the cause."""
    assert causes(samples) == ["converterlike.convert"]
    ((site, _),) = reported(samples)
    assert site.where.function == "convert"


@pytest.fixture
def samples(tmp_path):
    """Stacks of a request that a library alone handles: one for each of its parts."""
    stacks: list[list[FrameInfo]] = []
    made = library(tmp_path, lambda: stacks.append(read_stack(sys._getframe(1))))
    request = threading.Thread(target=made.convert, args=([None],))
    request.start()
    request.join()
    assert [stack[0].code.co_name for stack in stacks] == PARTS
    return stacks


def reported(stacks: list[list[FrameInfo]]):
    """What a step that computed for 400 ms is reported as: where, and under which name."""
    taken = tuple(Sample(stack, "") for stack in stacks)
    stall = Stall(0.4, 0.4, 0.0, True, taken, copy_context(), "GET /", "", 0.0)
    found = find_causes(stall, BlockingPolicy(), UserCode(ROOT))
    return [(site, entry.name) for site, entry, *_ in found if is_reportable("cpu", site)]


def causes(stacks: list[list[FrameInfo]]):
    """The names only."""
    return [name for _, name in reported(stacks)]


def below_freezegun(stack: list[FrameInfo]) -> list[FrameInfo]:
    """The same, with freezegun called by it: it goes through all modules to replace clocks."""
    code = freezegun.api._freeze_time.start.__code__
    return [stack[0]._replace(code=code, module="freezegun.api"), *stack]


def in_the_plugin(stack: list[FrameInfo]) -> list[FrameInfo]:
    """The same, taken while the plugin itself was looking at a call."""
    filename = str(Path(pytest_asyncfastapi.__file__).parent / "_blocking" / "monitor_calls.py")
    code = compile("pass", filename, "exec")
    return [stack[0]._replace(code=code, module="pytest_asyncfastapi"), *stack]


def test_one_sample_in_the_plugin_itself_decides_nothing(samples):
    """The first of 12: what the other 11 show is reported."""
    assert causes([in_the_plugin(samples[0]), *samples[1:]]) == ["converterlike.convert"]


def test_what_the_plugin_itself_computes_is_not_reported(samples):
    """The twin: most of the samples are of the plugin."""
    assert causes([in_the_plugin(stack) for stack in samples[:7]] + samples[7:]) == []


def test_a_user_line_in_few_samples_is_not_blamed(samples):
    """Two samples of a line of the user's, twelve of the library."""
    own = read_stack(sys._getframe())
    assert causes([own, own, *samples]) == ["converterlike.convert"]


def test_a_user_line_in_most_samples_is_named(samples):
    """The twin: the library's parts are seen less often."""
    own = read_stack(sys._getframe())[:1]
    assert causes([*samples[:3], *[own] * 4]) == [sys._getframe().f_code.co_qualname]


def test_to_freeze_the_clock_is_no_computation_of_the_test():
    """It takes longer the more modules there are; the twin computes by itself."""
    own = read_stack(sys._getframe())[:1]
    assert causes([below_freezegun(own)] * 4 + [own] * 3) == []
    assert causes([below_freezegun(own)] * 3 + [own] * 4) == [sys._getframe().f_code.co_qualname]
