"""The responses of the app: an ASGI wrapper that records each request of a run.

It sees what the client does not: an exception behind a 500, one after the
response has started. It counts the suspension points of a request and can
cut it at one of them. Depends on ASGI; neither on httpx nor on pytest.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import anyio

from .._core.await_chains import user_lines
from .._core.current_loop import current_task, now
from .._core.force_terminate import tasks_below, terminate_children
from .await_steps import CoroutineStepper, cancelled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .._core.findings import Location
    from .._core.frames import UserCode

    App = Callable[[Any, Any, Any], Awaitable[None]]

Mode = Literal["leave", "cancel", "cancel_always"]
# The request of the test that is being served, also in the tasks that it has created.
CALLER: ContextVar[RecordedResponse | None] = ContextVar("asyncfastapi_caller", default=None)


@dataclass(slots=True, eq=False)
class RecordedResponse:
    """One request of the test and what the app made of it.

    `error` is what the app raised, `ended` whether that is a cancellation which came from
    outside: its client had left, or the run was ended. `steps` is how often it suspended,
    `places` what is equal for suspensions at the same place,
    `cut_at` where it was (the user's line) when the client left or it was cancelled,
    `cut_off` the lines of its cleanup that a further cancellation has cut short. `swallowed`:
    it was cancelled before its response began, and answered. `hung`: it caught every
    cancellation. `duration` is in seconds of the clock in force.
    """

    scope: dict[str, Any]
    request_body: bytes = b""
    status: int = 0
    body: bytes = b""
    started: bool = False
    complete: bool = False
    error: BaseException | None = None
    trace: Any = None  # of the error, as it left the app
    ended: bool = False
    duration: float = 0.0
    steps: int = 0
    places: list[int] = field(default_factory=list)
    cut: bool = False
    cut_at: Location | None = None
    cut_off: list[Location] = field(default_factory=list)
    swallowed: bool = False
    hung: bool = False
    length: int | None = None  # of the body, by the response's head

    @property
    def is_whole(self) -> bool:
        """Has the caller all of it? Middleware may hold the last message until later."""
        return self.complete or (
            self.started and self.length is not None and len(self.body) >= self.length
        )

    @property
    def label(self) -> str:
        """`"POST /checkout"`."""
        return f"{self.scope.get('method', 'WEBSOCKET')} {self.scope['path']}"

    @property
    def endpoint(self) -> tuple[str, str]:
        """The method and the route, where the framework sets it in the scope; else the path."""
        path = getattr(self.scope.get("route"), "path", None) or self.scope["path"]
        return self.scope.get("method", "WEBSOCKET"), path

    @property
    def is_safe(self) -> bool:
        """Can it be sent again without changing anything?"""
        return self.scope.get("method") in ("GET", "HEAD", "OPTIONS")

    @property
    def is_http(self) -> bool:
        """Is it a plain request, not a WebSocket?"""
        return bool(self.scope["type"] == "http")

    def same_as(self, other: RecordedResponse) -> bool:
        """Did the caller get the same?"""
        return (self.status, self.body, self.complete) == (
            other.status,
            other.body,
            other.complete,
        )


@dataclass(frozen=True, slots=True)
class CutPoint:
    """Where a request is to be cut: the `step`-th suspension of the `request`-th (from 1)."""

    request: int
    step: int
    mode: Mode


class ResponseRecorder:
    """The requests of one run, in the order in which they reached the app."""

    def __init__(self, user_code: UserCode, cut: CutPoint | None = None, *, stepped: bool) -> None:
        self.all: list[RecordedResponse] = []
        self.recording = True
        self.redirected_to: ResponseRecorder | None = None  # who records instead, for a while
        self._user_code = user_code
        self._cut = cut
        self._stepped = stepped
        self._disconnects: dict[int, Callable[[], None]] = {}

    def with_disconnect(self, app: App, disconnect: Callable[[], None]) -> App:
        """`app`, for a request whose client can be made to go by `disconnect()`."""

        async def called(scope: Any, receive: Any, send: Any) -> None:
            self._disconnects[id(scope)] = disconnect
            try:
                await app(scope, receive, send)
            finally:
                self._disconnects.pop(id(scope), None)

        return called

    def wrap_app(self, app: App) -> App:
        """`app`, its answers recorded while `recording`."""

        async def recorded(scope: Any, receive: Any, send: Any) -> None:
            if self.redirected_to is not None:
                return await self.redirected_to.wrap_app(app)(scope, receive, send)
            if not self.recording:
                return await app(scope, receive, send)
            answer = RecordedResponse(scope)
            self.all.append(answer)
            token = CALLER.set(answer)
            number = len(self.all)
            channels = _recording_receive(answer, receive), _recording_send(answer, send)
            began = now()
            try:
                if self._stepped:
                    await self._run_in_steps(app, answer, number, *channels)
                else:
                    await app(scope, *channels)
            except BaseException as error:
                answer.error, answer.ended = error, _is_from_outside(error)
                answer.trace = error.__traceback__
                raise
            finally:
                answer.duration = now() - began
                with suppress(ValueError):  # where it is ended by force, from another context
                    CALLER.reset(token)

        return recorded

    async def _run_in_steps(
        self, app: App, answer: RecordedResponse, number: int, receive: Any, send: Any
    ) -> None:
        cut = self._cut if self._cut is not None and self._cut.request == number else None
        disconnect = self._disconnects.get(id(answer.scope), _no_disconnect)
        coroutine = app(answer.scope, receive, send)
        stepped = CoroutineStepper(coroutine, self._user_code, places=self._cut is None)
        if cut is None:
            try:
                await stepped
            finally:
                answer.steps, answer.places = stepped.count, stepped.places or []
            return
        task, started = _asyncio_task(), False
        with anyio.CancelScope() as scope:

            def cut_now() -> None:
                nonlocal started
                if cut.mode == "cancel" and _is_shielded(task, scope):
                    stepped.call_at(stepped.count + 1, cut_now)  # shielded: at the next one
                    return
                answer.cut, answer.cut_at, started = True, self._where(stepped), answer.started
                if cut.mode == "leave":
                    if not answer.complete:
                        disconnect()
                elif cut.mode == "cancel" and task is not None:
                    task.cancel()
                else:
                    scope.cancel()

            stepped.call_at(cut.step, cut_now)
            try:
                await stepped
            except asyncio.CancelledError:
                # Ours alone: once the client is gone, the transport's has to pass.
                if cut.mode != "cancel" or task is None or not answer.cut:
                    raise
                task.uncancel()
            finally:
                answer.steps, answer.cut_off = stepped.count, stepped.cut_off
            answer.swallowed = stepped.cancelled > 0 and answer.complete and not started
            if stepped.hung:
                answer.hung = True
                with anyio.CancelScope(shield=True):
                    await terminate_children(current_task())
                    stepped.end_by_force()
        if answer.cut and not answer.complete:
            disconnect()

    def _where(self, stepped: CoroutineStepper) -> Location | None:
        """The user's line that it waits at; below middleware the handler has a task of its own."""
        if (where := stepped.where()) is not None:
            return where
        lines = (user_lines(task, self._user_code) for task in tasks_below(current_task()))
        return next((found[-1] for found in lines if found), None)


def _no_disconnect() -> None:
    """Nobody is there to leave."""


def _asyncio_task() -> asyncio.Task[Any] | None:
    return None if asyncio._get_running_loop() is None else asyncio.current_task()


def _is_from_outside(error: BaseException) -> bool:
    """Is it a cancellation that was requested from outside of the app?"""
    if not isinstance(error, cancelled()):
        return False
    task = _asyncio_task()
    return task is None or task.cancelling() > 0


def _is_shielded(task: Any, outer: Any) -> bool:
    """Is this task (of asyncio) inside of a scope of anyio's that shields it from `outer`?

    A cancellation of asyncio's own would get through, unlike that of any framework.
    """
    from anyio._backends import _asyncio as backend

    state = getattr(backend, "_task_states", {}).get(task)
    scope = getattr(state, "cancel_scope", None)
    while scope is not None and scope is not outer:
        if scope.shield:
            return True
        scope = getattr(scope, "_parent_scope", None)
    return False


def _recording_receive(answer: RecordedResponse, receive: Any) -> Any:
    async def recorded_receive() -> Any:
        message = await receive()
        if message["type"] == "http.request":
            answer.request_body += message.get("body", b"")
        return message

    return recorded_receive


def _length(headers: Any) -> int | None:
    """The `Content-Length`, if there is a sound one."""
    for name, value in headers:
        if bytes(name).lower() == b"content-length" and bytes(value).isdigit():
            return int(value)
    return None


def _recording_send(answer: RecordedResponse, send: Any) -> Any:
    async def recorded_send(message: Any) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            answer.started, answer.status = True, message["status"]
            answer.length = _length(message.get("headers", ()))
        elif kind == "http.response.body":
            answer.body += message.get("body", b"")
            answer.complete = answer.complete or not message.get("more_body", False)
        await send(message)

    return recorded_send
