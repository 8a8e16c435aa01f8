"""What our client adds to `AsyncClient`, for either library: see `with_httpx`.

A fast path for the plain case (no redirects to follow, no auth flow, no event
hooks), which is most of what tests do, and the library's own `send` for the
rest. Only public methods are overridden.
"""

from __future__ import annotations

import datetime
import time
from types import ModuleType
from typing import Any

from .transport import EXTENSION, Core


class AppClient:
    """A mix-in: comes before the library's `AsyncClient` in the bases."""

    asgi: Core
    _library: ModuleType
    _urls: dict[str, Any]

    def build_request(self, method: str, url: Any, **kwargs: Any) -> Any:
        """As in the library; the URLs that tests repeat are merged only once."""
        if type(url) is str:
            known = self._urls.get(url)
            if known is None:
                known = self._merge(url)
            url = known
        return super().build_request(method, url, **kwargs)  # type: ignore[misc]

    def _merge(self, url: str) -> Any:
        if len(self._urls) > 512:
            self._urls.clear()
        merged = self._urls[url] = super().build_request("GET", url).url  # type: ignore[misc]
        return merged

    async def send(self, request: Any, *, stream: bool = False, **kwargs: Any) -> Any:
        """As in the library; a buffered response is built at once, without its stream."""
        if stream or not self._is_plain(request, kwargs):
            request.extensions = {**request.extensions, EXTENSION: stream}
            return await super().send(request, stream=stream, **kwargs)  # type: ignore[misc]
        began = time.perf_counter()
        response = await self.asgi_buffered(request)
        if not (response.has_redirect_location and self.follow_redirects):  # type: ignore[attr-defined]
            response.elapsed = datetime.timedelta(seconds=time.perf_counter() - began)
            response.default_encoding = self._default_encoding  # type: ignore[attr-defined]
            return response
        raise AssertionError("a redirect was to be followed on the fast path")  # pragma: no cover
