"""What our client adds to an `AsyncClient` of either library; see `with_httpx`.

A fast path for the plain case (no redirect to follow, no auth flow, no event
hook), which is most of what tests do, and the library's own `send` for the
rest. It overrides public methods only.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from .._core.http_library import UNSET
from .._core.real_time import perf_counter
from .redirects import ClientRequestInfo, is_cross_origin
from .transport import EXTENSION, AsgiTransportCore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType
    from typing import Self

    from .sse import EventStream
    from .websocket import WebSocket

_KNOWN_URLS = 512
_AS_PARENT = UNSET  # as the client (or the parent) has it


def given(**options: Any) -> dict[str, Any]:
    """Those that are given; `auth=None` and `timeout=None` say something."""
    means_none = ("auth", "timeout")
    return {
        name: value
        for name, value in options.items()
        if value is not UNSET and (value is not None or name in means_none)
    }


class AppClient:
    """A mix-in: stands before the library's `AsyncClient` in the bases."""

    asgi: AsgiTransportCore
    library: ModuleType
    body: type[Any]  # `shared.Body` as a stream of the library
    _urls: dict[str, Any]
    _options: dict[str, Any]

    def _bind(self, core: AsgiTransportCore, options: dict[str, Any]) -> None:
        self.asgi = core
        self._urls = {}
        self._options = options

    def build_request(self, method: str, url: Any, **kwargs: Any) -> Any:
        """Build a request as the library does; a URL that the test repeats is merged only once.

        Args:
            method: The HTTP method.
            url: The URL, or a path below `base_url`.
            **kwargs: The library's own arguments.

        Returns:
            The library's request.
        """
        if type(url) is str:
            url = self._urls.get(url) or self._merged(url)
        return super().build_request(method, url, **kwargs)  # type: ignore[misc]

    def _merged(self, url: str) -> Any:
        if len(self._urls) > _KNOWN_URLS:
            self._urls.clear()
        merged = self._urls[url] = super().build_request("GET", url).url  # type: ignore[misc]
        return merged

    def as_(
        self,
        *,
        headers: Any = None,
        cookies: Any = None,
        auth: Any = _AS_PARENT,
        raise_app_exceptions: bool | None = None,
        background: bool | None = None,
    ) -> Self:
        """Make a new client of the same running app: as another user, or as a server answers it.

        It begins with this client's headers, cookies, `auth` and options, changed by what is
        given here, and shares nothing with it from then on: a cookie that one gets, the other
        does not. It is closed with this client.

        Args:
            headers: Headers to add or replace.
            cookies: Cookies to add or replace.
            auth: The library's `auth`; this client's if it is not given. None sends none.
            raise_app_exceptions: False gives what a server would send instead of the app's own
                exception; None keeps this client's setting.
            background: False returns a response before background tasks have run; None keeps this
                client's setting.

        Returns:
            The new client.

        Raises:
            RuntimeError: If this client is closed.

        Example:
            ```python
            admin = asgi_client.as_(headers={"Authorization": "Bearer admin"})
            assert (await admin.get("/users")).status_code == 200
            ```
        """
        parent: Any = self
        if parent.is_closed:
            raise RuntimeError(f"{self!r} has been closed. Fix: call as_() while it is open.")
        jar = self.library.Cookies(parent.cookies)
        jar.update(cookies)
        merged = self.library.Headers(parent.headers)
        merged.update(headers)
        options = {
            **self._options,
            "base_url": parent.base_url,
            "headers": merged,
            "cookies": jar,
            "auth": parent.auth if auth is _AS_PARENT else auth,
            "params": parent.params,
            "timeout": parent.timeout,
            "event_hooks": parent.event_hooks,
            "follow_redirects": parent.follow_redirects,
        }
        core = self.asgi.with_options(
            raise_app_exceptions=raise_app_exceptions, background=background
        )
        make: Any = type(self)
        view = make(core, **options)
        self.asgi.close_with(view.aclose)
        return view  # type: ignore[no-any-return]

    async def send(
        self,
        request: Any,
        *,
        stream: bool = False,
        auth: Any = _AS_PARENT,
        follow_redirects: Any = _AS_PARENT,
    ) -> Any:
        """Send a request as the library does; in the plain case the response is built directly.

        Args:
            request: The library's request.
            stream: Return once the response has begun; its body is still to be read.
            auth: The library's `auth`; the client's if it is not given. None sends none.
            follow_redirects: Whether to follow them; the client's setting if it is not given.

        Returns:
            The library's response.
        """
        # Not None: the library's own `auth=None` means "no auth for this request".
        unset = self.library.USE_CLIENT_DEFAULT
        auth = unset if auth is _AS_PARENT else auth
        follow_redirects = unset if follow_redirects is _AS_PARENT else follow_redirects
        ready: Any = stream
        earlier = request.extensions.get(EXTENSION)  # where it is the `next_request` of a response
        first = request.url if earlier is None else earlier.first
        if self._is_plain(request, auth, follow_redirects) and not is_cross_origin(request, first):
            began = perf_counter()
            if stream:
                ready = await self.asgi.send_streaming(request)
            else:
                ready = await self.asgi.send_buffered(request)
            if not 300 <= ready.status < 400:
                return self._response(request, ready, began, streamed=stream)
            # The library knows what to do with a redirect.
        request.extensions = {**request.extensions, EXTENSION: ClientRequestInfo(ready, first)}
        return await super().send(  # type: ignore[misc]
            request, stream=stream, auth=auth, follow_redirects=follow_redirects
        )

    @property
    def app_state(self) -> dict[str, Any]:
        """What the lifespan has yielded: the state that each request sees a copy of."""
        return self.asgi.scopes.state or {}

    def websocket(
        self,
        url: Any,
        *,
        subprotocols: Sequence[str] = (),
        headers: Any = None,
        params: Any = None,
        cookies: Any = None,
        auth: Any = UNSET,
        timeout: Any = UNSET,
        extensions: Any = None,
    ) -> WebSocket:
        """Connect a WebSocket with `async with`; see `WebSocket`.

        Args:
            url: The URL, or a path below `base_url`.
            subprotocols: Subprotocols to offer, the preferred one first.
            headers: Headers of the handshake.
            params: The query.
            cookies: Cookies of the handshake.
            auth: The library's `auth`; the client's if it is not given. None sends none.
            timeout: Seconds, or the library's `Timeout`; the client's if it is not given.
            extensions: The library's `extensions` of the request.

        Returns:
            The WebSocket, to be entered with `async with`.

        Example:
            ```python
            async with asgi_client.websocket("/ws") as ws:
                await ws.send("hello")
                assert await ws.receive_text() == "hello"
            ```
        """
        from .websocket import WebSocket

        options = given(params=params, cookies=cookies, timeout=timeout, extensions=extensions)
        return WebSocket(
            self, url, subprotocols=subprotocols, headers=headers, auth=auth, **options
        )

    def sse(
        self,
        url: Any,
        *,
        method: str = "GET",
        headers: Any = None,
        params: Any = None,
        cookies: Any = None,
        json: Any = None,
        content: Any = None,
        data: Any = None,
        auth: Any = UNSET,
        follow_redirects: Any = UNSET,
        timeout: Any = UNSET,
        extensions: Any = None,
    ) -> EventStream:
        """Read server-sent events with `async with`; see `EventStream`.

        Args:
            url: The URL, or a path below `base_url`.
            method: The HTTP method.
            headers: Headers of the request.
            params: The query.
            cookies: Cookies of the request.
            json: The request's body, as a JSON value.
            content: The request's body, as text, bytes or an iterator of bytes.
            data: The request's body, as a form.
            auth: The library's `auth`; the client's if it is not given. None sends none.
            follow_redirects: Whether to follow them; the client's setting if it is not given.
            timeout: Seconds, or the library's `Timeout`; the client's if it is not given.
            extensions: The library's `extensions` of the request.

        Returns:
            The stream of events, to be entered with `async with`.

        Example:
            ```python
            async with asgi_client.sse("/events") as events:
                async for event in events:
                    assert event.json()["state"] == "done"
                    break
            ```
        """
        from .sse import EventStream

        options = given(params=params, cookies=cookies, json=json, content=content, data=data)
        options |= given(
            auth=auth, follow_redirects=follow_redirects, timeout=timeout, extensions=extensions
        )
        return EventStream(self, url, method=method, headers=headers, **options)

    def _is_plain(self, request: Any, auth: Any, follow_redirects: Any) -> bool:
        client: Any = self
        unset = self.library.USE_CLIENT_DEFAULT
        hooks = client.event_hooks
        return (
            (
                follow_redirects is False
                or (follow_redirects is unset and not client.follow_redirects)
            )
            and (auth is None or (auth is unset and client.auth is None))
            and not (hooks["request"] or hooks["response"])
            and not request.url.userinfo
            and "timeout" in request.extensions
            and not client.is_closed
        )

    def _response(self, request: Any, exchange: Any, began: float, *, streamed: bool) -> Any:
        library = self.library
        body: Any
        if streamed:
            body = self.body(self.asgi, exchange, request, began)
        else:
            body = library.ByteStream(b"".join(exchange.chunks))
        response = library.Response(
            exchange.status,
            headers=exchange.headers,
            stream=body,
            request=request,
            extensions=exchange.extensions,
            default_encoding=self._options.get("default_encoding", "utf-8"),
        )
        if streamed:
            body.response = response
        else:
            response.read()
            response.elapsed = datetime.timedelta(seconds=perf_counter() - began)
        if any(name.lower() == b"set-cookie" for name, _ in exchange.headers):
            self.cookies.extract_cookies(response)  # type: ignore[attr-defined]
        return response
