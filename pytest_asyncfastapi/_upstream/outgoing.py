"""What is known of a call of any client before it is decided on, and its time budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .._faults import Pool


class Outgoing(Protocol):
    """A call of any client, as far as it is decided on; `request` is httpx's or like it."""

    @property
    def library(self) -> Any:
        """Whose call it is, by its `name`."""
        ...

    @property
    def request(self) -> Any:
        """With its `extensions`, which hold the budgets."""
        ...

    @property
    def http2(self) -> bool:
        """Would the client speak HTTP/2?"""
        ...

    @property
    def pool(self) -> Pool:
        """Whose connections it uses, and how many there may be."""
        ...

    @property
    def proxy(self) -> str:
        """The scheme of its proxy; empty where there is none."""
        ...

    @property
    def handshakes_unbounded(self) -> bool:
        """Does it wait for its proxy's handshake without a timeout?"""
        ...

    @property
    def is_private(self) -> bool:
        """May it go out without a route, since it does not leave the private network?"""
        ...


def timeouts(call: Outgoing) -> dict[str, float | None]:
    """The call's four budgets in seconds; a missing one means no limit."""
    return dict(call.request.extensions.get("timeout", {}))
