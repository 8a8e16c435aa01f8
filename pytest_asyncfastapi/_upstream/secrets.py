"""What must not be written to a file: credentials in headers, queries and bodies.

Names decide, never values. A name is compared without its case, and `-` and
`_` are the same.
"""

from __future__ import annotations

import json as jsonlib
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from .._core.redaction import NAMES, SECRET
from .near_misses import show_url

if TYPE_CHECKING:
    from collections.abc import Iterable

    import httpx


class Secrets:
    """The names whose values are secret: the usual ones and those of the project."""

    def __init__(self, more: Iterable[str] = ()) -> None:
        self.more = sorted(more)
        self._names = {_plain(name) for name in (*NAMES, *self.more)}

    def hides(self, name: str) -> bool:
        """Is the value of this name secret?"""
        return _plain(name) in self._names

    def header(self, name: str, value: str) -> str:
        """The value of a header as it may be written; a cookie keeps its name and attributes."""
        if not self.hides(name):
            return value
        if name.lower() == "set-cookie":
            cookie, _, attributes = value.partition(";")
            kept = f";{attributes}" if attributes else ""
            return f"{cookie.partition('=')[0]}={SECRET}{kept}"
        return SECRET

    def url(self, url: httpx.URL) -> str:
        """The URL as it may be written, its query in order of the names."""
        pairs = parse_qsl(url.query.decode(), keep_blank_values=True)
        return show_url(url).partition("?")[0] + (f"?{self.form(pairs)}" if pairs else "")

    def form(self, pairs: list[tuple[str, str]]) -> str:
        """The fields of a query or form as they may be written, in order of their names."""
        clean = [(name, SECRET if self.hides(name) else value) for name, value in pairs]
        return urlencode(sorted(clean, key=lambda item: item[0]), safe="<>")

    def json(self, value: Any) -> Any:
        """The same value without its secrets, at every depth."""
        if isinstance(value, dict):
            return {
                key: SECRET if self.hides(key) and _is_plain(inner) else self.json(inner)
                for key, inner in value.items()
            }
        return [self.json(item) for item in value] if isinstance(value, list) else value

    def body(self, content: bytes, kind: str) -> dict[str, Any]:
        """A body for people: `json`, `form`, `text` or, where it is none of them, `base64`."""
        if not content:
            return {}
        try:
            text = content.decode()
        except UnicodeDecodeError:
            import base64

            return {"base64": base64.b64encode(content).decode()}
        if kind.startswith("application/x-www-form-urlencoded"):
            return {"form": self.form(parse_qsl(text, keep_blank_values=True))}
        if "json" in kind:
            try:
                return {"json": self.json(jsonlib.loads(text))}
            except ValueError:
                pass
        return {"text": text}

    def __repr__(self) -> str:
        return f"<Secrets {len(self._names)} names>"


def _plain(name: str) -> str:
    return str(name).lower().replace("_", "-")


def _is_plain(value: Any) -> bool:
    return value is not None and not isinstance(value, (dict, list, bool))
