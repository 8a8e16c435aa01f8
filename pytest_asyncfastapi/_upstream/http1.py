"""The server's side of HTTP/1.1 on one connection: h11, and a short way for plain messages.

Nearly every request and answer is plain: a head in one piece, a body with a
length, the connection kept. Those are counted instead of parsed; at the first
message that is anything else, h11 gets what was sent so far and takes over. What
is written is the same, byte for byte (a test compares). Knows no script.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import h11

if TYPE_CHECKING:
    from collections.abc import Sequence

# What a plain request has not, and the one thing it may have.
_SPECIAL = re.compile(rb"\r\n(?:transfer-encoding|expect|upgrade|connection: *close)\b", re.I)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.I)
_FIRST_LINE = re.compile(rb"(?!CONNECT )([A-Z]+) [!-~]+ HTTP/1\.1\r\n")
# The heads that h11 would write as they are: no line broken, nothing to strip.
_SAFE_HEAD = re.compile(
    rb"HTTP/1\.1 \d{3} [ -~]*\r\n"
    rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: (?:[!-~\x80-\xff](?:[^\x00\r\n]*[!-~\x80-\xff])?)?\r\n)*"
)


class BodyMismatch(Exception):
    """The body does not keep what the head promised."""


class Http1:
    """One connection. A message is plain as long as `_h11` has not been needed."""

    def __init__(self) -> None:
        self.method = b""
        self._h11: h11.Connection | None = None
        self._received: list[bytes] = []
        self._missing = 0
        self._left = 0

    @property
    def in_request(self) -> bool:
        """Has the head of a request arrived, and not the whole of it?"""
        if self._h11 is not None:
            return self._h11.their_state is h11.SEND_BODY
        return self._missing > 0

    def receive_data(self, data: bytes) -> tuple[bool, bool]:
        """Take what the client wrote; has a request begun in it, has one ended?"""
        if self._h11 is None:
            if self._missing:
                self._received.append(data)
                self._missing -= len(data)
                return False, self._missing <= 0
            if not self._received and self._is_plain(data):
                self._received.append(data)
                return True, self._missing == 0
        return self._parse(data)

    def _is_plain(self, data: bytes) -> bool:
        first = _FIRST_LINE.match(data)
        end = data.find(b"\r\n\r\n") + 4
        if first is None or end < 4 or _SPECIAL.search(data, 0, end):
            return False
        length = _LENGTH.search(data, 0, end)
        missing = (0 if length is None else int(length[1])) - (len(data) - end)
        if missing < 0:
            return False
        self.method, self._missing = first[1], missing
        return True

    def _parse(self, data: bytes) -> tuple[bool, bool]:
        parser = self._parser()
        parser.receive_data(data)
        began = False
        while True:
            event = parser.next_event()
            if isinstance(event, h11.Request):
                began, self.method = True, event.method
            elif isinstance(event, h11.EndOfMessage):
                return began, True
            elif not isinstance(event, h11.Data):
                return began, False

    def _parser(self) -> h11.Connection:
        if self._h11 is None:
            self._h11 = h11.Connection(h11.SERVER)
            for data in self._received:
                self._parse(data)
        return self._h11

    def head(self, status: int, reason: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        """The bytes of a response head; none where it breaks HTTP/1.1."""
        if self._h11 is None:
            length = self._plain_length(status, headers)
            if length is not None:
                lines = b"".join([b"%s: %s\r\n" % header for header in headers])
                head = b"HTTP/1.1 %d %s\r\n%s" % (status, reason, lines)
                if head.count(b"\n") == len(headers) + 1 and _SAFE_HEAD.fullmatch(head):
                    self._left = length
                    return head + b"\r\n"
        try:
            event = h11.Response(status_code=status, headers=list(headers), reason=reason)
            return self._parser().send(event) or b""
        except h11.LocalProtocolError:
            return b""

    def _plain_length(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> int | None:
        """The length of a body that a plain answer has; None where there is more to it."""
        if status in (204, 304) or status < 200 or self.method == b"HEAD" or self._missing > 0:
            return None
        found = None
        for name, value in headers:
            lower = name.lower()
            if lower in (b"connection", b"transfer-encoding", b"keep-alive"):
                return None
            if lower == b"content-length":
                if found is not None or not value.isdigit():
                    return None
                found = int(value)
        return found

    def frame(self, data: bytes | None) -> bytes:
        """The bytes of a piece of the body, or of its end (None); raises `BodyMismatch`."""
        if self._h11 is None:
            size = len(data or b"")
            if size > self._left or (data is None and self._left):
                raise BodyMismatch
            self._left -= size
            return data or b""
        event = h11.EndOfMessage() if data is None else h11.Data(data=data)
        try:
            return self._h11.send(event) or b""
        except h11.LocalProtocolError as error:
            raise BodyMismatch from error

    def start_next(self) -> bool:
        """Be ready for the next request; False where the connection cannot be kept."""
        if self._h11 is None:
            self._received.clear()
            return self._missing <= 0 and not self._left
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
            return True
        return False

    def __repr__(self) -> str:
        return f"<Http1 {'plain' if self._h11 is None else self._h11.states}>"
