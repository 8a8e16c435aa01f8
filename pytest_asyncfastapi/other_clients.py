"""Requests of other test clients, labelled by their endpoint as those of `asgi_client` are.

While somebody watches, `httpx.ASGITransport` (and httpx2's), Starlette's `TestClient` and
async-asgi-testclient say in `ACTIVITY` what they ask of the app, and where that begins and ends.
Only what is imported already is looked at; this module knows nothing of who watches.
"""

from __future__ import annotations

import functools
import sys
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .activity import ACTIVITY, LIFESPAN, border

if TYPE_CHECKING:
    from collections.abc import Callable

    _Label = Callable[..., str]


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
_METHODS: tuple[tuple[str, str, str, bool, _Label], ...] = (
    ("httpx", "ASGITransport", "handle_async_request", True, _of_request),
    ("httpx2", "ASGITransport", "handle_async_request", True, _of_request),
    ("starlette.testclient", "_TestClientTransport", "handle_request", False, _of_request),
    ("starlette.testclient", "WebSocketTestSession", "__enter__", False, _of_scope),
    ("starlette.testclient", "TestClient", "lifespan", True, _of_lifespan),
    ("async_asgi_testclient.testing", "TestClient", "open", True, _of_path),
    ("async_asgi_testclient.testing", "TestClient", "__aenter__", True, _of_lifespan),
    ("async_asgi_testclient.websocket", "WebSocketSession", "connect", True, _of_session),
)
_lock = Lock()
_watchers = 0  # process-wide, as the classes are
_undo: list[Callable[[], None]] = []


def label_requests() -> Callable[[], None]:
    """Label the requests of other clients until the result is called."""
    global _watchers  # noqa: PLW0603
    with _lock:
        _watchers += 1
        if _watchers == 1:
            _undo.extend(filter(None, (_patch(*row) for row in _METHODS)))
    return functools.cache(_leave)  # a second call does nothing


def _leave() -> None:
    global _watchers  # noqa: PLW0603
    with _lock:
        _watchers -= 1
        if _watchers == 0:
            for undo in _undo:
                undo()
            _undo.clear()


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


def _labelled(original: Callable[..., Any], label: _Label) -> Callable[..., Any]:
    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        token = ACTIVITY.set(label(*args, **kwargs))
        border()
        try:
            return original(*args, **kwargs)
        finally:
            border()
            ACTIVITY.reset(token)

    return call


def _labelled_async(original: Callable[..., Any], label: _Label) -> Callable[..., Any]:
    @functools.wraps(original)
    async def call(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        token = ACTIVITY.set(label(*args, **kwargs))
        border()
        try:
            return await original(*args, **kwargs)
        finally:
            border()
            ACTIVITY.reset(token)

    return call
