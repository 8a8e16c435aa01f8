"""Why our client differs from uvicorn, for each row in which it does: by what the row is.

A test holds this against the measurement: each difference has its reason here,
and a reason whose difference is gone has to go.
"""

from __future__ import annotations

_STRICT = "a breach is named in the test; a server can only hide it"
_RAISED = "the app's exception reaches the test"
_REAPED = "no task outlives its test"
_OFFERED = "offered, so that they can be tested"
_CONNECTION = "there is no connection to describe"

WHY = {
    "extensions that are offered by HTTP": _OFFERED,
    "an app that ignores that": _REAPED,
    "headers that are added to the app's none": _CONNECTION,
    "no response at all": _STRICT,
    "a start, and no body": _STRICT,
    "a body that is never ended": _STRICT,
    "two starts": _STRICT,
    "a body before the start": _STRICT,
    "an unknown type after the start": _STRICT,
    "a header of str": _STRICT,
    "a body of str": _STRICT,
    "Content-Length 10, and 1 byte": _STRICT,
    "Content-Length 0, and 1 byte": _STRICT,
    "two lengths": _STRICT,
    "a line break in a header value": _STRICT,
    "NUL in a header value": _STRICT,
    "a space in a header name": _STRICT,
    "a status of 600": _STRICT,
    "a status of 102": _STRICT,
    "a line break in a header of `websocket.accept`": _STRICT,
    "half of a surrogate pair as text": _STRICT,
    "half of a surrogate pair in a reason": _STRICT,
    "an exception before the start": _RAISED,
    "an exception in mid-body": _RAISED,
    "an exception after the response": _RAISED,
    "the response comes": "what it did can be asserted; `background=False` for the other",
    "headers of the handshake's response": _CONNECTION,
    "an app that ignores the disconnect": _REAPED,
    "an exception after the accept": _RAISED,
    "an exception before the accept": _RAISED,
    "the app returns without an accept": _STRICT,
    "a message before the accept": _STRICT,
    "two accepts": _STRICT,
    "a message of neither text nor bytes": _STRICT,
    "a message of both text and bytes": _STRICT,
    "an unknown type": _STRICT,
    "a message after the close": _STRICT,
    "a second close": _STRICT,
    "a close with code 1006": _STRICT,
    "a subprotocol that was not offered": "named; websockets, the client, refuses it too",
    "an accept after a denial has begun": _STRICT,
}
