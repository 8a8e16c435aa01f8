"""respx routes that a test has of its own, beside `upstream`.

A suite may keep its `respx_mock` fixture, or a `respx.mock` block, while it moves:
what such a router answers is not a call without a route.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from respx.mocks import Mocker

if TYPE_CHECKING:
    import httpx


def answers(library: str, request: httpx.Request) -> bool:
    """Does a respx router that is active answer this request of this library?"""
    if library != "httpx":  # the only one that respx mocks
        return False
    routers = [router for mocker in Mocker.registry.values() for router in mocker.routers]
    return any(
        not router._assert_all_mocked
        or any(not route.pattern or bool(route.pattern.match(request)) for route in router.routes)
        for router in routers
    )
