"""What the interception and a link ask of who takes part in connections: one test's scope."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import FrameType

    from .._core.findings import Location
    from .._faults import FaultPlan
    from .._faults.connections import ConnectionFaults, ConnectionRule, Phase, Place
    from .statements import Statement


class Records(Protocol):
    """Keeps what was exchanged; `call` is what `begin` gave."""

    def begin(self, request: Any, library: str, now: float, frame: FrameType | None) -> Any:
        """An exchange begins at `now` (s, on the loop's clock)."""
        ...

    def end(self, call: Any, now: float, *, error: str = "") -> None:
        """Its answer is here, or it is known that none comes."""
        ...


class Participant(Protocol):
    """The way to databases, caches and brokers, of one test."""

    faults: ConnectionFaults

    def where(self, frame: FrameType, /) -> Location | None:
        """The line of the user's own code above `frame`."""
        ...

    def patience(self) -> float:
        """How long (s) a stalled connection waits for a timeout of the app's."""
        ...

    def resolved(self, host: str, addresses: list[str]) -> None:
        """This name has these addresses."""
        ...

    def named(self, host: str) -> tuple[str, ...]:
        """The names of a host: what it was resolved from first, if it is an address."""
        ...

    def place(self, address: Any, package: str) -> Place:
        """Of the address of a socket."""
        ...

    def recorded(self, statement: Statement, frame: FrameType) -> AbstractContextManager[Any]:
        """An exchange, or an attempt to connect, takes as long as this block."""
        ...

    async def open(self, place: Place, *phases: Phase, call: Any = None) -> None:
        """Play what goes wrong while a connection is opened; raises as the system does."""
        ...

    def protocol(self, place: Place, inner: Any) -> Any:
        """What the transport of a new connection is to push."""
        ...

    def opened(self, place: Place, made: tuple[Any, Any]) -> tuple[Any, Any]:
        """A connection is open; what its client is given of this transport and protocol."""
        ...

    def let_go(self, transport: Any) -> Place | None:
        """TLS is about to begin on this connection: where does it lead?"""
        ...

    def moved(self, place: Place, transport: Any) -> None:
        """It speaks TLS from now on, over this transport."""
        ...

    def gone(self, link: Any) -> None:
        """This one is closed."""
        ...

    @property
    def watches(self) -> bool:
        """Is every exchange to be seen, and not only what a rule is about?"""
        ...

    def begin(self, statement: Statement, frame: FrameType) -> Any:
        """An exchange begins; None where nobody keeps it."""
        ...

    def end(self, call: Any, error: str = "") -> None:
        """Its answer is here, or it is known that none comes."""
        ...

    def exchange(self, place: Place, rules: list[ConnectionRule], call: Any) -> FaultPlan | None:
        """What happens to one that begins now."""
        ...

    def no_timeout(self, place: Place, what: str, where: Location | None) -> None:
        """Log a wait that nothing ends."""
        ...
