"""A file of recorded calls: JSON that people read in a diff.

Writes and reads; a file that cannot be one is one sentence (`TapeError`) with
its place and what to do. Knows no routes.
"""

from __future__ import annotations

import base64
import json as jsonlib
from typing import TYPE_CHECKING, Any

import httpx

from .._core.base_error import AsyncFastAPIError
from .secrets import Secrets

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = "pytest-asyncfastapi tape"
VERSION = 1
# Headers that say how the bytes travelled, not what was said, or differ in each run.
# fmt: off
_TRAVEL = frozenset((
    "host", "user-agent", "accept", "accept-encoding", "connection", "keep-alive", "content-length",
    "date", "transfer-encoding", "content-encoding", "server", "age", "via",
))
# fmt: on


class TapeError(AsyncFastAPIError, ValueError):
    """A tape that is missing or is none; the message is one sentence with the remedy."""


def request_of(request: httpx.Request, secrets: Secrets) -> dict[str, Any]:
    """A request as it is written: what it is matched by, and its headers for people."""
    kind = request.headers.get("content-type", "")
    body = {} if kind.startswith("multipart/") else secrets.body(request.content, kind)
    return {
        "method": request.method,
        "url": secrets.url(request.url),
        **_headers(request.headers, secrets),
        **body,
    }


def response_of(response: httpx.Response, secrets: Secrets) -> dict[str, Any]:
    """A response as it is written, its body decoded."""
    body = secrets.body(response.content, response.headers.get("content-type", ""))
    return {"status": response.status_code, **_headers(response.headers, secrets), **body}


def _headers(headers: httpx.Headers, secrets: Secrets) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in headers.multi_items():
        if name not in _TRAVEL:
            found.setdefault(name, []).append(secrets.header(name, value))
    found = {name: found[name][0] if len(found[name]) == 1 else found[name] for name in found}
    return {"headers": found} if found else {}


def response_from(entry: dict[str, Any]) -> httpx.Response:
    """The response that was written."""
    headers = [
        (name, text)
        for name, value in entry.get("headers", {}).items()
        for text in (value if isinstance(value, list) else [value])
    ]
    return httpx.Response(entry["status"], headers=headers, content=_content(entry))


def _content(entry: dict[str, Any]) -> bytes:
    if "json" in entry:
        return jsonlib.dumps(entry["json"], ensure_ascii=False, separators=(",", ":")).encode()
    if "base64" in entry:
        return base64.b64decode(entry["base64"])
    return str(entry.get("text", entry.get("form", ""))).encode()


def save(path: Path, calls: list[dict[str, Any]], secrets: Secrets) -> None:
    """Write the tape, and the folders on the way to it."""
    tape: dict[str, Any] = {"format": FORMAT, "version": VERSION}
    if secrets.more:
        tape["secrets"] = secrets.more
    tape["calls"] = calls
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(jsonlib.dumps(tape, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def load(path: Path, shown: str) -> tuple[list[dict[str, Any]], Secrets]:
    """The calls of a tape, and what is secret in it. Raises `TapeError`."""
    again = f'record it with upstream.record("{shown}") or --asyncfastapi-tapes=record'
    try:
        tape = jsonlib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TapeError(f"there is no tape {shown}: {again}") from None
    except UnicodeDecodeError:
        raise TapeError(f"{shown} is not a tape but binary data: {again}") from None
    except jsonlib.JSONDecodeError as error:
        place = f"{shown}:{error.lineno}:{error.colno}"
        raise TapeError(
            f"{place} is not JSON ({error.msg}): correct it there, or {again}"
        ) from None
    if not isinstance(tape, dict) or tape.get("format") != FORMAT:
        raise TapeError(f'{shown} is not a tape (it has no "format": "{FORMAT}"): {again}')
    if tape.get("version") != VERSION:
        raise TapeError(
            f"{shown} is a tape of version {tape.get('version')}, and this is version {VERSION}: "
            f"{again}"
        )
    found = tape.get("calls")
    calls: list[dict[str, Any]] = found if isinstance(found, list) else [{}]
    for number, call in enumerate(calls, 1):
        if not _is_call(call):
            raise TapeError(
                f"{shown}: call {number} is damaged (a call has a request with method and url, "
                f"and a response with status): {again}"
            )
    return calls, Secrets(tape.get("secrets", ()))


def _is_call(call: Any) -> bool:
    if not isinstance(call, dict):
        return False
    request, response = call.get("request"), call.get("response")
    return (
        isinstance(request, dict)
        and isinstance(response, dict)
        and isinstance(request.get("method"), str)
        and isinstance(request.get("url"), str)
        and isinstance(response.get("status"), int)
    )
