"""The facts of all tests, put together: what was tested, what was not, and what would do it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

QUESTIONS = {
    "requested": "routes that were requested",
    "cut": "routes whose request was cut by its client",
    "loaded": "`def` endpoints under load",
    "failed": "upstream calls that were seen to fail",
    "timed out": "timeouts that were seen to end a call",
}


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that can be tested: `what` it is, `where` it stands, what would test it."""

    question: str
    what: str
    where: str
    tested: bool
    command: str


@dataclass(slots=True, eq=False)
class Coverage:
    """What was tested of the behaviour of the app."""

    items: list[Item] = field(default_factory=list)

    @property
    def percent(self) -> int:
        """How much of it was tested: 0 to 100, rounded down; 100 where there is nothing."""
        done = sum(item.tested for item in self.items)
        return done * 100 // len(self.items) if self.items else 100

    def of(self, question: str) -> tuple[int, int]:
        """How many were tested, of how many."""
        found = [item.tested for item in self.items if item.question == question]
        return sum(found), len(found)

    @property
    def missing(self) -> list[Item]:
        """What was not tested, question by question."""
        order = [*QUESTIONS]
        missing = [item for item in self.items if not item.tested]
        return sorted(missing, key=lambda item: (order.index(item.question), item.what, item.where))

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        counted = {name: self.of(name) for name in QUESTIONS}
        return {
            "schema": 1,
            "percent": self.percent,
            "questions": {
                name: {"tested": done, "of": whole} for name, (done, whole) in counted.items()
            },
            "items": [asdict(item) for item in self.items],
        }


def put_together(facts: Iterable[list[str]]) -> Coverage:
    """The result of the facts of all processes."""
    routes: dict[tuple[str, str], tuple[str, str]] = {}
    came: dict[tuple[str, ...], dict[str, str]] = {}  # what came of each, and a test that did it
    for kind, *rest, test in facts:
        if kind == "route":
            method, path, where, how = rest
            routes.setdefault((method, path), (where, how))
        else:
            *key, what = rest
            # The first by name: under xdist they come in any order.
            known = came.setdefault((kind, *key), {})
            known[what] = min(test, known.get(what, test))
    found: list[Item] = []
    for (method, path), (where, how) in sorted(routes.items()):
        found += _of_route(method, path, where, how, came.get(("request", method, path), {}))
    for (kind, *key), seen in sorted(came.items()):
        if kind == "call":
            found += _of_call(key[0], key[1], key[2], seen)
    return Coverage(found)


def _of_route(method: str, path: str, where: str, how: str, seen: dict[str, str]) -> Iterable[Item]:
    label, verb = f"{method} {path}", method.lower()
    test = seen.get("done", "")
    request = f'await asgi_client.{verb}("{path}")'
    yield Item("requested", label, where, bool(seen), f"in a test: {request}")
    cut = f"pytest {_quoted(test)} --asyncfastapi-sweep=disconnect" if test else f"first: {request}"
    yield Item("cut", label, where, "cut" in seen, cut)
    if how == "def":
        load = f'in a test: await load(lambda: asgi_client.{verb}("{path}"), n=100, concurrency=50)'
        yield Item("loaded", label, where, "loaded" in seen, load)


def _of_call(method: str, url: str, where: str, seen: dict[str, str]) -> Iterable[Item]:
    label, test = f"{method} {url}", _quoted(seen["made"])
    sweep = f"pytest {test} --asyncfastapi-sweep=faults"
    yield Item("failed", label, where, "failed" in seen, sweep)
    if "bounded" in seen:
        host = "{0.scheme}://{0.netloc}/*".format(urlsplit(url))
        fault = f'pytest {test} "--asyncfastapi-fault={host}: read_timeout"'
        yield Item("timed out", label, where, "timed out" in seen, fault)


def _quoted(test: str) -> str:
    return f'"{test}"' if any(sign in test for sign in "[] ") else test
