"""What ends a wait inside this package, and which exception of the library it becomes.

None of them is a `TimeoutError` or an `OSError`: an app may raise those
itself, and they must stay the app's.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .._core.units import show

if TYPE_CHECKING:
    from collections.abc import Iterator


class AppTimeout(Exception):
    """The app sent nothing for as long as the caller waits, in seconds."""

    def __init__(self, waited: float) -> None:
        super().__init__(f"the app sent nothing for {show(waited)}")


class SimulatedDisconnect(Exception):
    """The client is made to leave before the response is complete."""


class TruncatedBody(Exception):
    """The app failed after its response had started."""


@contextmanager
def translated(request: Any, library: Any) -> Iterator[None]:
    """Raise these as the exceptions of the library that made the request."""
    try:
        yield
    except AppTimeout as error:
        raise library.ReadTimeout(_about(request, error), request=request) from error
    except SimulatedDisconnect as error:
        said = _about(request, f"the client left: {error}")
        raise library.ReadError(said, request=request) from error
    except TruncatedBody as error:
        raise library.RemoteProtocolError(
            "peer closed connection without sending complete message body", request=request
        ) from error


def _about(request: Any, error: object) -> str:
    return f"{request.method} {request.url.path}: {error}"
