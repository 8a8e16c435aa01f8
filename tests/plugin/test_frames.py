"""Which frames are the user's: by the module first, and by the code where that does not tell."""

from __future__ import annotations

import json.decoder
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from pytest_asyncfastapi._core.frames import UserCode

HERE = Path(__file__)
MINE = "import sys\ndef f(call=lambda: sys._getframe(1)):\n    return call()\n"


def frame_of(namespace: dict[str, Any], filename: str) -> FrameType:
    """A frame of code from this file, in this namespace."""
    exec(compile(MINE, filename, "exec"), namespace)
    frame: FrameType = namespace["f"]()
    return frame


@pytest.mark.parametrize(
    ("namespace", "filename", "mine"),
    [
        pytest.param({"__file__": __file__}, __file__, True, id="a module"),
        pytest.param({}, __file__, True, id="without a module"),
        pytest.param({"__file__": __file__}, "<string>", False, id="generated for the user's"),
        pytest.param(
            {"__file__": json.decoder.__file__}, json.decoder.__file__, False, id="a library"
        ),
        pytest.param({"__file__": None}, __file__, True, id="a module without a file"),
    ],
)
def test_a_frame_is_the_users(namespace: dict[str, Any], filename: str, mine: bool) -> None:
    """Asked twice: the second answer is remembered."""
    users = UserCode(HERE.parents[2])
    for _ in range(2):
        frame = frame_of(dict(namespace), filename)
        assert users.owns_frame(frame) is mine
        assert (users.innermost(frame) is frame) is mine
        assert (frame in list(users.frames(frame))) is mine


def test_a_library_is_asked_for_its_code_once() -> None:
    """Each time is an audit event, which costs a call of Python's under the blocking guard."""
    users = UserCode(HERE.parents[2])
    frame = frame_of({"__file__": json.decoder.__file__}, json.decoder.__file__)
    heard: list[str] = []
    listening = True

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if listening and event == "object.__getattr__" and args[1] == "f_code":
            heard.append(event)

    sys.addaudithook(hook)
    try:
        for _ in range(5):
            assert not users.owns_frame(frame)
    finally:
        listening = False
    assert len(heard) == 1
