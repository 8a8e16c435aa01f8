"""Clients and streamed responses of httpx and httpx2 that are never closed.

The only place of this package that knows their names. A client that never sent
anything holds nothing, and is not a leak.
"""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any, Protocol

from . import resource_tracker

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core.patches import Patches


class Notifier(resource_tracker.Notifier, Protocol):
    """Gives the observer, and a callback for waits without a limit."""

    on_unbounded: Callable[[Any, Any], None] | None


def wrap(patches: Patches, notifier: Notifier, library: Any) -> None:
    """Track the clients of one library."""
    for name, close in (("AsyncClient", "aclose"), ("Client", "close")):
        kind = getattr(library, name)
        shown = f"{library.__name__}.{name}"
        wires = (library.AsyncHTTPTransport, library.HTTPTransport)
        patches.wrap(kind, "__init__", _making(notifier, shown, wires))
        patches.wrap(kind, close, _closing)
        patches.wrap(kind, "__aexit__" if close == "aclose" else "__exit__", _closing)
        sending = _sending_async if close == "aclose" else _sending
        patches.wrap(kind, "send", sending(notifier, wires))
    patches.wrap(library.Response, "aclose", _closing)
    patches.wrap(library.Response, "close", _closing)


def _making(notifier: Notifier, shown: str, wires: tuple[type, ...]) -> Any:
    """Clients whose connections are real ones; one that runs an app in-process holds none."""

    def making(original: Any) -> Any:
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            if isinstance(self._transport, wires):
                site = notifier.site(sys._getframe(1))
                resource_tracker.register(notifier, site, ("client", shown), self, _is_closed)

        return __init__

    return making


def _closing(original: Any) -> Any:
    if inspect.iscoroutinefunction(original):
        # A framework that is given it (as a background task) looks whether it is async.
        async def aclose(self: Any, *args: Any, **kwargs: Any) -> Any:
            resource_tracker.mark_closed(self)
            return await original(self, *args, **kwargs)

        return aclose

    def close(self: Any, *args: Any, **kwargs: Any) -> Any:
        resource_tracker.mark_closed(self)
        return original(self, *args, **kwargs)

    return close


def _sending(notifier: Notifier, wires: tuple[type, ...]) -> Any:
    def making(original: Any) -> Any:
        def send(self: Any, *args: Any, **kwargs: Any) -> Any:
            resource_tracker.mark_used(self)
            _report_unbounded(notifier, self, wires, args, kwargs)
            response = original(self, *args, **kwargs)
            if kwargs.get("stream"):
                _streams(notifier, notifier.site(sys._getframe(1)), response)
            return response

        return send

    return making


def _sending_async(notifier: Notifier, wires: tuple[type, ...]) -> Any:
    def making(original: Any) -> Any:
        async def streamed(self: Any, site: Any, args: Any, kwargs: Any) -> Any:
            response = await original(self, *args, **kwargs)
            _streams(notifier, site, response)
            return response

        def send(self: Any, *args: Any, **kwargs: Any) -> Any:
            resource_tracker.mark_used(self)
            _report_unbounded(notifier, self, wires, args, kwargs)
            if kwargs.get("stream"):
                return streamed(self, notifier.site(sys._getframe(1)), args, kwargs)
            return original(self, *args, **kwargs)

        return send

    return making


def _report_unbounded(
    notifier: Notifier, client: Any, wires: tuple[type, ...], args: Any, kwargs: Any
) -> None:
    """Report a call that has a wait without a limit to `on_unbounded`."""
    report = notifier.on_unbounded
    if report is None or not isinstance(client._transport, wires):
        return
    request = args[0] if args else kwargs.get("request")
    limits = getattr(request, "extensions", {}).get("timeout") or {}
    if None in limits.values():
        report(request, sys._getframe(2))


def _streams(notifier: Notifier, site: Any, response: Any) -> None:
    name = f"{response.request.method} {response.request.url}"
    if not response.is_closed:
        resource_tracker.register(notifier, site, ("response", name), response, _is_given_back)


def _is_closed(thing: Any) -> bool:
    return bool(thing.is_closed)


def _is_given_back(response: Any) -> bool:
    """Has its connection been given back? A read that fails closes it, and not the response."""
    stream = None if response.is_closed else response.stream
    while stream is not None:
        if getattr(stream, "_closed", False) is True:
            return True
        stream = getattr(stream, "_stream", None) or getattr(stream, "_httpcore_stream", None)
    return bool(response.is_closed)
