"""`upstream.mount(origin, app)`: another ASGI app, in this process, answers an origin.

It is a route like any other, so faults lie between the two apps, and the time is one.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
from respx.router import Router

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Mounting(Router):
    """The part of `upstream` that knows other apps. `open_app` is what runs one."""

    open_app: Callable[..., Any] | None = None

    def mount(self, origin: str, app: Any) -> Mounted:
        """Let another ASGI app answer this origin, in an `async with` block.

        Its lifespan runs in the block, and its own upstream calls are those of the test too.

        Args:
            origin: Scheme and host, such as `"https://pay.example"`.
            app: The ASGI app itself.

        Returns:
            An async context manager, which gives the route, to assert on.

        Raises:
            ValueError: If `origin` is not an origin.
            TypeError: If `app` cannot be called.
            RuntimeError: Outside of a test.

        Example:
            ```python
            async with upstream.mount("https://pay.example", pay_app) as pay:
                await asgi_client.post("/checkout")
                pay.assert_called_once()
            ```
        """
        parts = urlsplit(origin) if isinstance(origin, str) else None
        http = parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname)
        if parts is None or not http or parts.path.strip("/"):
            raise ValueError(
                f"upstream.mount({origin!r}, ...): write an origin, such as 'https://pay.example'"
            )
        if not callable(app):
            raise TypeError(f"upstream.mount({origin!r}, {app!r}): give the ASGI app itself")
        if self.open_app is None:
            raise RuntimeError("only the `upstream` of a test can mount an app: this one has none")
        return Mounted(self, origin.rstrip("/"), app)


class Mounted:
    """An app that answers an origin while the block runs."""

    def __init__(self, router: Mounting, origin: str, app: Any) -> None:
        self._router = router
        self._origin = origin
        self._app = app

    async def __aenter__(self) -> Any:
        router = self._router
        assert router.open_app is not None
        self._opened = router.open_app(
            self._app,
            base_url=self._origin,
            raise_app_exceptions=False,  # a server answers 500
            way_in=lambda request: None,
        )
        self._client = await self._opened.__aenter__()
        self._home = _home()
        self._route: Any = router.route(
            url__startswith=str(httpx.URL(f"{self._origin}/")), name=f"mounted at {self._origin}"
        )
        self._route.mock(side_effect=self._effect())
        return self._route

    async def __aexit__(self, *error: Any) -> None:
        self._router.pop(self._route.name, None)
        await self._opened.__aexit__(*error)

    def _effect(self) -> Callable[..., Any]:
        async def answer(request: httpx.Request) -> httpx.Response:
            response = await self._client.send(
                httpx.Request(
                    request.method, request.url, headers=request.headers, content=request.content
                ),
                stream=True,
            )

            async def body() -> AsyncIterator[bytes]:
                try:
                    async for piece in response.aiter_raw():
                        yield piece
                finally:
                    await response.aclose()

            return httpx.Response(response.status_code, headers=response.headers, content=body())

        answer.wait_in_thread = self._wait_in_thread  # type: ignore[attr-defined]
        return answer

    def _wait_in_thread(self, answer: Any) -> httpx.Response:
        """For a sync client: the app answers in its own loop."""
        if _home() is not None:
            answer.close()
            raise RuntimeError(
                f"a sync client called {self._origin}, where an app is mounted, on the event loop "
                "in which that app runs: it would wait for itself"
            )

        async def whole() -> httpx.Response:
            response = await answer
            pieces = [piece async for piece in response.aiter_raw()]
            return httpx.Response(
                response.status_code, headers=response.headers, content=b"".join(pieces)
            )

        if isinstance(self._home, asyncio.AbstractEventLoop):
            return asyncio.run_coroutine_threadsafe(whole(), self._home).result()
        import trio

        found: httpx.Response = trio.from_thread.run(whole, trio_token=self._home)
        return found

    def __repr__(self) -> str:
        return f"<Mounted {self._app!r} at {self._origin}>"


def _home() -> Any:
    """The running loop, or the token of trio's run; None in a thread without one."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        trio = sys.modules.get("trio")
        if trio is not None and trio.lowlevel.in_trio_run():
            return trio.lowlevel.current_trio_token()
        return None
