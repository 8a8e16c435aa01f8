"""What the client expects of others: a shape, met by a package that it does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from .errors import ProtocolViolation

    App = Callable[..., Any]


class ResponseState(Protocol):
    """What the checks of the app's messages need of an exchange; `Exchange` is one."""

    label: str
    scope: dict[str, Any]
    started: bool
    status: int
    extensions: dict[str, Any] | None
    trailers_missing: bool
    warn: Callable[[str], None] | None

    async def send(self, message: dict[str, Any]) -> None:
        """What the app is given as `send`."""

    def end(self) -> None:
        """The response is complete."""

    def record_violation(self, what: str, remedy: str) -> ProtocolViolation:
        """Record a breach of the protocol; returned to be raised in the app."""
        ...


class ClientFaultEffects(Protocol):
    """What goes wrong with one request on its way in; decided elsewhere, carried out here."""

    @property
    def leave_at(self) -> str:
        """The client leaves at `"request"`, `"start"`, `"first_byte"`; empty for never.

        On a WebSocket: the handshake is sent, it is accepted, the first message is there.
        """
        ...

    @property
    def leave_after(self) -> float | None:
        """The client leaves after so many seconds."""
        ...

    @property
    def leave_after_bytes(self) -> int | None:
        """The client leaves once so many bytes (of the body, of messages) have been sent."""
        ...

    @property
    def upload_chunks(self) -> int:
        """In how many pieces the request body arrives; 0 is as it is."""
        ...

    @property
    def upload_over(self) -> float:
        """In how many seconds all the pieces arrive; how late a message of a WebSocket does."""
        ...

    @property
    def read_delay(self) -> float:
        """How long the client takes to read a chunk of the response or a message, in seconds."""
        ...

    @property
    def around(self) -> Callable[[App, Callable[[], None]], App] | None:
        """Makes the app that is called of the app, and of what lets its client leave at once."""
        ...

    def record(self, what: str) -> str:
        """Take note that `"disconnect"`, `"slow_upload"` or `"slow_reader"` took place.

        Returns how the fault was written, for messages.
        """
        ...

    def over(self) -> None:
        """The app has ended: the request is no longer in flight."""
        ...
