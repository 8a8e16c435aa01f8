"""The faults of a test that are not on its HTTP calls: each kind has a table of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from .client import ClientFaults
from .connections import ConnectionFaults
from .dependency import DependencyFaults

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core.frames import UserCode


class FaultGroups(ABC):
    """Created on first use. `needs_clock` is called when a rule waits."""

    def __init__(self, seed: int, test: str, user_code: UserCode | None) -> None:
        self.seed = seed
        self.test = test
        self.user_code = user_code
        self.needs_clock: Callable[[], None] | None = None
        self._groups: dict[type[Any], Any] = {}

    def _group(self, kind: type[Any]) -> Any:
        if kind not in self._groups:
            self._groups[kind] = kind(self.seed, self.test, self.user_code, self._wait, self._since)
        return self._groups[kind]

    @property
    def client(self) -> ClientFaults:
        """Faults on the requests that the test makes: `faults.client.disconnect(after="50ms")`."""
        found: ClientFaults = self._group(ClientFaults)
        return found

    @property
    def dependencies(self) -> DependencyFaults:
        """All faults in the app's dependencies."""
        found: DependencyFaults = self._group(DependencyFaults)
        return found

    @property
    def connections(self) -> ConnectionFaults:
        """All faults on connections to servers that do not speak HTTP."""
        found: ConnectionFaults = self._group(ConnectionFaults)
        return found

    def _wait(self) -> None:
        if self.needs_clock is not None:
            self.needs_clock()

    @abstractmethod
    def _since(self, now: float | None, clock: str = "") -> float:
        """The time (s) since the test's first look at this clock."""
