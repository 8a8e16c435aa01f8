"""The transport: runs an ASGI app for a request of httpx or httpx2.

Works below any `AsyncClient(transport=...)`. Our own client tells it through
`request.extensions["asyncfastapi"]` whether the caller streams; for others it
returns at `http.response.start`, which is right for both.

Timeouts: `read` bounds the wait for the response to start and for each chunk
(per read, as on a socket), in the clock in force. A disconnected or timed-out
request is told so, given a grace period, cancelled and waited for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextvars import copy_context
from typing import Any

import anyio

from .. import activity
from .._http import library_of
from .errors import ProtocolViolation, disconnect_caused
from .exchange import Exchange
from .scope import ScopeBuilder
from .tasks import loop_identity, spawn

EXTENSION = "asyncfastapi"


class LoopMismatch(RuntimeError):  # noqa: N818
    """A request came from another event loop than the one the client was opened in."""


class Core:
    """What a transport of either library does; `RequestBody` and responses stay theirs.

    `raise_app_exceptions`: the app's exception reaches the caller as itself;
    when off, the caller sees what a server would send. `background`: wait for
    background tasks before a buffered response is returned. `grace`: seconds
    between telling the app that the client has left and cancelling it.
    """

    def __init__(
        self,
        app: Callable[..., Any],
        *,
        scopes: ScopeBuilder | None = None,
        raise_app_exceptions: bool = True,
        background: bool = True,
        grace: float = 0.05,
    ) -> None:
        self.app = app
        self.scopes = scopes or ScopeBuilder()
        self.raise_app_exceptions = raise_app_exceptions
        self.background = background
        self.grace = grace
        self.lifespan_check: Callable[[], None] | None = None
        self._open: set[Exchange] = set()
        self._loop: object = None

    def start(self, request: Any, *, streaming: bool) -> Exchange:
        """Begin the exchange; on asyncio (3.12+) an app that never suspends is done already."""
        if self.lifespan_check is not None:
            self.lifespan_check()
        label = f"{request.method} {request.url.path}"
        self._same_loop(label)
        exchange = Exchange(
            self.scopes.http(request), _body_of(request), label=label, streaming=streaming
        )
        context = copy_context()
        context.run(activity.ACTIVITY.set, label)
        self._open.add(exchange)
        activity.border()
        exchange.task, exchange.now = spawn(exchange.run(self.app), context, label)
        activity.border()
        if not exchange.finished:
            exchange.last_progress = exchange.now()
        return exchange

    def _same_loop(self, label: str) -> None:
        here = loop_identity()
        if self._loop is None:
            self._loop = here
        elif self._loop is not here:
            raise LoopMismatch(
                f"{label}: this request runs in another event loop than the one in which the "
                "client (and the app's lifespan) was opened; connections and locks of the app "
                "belong to that loop. Fix: give the test and its fixtures the same loop scope, "
                'such as @pytest.mark.asyncio(loop_scope="module") on both.'
            )

    # A caller who wants the whole response

    async def run(self, exchange: Exchange, read_timeout: float | None) -> None:
        """Wait until the app has ended (or, without `background`, has answered)."""
        try:
            while not self._answered(exchange):
                left = read_timeout
                if left is not None and exchange.now is not None:
                    left -= exchange.now() - exchange.last_progress
                    if left <= 0:
                        raise TimeoutError
                with anyio.move_on_after(left):
                    await exchange.changed()
        finally:
            await self._leave_unless_over(exchange)

    def _answered(self, exchange: Exchange) -> bool:
        return exchange.finished or (exchange.complete and not self.background)

    async def _leave_unless_over(self, exchange: Exchange) -> None:
        if not self._answered(exchange):
            try:
                await exchange.abandon(self.grace)
            finally:
                self._open.discard(exchange)
        elif exchange.finished:
            self._open.discard(exchange)

    # A caller who streams

    async def run_until_started(self, exchange: Exchange, read_timeout: float | None) -> None:
        """Wait for `http.response.start`, or the app's end."""
        try:
            await self._wait(exchange, lambda: exchange.started, read_timeout)
        except BaseException:
            await self._leave_unless_over(exchange)
            raise

    async def _wait(
        self, exchange: Exchange, ready: Callable[[], bool], read_timeout: float | None
    ) -> None:
        """Wait until `ready()`, the app's end or a failed upload; `TimeoutError` after `read`."""
        if ready() or exchange.finished:
            return
        with anyio.fail_after(read_timeout):
            while not (ready() or exchange.finished or exchange.request_error):
                await exchange.changed()

    async def chunks(self, exchange: Exchange, read_timeout: float | None) -> AsyncIterator[bytes]:
        """The body, chunk by chunk, while the app runs."""
        while True:
            if exchange.chunks:
                yield exchange.take()
                continue
            if exchange.finished or (exchange.complete and not self.background):
                break
            await self._wait(exchange, lambda: bool(exchange.chunks), read_timeout)
            if exchange.request_error is not None:
                break
        self.check(exchange)

    async def close_exchange(self, exchange: Exchange) -> None:
        """The caller is done with a streamed response: leave if the app is not."""
        if exchange.complete and not exchange.finished and self.background:
            await self._wait(exchange, lambda: False, None)
        await self._leave_unless_over(exchange)
        error = exchange.error
        if error is not None and self.raise_app_exceptions and not disconnect_caused(error):
            exchange.error = None  # told once
            raise error

    # What the exchange came to

    def check(self, exchange: Exchange) -> None:
        """Raise what went wrong: the caller's upload, the protocol, or the app's exception."""
        if exchange.request_error is not None:
            raise exchange.request_error
        error = exchange.error
        if error is not None and self.raise_app_exceptions:
            exchange.error = None  # told once
            raise _unwrapped(error, exchange)
        if error is None and exchange.violation is not None:
            raise exchange.violation
        if exchange.finished and not exchange.complete and error is None:
            raise _unanswered(exchange)

    async def aclose(self) -> None:
        """Reap every exchange that is still open: no task outlives the client."""
        for exchange in list(self._open):
            self._open.discard(exchange)
            if not exchange.finished:
                await exchange.abandon(self.grace)


def _unwrapped(error: BaseException, exchange: Exchange) -> BaseException:
    """The app's own exception, as itself; a stray cancellation must not cancel the test."""
    if isinstance(error, anyio.get_cancelled_exc_class()):
        stray = RuntimeError(
            f"{exchange.label}: the app cancelled its own task; a server would drop the request"
        )
        stray.__cause__ = error
        return stray
    return error


def _unanswered(exchange: Exchange) -> ProtocolViolation:
    if not exchange.started:
        return exchange.violated("returned without sending a response", "send one on every path")
    return exchange.violated(
        "returned before its response was complete",
        "end the body with a message without more_body",
    )


def _body_of(request: Any) -> bytes | AsyncIterator[bytes]:
    """The request's body: bytes if it is in memory, else its stream, read lazily."""
    try:
        body: bytes = request.content
    except library_of(request).RequestNotRead:
        stream: AsyncIterator[bytes] = request.stream.__aiter__()
        return stream
    return body
