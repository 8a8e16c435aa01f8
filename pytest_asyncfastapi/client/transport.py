"""The transport: runs an ASGI app for a request of httpx or httpx2.

Works below any `AsyncClient(transport=...)`. Our own client tells it through
`request.extensions["asyncfastapi"]` whether the caller streams; for others it
returns at `http.response.start`, which is right for both.

Timeouts: `read` bounds the wait for the response to start and for each chunk
(per read, as on a socket), in the clock in force. A disconnected or timed-out
request is told so, given a grace period, cancelled and waited for.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import anyio

from .._http import library_of
from ..activity import ACTIVITY
from ..tasks import loop_identity, spawn
from ..units import show
from .errors import ProtocolViolation, disconnect_caused
from .exchange import Exchange
from .scope import ScopeBuilder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from .served import Served

EXTENSION = "asyncfastapi"


class LoopMismatch(RuntimeError):
    """A request came from another event loop than the one the client was opened in."""


class Core:
    """What a transport of either library does; `RequestBody` and responses stay theirs.

    `raise_app_exceptions`: the app's exception reaches the caller as itself;
    when off, the caller sees what a server would send. `background`: wait for
    background tasks before a buffered response is returned. `grace`: seconds
    between telling the app that the client has left and cancelling it.
    `check` is called before each request: the lifespan may have died meanwhile.
    `guard` is the client's default timeout; it does not hold while `unguarded()`.
    """

    def __init__(
        self,
        app: Callable[..., Any],
        *,
        scopes: ScopeBuilder | None = None,
        raise_app_exceptions: bool = True,
        background: bool = True,
        grace: float = 0.05,
        check: Callable[[], None] | None = None,
        guard: float | None = None,
        unguarded: Callable[[], bool] = lambda: False,
    ) -> None:
        self.app = app
        self.scopes = scopes or ScopeBuilder()
        self.raise_app_exceptions = raise_app_exceptions
        self.background = background
        self.grace = grace
        self._check = check
        self._guard = guard
        self._unguarded = unguarded
        self._open: set[Served] = set()
        self._loop: object = None

    def start(self, request: Any, *, streaming: bool) -> Exchange:
        """Begin the exchange; on asyncio (3.12+) an app that never suspends is done already."""
        label = f"{request.method} {request.url.path}"
        exchange = Exchange(
            self.scopes.http(request), _body_of(request), label=label, streaming=streaming
        )
        self.launch(exchange)
        return exchange

    def launch(self, served: Served) -> None:
        """Run the app in a task and a context of its own; `aclose` reaps it at the latest."""
        if self._check is not None:
            self._check()
        self._same_loop(served.label)
        context = copy_context()
        context.run(ACTIVITY.set, served.label)
        self._open.add(served)
        served.task, served.now = spawn(served.run(self.app), context, served.label)
        if not served.finished:
            served.last_progress = served.now()

    def landed(self, served: Served) -> None:
        """It has finished: nothing is left to reap."""
        self._open.discard(served)

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

    async def answered(self, request: Any) -> Exchange:
        """Run the request to its end: the app has returned, or (no `background`) answered."""
        exchange = self.start(request, streaming=False)
        with self.translated(request, library_of(request)):
            if not exchange.finished:
                await self._until_answered(exchange, self.read_timeout(request))
            await self._leave(exchange)
            self.check(exchange)
            return self._as_a_server_would(exchange)

    async def _until_answered(self, exchange: Exchange, read_timeout: float | None) -> None:
        try:
            while not self._over(exchange):
                left = read_timeout
                if left is not None and exchange.now is not None:
                    # Per read, as on a socket: what the app has sent restarts it.
                    left -= exchange.now() - exchange.last_progress
                    if left <= 0:
                        raise SilentApp
                with anyio.move_on_after(left):
                    await exchange.changed()
        except BaseException:
            await self._leave(exchange)
            raise

    def _over(self, exchange: Exchange) -> bool:
        return (
            exchange.finished
            or exchange.request_error is not None
            or (exchange.complete and not self.background)
        )

    async def _leave(self, exchange: Exchange) -> None:
        """End an exchange early; keep it for `aclose` where only its background goes on."""
        if not exchange.finished and (self.background or not exchange.complete):
            await exchange.abandon(self.grace)
        if exchange.finished:
            self.landed(exchange)

    # A caller who streams

    async def opened(self, request: Any) -> Exchange:
        """Run the request to its `http.response.start`, or to the app's end."""
        exchange = self.start(request, streaming=True)
        try:
            with self.translated(request, library_of(request)):
                await self._wait(exchange, lambda: exchange.started, self.read_timeout(request))
            if not exchange.started or exchange.request_error is not None:
                self.check(exchange)
                self._as_a_server_would(exchange)
        except BaseException:
            await self._leave(exchange)
            raise
        return exchange

    async def _wait(
        self, exchange: Exchange, ready: Callable[[], bool], read_timeout: float | None
    ) -> None:
        """Wait until `ready()`, the app's end or a failed upload; `SilentApp` after `read`."""
        if ready() or exchange.finished:
            return
        with anyio.move_on_after(read_timeout):
            while not (ready() or exchange.finished or exchange.request_error):
                await exchange.changed()
            return
        raise SilentApp

    async def next_chunk(self, exchange: Exchange, read_timeout: float | None) -> bytes | None:
        """The next chunk of the body, while the app runs; None at its end."""
        while not exchange.chunks:
            if self._over(exchange):
                self.check(exchange)
                self._as_a_server_would(exchange)
                return None
            await self._wait(exchange, lambda: bool(exchange.chunks), read_timeout)
        return exchange.take()

    async def close_exchange(self, exchange: Exchange) -> None:
        """The caller is done with a streamed response: leave if the app is not."""
        failing = sys.exc_info()[1] is not None
        await self._leave(exchange)
        if failing or not self.raise_app_exceptions or disconnect_caused(exchange.error):
            return
        error = exchange.told_error()
        if error is not None:
            raise error

    # What the exchange came to

    def check(self, exchange: Exchange) -> None:
        """Raise what went wrong: the caller's upload, the protocol, or the app's exception."""
        if exchange.request_error is not None:
            raise exchange.request_error
        error = exchange.told_error() if self.raise_app_exceptions else exchange.error
        if error is not None and self.raise_app_exceptions:
            raise error
        if error is None and exchange.violation is not None:
            raise exchange.violation
        if exchange.finished and not exchange.complete and error is None:
            raise _unanswered(exchange)

    def _as_a_server_would(self, exchange: Exchange) -> Exchange:
        """Without `raise_app_exceptions`: a 500 before the start, a broken body after it."""
        if exchange.error is None or exchange.complete:
            return exchange
        if not exchange.started:
            exchange.started = exchange.complete = True
            exchange.status = 500
            exchange.headers = [(b"content-type", b"text/plain; charset=utf-8")]
            exchange.chunks.append(b"Internal Server Error")
            return exchange
        raise BrokenBody(f"{exchange.label}: the app failed in the middle of its body")

    def read_timeout(self, request: Any) -> float | None:
        """How long this request waits for each thing that the app sends, in seconds."""
        timeout: float | None = request.extensions.get("timeout", {}).get("read")
        # By identity: a request's own `timeout=` is another object, and always holds.
        if timeout is self._guard and self._unguarded():
            return None
        return timeout

    @contextmanager
    def translated(self, request: Any, library: Any) -> Iterator[None]:
        """Raise our own signals as the exceptions of the library that made the request."""
        try:
            yield
        except SilentApp as error:
            read = self.read_timeout(request)
            raise library.ReadTimeout(
                f"{request.method} {request.url.path}: the app sent nothing for {show(read or 0)}",
                request=request,
            ) from error
        except BrokenBody as error:
            raise library.RemoteProtocolError(
                "peer closed connection without sending complete message body", request=request
            ) from error

    async def aclose(self) -> None:
        """Reap every exchange that is still open: no task outlives the client."""
        for exchange in list(self._open):
            self._open.discard(exchange)
            if not exchange.finished:
                await exchange.abandon(self.grace)


class SilentApp(Exception):
    """Inside this room: the app sent nothing for as long as the caller waits.

    Not a `TimeoutError`: an app may raise that itself, and it must stay that.
    """


class BrokenBody(Exception):
    """Inside this room: the app failed after its response had started."""


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
