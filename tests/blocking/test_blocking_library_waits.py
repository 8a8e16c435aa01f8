"""A library waits for its own threads: how long depends on how busy the machine is."""

from __future__ import annotations

import sys
import types

import pytest

from pytest_asyncfastapi._blocking import BlockingPolicy
from pytest_asyncfastapi._blocking.blocking_findings import severity_of
from pytest_asyncfastapi._blocking.call_stack import read_stack
from pytest_asyncfastapi._blocking.dispatcher import DISPATCHER
from pytest_asyncfastapi._blocking.stack_analysis import analyze_stack
from pytest_asyncfastapi._core.activity import BODY
from pytest_asyncfastapi._core.frames import UserCode
from tests.blocking.conftest import ROOT, installed_library

LIBRARY = """
import threading

def result(seconds, seen=None):
    if seen is not None:
        return seen()
    ready = threading.Event()
    threading.Timer(seconds, ready.set).start()
    ready.wait(30)
"""
REQUEST = "GET /"


@pytest.fixture
def library(tmp_path) -> types.ModuleType:
    """A library in site-packages that asks a thread of its own and waits for the answer."""
    return installed_library(tmp_path, "exporterlike", LIBRARY)


def severity(stack, seconds: float, activity: str, category: str = "join", **policy) -> str:
    """How a wait of so many seconds, called with this stack, is judged."""
    site = analyze_stack(stack[:2], UserCode(ROOT), activity)
    return severity_of(category, seconds, BlockingPolicy(**policy), site, activity)


@pytest.mark.parametrize("category", ["lock", "join", "queue"])
@pytest.mark.parametrize(
    ("seconds", "activity", "expected"),
    [
        (0.002, REQUEST, "warning"),
        (0.006, REQUEST, "error"),
        (0.006, BODY, "warning"),
        (0.051, BODY, "error"),
    ],
)
def test_a_short_wait_of_a_library_is_a_warning(library, seconds, activity, expected, category):
    """In the test's own body up to the threshold of steps: no request is served meanwhile."""
    stack = library.result(0, seen=lambda: read_stack(sys._getframe(1)))
    assert severity(stack, seconds, activity, category) == expected
    assert severity(stack, seconds, activity, category, profile="strict") == "error"
    explicit = {"categories": ((category, "fail"),)}
    assert severity(stack, seconds, activity, category, **explicit) == "error"


@pytest.mark.parametrize("activity", [REQUEST, BODY])
def test_a_short_wait_of_the_users_own_line_is_an_error(activity):
    """The twin: whose line could be changed."""
    assert severity(read_stack(sys._getframe()), 0.002, activity) == "error"


@pytest.mark.parametrize("category", ["network", "sleep", "http", "database"])
def test_what_a_library_asks_of_others_is_an_error_however_short(library, category):
    """It is short here, and long wherever the other side is slow."""
    stack = library.result(0, seen=lambda: read_stack(sys._getframe(1)))
    assert severity(stack, 0.0001, REQUEST, category) == "error"


@pytest.mark.parametrize("delay", [0.0, 5.0])
def test_a_library_that_waits_long_for_its_thread_is_found(watch, library, monkeypatch, delay):
    """The planted bug, run: at the line that calls the library.

    How long the thread waited for a processor since its statistics were read, maybe before this
    call, is no part of that: it was asleep.
    """
    monkeypatch.setattr(DISPATCHER, "scheduling_delay", lambda state: delay)

    async def endpoint():
        library.result(0.4)

    (found,) = watch(endpoint, profile="default").findings()
    assert found.severity == "error"
    assert found.where.line == endpoint.__code__.co_firstlineno + 1
