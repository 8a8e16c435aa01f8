"""What an HTTP exchange and a WebSocket have in common: a run of the app for one client.

The app runs in a task of its own; whoever waits for it is woken by `changed()`,
and leaving it is always the same: tell it, give it a grace period, cancel it,
wait. Knows neither HTTP nor WebSocket messages, nor httpx.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from .._core.activity import activity_changed
from .._core.tasks import Signal, SpawnedTask, terminate
from .errors import AppStillRunning, ProtocolViolation

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE = 3  # times that an app is cancelled before we say that it will not stop

_FREE_CALLS = 100  # of `receive` and `send` by an app whose client has left


class AppRun:
    """One call of the app; a subclass gives it `receive` and `send`."""

    __slots__ = (
        "_calls_since_left",
        "_changed",
        "_freed",
        "disconnected",
        "error",
        "finished",
        "label",
        "last_progress",
        "now",
        "scope",
        "task",
        "violation",
    )

    def __init__(self, scope: dict[str, Any], *, label: str) -> None:
        self.scope: dict[str, Any] = scope
        self.label: str = label
        self.finished: bool = False
        self.disconnected: bool = False
        self.error: BaseException | None = None
        self.violation: ProtocolViolation | None = None
        self.task: SpawnedTask | None = None
        self.now: Callable[[], float] = float  # 0.0, while the app has not suspended yet
        self.last_progress: float = 0.0
        self._calls_since_left = 0
        self._changed = Signal()  # the app did something: wakes the caller
        self._freed = Signal()  # the caller did something: wakes the app

    async def receive(self) -> dict[str, Any]:
        """What the app is given as `receive`."""
        raise NotImplementedError

    async def send(self, message: dict[str, Any]) -> None:
        """What the app is given as `send`."""
        raise NotImplementedError

    async def run(self, app: Callable[..., Any]) -> None:
        """Call the app to its end. Whatever it raises is kept, not raised."""
        try:
            await app(self.scope, self.receive, self.send)
        except anyio.get_cancelled_exc_class() as error:
            if not self.disconnected:
                self.error = error
            raise
        except BaseException as error:
            self.error = error
        finally:
            activity_changed()
            self._on_finished()
            self.finished = True
            self._changed.fire()

    def _on_finished(self) -> None:
        """The app is over: end what ran beside it."""

    def record_violation(self, what: str, remedy: str) -> ProtocolViolation:
        """Record a breach of the protocol, worded; returned to be raised in the app."""
        self.violation = ProtocolViolation(
            f"{self.label}: the app {what}; the ASGI specification forbids it. Fix: {remedy}."
        )
        return self.violation

    def take_error(self) -> BaseException | None:
        """The app's own exception, as itself, once: the next call says None.

        A stray cancellation of the app's task must not cancel the test.
        """
        error, self.error = self.error, None
        if error is None or not isinstance(error, anyio.get_cancelled_exc_class()):
            return error
        stray = RuntimeError(
            f"{self.label}: the app cancelled its own task; a server would drop the request"
        )
        stray.__cause__ = error
        return stray

    # What the caller's side does with it

    async def changed(self) -> None:
        """Wait until the app has done something that the caller may want to see."""
        await self._changed.wait()

    def disconnect(self) -> None:
        """The client goes: wakes a blocked `receive()` and a blocked `send()`."""
        self.disconnected = True
        self._freed.fire()

    async def disconnect_and_wait(self, grace: float) -> None:
        """Leave: tell the app, give it `grace` seconds, then cancel it and wait.

        One that does not stop even then is ended by force, and `AppStillRunning` raised.
        """
        with anyio.CancelScope(shield=True):
            self.disconnect()
            await self._wait_finished(grace)
            for _ in range(_PATIENCE):
                if self.finished:
                    # Generators that the app has dropped are finalised by the loop's hooks:
                    # a task is made at the next step, and runs at the one after it.
                    for _ in range(3):
                        await anyio.lowlevel.checkpoint()
                    return
                if self.task is not None:
                    self.task.cancel()
                await self._wait_finished(1.0)
            if self.finished:
                return
            if self.task is not None:
                await terminate(self.task)
            self.finished, self.error = True, None  # how it was ended is not an error
        raise AppStillRunning(
            f"{self.label}: the app still runs after the client had left and after it was "
            f"cancelled {_PATIENCE} times; it would leak in production. Fix: let "
            "CancelledError pass (no bare `except BaseException` around an await)."
        )

    async def yield_after_disconnect(self) -> None:
        """Now and then let others run: an app that never waits itself could not be cancelled.

        Not at once, so that an app is cancelled where it waits by itself, if it does: only
        there its generators see the cancellation.
        """
        self._calls_since_left += 1
        if self._calls_since_left > _FREE_CALLS:
            await anyio.lowlevel.checkpoint()

    async def _wait_finished(self, patience: float) -> None:
        with anyio.move_on_after(patience):
            while not self.finished:
                await self._changed.wait()
