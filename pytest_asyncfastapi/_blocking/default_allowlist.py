"""The shipped allow rules: well-known blocking calls that are not the user's to change.

Each row is an allow rule (see `allow.py`) and the reason for it. Keep it
short: a rule here hides a call from every user.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from .allow import AllowRule

if TYPE_CHECKING:
    from types import FrameType

KNOWN_NOISE: tuple[tuple[str, str], ...] = (
    # Functions of the calling thread only: the app itself runs below others of that module.
    ("starlette.testclient:TestClient.request", "a sync TestClient waits for its own thread"),
    ("starlette.testclient:_TestClientTransport.handle_request", "waits for its own thread"),
    ("starlette.testclient:TestClient.websocket_connect", "waits for its own thread"),
    ("starlette.testclient:TestClient.__enter__", "a sync TestClient starts its own thread"),
    ("starlette.testclient:TestClient.__exit__", "a sync TestClient ends its own thread"),
    ("starlette.testclient:WebSocketTestSession.receive*", "waits for its own thread"),
    ("starlette.testclient:WebSocketTestSession.__enter__", "waits for its own thread"),
    ("starlette.testclient:WebSocketTestSession.__exit__", "waits for its own thread"),
    # Not the module: its `run_app` is below each call of the app.
    ("starlette.testclient:*.<locals>.receive", "reads the test's upload"),
    ("threading:Thread.start", "waits for the new thread's first instruction"),
    ("concurrent.futures.thread:ThreadPoolExecutor._adjust_thread_count", "starts a worker"),
    ("file_metadata@zoneinfo*", "time zone data, once per zone"),
    ("file@zoneinfo*", "time zone data, once per zone"),
    ("file@mimetypes", "the system's type map, once per process"),
    ("file_metadata@mimetypes", "the system's type map, once per process"),
    ("file@encodings*", "codec look-up"),
    ("file_metadata@importlib*", "import machinery and package metadata"),
    ("file@importlib.metadata*", "package metadata, once per process"),
)


NOISE = tuple(AllowRule(rule, reason, "shipped") for rule, reason in KNOWN_NOISE)
_MAX_DEPTH = 12  # frames


def is_noise(category: str, frame: FrameType | None) -> bool:
    """Does one of these rules allow a call in `frame`, because of one of the nearest frames?"""
    for _ in range(_MAX_DEPTH):
        if frame is None:
            break
        if _allows_module(category, frame.f_globals.get("__name__")):
            return True
        frame = frame.f_back
    return False


@lru_cache(maxsize=1_000)
def allows(category: str, labels: tuple[str, ...]) -> bool:
    """Does one of these rules allow a call of this category below these frames?"""
    return any(_allows(category, label) for label in labels)


# Without the callee's name, of which no rule is. The same labels come again in each call.
@lru_cache(maxsize=1 << 15)
def _allows(category: str, label: str) -> bool:
    return any(rule.matches(category, (), (label,)) for rule in NOISE)


@lru_cache(maxsize=4_000)
def _allows_module(category: str, module: object) -> bool:
    return _allows(category, f"{module}:")
