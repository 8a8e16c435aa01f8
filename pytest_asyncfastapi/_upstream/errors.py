"""What this package raises in the app: a call that no route, or no answer, awaits.

None of these is an error of an HTTP library, so that degrade code, which
handles those, does not eat them.
"""

from __future__ import annotations

from .._core.base_error import AsyncFastAPIError
from .._core.redaction import redacted


class UnroutedCall(AsyncFastAPIError, AssertionError):
    """The app called something that no route answers; the message says what to write.

    Secrets in the URL (`?token=...`) are left out of it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(redacted(message))


class UpstreamExhausted(AsyncFastAPIError, AssertionError):
    """A route with a list of answers was called once more than it has answers."""
