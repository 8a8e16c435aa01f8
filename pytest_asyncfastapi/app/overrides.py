"""`overrides[dependency] = value_or_callable`, undone exactly at the end.

Works on every FastAPI app that can be reached from the app under test: the
app itself, behind ASGI wrappers (`.app`), and mounted sub-applications.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MISSING = object()


class Overrides:
    """Dependency overrides of FastAPI for one test.

    A callable replaces the dependency as FastAPI's own `dependency_overrides`
    does; any other value is what the dependency gives. To give a callable as
    the value, wrap it: `overrides[get_hash] = lambda: my_hash`.
    """

    def __init__(self, app: Callable[..., Any]) -> None:
        self._apps = list(apps_below(app, set()))
        self._before: dict[tuple[int, Any], Any] = {}
        if not self._apps:
            raise TypeError(
                f"overrides needs a FastAPI app, and {app!r} is none (nor wraps or mounts one): "
                "it has no dependency_overrides. Fix: replace what the app uses in another way, "
                "such as monkeypatch or app.state."
            )

    def __setitem__(self, dependency: Callable[..., Any], value: Any) -> None:
        if not callable(dependency):
            raise TypeError(
                f"overrides[{dependency!r}]: the key must be the dependency itself, the callable "
                "that is given to Depends()"
            )
        override = value if callable(value) else _giving(value)
        for number, app in enumerate(self._apps):
            table = app.dependency_overrides
            self._before.setdefault((number, dependency), table.get(dependency, _MISSING))
            table[dependency] = override

    def __getitem__(self, dependency: Callable[..., Any]) -> Any:
        return self._apps[0].dependency_overrides[dependency]

    def __delitem__(self, dependency: Callable[..., Any]) -> None:
        """Put back what was there before this test overrode it."""
        keys = [key for key in self._before if key[1] == dependency]
        if not keys:
            raise KeyError(dependency)
        for key in keys:
            self._restore(key, self._before.pop(key))

    def __contains__(self, dependency: object) -> bool:
        return any(key[1] == dependency for key in self._before)

    def update(self, table: dict[Callable[..., Any], Any]) -> None:
        """Override several dependencies."""
        for dependency, value in table.items():
            self[dependency] = value

    def restore(self) -> None:
        """Put back everything, exactly."""
        while self._before:
            key, before = self._before.popitem()
            self._restore(key, before)

    def _restore(self, key: tuple[int, Any], before: Any) -> None:
        table = self._apps[key[0]].dependency_overrides
        if before is _MISSING:
            table.pop(key[1], None)
        else:
            table[key[1]] = before

    def __repr__(self) -> str:
        names = [getattr(key[1], "__name__", repr(key[1])) for key in self._before]
        return f"<Overrides: {', '.join(sorted(set(names))) or 'none'}>"


def _giving(value: Any) -> Callable[[], Any]:
    def override() -> Any:
        return value

    return override


def apps_below(app: Any, seen: set[int]) -> Iterator[Any]:
    """The FastAPI apps in reach: `app`, what it wraps, what is mounted."""
    if app is None or id(app) in seen:
        return
    seen.add(id(app))
    if isinstance(getattr(app, "dependency_overrides", None), dict):
        yield app
    yield from apps_below(getattr(app, "app", None), seen)
    for route in getattr(app, "routes", None) or ():
        yield from apps_below(getattr(route, "app", None), seen)
