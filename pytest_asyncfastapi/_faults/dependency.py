"""Faults in the app's dependencies: slow to come, failing, or failing when used.

`faults.dependency(get_db).latency("2s").first(1)`, `.raises(OSError())`,
`.on("execute").raises(...)`, with the schedules of every rule. This package
decides; `app/gates.py` puts it in the way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from .delay import delay
from .effect import Effect
from .keywords import PREFIX
from .plan import OPTIONAL, given_by
from .rule import FaultRule, RequestPattern
from .rule_table import RuleTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core.findings import Location
    from .delay import Delay
    from .grammar import FaultSpec
    from .point import Duration

Place = Literal["enter", "exit"]


class DependencyRule(FaultRule):
    """A fault of one dependency, or of one method of what it gives."""

    def __init__(
        self,
        target: Any,
        effect: Effect,
        error: BaseException | type[BaseException] | None,
        *,
        method: str,
        at: Place,
        stream: str,
        optional: bool,
        origin: str,
        added: Location | None,
    ) -> None:
        super().__init__(
            RequestPattern(name_of(target)),
            effect,
            stream=stream,
            optional=optional,
            origin=origin,
            added=added,
        )
        self.target = target
        self.error = error
        self.method = method
        self.at = at
        self.spared: int = 0

    def _spare(self) -> bool:
        """Leave a call alone that it would only delay, in the loop's own thread; did it?"""
        if not self.effect.takes_time:
            return False
        self.spared += 1
        return True

    def __str__(self) -> str:
        return super().__str__().replace(str(self.effect), self._what(), 1)

    def _what(self) -> str:
        on = f"on {self.method!r}: " if self.method else ""
        if self.error is None:
            return f"{on}{self.effect}"
        kind = self.error if isinstance(self.error, type) else type(self.error)
        return f"{on}raises={kind.__name__}{' at its exit' if self.at == 'exit' else ''}"


@dataclass(frozen=True, slots=True)
class DependencyFault:
    """What happens to one use of a dependency: seconds to wait, and what is then raised."""

    delay: float = 0.0
    error: BaseException | type[BaseException] | None = None
    exit_error: BaseException | type[BaseException] | None = None
    asked: list[DependencyRule] = field(default_factory=list)

    def leave(self) -> None:
        """It is no longer in use; said twice, it counts once."""
        while self.asked:
            self.asked.pop().leave()


class DependencyPoint:
    """One dependency, or one method of what it gives, in which a fault can be put."""

    def __init__(self, target: Any, add: Callable[..., DependencyRule], method: str = "") -> None:
        self._target = target
        self._add = add
        self._method = method

    def on(self, method: str) -> DependencyPoint:
        """The calls of one method of what the dependency gives.

        Args:
            method: The name of the method.

        Returns:
            A point whose faults are for these calls.

        Raises:
            ValueError: If `method` is not a name.

        Example:
            ```python
            faults.dependency(get_db).on("execute").latency("2s")
            ```
        """
        if not isinstance(method, str) or not method.isidentifier():
            raise ValueError(f'on({method!r}) must have the name of a method, as in .on("execute")')
        return DependencyPoint(self._target, self._add, method)

    def latency(self, duration: Duration, *, optional: bool = False) -> DependencyRule:
        """Let this pass before the dependency begins (or the method is called).

        It waits on the event loop, so it is virtual time where that is on.

        Args:
            duration: Seconds, `"2s"`, or a distribution such as `"200ms±50ms"`.
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.

        Raises:
            ValueError: If `duration` is not a duration.
        """
        return self._add(
            self._target, self._method, delay(duration), None, at="enter", optional=optional
        )

    def raises(
        self,
        error: BaseException | type[BaseException],
        *,
        at: Place = "enter",
        optional: bool = False,
    ) -> DependencyRule:
        """Raise this instead of beginning.

        Args:
            error: An exception, or a class of them.
            at: `"enter"`; or `"exit"`, after the code below the `yield` has run.
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.

        Raises:
            TypeError: If `error` is not an exception.
            ValueError: If `at` is neither, or is `"exit"` for a method, which has none.

        Example:
            ```python
            faults.dependency(get_db).raises(OSError("gone")).first(1)
            ```
        """
        if not isinstance(error, BaseException) and not (
            isinstance(error, type) and issubclass(error, BaseException)
        ):
            raise TypeError(
                f'{error!r} cannot be raised: give an exception, as in .raises(OSError("gone"))'
            )
        if at not in ("enter", "exit"):
            raise ValueError(f"at={at!r} must be one of enter, exit")
        if at == "exit" and self._method:
            raise ValueError("a method has no exit: leave out at=, or leave out .on(...)")
        return self._add(self._target, self._method, 0.0, error, at=at, optional=optional)

    def __repr__(self) -> str:
        on = f".on({self._method!r})" if self._method else ""
        return f"<DependencyPoint {name_of(self._target)}{on}>"


class DependencyFaults(RuleTable[DependencyRule]):
    """The faults of one test in the app's dependencies.

    A target is the dependency itself, or its name (`"pkg.mod:get_db"`) where a
    marker or flag gives it. `changed` is called when a rule is added.
    """

    _kind = "dependency"
    _remedy = f"correct the dependency or the schedule, {OPTIONAL}"

    def at(self, target: Any) -> DependencyPoint:
        """The point for one dependency. Raises `TypeError` for what cannot be one."""
        if not callable(target) or hasattr(target, "__metadata__"):
            inner = getattr(target, "dependency", None)
            hint = f", here {name_of(inner)}" if callable(inner) else ""
            raise TypeError(
                f"faults.dependency({target!r}): give the dependency itself, the callable that "
                f"stands in Depends(){hint}"
            )
        return DependencyPoint(target, self._add)

    def _add_spec(self, spec: FaultSpec, error: Any, *, optional: bool, origin: str) -> FaultRule:
        """A rule of the grammar, whose pattern is `dependency:pkg.mod:name`."""
        target = spec.pattern.removeprefix(PREFIX).strip()
        given: Delay = dict(spec.effect.spread).get("delay") or spec.effect.delay
        return self._add(target, "", given, error, at="enter", optional=optional, origin=origin)

    def _add(
        self,
        target: Any,
        method: str,
        given: Delay,
        error: Any,
        *,
        at: Place,
        optional: bool,
        origin: str = "",
    ) -> DependencyRule:
        effect = Effect().timed(delay=given)
        added = self._added_at(origin)
        rule = DependencyRule(
            target,
            effect,
            error,
            method=method,
            at=at,
            stream=f"{self._stream}/{name_of(target)}/{method}/{len(self._rules)}",
            optional=optional,
            origin=origin,
            added=added,
        )
        return self._add_rule(rule, takes_time=effect.takes_time)

    def strike(self, rules: list[DependencyRule], now: float, clock: str = "") -> DependencyFault:
        """What happens to this use, at `now` (s) on the `clock` in force: delays add up."""
        waited, errors = 0.0, {"enter": None, "exit": None}
        since = self._since(now, clock)
        for rule in rules:
            effect = rule._strikes(since)
            if effect is None:
                continue
            waited += effect.delay
            errors[rule.at] = errors[rule.at] or rule.error  # type: ignore[assignment]
        return DependencyFault(waited, errors["enter"], errors["exit"], list(rules))

    def _why_unused(self, rule: DependencyRule) -> str:
        evidence = f"its schedule selected none of the {rule.seen} that it saw"
        if not rule.seen:
            what = f"{rule.method!r} of what it gives was" if rule.method else "it was"
            evidence = f"{what} never asked for by a route that the test called"
        if rule.spared:
            evidence = (
                f"{rule.method}() is a plain function that was called on the event loop's own "
                "thread: to wait there would stop the loop; call it in a thread, or with .raises()"
            )
        return given_by(rule, evidence)

    def clear(self) -> None:
        """Forget all rules."""
        self._rules.clear()


def name_of(target: Any) -> str:
    """`dependency:pkg.mod:get_db`."""
    if isinstance(target, str):
        return f"{PREFIX}{target}"
    name = getattr(target, "__qualname__", "") or type(target).__qualname__
    module = getattr(target, "__module__", "")
    return f"{PREFIX}{module}:{name}" if module else f"{PREFIX}{name}"
