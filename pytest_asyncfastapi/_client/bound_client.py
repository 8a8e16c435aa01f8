"""What a WebSocket and a stream of events need of the client that opens them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from types import ModuleType

    from .transport import AsgiTransportCore


class BoundClient(Protocol):
    """A client of a running app; `AppClient` is one."""

    asgi: AsgiTransportCore
    library: ModuleType

    def build_request(self, method: str, url: Any, **kwargs: Any) -> Any:
        """A request of the library's, not sent yet."""
        ...

    async def send(
        self, request: Any, *, stream: bool = False, auth: Any = ..., follow_redirects: Any = ...
    ) -> Any:
        """Send it, and give the library's response."""
        ...
