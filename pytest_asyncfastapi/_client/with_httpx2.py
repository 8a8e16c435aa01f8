"""The client and its transport as classes of httpx2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2

from .app_client import AppClient
from .mixins import Body, Transport

if TYPE_CHECKING:
    from types import ModuleType

    from .transport import AsgiTransportCore


class BodyStream(Body, httpx2.AsyncByteStream):
    """The body of a streamed response."""

    library: ModuleType = httpx2


class AppTransport(Transport, httpx2.AsyncBaseTransport):
    """An ASGI app as a transport for any `httpx2.AsyncClient`."""

    library: ModuleType = httpx2
    body = BodyStream


# Its `websocket` is ours: that of the other client, whatever the library.
class AsgiClient(AppClient, httpx2.AsyncClient):  # type: ignore[misc]
    """An `httpx2.AsyncClient` bound to an ASGI app in this process."""

    library: ModuleType = httpx2
    body = BodyStream

    def __init__(self, core: AsgiTransportCore, **options: Any) -> None:
        self._bind(core, options)
        super().__init__(transport=AppTransport(core), **options)

    def __repr__(self) -> str:
        return f"<AsgiClient (httpx2) of {self.base_url}>"
