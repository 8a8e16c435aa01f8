"""Run an app's lifespan: bounded, in a task of its own, shutdown always run.

asgi-lifespan drives the protocol. It is corrected from outside, by the app
that we hand it: the `asgi` key that the specification asks for, a `state` of
our own, the words of `*.failed` messages, apps without a lifespan. Our task
hosts it, so that no scope is held open across a fixture's `yield`, a start-up
that hangs is bounded on trio too, and errors are never wrapped in groups.

Source: the ASGI specification, "Lifespan Protocol".
"""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import anyio
import asgi_lifespan._concurrency.asyncio  # noqa: F401  (or it is imported on the loop)
from asgi_lifespan import LifespanManager

from .._core.activity import ACTIVITY, LIFESPAN
from .._core.base_error import AsyncFastAPIError
from .._core.current_loop import current_task
from .._core.tasks import Signal, SpawnedTask, spawn, terminate
from .._core.units import show

if TYPE_CHECKING:
    from collections.abc import Callable


class LifespanError(AsyncFastAPIError, RuntimeError):
    """The app's lifespan failed, never finished, or broke the protocol."""


class Lifespan:
    """One run of an app's lifespan. `state` is what the app put there for its requests."""

    def __init__(
        self,
        app: Callable[..., Any],
        *,
        startup_timeout: float = 10.0,
        shutdown_timeout: float = 10.0,
    ) -> None:
        self.state: dict[str, Any] = {}
        self.supported = True
        self._app = app
        self._startup_timeout = startup_timeout
        self._shutdown_timeout = shutdown_timeout
        self._phase = "startup"
        self._started = self._stopping = self._app_over = self._over = self._killed = False
        self._crash: BaseException | None = None
        self._failed: str | None = None
        self._changed = Signal()
        self._stop = Signal()
        self._task: SpawnedTask | None = None
        self._inner: Any = None

    async def start(self) -> None:
        """Run the start-up; raises the app's own exception, or `LifespanError`."""
        context = copy_context()
        context.run(ACTIVITY.set, LIFESPAN)
        self._task, _ = spawn(self._host(), context, LIFESPAN)
        with anyio.move_on_after(self._startup_timeout):
            while not (self._started or self._broken()):
                await self._changed.wait()
        if self._started and not self._broken():
            self._phase = "serving"
            return
        timed_out = not self._broken()
        await self._kill()
        if timed_out:
            raise LifespanError(
                f"the app's lifespan did not start within {show(self._startup_timeout)}: it is "
                "still before its `yield` (a connection that is never answered?). Fix: bound that "
                "wait, or raise asyncfastapi_startup_timeout."
            )
        raise self._error("started")

    def check(self) -> None:
        """Raise the exception with which the lifespan died while requests were served."""
        if self._phase == "serving" and self._broken():
            self._phase = "reported"
            raise self._error("served requests")

    async def stop(self) -> None:
        """Run the shutdown; raises the app's own exception, or `LifespanError`."""
        if self._task is None or self._over:
            return
        died, self._phase = self._phase == "serving" and self._broken(), "shutdown"
        self._stopping = True
        self._stop.fire()
        with anyio.CancelScope(shield=True), anyio.move_on_after(self._shutdown_timeout):
            while not (self._over or self._broken()):
                await self._changed.wait()
        timed_out = not (self._over or self._broken())
        await self._kill()
        if timed_out:
            raise LifespanError(
                f"the app's lifespan did not shut down within {show(self._shutdown_timeout)}: it "
                "is still after its `yield`. Fix: bound what it waits for there, or raise "
                "asyncfastapi_shutdown_timeout."
            )
        if self._crash is not None or self._failed is not None:
            raise self._error("served requests" if died else "shut down")

    def _broken(self) -> bool:
        return (
            self._crash is not None
            or self._failed is not None
            or (self._app_over and not self._stopping)
        )

    def _error(self, when: str) -> BaseException:
        if self._crash is not None:
            return self._crash
        if self._failed is not None:
            text = self._failed.strip() or "no message"
            return LifespanError(f"the app said that its lifespan failed as it {when}: {text}")
        return LifespanError(
            f"the app returned from its lifespan as it {when}, without a message. Fix: send "
            "lifespan.startup.complete, then wait for lifespan.shutdown."
        )

    async def _kill(self) -> None:
        """Cancel the hosting task, if it still runs, and wait for its end."""
        self._killed = True
        with anyio.CancelScope(shield=True), anyio.move_on_after(1.0):
            while not self._over:
                if self._task is not None:
                    self._task.cancel()
                await self._changed.wait()
        with anyio.CancelScope(shield=True):
            for task in (self._inner, self._task):
                if not self._over and task is not None:
                    await terminate(task)

    # The task of ours that hosts asgi-lifespan

    async def _host(self) -> None:
        try:
            manager = LifespanManager(self._corrected, startup_timeout=None, shutdown_timeout=None)
            async with manager:
                self._started = True
                self._changed.fire()
                while not self._stopping:
                    await self._stop.wait()
        except BaseException as error:
            # Killed by us: a cancellation, on trio perhaps in a group of its nursery's.
            if self._killed or isinstance(error, anyio.get_cancelled_exc_class()):
                raise
            self._crash = self._crash or error
        finally:
            self._over = True
            self._changed.fire()

    async def _corrected(self, scope: Any, receive: Any, send: Any) -> None:
        received = False
        self._inner = current_task()  # asgi-lifespan's own

        async def watched_receive() -> Any:
            nonlocal received
            received = True
            return await receive()

        async def watched_send(message: dict[str, Any]) -> None:
            if message["type"] in ("lifespan.startup.failed", "lifespan.shutdown.failed"):
                self._failed = str(message.get("message", ""))
                # Not fired yet: Starlette raises the exception itself right after this.
                return
            if self._failed is None:
                await send(message)

        scope = {
            **scope,
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self._app(scope, watched_receive, watched_send)
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:
            if received or not isinstance(error, Exception):
                self._crash = error
            else:
                # The specification: an app that does not know the scope is served without it.
                self.supported = False
                await _empty_lifespan(receive, send)
                return
        self._app_over = True
        self._changed.fire()
        if self._stopping and self._crash is None and self._failed is None:
            # asgi-lifespan waits for this word; an app that returned has said it.
            await send({"type": "lifespan.shutdown.complete"})

    def __repr__(self) -> str:
        return f"<Lifespan: {self._phase}{'' if self.supported else ', not supported by the app'}>"


async def _empty_lifespan(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
