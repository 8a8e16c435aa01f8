"""`open_app()`: an app with its lifespan running, and a client bound to it.

The fixtures are made of this; it serves `@given` bodies, scripts and
notebooks too. Nothing in here holds a cancel scope or task group across the
`yield`, so a fixture may close what another task opened.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from .client.with_httpx import AsgiClient

DEFAULT_READ_TIMEOUT = 30.0


def preload() -> None:
    """Import what `open_app` needs, from outside the loop: imports are slow and would hold it."""
    from importlib import import_module

    for name in ("client.with_httpx", "app.lifespan"):
        import_module(f"{__package__}.{name}")


@asynccontextmanager
async def open_app(
    app: Callable[..., Any],
    *,
    lifespan: bool = True,
    base_url: str = "http://testserver",
    root_path: str = "",
    raise_app_exceptions: bool = True,
    background: bool = True,
    spec_version: str = "2.3",
    startup_timeout: float = 10.0,
    shutdown_timeout: float = 10.0,
    timeout: float = DEFAULT_READ_TIMEOUT,
    unguarded: Callable[[], bool] = lambda: False,
    **client_options: Any,
) -> AsyncIterator[AsgiClient]:
    """Start `app` (its lifespan runs to its `yield`) and give a client for it.

    The client is an `httpx.AsyncClient`; `client_options` are its own
    (`headers`, `cookies`, `auth`, ...). `timeout` in seconds guards against an
    app that never answers: it bounds each wait for the app, as httpx's `read`.
    `unguarded` says when that guard is to stand back (under
    virtual time, where waiting costs nothing); a `timeout=` of a request's own
    always holds. `raise_app_exceptions=False` gives what a server would send
    instead of the app's own exception. `background=False` returns the response before
    background tasks have run, as a server does. `spec_version` is the ASGI
    version that the app is told: "2.3" as uvicorn does, "2.4" for servers
    whose `send()` raises once the client has gone.

    Raises the app's own exception, or `LifespanError`, if it does not start or
    shut down; the shutdown runs whatever happens in the block.
    """
    from .app.lifespan import Lifespan
    from .client.scope import ScopeBuilder
    from .client.transport import Core
    from .client.with_httpx import AsgiClient

    run: Lifespan | None = None
    if lifespan:
        run = Lifespan(app, startup_timeout=startup_timeout, shutdown_timeout=shutdown_timeout)
        await run.start()
    try:
        scopes = ScopeBuilder(
            root_path=root_path, spec_version=spec_version, state=run.state if run else None
        )
        core = Core(
            app,
            scopes=scopes,
            raise_app_exceptions=raise_app_exceptions,
            background=background,
            check=run.check if run else None,
            guard=timeout,
            unguarded=unguarded,
        )
        client = AsgiClient(core, base_url=base_url, timeout=timeout, **client_options)
        try:
            yield client
        finally:
            await client.aclose()
    finally:
        if run is not None:
            await run.stop()
