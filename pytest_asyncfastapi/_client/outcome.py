"""What an exchange came to: the error that the caller gets, or what a server would have sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import disconnect_caused
from .internal_errors import SimulatedDisconnect, TruncatedBody
from .message_checks import unanswered

if TYPE_CHECKING:
    from .exchange import Exchange


def check(exchange: Exchange) -> None:
    """Raise what went wrong: the caller's upload, the protocol, or the app's exception."""
    if exchange.request_error is not None:
        raise exchange.request_error
    if exchange.cut and disconnect_caused(exchange.error):
        exchange.error = None  # no news: the client has left
    error = exchange.take_error() if exchange.raises else exchange.error
    if error is not None and exchange.raises:
        try:
            raise error
        finally:
            del error  # its traceback knows this frame
    if exchange.cut:
        raise SimulatedDisconnect(exchange.cut)
    if error is None and exchange.violation is not None:
        raise exchange.violation
    if exchange.finished and not exchange.complete and error is None:
        raise unanswered(exchange)


def as_a_server_would(exchange: Exchange) -> Exchange:
    """Without `raise_app_exceptions`: a 500 before the start, a broken body after it."""
    if exchange.error is None or exchange.complete:
        return exchange
    if not exchange.started:
        exchange.started = exchange.complete = True
        exchange.status = 500
        exchange.headers = [(b"content-type", b"text/plain; charset=utf-8")]
        exchange.chunks.append(b"Internal Server Error")
        return exchange
    raise TruncatedBody(f"{exchange.label}: the app failed in the middle of its body")
