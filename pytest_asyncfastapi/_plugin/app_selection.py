"""Which app and client a test has, where several are named; a missing one is reported once a run.

`app=` of a marker and the fixture `asgi_app` may both say it: the nearer to the test
wins, the marker where both stand at one place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .._app.factory import AsyncFactory
    from .feature import App, TestContext

_TOLD = pytest.StashKey[dict[str, str]]()  # of the configuration: what was reported, at which test


def choose_app_fixture(item: pytest.Item) -> None:
    """Take our own `asgi_app`, which reads the marker, where the marker is the nearer one."""
    request: Any = getattr(item, "_request", None)
    if request is None:
        return
    found: Any = request._arg2fixturedefs.get("asgi_app") or ()
    if len(found) < 2:
        return
    for node, mark in item.iter_markers_with_node("asyncfastapi"):
        if "app" in mark.kwargs and len(node.nodeid) >= len(found[-1].baseid):
            ours = [each for each in found if each.func.__module__ == f"{__package__}.fixtures"]
            request._arg2fixturedefs = {**request._arg2fixturedefs, "asgi_app": ours}
            return


def preload_client(test: TestContext) -> None:
    """Import the client's library, outside of the loop. Raises `pytest.UsageError`."""
    if "asgi_client" not in test.fixtures:
        return
    from .open_app import preload

    try:
        preload(test.settings.client)
    except ImportError as error:
        raise pytest.UsageError(f"{test.test}: {error}") from None


def report_once(item: pytest.Item, sentence: str) -> str:
    """The sentence; if an earlier test has reported it, only where that was."""
    told = item.config.stash.setdefault(_TOLD, {})
    first = told.setdefault(sentence, item.nodeid)
    if first == item.nodeid:
        return sentence
    return f"no app to test: see {first} for the reason"


def ready(app: App | AsyncFactory) -> App | None:
    """The app; None as long as an async factory has yet to make it."""
    from .._app.factory import AsyncFactory

    return app.app if isinstance(app, AsyncFactory) else app
