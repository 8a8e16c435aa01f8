"""The transport: runs an ASGI app for a request of httpx or httpx2.

Works below any `AsyncClient(transport=...)`. Our own client tells it through
`request.extensions["asyncfastapi"]` whether the caller streams; for others it
returns at `http.response.start`, which is right for both.

Timeouts: `read` bounds the wait for the response to start and for each chunk
(per read, as on a socket), in the clock in force. A disconnected or timed-out
request gets `http.disconnect` and a grace period, then is cancelled and awaited.
"""

from __future__ import annotations

import sys
from contextvars import copy_context
from copy import copy
from typing import TYPE_CHECKING, Any

import anyio

from .._core.activity import ACTIVITY, SERVED
from .._core.current_loop import checkpoint, current_loop
from .._core.http_library import library_of
from .._core.tasks import spawn
from .background import PATIENCE, wait_for_end
from .errors import AppStillRunning, LoopMismatch, disconnect_caused
from .exchange import Exchange
from .faulty_http import FaultyExchange
from .internal_errors import AppTimeout, translated
from .outcome import as_a_server_would, check
from .scope import ScopeBuilder, body_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextvars import Context

    from .protocols import ClientFaultEffects

EXTENSION = "asyncfastapi"
RAISE = "raise_app_exceptions"  # a request's own word on it, in its `extensions`
# How to make the exchange of a request that is not plain HTTP.
MAKES_EXCHANGE = "asyncfastapi.exchange"
_STEPS = 3


class AsgiTransportCore:
    """What a transport of either library does; `RequestBody` and responses stay theirs.

    `raise_app_exceptions`: the app's exception reaches the caller as itself;
    when off, the caller sees what a server would send. `background`: wait for
    background tasks before a buffered response is returned. `grace`: seconds
    between telling the app that the client has left and cancelling it.
    `check` is called before each request: the lifespan may have died meanwhile.
    `default_timeout` is the client's default timeout; it does not hold while `timeout_disabled()`.
    `warn` is called with what is not quite right in a response but harms nobody.
    `fault_for_request` says what goes wrong with a request on its way in, see `impaired`; `outside`
    whether somebody else answers a redirect to another origin, see `redirects`.
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
        default_timeout: float | None = None,
        timeout_disabled: Callable[[], bool] = lambda: False,
        warn: Callable[[str], None] | None = None,
        fault_for_request: Callable[[Any], ClientFaultEffects | None] | None = None,
        outside: Callable[[Any], bool] | None = None,
    ) -> None:
        self.app = app
        self.scopes: ScopeBuilder = scopes or ScopeBuilder()
        self.raise_app_exceptions = raise_app_exceptions
        self.background = background
        self.grace = grace
        self._check = check
        self._default_timeout = default_timeout
        self._timeout_disabled = timeout_disabled
        self._warn = warn
        self._fault_for_request = fault_for_request
        self.outside = outside
        self._open: set[Exchange] = set()
        self._closers: list[Callable[[], Awaitable[None]]] = []
        self._loop: object = None

    def with_options(
        self, *, raise_app_exceptions: bool | None = None, background: bool | None = None
    ) -> AsgiTransportCore:
        """Another door to the same running app; it reaps only what it has opened itself."""
        view = copy(self)
        view._open, view._closers = set(), []
        if raise_app_exceptions is not None:
            view.raise_app_exceptions = raise_app_exceptions
        if background is not None:
            view.background = background
        return view

    def start(self, request: Any, *, streaming: bool) -> Exchange:
        """Begin the exchange; on asyncio (3.12+) an app that never suspends is done already."""
        make: Callable[..., Exchange] | None = request.extensions.get(MAKES_EXCHANGE)
        if make is None and streaming and request.headers.get("upgrade") == "websocket":
            from .websocket_frames import upgraded as make
        plan = None if self._fault_for_request is None else self._fault_for_request(request)
        if make is None:
            exchange = self._http_exchange(request, streaming, plan)
        else:
            exchange = make(self.scopes, request, plan)
        exchange.warn = self._warn
        exchange.raises = request.extensions.get(RAISE, self.raise_app_exceptions)
        self.launch(exchange)
        return exchange

    def _http_exchange(
        self, request: Any, streaming: bool, plan: ClientFaultEffects | None
    ) -> Exchange:
        label = f"{request.method} {request.url.path}"
        scope, body = self.scopes.http(request), body_of(request)
        if plan is None:
            return Exchange(scope, body, label=label, streaming=streaming)
        return FaultyExchange(scope, body, label=label, streaming=streaming, plan=plan)

    def launch(self, served: Exchange) -> None:
        """Run the app in a task and a context of its own; `aclose` reaps it at the latest."""
        if self._check is not None:
            self._check()
        self._same_loop(served.label)
        self._open.add(served)
        served.task, served.now = spawn(served.run(self.app), self._context(served), served.label)
        if not served.finished:
            served.last_progress = served.now()

    def _context(self, served: Exchange) -> Context:
        context = copy_context()
        context.run(ACTIVITY.set, served.label)
        context.run(SERVED.set, served)
        return context

    def discard(self, served: Exchange) -> None:
        """It has finished: nothing is left to reap."""
        self._open.discard(served)
        served.task = None  # whose context knows the exchange

    def _same_loop(self, label: str) -> None:
        here = current_loop()
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

    async def send_buffered(self, request: Any) -> Exchange:
        """Run the request to its end: the app has returned, or (no `background`) answered."""
        exchange = self.start(request, streaming=False)
        with translated(request, library_of(request)):
            if not exchange.finished:
                await self._until_answered(exchange, self.read_timeout(request))
                if self.background and exchange.in_background:
                    await self._after(exchange)
            await self._leave(exchange)
            check(exchange)
            return as_a_server_would(exchange)

    async def _until_answered(self, exchange: Exchange, read_timeout: float | None) -> None:
        try:
            await self._wait(exchange, lambda: self._over(exchange), read_timeout)
        except BaseException:
            await self._leave(exchange)
            raise

    def _over(self, exchange: Exchange) -> bool:
        return (
            exchange.finished
            or exchange.request_error is not None
            or (bool(exchange.cut) and not exchange.complete)
            or exchange.complete
        )

    async def _leave(self, exchange: Exchange) -> None:
        """End an exchange early; keep it for `aclose` where only its background goes on."""
        if not exchange.finished and not exchange.complete:
            await exchange.disconnect_and_wait(self.grace)
        if exchange.finished:
            self.discard(exchange)

    async def _after(self, exchange: Exchange) -> None:
        """Wait for what the app does after its response: the client's guard bounds that."""
        guard = None if self._timeout_disabled() else self._default_timeout
        await wait_for_end(exchange, guard, self.grace)

    # A caller who streams

    async def send_streaming(self, request: Any) -> Exchange:
        """Run the request to its `http.response.start`, or to the app's end."""
        exchange = self.start(request, streaming=True)
        try:
            with translated(request, library_of(request)):
                await self._wait(exchange, lambda: exchange.started, self.read_timeout(request))
                if not exchange.started or exchange.request_error is not None:
                    await self.leave_cut(exchange)
                    check(exchange)
                    as_a_server_would(exchange)
        except BaseException:
            await self._leave(exchange)
            raise
        return exchange

    async def _wait(
        self, exchange: Exchange, ready: Callable[[], bool], read_timeout: float | None
    ) -> None:
        """Wait until `ready()`, the app's end or a failed upload; `AppTimeout` after `read`."""
        since, now = exchange.now(), exchange.now
        # Mostly the app is about to send: a few steps of the loop spare an event and a timer.
        for _ in range(_STEPS):
            if ready() or exchange.finished:
                return
            await checkpoint()
        while not (ready() or exchange.finished or exchange.request_error or exchange.cut):
            left = None
            if read_timeout is not None:
                # Per read, as on a socket: what the app has sent restarts it.
                left = read_timeout - now() + max(since, exchange.last_progress)
                if left <= 0:
                    raise AppTimeout(read_timeout)
            with anyio.move_on_after(left):
                await exchange.changed()
                since = now()

    async def leave_cut(self, exchange: Exchange) -> None:
        """Let the app end whose client was made to leave before."""
        if exchange.cut and not exchange.finished:
            await self._leave(exchange)

    async def next_chunk(self, exchange: Exchange, read_timeout: float | None) -> bytes | None:
        """The next chunk of the body, while the app runs; None at its end."""
        while not exchange.chunks:
            if self._over(exchange):
                if self.background and exchange.in_background:
                    await self._after(exchange)
                await self.leave_cut(exchange)
                check(exchange)
                as_a_server_would(exchange)
                return None
            await self._wait(exchange, lambda: bool(exchange.chunks), read_timeout)
        return exchange.take()

    async def close_exchange(self, exchange: Exchange) -> None:
        """The caller is done with a streamed response: leave if the app is not."""
        failing = sys.exc_info()[1]
        if self.background and exchange.in_background and not isinstance(failing, Exception):
            await self._after(exchange)
        await self._leave(exchange)
        if disconnect_caused(exchange.error):
            exchange.error = None  # no news; and its traceback holds on to all of the app's frames
        if failing is not None or not exchange.raises:
            return
        error = exchange.take_error()
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback knows this frame

    def read_timeout(self, request: Any) -> float | None:
        """How long this request waits for each thing that the app sends, in seconds."""
        timeout: float | None = request.extensions.get("timeout", {}).get("read")
        if isinstance(timeout, str):
            raise TypeError(f"timeout={timeout!r}: httpx takes seconds, as in timeout=5")
        # By identity: a request's own `timeout=` is another object, and always holds.
        if timeout is self._default_timeout and self._timeout_disabled():
            return None
        return timeout

    # The end of the client

    def close_with(self, closer: Callable[[], Awaitable[None]]) -> None:
        """Call `closer` first when this client is closed."""
        self._closers.append(closer)

    async def aclose(self) -> None:
        """Reap every exchange that is still open: no task outlives the client."""
        closers, self._closers = self._closers, []
        failing = sys.exc_info()[1] is not None
        failed: BaseException | None = None
        for close in closers:
            try:
                await close()
            except AppStillRunning as error:  # the others are to be reaped all the same
                failed = error
        until = anyio.current_time() + PATIENCE
        for thing in list(self._open):
            self._open.discard(thing)
            try:
                if thing.in_background:
                    await wait_for_end(thing, until - anyio.current_time(), self.grace)
                elif not thing.finished:
                    await thing.disconnect_and_wait(self.grace)
                if thing.complete and thing.raises and not disconnect_caused(thing.error):
                    failed = failed or (None if failing else thing.take_error())
            except AppStillRunning as error:
                failed = error
        if failed is not None:
            raise failed
