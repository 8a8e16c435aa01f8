"""What our client adds to an `AsyncClient` of either library; see `with_httpx`.

A fast path for the plain case (no redirect to follow, no auth flow, no event
hook), which is most of what tests do, and the library's own `send` for the
rest. It overrides public methods only.
"""

from __future__ import annotations

import datetime
import time
from typing import TYPE_CHECKING, Any

from .transport import EXTENSION, Core

if TYPE_CHECKING:
    from types import ModuleType

_KNOWN_URLS = 512


class AppClient:
    """A mix-in: stands before the library's `AsyncClient` in the bases."""

    asgi: Core
    _library: ModuleType
    _urls: dict[str, Any]
    _encoding: Any

    def build_request(self, method: str, url: Any, **kwargs: Any) -> Any:
        """As in the library; a URL that the test repeats is merged with `base_url` once."""
        if type(url) is str:
            url = self._urls.get(url) or self._merged(url)
        return super().build_request(method, url, **kwargs)  # type: ignore[misc]

    def _merged(self, url: str) -> Any:
        if len(self._urls) > _KNOWN_URLS:
            self._urls.clear()
        merged = self._urls[url] = super().build_request("GET", url).url  # type: ignore[misc]
        return merged

    async def send(
        self,
        request: Any,
        *,
        stream: bool = False,
        auth: Any = None,
        follow_redirects: Any = None,
    ) -> Any:
        """As in the library; a buffered response is built without going through its stream."""
        unset = self._library.USE_CLIENT_DEFAULT
        auth = unset if auth is None else auth
        follow_redirects = unset if follow_redirects is None else follow_redirects
        ready: Any = stream
        if not stream and self._is_plain(request, auth, follow_redirects):
            began = time.perf_counter()
            exchange = await self.asgi.answered(request)
            if not 300 <= exchange.status < 400:
                return self._response(request, exchange, began)
            ready = exchange  # the library knows what to do with a redirect
        request.extensions = {**request.extensions, EXTENSION: ready}
        return await super().send(  # type: ignore[misc]
            request, stream=stream, auth=auth, follow_redirects=follow_redirects
        )

    def _is_plain(self, request: Any, auth: Any, follow_redirects: Any) -> bool:
        client: Any = self
        unset = self._library.USE_CLIENT_DEFAULT
        hooks = client.event_hooks
        return (
            (
                follow_redirects is False
                or (follow_redirects is unset and not client.follow_redirects)
            )
            and auth is unset
            and client.auth is None
            and not (hooks["request"] or hooks["response"])
            and not request.url.userinfo
            and "timeout" in request.extensions
            and not client.is_closed
        )

    def _response(self, request: Any, exchange: Any, began: float) -> Any:
        library = self._library
        response = library.Response(
            exchange.status,
            headers=exchange.headers,
            stream=library.ByteStream(b"".join(exchange.chunks)),
            request=request,
            default_encoding=self._encoding,
        )
        response.read()
        response.elapsed = datetime.timedelta(seconds=time.perf_counter() - began)
        if any(name.lower() == b"set-cookie" for name, _ in exchange.headers):
            self.cookies.extract_cookies(response)  # type: ignore[attr-defined]
        return response
