"""Puts the faults of dependencies in their way, as dependency overrides.

What is overridden already is wrapped, not lost; a wrapper is of the same kind
as what it wraps (plain or async, with or without `yield`), asks FastAPI for
the same parameters, and for one more: the gate, where the fault strikes.
"""

from __future__ import annotations

import functools
import inspect
from contextlib import ExitStack, asynccontextmanager, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import anyio

from .._core.current_loop import now_with_clock
from .._core.signatures import signature
from .method_faults import MethodFaults, replace
from .overrides import apps_below

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

_GATE = "asyncfastapi_gate"
_MARK = "__asyncfastapi_wraps__"


class DependencyFaultInjector:
    """The dependencies of one app, for one test. `faults` says what happens (`faults.strike`)."""

    def __init__(self, app: Any, faults: Any) -> None:
        self._apps = list(apps_below(app, set()))
        self._name = repr(app)
        self._faults = faults
        self._targets: dict[str, Any] = {}
        self._kept = ExitStack()

    def install(self) -> None:
        """Put a gate before every dependency that has a fault; again, after it was overridden.

        Raises `TypeError` or `ValueError` where there is no such dependency.
        """
        rules = list(self._faults)
        if rules and not self._apps:
            raise TypeError(
                f"faults.dependency() needs a FastAPI app, and {self._name} is not one (nor wraps "
                "or mounts one): it has no dependencies"
            )
        for target in {id(rule.target): self._resolved(rule.target) for rule in rules}.values():
            for app in self._apps:
                table = app.dependency_overrides
                current = table.get(target, target)
                if not hasattr(current, _MARK):
                    table[target] = self._wrap(target, current)

    def restore(self) -> None:
        """Put back what the gates stand before, exactly."""
        self._kept.close()
        for app in self._apps:
            table = app.dependency_overrides
            for target, found in list(table.items()):
                below = found
                while hasattr(below, _MARK):
                    below = getattr(below, _MARK)
                if below is target:
                    del table[target]
                else:
                    table[target] = below

    def _resolved(self, target: Any) -> Any:
        if not isinstance(target, str):
            return target
        if target not in self._targets:
            self._targets[target] = _imported(target)
        return self._targets[target]

    def _rules(self, target: Any, method: str = "") -> list[Any]:
        return [
            rule
            for rule in self._faults
            if rule.method == method and self._resolved(rule.target) == target
        ]

    def _strike(self, rules: list[Any]) -> Any:
        return self._faults.strike(rules, *now_with_clock())

    def _injected(self, target: Any) -> Callable[..., Any]:
        async def gate() -> Any:
            strike = self._strike(self._rules(target))
            if strike.delay:
                await anyio.sleep(strike.delay)
            if strike.error is not None:
                strike.leave()
                raise strike.error
            return strike

        return gate

    def _wrap(self, target: Any, current: Any) -> Any:
        wrapper = _OF_KIND[_kind(current)](
            current, lambda value: self._with_method_faults(target, value), self._kept.enter_context
        )
        wrapper.__name__ = getattr(current, "__name__", type(current).__name__)
        wrapper.__qualname__ = getattr(current, "__qualname__", wrapper.__name__)
        wrapper.__module__ = getattr(current, "__module__", __name__)
        wrapper.__doc__ = current.__doc__
        wrapper.__signature__ = _signature(current, self._injected(target))
        setattr(wrapper, _MARK, current)
        return wrapper

    @contextmanager
    def _with_method_faults(self, target: Any, value: Any) -> Iterator[None]:
        """While `value` is in use, its methods that have a fault are ours."""
        methods = {
            rule.method for rule in self._faults if self._resolved(rule.target) == target
        } - {""}
        with ExitStack() as undo:
            for name in methods:
                original = getattr(value, name, None)
                if not callable(original):
                    raise AttributeError(
                        f"faults.dependency(...).on({name!r}): what the dependency gives, a "
                        f"{type(value).__name__}, has no method of that name"
                    )
                if getattr(original, _MARK, None) is None:
                    undo.callback(replace(value, name, self._faulty(target, name, original)))
            yield

    def _faulty(self, target: Any, name: str, original: Any) -> Any:
        def strike(*, spared: bool = False) -> Any:
            rules = self._rules(target, name)
            if spared:
                rules = [rule for rule in rules if not rule._spare()]
            found = self._strike(rules)
            found.leave()
            return found

        faulty = MethodFaults(strike, original).wrapped()
        setattr(faulty, _MARK, original)
        return faulty

    def __repr__(self) -> str:
        return f"<DependencyFaultInjector: {len(self._faults)} faults, {len(self._apps)} apps>"


# One wrapper a kind; `lent(value)` is entered while the value is used. Where
# nobody says when that ends, it is kept until the test does.


def _plain(call: Any, lent: Any, keep: Any) -> Any:
    def wrapper(**kwargs: Any) -> Any:
        strike = kwargs.pop(_GATE)
        try:
            value = call(**kwargs)
            keep(lent(value))
            return value
        finally:
            strike.leave()

    return wrapper


def _async(call: Any, lent: Any, keep: Any) -> Any:
    async def wrapper(**kwargs: Any) -> Any:
        strike = kwargs.pop(_GATE)
        try:
            value = await call(**kwargs)
            keep(lent(value))
            return value
        finally:
            strike.leave()

    return wrapper


def _generator(call: Any, lent: Any, keep: Any) -> Any:
    def wrapper(**kwargs: Any) -> Iterator[Any]:
        strike = kwargs.pop(_GATE)
        try:
            with contextmanager(call)(**kwargs) as value, lent(value):
                yield value
        finally:
            strike.leave()
        if strike.exit_error is not None:
            raise strike.exit_error

    return wrapper


def _async_generator(call: Any, lent: Any, keep: Any) -> Any:
    async def wrapper(**kwargs: Any) -> AsyncIterator[Any]:
        strike = kwargs.pop(_GATE)
        try:
            async with asynccontextmanager(call)(**kwargs) as value:
                with lent(value):
                    yield value
        finally:
            strike.leave()
        if strike.exit_error is not None:
            raise strike.exit_error

    return wrapper


_OF_KIND = {
    "plain": _plain,
    "async": _async,
    "generator": _generator,
    "async generator": _async_generator,
}


def _kind(call: Any) -> str:
    """As FastAPI sees it: a callable object counts as its `__call__`."""
    while isinstance(call, functools.partial):
        call = call.func
    if inspect.isclass(call):
        return "plain"
    call = inspect.unwrap(call)
    own = call if inspect.isroutine(call) else type(call).__call__
    if inspect.isasyncgenfunction(own):
        return "async generator"
    if inspect.isgeneratorfunction(own):
        return "generator"
    return "async" if inspect.iscoroutinefunction(own) else "plain"


def _signature(call: Any, gate: Callable[..., Any]) -> inspect.Signature:
    """That of `call`, its annotations evaluated where it was written, and the gate."""
    from fastapi import Depends

    own = signature(call, evaluated=True)
    names = _globals(call)
    parameters = [
        parameter.replace(annotation=_evaluated(parameter.annotation, names))
        for parameter in own.parameters.values()
    ]
    extra = inspect.Parameter(
        _GATE,
        inspect.Parameter.KEYWORD_ONLY,
        default=Depends(gate),  # cached, as FastAPI solves it before it looks for the value
        annotation=object,
    )
    at = next((n for n, p in enumerate(parameters) if p.kind is p.VAR_KEYWORD), len(parameters))
    return own.replace(parameters=[*parameters[:at], extra, *parameters[at:]])


def _evaluated(annotation: Any, names: dict[str, Any]) -> Any:
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, names)
    except Exception:
        return annotation  # FastAPI says what it cannot read


def _globals(call: Any) -> dict[str, Any]:
    while isinstance(call, functools.partial):
        call = call.func
    if inspect.isclass(call):
        call = call.__init__
    elif not inspect.isroutine(call):
        call = type(call).__call__
    return getattr(inspect.unwrap(call), "__globals__", {})


def _imported(name: str) -> Any:
    module, colon, path = name.partition(":")
    if not colon or not module or not path:
        raise ValueError(
            f"dependency:{name} does not say which: write dependency:package.module:function"
        )
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(f"dependency:{name}: there is no module {error.name!r}") from None
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise ValueError(f"dependency:{name}: {module} has no {path!r}") from None
    return found
