"""One case of the corpus: a small function, and what the guard must report.

    @blocks("sleep")
    async def by_its_name():
        time.sleep(0.001)  # <- here

A marked line is one that the guard must name, an unmarked one is not to be named. The
parameters of a function are resources of `resources.py`, made before the guard starts. A plain
function (`app=True`) makes the app that gets the request `GET /case` instead.
"""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = re.compile(r"# <- here(?:: (\w+))?")


@dataclass(frozen=True)
class Case:
    """One function of the corpus, and the expected finding."""

    function: Callable[..., Any]
    category: str = ""  # "" is harmless
    at: str = "GET /case"  # the endpoint, or what else runs
    app: bool = False  # the function makes the whole app
    only: str = ""  # asyncio: it uses that loop's own functions
    needs: str = ""  # a module that may not be there
    since: tuple[int, int] = (3, 11)

    @property
    def name(self) -> str:
        """`sockets.recv`, as the table of missed cases writes it."""
        return f"{self.function.__module__.rpartition('.')[2]}.{self.function.__name__}"

    @property
    def resources(self) -> tuple[str, ...]:
        """The resources of `resources.py` that it needs."""
        return tuple(inspect.signature(self.function).parameters)

    @property
    def lines(self) -> dict[int, str]:
        """The marked lines: number -> category."""
        source, first = inspect.getsourcelines(self.function)
        marks = {first + index: HERE.search(line) for index, line in enumerate(source)}
        return {line: mark[1] or self.category for line, mark in marks.items() if mark}

    def skip_reason(self, backend: str = "asyncio") -> str:
        """Why it cannot run here, or ""."""
        if self.only and backend.replace("uvloop", "asyncio") != self.only:
            return f"only on {self.only}"
        if self.needs and find_spec(self.needs.partition(".")[0]) is None:
            return f"{self.needs} is not installed"
        return "" if sys.version_info >= self.since else f"Python {self.since} is needed"

    def __repr__(self) -> str:
        return f"<Case {self.name}: {self.category or 'harmless'}>"


CASES: list[Case] = []


def blocks(category: str, **more: Any) -> Callable[[Any], Any]:
    """The function blocks the loop, at its marked lines."""

    def add(function: Any) -> Any:
        case = Case(function, category, **more)
        assert case.lines, f"{case.name} marks no line"
        CASES.append(case)
        return function

    return add


def harmless(function: Any = None, **more: Any) -> Any:
    """The function may not be reported, in the strict profile either."""

    def add(function: Any) -> Any:
        case = Case(function, **more)
        assert not case.lines, f"{case.name} is harmless and marks a line"
        CASES.append(case)
        return function

    return add if function is None else add(function)
