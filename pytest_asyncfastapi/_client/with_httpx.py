"""The client and its transport as classes of httpx."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from .app_client import AppClient
from .mixins import Body, Transport

if TYPE_CHECKING:
    from types import ModuleType

    from .transport import AsgiTransportCore


class BodyStream(Body, httpx.AsyncByteStream):
    """The body of a streamed response."""

    library: ModuleType = httpx


class AppTransport(Transport, httpx.AsyncBaseTransport):
    """An ASGI app as a transport for any `httpx.AsyncClient`."""

    library: ModuleType = httpx
    body = BodyStream


class AsgiClient(AppClient, httpx.AsyncClient):
    """An `httpx.AsyncClient` bound to an ASGI app in this process."""

    library: ModuleType = httpx
    body = BodyStream

    def __init__(self, core: AsgiTransportCore, **options: Any) -> None:
        self._bind(core, options)
        super().__init__(transport=AppTransport(core), **options)

    def __repr__(self) -> str:
        return f"<AsgiClient (httpx) of {self.base_url}>"
