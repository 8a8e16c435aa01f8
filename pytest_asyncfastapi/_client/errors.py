"""What the client raises beside httpx's own exceptions.

Sources: the ASGI specification's HTTP section (www.rst), message by message.
"""

from __future__ import annotations

from .._core.base_error import AsyncFastAPIError


class ProtocolViolation(AsyncFastAPIError, RuntimeError):
    """The app broke the ASGI protocol: a real server would not have taken this.

    Raised in the app at the offending `send()`, and again to the caller of the
    request, so that an app which swallows it cannot hide it.
    """


class ClientDisconnected(AsyncFastAPIError, OSError):
    """Raised by `send()` once the client has gone (ASGI spec 2.4: an OSError)."""


class AppStillRunning(AsyncFastAPIError, RuntimeError):
    """The app went on after the client had left and after it was cancelled."""


class LoopMismatch(AsyncFastAPIError, RuntimeError):
    """A request came from another event loop than the one the client was opened in."""


class RedirectedAway(AsyncFastAPIError, RuntimeError):
    """A redirect was followed to another origin, where nobody answers."""


def disconnect_caused(error: BaseException | None) -> bool:
    """Is this error only the echo of the client having left?"""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, ClientDisconnected) or _is_starlettes(error):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def _is_starlettes(error: BaseException) -> bool:
    # What Starlette makes of http.disconnect, and of our OSError; not imported for this.
    kind = type(error)
    return kind.__name__ == "ClientDisconnect" and kind.__module__.startswith("starlette.")
