"""Runs one case: as an endpoint of an app, called by a client, in a loop of its own."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import anyio
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from pytest_asyncfastapi import open_app
from pytest_asyncfastapi._plugin.open_app import preload

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from .case import Case


preload()  # what the first request would import is not part of a case


def app_of(case: Case, resources: dict[str, Any]) -> Any:
    """The app that the case makes, or one whose only endpoint is the case."""
    if case.app:
        return case.function(**resources)

    async def endpoint(request: object) -> PlainTextResponse:
        await case.function(**resources)
        return PlainTextResponse("done")

    return Starlette(routes=[Route("/case", endpoint)])


def run_case(
    case: Case,
    resources: dict[str, Any],
    backend: str = "asyncio",
    around: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
) -> int:
    """Request `GET /case`, inside `around()`; returns the status."""
    app = app_of(case, resources)

    async def main() -> int:
        async with around(), open_app(app, raise_app_exceptions=False) as client:
            response = await client.get("/case")
            # Run what the endpoint has scheduled.
            await anyio.sleep(0.003)
            return int(response.status_code)

    uvloop = backend == "uvloop"
    return anyio.run(
        main,
        backend="asyncio" if uvloop else backend,
        backend_options={"use_uvloop": True} if uvloop else None,
    )
