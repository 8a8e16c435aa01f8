"""Fixtures that give routes are set up before the app starts, in whatever order they are named.

An app may call its upstreams as it starts. Knows pytest's fixtures by name only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest
    from _pytest.fixtures import FuncFixtureInfo

_APP = "asgi_running"
_ROUTES = ("upstream", "faults")


def reorder(item: pytest.Item) -> None:
    """Move what needs `upstream` or `faults`, and not the app, before what needs the app."""
    info: FuncFixtureInfo | None = getattr(item, "_fixtureinfo", None)
    names = getattr(item, "fixturenames", ())
    if info is None or "asgi_client" not in names:
        return
    running = info.name2fixturedefs.get(_APP)
    if not running or running[-1].scope != "function":
        return  # it has started before this test
    needs = {name: _needed(name, info.name2fixturedefs) for name in names}
    first = next((at for at, name in enumerate(names) if _APP in needs[name]), len(names))
    early = [
        name
        for name in names[first:]
        if needs[name].intersection(_ROUTES) and _APP not in needs[name]
    ]
    if early:
        late = [name for name in names[first:] if name not in early]
        item.fixturenames = [*names[:first], *early, *late]  # type: ignore[attr-defined]


def _needed(name: str, definitions: Mapping[str, Sequence[pytest.FixtureDef[Any]]]) -> set[str]:
    """This fixture and all that it asks for."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            made = definitions.get(each)
            waiting += made[-1].argnames if made else ()
    return found
