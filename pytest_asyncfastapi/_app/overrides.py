"""`overrides[dependency] = value_or_callable`, undone exactly at the end.

Works on every FastAPI app that can be reached from the app under test: the
app itself, behind ASGI wrappers (`.app`), and mounted sub-applications.
"""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any

from .._core.signatures import signature
from .factory import AsyncFactory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MISSING = object()


class Overrides:
    """Dependency overrides of FastAPI for one test.

    A callable replaces the dependency as FastAPI's own `dependency_overrides`
    does; any other value is what the dependency gives. To give a callable as
    the value, wrap it: `overrides[get_hash] = lambda: my_hash`. A mock of
    `unittest.mock` is the value itself; one that has a `return_value` or a
    `side_effect` is called instead of the dependency.

    Example:
        ```python
        overrides[get_user] = User(name="admin")
        assert (await asgi_client.get("/me")).json()["name"] == "admin"
        ```
    """

    def __init__(self, app: Callable[..., Any]) -> None:
        self._apps: list[Any] = []
        self._before: dict[tuple[int, Any], Any] = {}
        self._early: dict[Any, Any] = {}  # given before an async factory has made the app
        if isinstance(app, AsyncFactory):
            app.when_made(self._attach)
        else:
            self._attach(app)

    def _attach(self, app: Callable[..., Any]) -> None:
        self._apps = list(apps_below(app, set()))
        if not self._apps:
            raise TypeError(
                f"overrides needs a FastAPI app, and {app!r} is not one (nor wraps or mounts one): "
                "it has no dependency_overrides. Fix: replace what the app uses in another way, "
                "such as monkeypatch or app.state."
            )
        self.update(self._early)

    def __setitem__(self, dependency: Callable[..., Any], value: Any) -> None:
        if not callable(dependency):
            raise TypeError(
                f"overrides[{dependency!r}]: the key must be the dependency itself, the callable "
                "that is given to Depends()"
            )
        if not self._apps:
            self._early[dependency] = value
            return
        override = _override(value)
        for number, app in enumerate(self._apps):
            table = app.dependency_overrides
            self._before.setdefault((number, dependency), table.get(dependency, _MISSING))
            table[dependency] = override

    def __getitem__(self, dependency: Callable[..., Any]) -> Any:
        table = self._apps[0].dependency_overrides if self._apps else self._early
        if dependency not in table:
            raise KeyError(_not_overridden(dependency))
        return table[dependency]

    def __delitem__(self, dependency: Callable[..., Any]) -> None:
        """Put back what was there before this test overrode it."""
        self._early.pop(dependency, None)
        keys = [key for key in self._before if key[1] == dependency]
        if not keys and self._apps:
            raise KeyError(_not_overridden(dependency))
        for key in keys:
            self._restore(key, self._before.pop(key))

    def __contains__(self, dependency: object) -> bool:
        return dependency in self._early or any(key[1] == dependency for key in self._before)

    def update(self, table: dict[Callable[..., Any], Any]) -> None:
        """Override several dependencies.

        Args:
            table: What stands in for each dependency.

        Example:
            ```python
            overrides.update({get_db: fake_db, get_user: fake_user})
            ```
        """
        for dependency, value in table.items():
            self[dependency] = value

    def restore(self) -> None:
        """Put back everything, exactly."""
        self._early.clear()
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


def _not_overridden(dependency: Any) -> str:
    return f"{getattr(dependency, '__name__', dependency)} is not overridden by this test"


def _override(value: Any) -> Callable[..., Any]:
    """The callable that takes the place of the dependency."""
    mock: Any = sys.modules.get("unittest.mock")
    is_mock = mock is not None and isinstance(value, mock.NonCallableMock)
    if is_mock and not _is_configured(value, mock):
        return _returning(value)
    if not callable(value):
        return _returning(value)
    if not is_mock and not _takes_anything(value):
        checked: Callable[..., Any] = value
        return checked
    # FastAPI would read `*args` and `**kwargs` as two query parameters.
    if inspect.iscoroutinefunction(value):

        async def asynchronous() -> Any:
            return await value()

        return asynchronous

    def plain() -> Any:
        return value()

    return plain


def _is_configured(value: Any, mock: Any) -> bool:
    """Does a mock say what its call gives?"""
    has = vars(value)
    return has.get("_mock_return_value") is not mock.DEFAULT or bool(
        has.get("_mock_side_effect") or has.get("_mock_wraps")
    )


def _takes_anything(value: Any) -> bool:
    """Has it `*args` or `**kwargs`, and no other parameters?"""
    if inspect.isgeneratorfunction(value) or inspect.isasyncgenfunction(value):
        return False
    try:
        kinds = {each.kind for each in signature(value).parameters.values()}
    except (TypeError, ValueError):
        return False
    anything = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    return bool(kinds) and kinds <= anything


def _returning(value: Any) -> Callable[[], Any]:
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
