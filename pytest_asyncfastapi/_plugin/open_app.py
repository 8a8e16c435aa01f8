"""`open_app()`: an app with its lifespan running, and a client bound to it.

The fixtures are made of this; it serves `@given` bodies, scripts and
notebooks too. Nothing in here holds a cancel scope or task group across the
`yield`, so a fixture may close what another task opened.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, overload

from .._core.current_loop import current_loop
from .._core.current_test import current_test
from .._core.tasks import is_explored

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from .._app.lifespan import Lifespan
    from .._client.protocols import ClientFaultEffects
    from .._client.with_httpx import AsgiClient
    from .._client.with_httpx2 import AsgiClient as AsgiClient2
    from .._core.http_library import LibraryName

DEFAULT_READ_TIMEOUT = 30.0
LIBRARIES = ("httpx", "httpx2")


def preload(library: LibraryName = "httpx") -> None:
    """Import what `open_app` needs, from outside the loop: imports are slow and would hold it."""
    client_class(library)
    import_module("pytest_asyncfastapi._app.lifespan")


def client_class(library: LibraryName) -> Any:
    """`AsgiClient` of this library. Raises `ValueError` or `ImportError`, with the remedy."""
    if library not in LIBRARIES:
        raise ValueError(f"client={library!r} must be one of httpx, httpx2")
    if find_spec(library) is None:
        raise ImportError(
            f"the client was asked to be one of {library}, which is not installed in this "
            f"environment. Fix: pip install 'pytest-asyncfastapi[{library}]', or set "
            "asyncfastapi_client = httpx."
        )
    return import_module(f"pytest_asyncfastapi._client.with_{library}").AsgiClient


@dataclass(frozen=True, slots=True)
class RunningApp:
    """An app whose lifespan runs (if it has one), for any number of clients."""

    app: Callable[..., Any]
    run: Lifespan | None
    loop: object  # the one in which it was started
    loop_name: str = ""  # the same in words
    import_string: object = None  # the app's name, where it was found by one

    def incompatibility(self, loop_name: str, import_string: object, scope: str = "module") -> str:
        """One sentence if a test in this loop that asks for this app cannot use the run."""
        if import_string != self.import_string:
            move = "move this test to a module of its own, " if scope == "module" else ""
            return (
                f"this test asks for the app {import_string!r}, but {self.import_string!r} runs "
                f"for the whole {scope} (asyncfastapi_app_scope = {scope}). Fix: {move}set "
                "asyncfastapi_app_scope = function, or open it in the test: "
                "async with pytest_asyncfastapi.open_app(app) as client."
            )
        if self.loop is current_loop():
            return ""
        return (
            f"this test runs in {loop_name}, but the app was started in {self.loop_name}: "
            "connections and locks of the app belong to that loop. Fix: give all tests that share "
            "the app the same loop scope, or set asyncfastapi_app_scope = function."
        )


@asynccontextmanager
async def running_app(
    app: Callable[..., Any],
    *,
    lifespan: bool = True,
    startup_timeout: float = 10.0,
    shutdown_timeout: float = 10.0,
    home: str = "",
    asked: object = None,
) -> AsyncIterator[RunningApp]:
    """Run the lifespan of `app` around the block; the shutdown runs whatever happens in it."""
    from .._app.asgi2 import single_callable
    from .._app.factory import made
    from .._app.lifespan import Lifespan

    app = single_callable(await made(app))
    run: Lifespan | None = None
    if lifespan:
        run = Lifespan(app, startup_timeout=startup_timeout, shutdown_timeout=shutdown_timeout)
        await run.start()
    try:
        yield RunningApp(app, run, current_loop(), home, asked)
    finally:
        if run is not None:
            await run.stop()


@asynccontextmanager
async def create_client(
    running: RunningApp,
    *,
    client: LibraryName = "httpx",
    base_url: str = "http://testserver",
    root_path: str = "",
    client_address: tuple[str, int] = ("127.0.0.1", 50000),
    raise_app_exceptions: bool = True,
    background: bool = True,
    spec_version: str = "2.3",
    extensions: tuple[str, ...] = (),
    timeout: float = DEFAULT_READ_TIMEOUT,
    unguarded: Callable[[], bool] = is_explored,
    note: Callable[[str], None] | None = None,
    way_in: Callable[[Any], ClientFaultEffects | None] | None = None,
    outside: Callable[[Any], bool] | None = None,
    **client_options: Any,
) -> AsyncIterator[Any]:
    """A client for an app that runs already; see `open_app` for the options.

    `note` is called with what a response has that harms nobody; `way_in` is called for each
    request whether anything goes wrong with it, `outside` for a redirect to another
    origin whether somebody else answers it.
    """
    from .._client.asgi_extensions import OFFERED
    from .._client.scope import ScopeBuilder
    from .._client.transport import AsgiTransportCore

    make, run = client_class(client), running.run
    scopes = ScopeBuilder(
        root_path=root_path,
        client=client_address,
        spec_version=spec_version,
        state=run.state if run else None,
        extensions=(*OFFERED, *extensions),
    )
    core = AsgiTransportCore(
        running.app,
        scopes=scopes,
        raise_app_exceptions=raise_app_exceptions,
        background=background,
        check=run.check if run else None,
        default_timeout=timeout,
        timeout_disabled=unguarded,
        warn=note,
        fault_for_request=way_in,
        outside=outside,
    )
    opened = make(core, base_url=base_url, timeout=timeout, **client_options)
    try:
        yield opened
    finally:
        await opened.aclose()


def _of_the_test(request: Any) -> ClientFaultEffects | None:
    """What `faults.client` of the running test has for this request."""
    test = current_test()
    return None if test is None else test.client_fault(request)


@overload
def open_app(
    app: Callable[..., Any],
    *,
    client: Literal["httpx"] = ...,
    lifespan: bool = ...,
    startup_timeout: float = ...,
    shutdown_timeout: float = ...,
    base_url: str = ...,
    root_path: str = ...,
    client_address: tuple[str, int] = ...,
    raise_app_exceptions: bool = ...,
    background: bool = ...,
    spec_version: str = ...,
    extensions: tuple[str, ...] = ...,
    timeout: float = ...,
    headers: Any = ...,
    cookies: Any = ...,
    params: Any = ...,
    auth: Any = ...,
    follow_redirects: bool = ...,
    max_redirects: int = ...,
    event_hooks: Any = ...,
    default_encoding: Any = ...,
    unguarded: Callable[[], bool] = ...,
    note: Callable[[str], None] | None = ...,
    way_in: Callable[[Any], ClientFaultEffects | None] | None = ...,
) -> AbstractAsyncContextManager[AsgiClient]: ...
@overload
def open_app(
    app: Callable[..., Any],
    *,
    client: Literal["httpx2"],
    lifespan: bool = ...,
    startup_timeout: float = ...,
    shutdown_timeout: float = ...,
    base_url: str = ...,
    root_path: str = ...,
    client_address: tuple[str, int] = ...,
    raise_app_exceptions: bool = ...,
    background: bool = ...,
    spec_version: str = ...,
    extensions: tuple[str, ...] = ...,
    timeout: float = ...,
    headers: Any = ...,
    cookies: Any = ...,
    params: Any = ...,
    auth: Any = ...,
    follow_redirects: bool = ...,
    max_redirects: int = ...,
    event_hooks: Any = ...,
    default_encoding: Any = ...,
    unguarded: Callable[[], bool] = ...,
    note: Callable[[str], None] | None = ...,
    way_in: Callable[[Any], ClientFaultEffects | None] | None = ...,
) -> AbstractAsyncContextManager[AsgiClient2]: ...
@asynccontextmanager
async def open_app(
    app: Callable[..., Any],
    *,
    client: LibraryName = "httpx",
    lifespan: bool = True,
    startup_timeout: float = 10.0,
    shutdown_timeout: float = 10.0,
    base_url: str = "http://testserver",
    root_path: str = "",
    client_address: tuple[str, int] = ("127.0.0.1", 50000),
    raise_app_exceptions: bool = True,
    background: bool = True,
    spec_version: str = "2.3",
    extensions: tuple[str, ...] = (),
    timeout: float = DEFAULT_READ_TIMEOUT,
    headers: Any = None,
    cookies: Any = None,
    params: Any = None,
    auth: Any = None,
    follow_redirects: bool = False,
    max_redirects: int = 20,
    event_hooks: Any = None,
    default_encoding: Any = "utf-8",
    unguarded: Callable[[], bool] = is_explored,
    note: Callable[[str], None] | None = None,
    way_in: Callable[[Any], ClientFaultEffects | None] | None = None,
) -> AsyncIterator[Any]:
    """Start `app` (its lifespan runs to its `yield`) and give a client for it.

    Args:
        app: The app, or a factory of it, async or not.
        client: `"httpx"` gives an `httpx.AsyncClient`, `"httpx2"` an `httpx2.AsyncClient`.
        lifespan: Whether to run the app's lifespan.
        startup_timeout: How long its startup may take, in seconds.
        shutdown_timeout: How long its shutdown may take, in seconds.
        base_url: What the app sees in its scope as scheme and server.
        root_path: What the app sees in its scope as `root_path`.
        client_address: What the app sees in its scope as `client`: host and port.
        raise_app_exceptions: False gives what a server would send instead of the app's own
            exception; also for one request, in its `extensions`.
        background: False returns the response before background tasks have run.
        spec_version: The ASGI version in the app's scope: "2.3" as uvicorn does, "2.4" for
            servers whose `send()` raises once the client has gone.
        extensions: Extensions of ASGI to offer beside debug, trailers and early_hint:
            "http.response.pathsend", "http.response.zerocopysend", "http.response.push".
        timeout: In seconds, a guard against an app that never answers: it bounds each wait for
            the app, as httpx's `read`; 30 if it is not given.
        headers: Headers of every request. This and the next seven are the client's own options.
        cookies: Cookies of every request.
        params: The query of every request.
        auth: Authentication of every request.
        follow_redirects: Whether to follow redirects.
        max_redirects: How many redirects to follow.
        event_hooks: Hooks of requests and responses.
        default_encoding: The encoding of text whose response names none.
        unguarded: Says when the guard of `timeout` is to stand back (under virtual time, where
            waiting costs nothing); a `timeout=` of a request's own always holds.
        note: Called with what a response has that harms nobody.
        way_in: Called for each request: whether anything goes wrong with it.

    Returns:
        An async context manager, which gives the client; it closes it and shuts the app down,
        whatever happens in the block.

    Raises:
        LifespanError: If the app does not start or shut down.
        Exception: The app's own exception, if that is why.

    Example:
        ```python
        async with open_app(app) as client:
            assert (await client.get("/health")).status_code == 200
        ```
    """
    preload(client)
    if way_in is None:
        way_in = _of_the_test
    async with running_app(
        app,
        lifespan=lifespan,
        startup_timeout=startup_timeout,
        shutdown_timeout=shutdown_timeout,
    ) as running:
        async with create_client(
            running,
            client=client,
            base_url=base_url,
            root_path=root_path,
            client_address=client_address,
            raise_app_exceptions=raise_app_exceptions,
            background=background,
            spec_version=spec_version,
            extensions=extensions,
            timeout=timeout,
            headers=headers,
            cookies=cookies,
            params=params,
            auth=auth,
            follow_redirects=follow_redirects,
            max_redirects=max_redirects,
            event_hooks=event_hooks,
            default_encoding=default_encoding,
            unguarded=unguarded,
            note=note,
            way_in=way_in,
        ) as opened:
            yield opened
