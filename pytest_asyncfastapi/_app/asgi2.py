"""Apps of ASGI 2: `app(scope)` gives an instance that takes `(receive, send)`.

Source: the ASGI specification, "Legacy Applications".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._core.signatures import signature

if TYPE_CHECKING:
    from collections.abc import Callable


def single_callable(app: Callable[..., Any]) -> Callable[..., Any]:
    """`app` itself if it takes (scope, receive, send), else ASGI 3 around an ASGI 2 app."""
    if not _takes_scope_only(app):
        return app

    async def around(scope: Any, receive: Any, send: Any) -> None:
        await app(scope)(receive, send)

    return around


def _takes_scope_only(app: Callable[..., Any]) -> bool:
    try:
        takes = signature(app)
        try:
            takes.bind(None, None, None)
        except TypeError:
            takes.bind(None)
            return True
    except (TypeError, ValueError):  # not to be inspected: called as ASGI 3, it says what is wrong
        return False
    return False
