"""The parts of a form that was sent as `multipart/form-data`, and what a test expects of them."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message
from typing import TYPE_CHECKING, Any

from .differences import UNSET, compare, short

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx


@dataclass(frozen=True, slots=True)
class Part:
    """One part; a plain field has no file name."""

    name: str
    filename: str | None
    content_type: str
    content: bytes

    def __str__(self) -> str:
        if self.filename is None:
            return f"{self.name}={short(self.content)!r}"
        return f"{self.name}={self.filename!r} ({len(self.content)} bytes)"


def parts_of(request: httpx.Request) -> list[Part] | None:
    """The parts of this request's body; None where it is not multipart."""
    kind = _header(request.headers.get("content-type", ""))
    boundary = kind.get_param("boundary")
    if kind.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        return None
    pieces = (b"\r\n" + request.content).split(b"\r\n--" + boundary.encode())
    return [_part(piece) for piece in pieces[1:] if not piece.startswith(b"--")]


def _part(piece: bytes) -> Part:
    head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    headers = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    disposition = _header(headers.get("content-disposition", ""))
    filename = disposition.get_param("filename")
    return Part(
        str(disposition.get_param("name", "")),
        None if filename is None else str(filename),
        headers.get("content-type", ""),
        content,
    )


def _header(value: str) -> Message:
    message = Message()
    message["content-type"] = value
    return message


def fields(parts: list[Part]) -> list[tuple[str, str]]:
    """The plain fields."""
    return [
        (part.name, part.content.decode("utf-8", "replace"))
        for part in parts
        if part.filename is None
    ]


def in_files(parts: list[Part], expected: Any) -> Iterator[str]:
    """How the files differ from those expected, which are written as httpx takes them."""
    wants = list(expected.items() if isinstance(expected, dict) else expected)
    sent = [part for part in parts if part.filename is not None]
    for name, want in wants:
        part = next((part for part in sent if part.name == name), None)
        if part is None:
            yield f"files[{name!r}]: not sent, expected {want!r}"
            continue
        sent.remove(part)
        yield from _in_file(f"files[{name!r}]", part, want)
    for part in sent:
        yield f"files[{part.name!r}]: sent {part.filename!r}, not expected"


def _in_file(path: str, part: Part, want: Any) -> Iterator[str]:
    """A file name and a content type count only where they are given."""
    given = want if isinstance(want, tuple) else (UNSET, want)
    filename, content, content_type = (*given, UNSET, UNSET)[:3]
    if hasattr(content, "seek") and hasattr(content, "read"):
        content.seek(0)
        content = content.read()
    if isinstance(content, str):
        content = content.encode()
    sent = {"filename": part.filename, "content": part.content, "type": part.content_type}
    named = (("filename", filename), ("content", content), ("type", content_type))
    for word, value in named:
        if value is not UNSET:
            yield from compare(f"{path} {word}", sent[word], value)
