"""Heads and bodies that h11 would not write: what is wrong in them is the fault."""

from __future__ import annotations

from typing import Any


def raw_head(status: int, reason: bytes, headers: Any, version: bytes = b"1.1") -> bytes:
    """A response head as it is, whatever is in it."""
    first = b"HTTP/%s %d %s" % (version, status, reason)
    lines = [first, *(b"%s: %s" % pair for pair in headers)]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def unframed(status: int, reason: bytes, headers: Any, *, chunked: bool) -> bytes:
    """A response head without a length; its body is in chunks, or ends with the connection."""
    framing = (b"content-length", b"transfer-encoding")
    kept = [pair for pair in headers if pair[0].lower() not in framing]
    if chunked:
        kept.append((b"Transfer-Encoding", b"chunked"))
    return raw_head(status, reason, kept)


def raw_frame(how: str, data: bytes | None) -> bytes:
    """A piece of the body, or its end (None), framed in one of the ways that a fault can say."""
    if how == "plain":
        return data or b""
    if how == "bad end":
        return b"" if data is None else b"%x\r\n%sXX" % (len(data), data)
    return b"zz\r\n" if data is None else b"%x\r\n%s\r\n" % (len(data), data)
