"""Requests of other test clients, labelled by their endpoint as those of `asgi_client` are.

Between `label_requests()` and `stop_labelling()`, `httpx.ASGITransport` (and httpx2's),
Starlette's `TestClient` and async-asgi-testclient set `ACTIVITY` for the time of each request.
Only modules that are imported already are patched.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .activity import ACTIVITY, LIFESPAN, SERVED, activity_changed
from .patches import Patches

if TYPE_CHECKING:
    from collections.abc import Callable

    _Label = Callable[..., str]
    _Row = tuple[str, str, str, bool, bool, _Label]


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


# Module, class, method; is it a coroutine function; is it a whole request, which the lifespan and
# a WebSocket are not; its label.
_METHODS: tuple[_Row, ...] = (
    ("httpx", "ASGITransport", "handle_async_request", True, True, _of_request),
    ("httpx2", "ASGITransport", "handle_async_request", True, True, _of_request),
    ("starlette.testclient", "_TestClientTransport", "handle_request", False, True, _of_request),
    ("starlette.testclient", "WebSocketTestSession", "__enter__", False, False, _of_scope),
    ("starlette.testclient", "TestClient", "lifespan", True, False, _of_lifespan),
    ("async_asgi_testclient.testing", "TestClient", "open", True, True, _of_path),
    ("async_asgi_testclient.testing", "TestClient", "__aenter__", True, False, _of_lifespan),
    ("async_asgi_testclient.websocket", "WebSocketSession", "connect", True, False, _of_session),
)
_patches = Patches()
_imported = 0  # how many modules there were when the clients were looked for


def label_requests() -> None:
    """Label the requests of the other clients that are imported, until `stop_labelling()`."""
    global _imported  # noqa: PLW0603
    if _imported == len(sys.modules):
        return
    _imported = len(sys.modules)
    for module, owner, name, is_async, is_whole, label in _METHODS:
        cls: Any = getattr(sys.modules.get(module), owner, None)
        if isinstance(cls, type) and name in vars(cls):
            labelled = _labelled_async if is_async else _labelled
            _patches.wrap(cls, name, partial(labelled, label, is_whole))


def stop_labelling() -> None:
    """Put everything back."""
    global _imported  # noqa: PLW0603
    _patches.undo()
    _imported = 0


class Served:
    """One request of another client, or its app's lifespan; see `SERVED`.

    What runs in its `with` block has this label. `SERVED` has whole requests only.
    """

    __slots__ = ("_activity", "_is_whole", "_request", "error", "finished", "label", "status")

    def __init__(self, label: str, is_whole: bool) -> None:
        self.label = label
        self.status = 0
        self.finished = False
        self.error: BaseException | None = None
        self._is_whole = is_whole

    def __enter__(self) -> Served:
        activity_changed()
        self._activity = ACTIVITY.set(self.label)
        self._request = SERVED.set(self if self._is_whole else None)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.error = error
        self.finished = True
        activity_changed()
        SERVED.reset(self._request)
        ACTIVITY.reset(self._activity)

    def __repr__(self) -> str:
        return f"<Served {self.label}: {self.status or self.error}>"


def _labelled(label: _Label, is_whole: bool, original: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        served = Served(label(*args, **kwargs), is_whole)
        try:
            with served:
                answer = original(*args, **kwargs)
                served.status = getattr(answer, "status_code", 0)
                return answer
        finally:
            del served  # it knows the error, whose traceback knows this frame

    return call


def _labelled_async(
    label: _Label, is_whole: bool, original: Callable[..., Any]
) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        # A response that is given piece by piece is not over with this call.
        whole = is_whole and not (kwargs and kwargs.get("stream"))
        served = Served(label(*args, **kwargs), whole)
        try:
            with served:
                answer = await original(*args, **kwargs)
                served.status = getattr(answer, "status_code", 0)
                return answer
        finally:
            del served  # as above

    return call
