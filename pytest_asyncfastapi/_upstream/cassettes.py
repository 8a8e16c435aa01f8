"""Recording real calls to a tape, and replaying a tape as routes.

A recording notes calls that really went out; a replay answers a call that is
the same in method, URL and body, secrets aside. Decides nothing about what may
go out, and writes through `cassette_file.py`.
"""

from __future__ import annotations

import json as jsonlib
from typing import TYPE_CHECKING, Any

import httpx
from respx.patterns import Match, Pattern

from .._core.findings import Finding
from . import cassette_file
from .secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from .call_assertions import AssertingRouter
    from .route import Route


class CassetteRecording:
    """The calls of one tape while it is recorded; written at the end of the block or test."""

    def __init__(self, path: Path, shown: str, secrets: Iterable[str]) -> None:
        self._path = path
        self._shown = shown
        self._secrets = Secrets(secrets)
        self._calls: list[dict[str, Any] | None] = []
        self._requests: list[str] = []
        self.written = False

    def keep(self, request: httpx.Request, response: Any) -> Callable[[bytes], None]:
        """Note a call whose head is here; what is returned takes its body, as it came."""
        number = len(self._calls)
        self._calls.append(None)
        self._requests.append(self._secrets.url(request.url))

        def complete(body: bytes) -> None:
            whole = httpx.Response(response.status_code, headers=response.headers.raw, content=body)
            self._calls[number] = {
                "request": cassette_file.request_of(request, self._secrets),
                "response": cassette_file.response_of(whole, self._secrets),
            }

        return complete

    def write(self) -> list[Finding]:
        """Write the tape, once; what is wrong with it."""
        if self.written:
            return []
        self.written = True
        calls = [call for call in self._calls if call is not None]
        found = [
            self._finding(
                f"not on the tape {self._shown}: {url}", "its body was not read to its end"
            )
            for url, call in zip(self._requests, self._calls, strict=True)
            if call is None
        ]
        if not calls:
            title = f"nothing was recorded to {self._shown}"
            return [*found, self._finding(title, "no call went out: a route answers each of them")]
        try:
            cassette_file.save(self._path, calls, self._secrets)
        except OSError as error:
            return [*found, self._finding(f"{self._shown} cannot be written", str(error))]
        return found

    def _finding(self, title: str, why: str) -> Finding:
        remedy = "correct the call or the path, or do not record"
        return Finding(kind="tape", title=title, why=why, remedy=remedy)

    def __repr__(self) -> str:
        return f"<CassetteRecording to {self._shown} calls={len(self._calls)}>"


class RecordedRequest(Pattern):
    """A request that is the same as the one on the tape, secrets and headers aside."""

    def __init__(self, entry: dict[str, Any], secrets: Secrets) -> None:
        self.key = "tape"  # type: ignore[misc] # of a class it would be in respx's registry
        super().__init__(jsonlib.dumps(_essence(entry), sort_keys=True))
        self._entry = _essence(entry)
        self._secrets = secrets

    def match(self, request: httpx.Request) -> Match:
        """Is it the same?"""
        return Match(not self._differing(request))

    def _differing(self, request: httpx.Request) -> list[str]:
        sent = _essence(cassette_file.request_of(request, self._secrets))
        names = dict.fromkeys([*self._entry, *sent])
        return [name for name in names if sent.get(name) != self._entry.get(name)]

    def reason(self, request: httpx.Request) -> str:
        """Why not, for people."""
        sent = _essence(cassette_file.request_of(request, self._secrets))
        parts = [
            f"the {name} is {_short(sent.get(name))}, the tape has {_short(self._entry.get(name))}"
            for name in self._differing(request)
        ]
        return "; ".join(parts)

    def __repr__(self) -> str:
        return f"<RecordedRequest {self.value}>"


def replay(router: AssertingRouter, path: Path, shown: str, more: Iterable[str]) -> list[Route]:
    """Add a route for each different call of the tape; each answers as often as recorded."""
    calls, secrets = cassette_file.load(path, shown)
    secrets = Secrets((*secrets.more, *more))
    found: dict[str, tuple[dict[str, Any], list[httpx.Response]]] = {}
    for call in calls:
        key = jsonlib.dumps(_essence(call["request"]), sort_keys=True)
        answers = found.setdefault(key, (call["request"], []))[1]
        answers.append(cassette_file.response_from(call["response"]))
    routes = []
    for request, answers in found.values():
        url = request["url"].partition("?")[0]
        pattern = RecordedRequest(request, secrets)
        routes.append(
            router.route(pattern, method=request["method"], url=url).mock(side_effect=answers)
        )
    return routes


def _essence(request: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in request.items() if name != "headers"}


def _short(value: Any) -> str:
    text = "none" if value is None else value if isinstance(value, str) else jsonlib.dumps(value)
    return text if len(text) <= 120 else f"{text[:120]}..."
