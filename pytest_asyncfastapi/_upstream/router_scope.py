"""What a router may ask of the test that it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .._core.frames import UserCode
    from .serve import Serving


class RouterScope(Protocol):
    """A test, as far as its router needs it: `scope.py` has the one there is."""

    user_code: UserCode
    tapes: str  # "record": tapes that would be replayed are recorded anew

    def let_through(self, hosts: Iterable[str]) -> Callable[[], None]:
        """Let un-routed calls go out, to these hosts or (none) to all; returns the undo."""
        ...

    def serve(self, base_url: str | None) -> Serving:
        """A server for the routes of this test; it does not listen yet."""
        ...
