"""`route.calls` and `upstream.calls`: a list of calls, with the assertions of their owner.

respx's own list is a mock too, which nobody ever calls: its assertions say "not called"
of calls that were made. This one is a list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from respx.models import Call

if TYPE_CHECKING:
    import httpx

_ASSERTIONS = (
    "assert_called",
    "assert_not_called",
    "assert_called_once",
    "assert_called_with",
    "assert_called_once_with",
    "assert_any_call",
)


class CallList(list[Call]):
    """The calls of a route, or of all routes (respx)."""

    def __init__(self, owner: Any) -> None:
        super().__init__()
        self._owner = owner

    @property
    def called(self) -> bool:
        """Was there a call?"""
        return bool(self)

    @property
    def call_count(self) -> int:
        """How many calls there were."""
        return len(self)

    @property
    def last(self) -> Call:
        """The last call."""
        if not self:
            raise IndexError("there is no last call: no call was answered")
        return self[-1]

    def record(self, request: httpx.Request, response: httpx.Response | None) -> Call:
        """Add a call (respx)."""
        call = Call(request=request, optional_response=response)
        self.append(call)
        return call

    def __getattr__(self, name: str) -> Any:
        if name in _ASSERTIONS:
            return getattr(self._owner, name)
        raise AttributeError(
            f"calls has no {name!r}: it is a list of calls, each with a request and a response. "
            f"It has last, called, call_count and {', '.join(_ASSERTIONS)}"
        )

    def __repr__(self) -> str:
        return f"<CallList of {len(self)} calls>"
