"""Server-sent events: from the bytes of a stream to events.

Source: WHATWG HTML, 9.2.6 "Interpreting an event stream". The same parser for
httpx, which has none, and httpx2, whose own has other rules at the edges.
"""

from __future__ import annotations

import codecs
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event.

    Attributes:
        event: Its type.
        data: Its data; the lines are joined.
        id: The last id that the stream has named.
        retry: Milliseconds; None where the event itself does not name them.
    """

    event: str = "message"
    data: str = ""
    id: str = ""
    retry: int | None = None

    def json(self) -> Any:
        """`data`, parsed as JSON.

        Returns:
            The JSON value.

        Raises:
            json.JSONDecodeError: If it is not JSON.
        """
        return json.loads(self.data)


class EventParser:
    """Fed with chunks as they come, cut anywhere; gives the events they complete."""

    def __init__(self) -> None:
        # A broken sequence becomes U+FFFD, and one BOM at the start is dropped: both as the
        # specification's "UTF-8 decode" has it.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._at_start = True
        self._after_cr = False
        self._line = ""
        self._event = ""
        self._data: list[str] = []
        self._retry: int | None = None
        self._id = ""
        self.last_event_id = ""

    def feed(self, chunk: bytes) -> Iterator[ServerSentEvent]:
        """The events that end in this chunk."""
        for line in self._lines(self._decoder.decode(chunk)):
            event = self._take(line)
            if event is not None:
                yield event

    def _lines(self, text: str) -> Iterator[str]:
        if self._at_start and text:
            self._at_start = False
            text = text.removeprefix("\ufeff")
        if self._after_cr and text:
            self._after_cr = False
            text = text.removeprefix("\n")  # the second half of a CRLF cut in two
        self._after_cr = self._after_cr or text.endswith("\r")
        # Not splitlines(): that also splits at U+2028, form feeds and others.
        *whole, rest = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for line in whole:
            yield self._line + line
            self._line = ""
        self._line += rest

    def _take(self, line: str) -> ServerSentEvent | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._event = value
        elif field == "id" and "\0" not in value:
            self._id = value
        elif field == "retry" and value.isascii() and value.isdigit():
            self._retry = int(value)
        return None  # a comment has an empty field name; unknown fields are ignored

    def _dispatch(self) -> ServerSentEvent | None:
        event, data, retry = self._event, self._data, self._retry
        self._event, self._data = "", []
        self.last_event_id = self._id
        if not data:
            return None  # the event of a block without data is none; its retry is the next one's
        self._retry = None
        return ServerSentEvent(event or "message", "\n".join(data), self.last_event_id, retry)
