"""Requests of other test clients, labelled by their endpoint as those of `asgi_client` are.

While somebody watches, `httpx.ASGITransport` (and httpx2's), Starlette's `TestClient` and
async-asgi-testclient say in `ACTIVITY` what they ask of the app, and where that begins and ends.
Only what is imported already is looked at; this module knows nothing of who watches.
"""

from __future__ import annotations

import functools
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .activity import ACTIVITY, LIFESPAN, SERVED, activity_changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    _Label = Callable[..., str]
    _Row = tuple[str, str, str, bool, _Label]


def _of_request(_: Any, request: Any) -> str:
    return f"{request.method} {request.url.path}"


def _of_path(_: Any, path: str, *, method: str = "GET", **others: Any) -> str:
    return f"{method} {urlsplit(path).path}"


def _of_scope(session: Any) -> str:
    return f"WS {session.scope['path']}"


def _of_session(session: Any) -> str:
    return f"WS {urlsplit(session.path).path}"


def _of_lifespan(*_: Any) -> str:
    return LIFESPAN


# module, class, method, whether it is a coroutine function, its label
_METHODS: tuple[_Row, ...] = (
    ("httpx", "ASGITransport", "handle_async_request", True, _of_request),
    ("httpx2", "ASGITransport", "handle_async_request", True, _of_request),
    ("starlette.testclient", "_TestClientTransport", "handle_request", False, _of_request),
    ("starlette.testclient", "WebSocketTestSession", "__enter__", False, _of_scope),
    ("starlette.testclient", "TestClient", "lifespan", True, _of_lifespan),
    ("async_asgi_testclient.testing", "TestClient", "open", True, _of_path),
    ("async_asgi_testclient.testing", "TestClient", "__aenter__", True, _of_lifespan),
    ("async_asgi_testclient.websocket", "WebSocketSession", "connect", True, _of_session),
)
# What is patched, by row, and how to take it back; process-wide, as the classes are.
_undo: dict[_Row, Callable[[], None]] = {}


def label_requests() -> None:
    """Label the requests of the other clients that are imported, until `stop_labelling()`."""
    for row in _METHODS:
        if row[0] in sys.modules and row not in _undo and (undo := _patch(*row)) is not None:
            _undo[row] = undo


def stop_labelling() -> None:
    """Put everything back."""
    while _undo:
        _, undo = _undo.popitem()
        undo()


def _patch(
    module: str, owner: str, name: str, is_async: bool, label: _Label
) -> Callable[[], None] | None:
    cls: Any = getattr(sys.modules.get(module), owner, None)
    original = vars(cls).get(name) if isinstance(cls, type) else None
    if original is None:
        return None
    ours = (_labelled_async if is_async else _labelled)(original, label)
    setattr(cls, name, ours)

    def undo() -> None:
        if vars(cls).get(name) is ours:  # else somebody has patched it since
            setattr(cls, name, original)

    return undo


class Served:
    """One request of another client; see `SERVED`."""

    __slots__ = ("error", "finished", "label", "status")

    def __init__(self, label: str) -> None:
        self.label = label
        self.status = 0
        self.finished = False
        self.error: BaseException | None = None

    def __repr__(self) -> str:
        return f"<Served {self.label}: {self.status or self.error}>"


@contextmanager
def _under(label: str, given: dict[str, Any]) -> Iterator[Served]:
    """What runs in this block is the lifespan, or a request, with this label.

    Not one that is only begun in it: a WebSocket, or a response that is `given` piece by piece.
    """
    whole = not (label == LIFESPAN or label.startswith("WS ") or given.get("stream"))
    served = Served(label)
    token = ACTIVITY.set(label)
    request = SERVED.set(served if whole else None)
    activity_changed()
    try:
        yield served
    except BaseException as error:
        served.error = error
        raise
    finally:
        served.finished = True
        activity_changed()
        SERVED.reset(request)
        ACTIVITY.reset(token)


def _labelled(original: Callable[..., Any], label: _Label) -> Callable[..., Any]:
    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        with _under(label(*args, **kwargs), kwargs) as served:
            answer = original(*args, **kwargs)
            served.status = getattr(answer, "status_code", 0)
            return answer

    return call


def _labelled_async(original: Callable[..., Any], label: _Label) -> Callable[..., Any]:
    @functools.wraps(original)
    async def call(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        with _under(label(*args, **kwargs), kwargs) as served:
            answer = await original(*args, **kwargs)
            served.status = getattr(answer, "status_code", 0)
            return answer

    return call
