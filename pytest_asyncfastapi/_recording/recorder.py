"""The timeline of one test, for the reports that are written.

Created only if a report needs it (JSON, trace, HTML). It wraps the app to record its
requests, and collects the rest from the packages when the test is over.

All moments are seconds since the test began, on the clock in force. Where that is
virtual, it stands still while code runs: a blocking call has a moment, and a
duration in real time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._core.activity import ACTIVITY
from .._core.current_loop import in_trio, now_with_clock
from .._core.shown_messages import KEPT, message
from .task_recorder import TaskRecorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .._blocking.guard import BlockingGuard
    from .._blocking.models import BlockingCall
    from .._clock.virtual import VirtualClock
    from .._concurrency.thread_report import PoolReport
    from .._core.clock_origins import ClockOrigins
    from .._core.frames import UserCode
    from .._upstream.call_log import Exchange, OpenExchange


class RequestLabel(str):
    """The label of a request (`"GET /items"`) that knows which one it is.

    It is the value of `ACTIVITY` inside of the app, so that what is seen there is attributed to
    this request and not to another one with the same label.
    """

    __slots__ = ("number",)
    number: int

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)


@dataclass(slots=True, eq=False)
class MessageBody:
    """A head, and the beginning of its body."""

    headers: Any = None
    begin: bytes = b""
    size: int = 0

    def add(self, data: Any) -> None:
        """The next piece of the body."""
        self.size += len(data)
        if len(self.begin) < KEPT:
            self.begin += bytes(data[:KEPT])

    def to_data(self) -> dict[str, Any] | None:
        """As it goes into a report; None where no head came."""
        if self.headers is None:
            return None
        try:
            return message(self.headers, self.begin, self.size)
        except (AttributeError, TypeError, ValueError):  # an app's headers may be anything
            return None


@dataclass(slots=True, eq=False)
class Request:
    """One request of `asgi_client`, as the app served it; None for what did not come.

    `head` is the response's start, `complete` the end of its body, `end` that of the app,
    whose background tasks run between the two.
    """

    number: int
    kind: str
    method: str
    path: str
    start: float
    head: float | None = None
    first_byte: float | None = None
    complete: float | None = None
    end: float | None = None
    status: int | None = None
    error: str = ""
    sent: MessageBody = field(default_factory=MessageBody)
    received: MessageBody = field(default_factory=MessageBody)

    def to_data(self) -> dict[str, Any]:
        """As it goes into a report."""
        found = {name: getattr(self, name) for name in self.__slots__}
        return {**found, "sent": self.sent.to_data(), "received": self.received.to_data()}

    def on_send(self, message: dict[str, Any], now: float) -> None:
        """The app sends a message."""
        kind = message.get("type")
        if kind == "http.response.start":
            self.head, self.status = now, message.get("status")
            self.received.headers = message.get("headers") or ()
        elif kind == "websocket.accept":
            self.head, self.status = now, 101
        elif kind == "websocket.close":
            self.complete = now
        elif kind in ("http.response.body", "websocket.send"):
            if self.first_byte is None and (message.get("body") or kind == "websocket.send"):
                self.first_byte = now
            if kind == "http.response.body":
                self.received.add(message.get("body") or b"")
                if not message.get("more_body"):
                    self.complete = now


class TimelineRecorder:
    """Records one test; `to_data()` returns all of it at the end, as plain data."""

    def __init__(self, user_code: UserCode, clock_origins: ClockOrigins) -> None:
        self.requests: list[Request] = []
        self.tasks = TaskRecorder(user_code)
        self._clock_origins = clock_origins

    def on_loop(self) -> None:
        """The test has a loop."""
        if in_trio():
            self.tasks.on_trio()

    def start(self) -> None:
        """Record the tasks of asyncio."""
        self.tasks.start()

    def stop(self) -> None:
        """The test is over: record nothing more."""
        self.tasks.stop()

    def now(self) -> float:
        """Seconds since the test began, on the clock in force."""
        now, clock = now_with_clock()
        return max(0.0, now - self._clock_origins.of(clock, now))

    def wrap_app(self, app: Callable[..., Any]) -> Callable[..., Any]:
        """The same app, recorded."""

        async def observed(scope: Any, receive: Any, send: Any) -> Any:
            __tracebackhide__ = True
            request = self._new_request(scope)
            label = RequestLabel(ACTIVITY.get() or f"{request.method} {request.path}")
            label.number = request.number
            ACTIVITY.set(label)  # in the context of this request's own task
            self.tasks.on_request(label)

            async def recorded_send(message: dict[str, Any]) -> None:
                request.on_send(message, self.now())
                await send(message)

            async def recorded_receive() -> Any:
                message = await receive()
                if message.get("type") == "http.request":
                    request.sent.add(message.get("body") or b"")
                return message

            try:
                return await app(scope, recorded_receive, recorded_send)
            except BaseException as error:
                request.error = type(error).__name__
                raise
            finally:
                request.end = self.now()

        setattr(observed, "app", app)  # noqa: B010 - as middleware has it, to find the app below
        return observed

    def _new_request(self, scope: Any) -> Request:
        kind = "websocket" if scope["type"] == "websocket" else "http"
        method = scope.get("method", "WS")
        number = len(self.requests) + 1
        request = Request(
            number=number, kind=kind, method=method, path=scope.get("path", ""), start=self.now()
        )
        request.sent.headers = scope.get("headers") or ()
        self.requests.append(request)
        return request

    # At the end

    def to_data(
        self,
        *,
        clock: VirtualClock | None,
        seed: int | None,
        calls: Iterable[OpenExchange],
        guard: BlockingGuard | None,
        pools: Iterable[PoolReport],
        lag: dict[str, Any] | None,
    ) -> dict[str, Any]:
        """Everything that is known of the test, as it goes into a report; empty for nothing.

        `seed` is that of the test's draws, None without any; `calls` are its upstream calls.
        """
        virtual = clock is not None and clock.used
        facts: dict[str, Any] = {
            "clock": {"virtual": virtual, "elapsed": 0.0 if clock is None else clock.elapsed},
            "seed": seed,
            "requests": [request.to_data() for request in self.requests],
            "upstream": [self._call(call.snapshot(), call) for call in calls],
            "blocking": self._blocking(guard, virtual=virtual),
            "threads": self._threads(pools),
            "tasks": self.tasks.to_data(self._request_number, self._clock_origins),
            "loop_lag": lag,
        }
        lists = ("requests", "upstream", "blocking", "threads", "tasks")
        return facts if virtual or lag or any(facts[name] for name in lists) else {}

    def _request_number(self, activity: str) -> int | None:
        """Which request that was; by its label where that names only one."""
        if isinstance(activity, RequestLabel):
            return activity.number
        named = [r.number for r in self.requests if f"{r.method} {r.path}" == activity]
        return named[0] if len(named) == 1 else None

    def _call(self, call: Exchange, out: OpenExchange) -> dict[str, Any]:
        return {
            "request": self._request_number(call.activity),
            "method": call.method,
            "url": call.url,
            "library": call.library,
            "started": call.started,
            "head": call.head,
            "first_byte": call.first_byte,
            "ended": call.ended,
            "status": call.status,
            "error": call.error,
            "fault": call.fault,
            "injected": [{"what": what, "seconds": took} for what, took in call.injected],
            "ending": call.ending,
            "sent": upstream_message(out.request, b""),
            "received": upstream_message(out.response, out.body),
            "where": None if call.where is None else call.where.to_json(),
        }

    def _blocking(self, guard: BlockingGuard | None, *, virtual: bool) -> list[dict[str, Any]]:
        if guard is None:
            return []
        found = [self._blocked(call, 0.0) for call in guard.calls]
        for stall in guard.stalls:
            # A step is judged when it is over; virtual time has stood still meanwhile.
            found.append(self._blocked(stall, 0.0 if virtual else stall.duration or 0.0))
        return sorted(found, key=lambda call: call["at"])

    def _blocked(self, call: BlockingCall, ago: float) -> dict[str, Any]:
        return {
            "request": self._request_number(call.activity),
            "name": call.name,
            "args": call.args,
            "category": call.category,
            "at": max(0.0, (call.at or 0.0) - ago),
            "duration": call.duration,
            "severity": call.severity,
            "where": None if call.where is None else call.where.to_json(),
        }

    def _threads(self, pools: Iterable[PoolReport]) -> list[dict[str, Any]]:
        zero = self._clock_origins.of_loop()
        return [
            {
                "pool": pool.name,
                "size": pool.size if pool.size != float("inf") else None,
                "calls": pool.calls,
                "peak": pool.peak,
                "queued": pool.queued,
                "longest_wait": pool.longest_wait,
                "waits": [
                    {
                        "request": self._request_number(wait.activity),
                        "at": wait.since - zero,
                        "seconds": wait.until - wait.since,
                    }
                    for wait in pool.waits
                ],
            }
            for pool in pools
        ]

    def __repr__(self) -> str:
        return f"<TimelineRecorder: {len(self.requests)} requests>"


def upstream_message(found: Any, body: bytes) -> dict[str, Any] | None:
    """A request or response of an HTTP library as it goes into a report; None where none came."""
    headers = getattr(found, "headers", None)
    if headers is None or not hasattr(headers, "multi_items"):
        return None
    stream = getattr(found, "stream", None)
    for content in (body, getattr(found, "_content", None), getattr(stream, "_stream", None)):
        if isinstance(content, bytes) and content:
            return message(headers.multi_items(), content)
    return message(headers.multi_items(), b"")
