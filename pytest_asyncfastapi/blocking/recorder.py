"""One recorded call while it may still grow: more time, more arguments, more of the same."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from .kernel import perf_counter
from .records import BlockingCall, BlockingPolicy
from .verdict import allow_line, weigh

if TYPE_CHECKING:
    from ..births import Birth
    from ..frames import UserCode
    from .catalog import Entry
    from .stack import Scene

# Below these names, the C function that waits says nothing more.
_WHOLE = frozenset({"subprocess", "queue", "join", "lock", "import", "file", "file_metadata"})


class Record:
    """A call as its guard keeps it; `frozen()` is what others see."""

    def __init__(
        self,
        name: str,
        *,
        args: str,
        category: str,
        scene: Scene,
        activity: str,
        remedy: str,
        witness: str,
        test: str,
        birth: Birth | None = None,
        judge: str = "",
    ) -> None:
        self.name = name
        self.args = args
        self.category = category
        self.scene = scene
        self.activity = activity
        self.remedy = remedy
        self.witness = witness
        self.test = test
        self.birth = birth
        self.judge = judge
        self.began = perf_counter()
        self.thread = threading.current_thread().name
        self.inner: list[str] = []
        self.stall = False
        self.seen = True  # else it is concluded from what the step cost
        self.at: float | None = None
        self.preparing = False  # made by a fixture, outside of any request
        self._duration: float | None = None
        self._held: float | None = None

    def ended(self, duration: float, held: float) -> None:
        """Add the time of the call, and the part of it that counts (seconds)."""
        self._duration = (self._duration or 0.0) + duration
        self._held = (self._held or 0.0) + held

    def explain(self, args: str) -> None:
        """Take the arguments that another witness saw, if there are none yet."""
        if args and not self.inner:
            self.args = args

    def is_at(self, scene: Scene) -> bool:
        """Is this the same line of the user's?"""
        return self.scene.where is not None and self.scene.where == scene.where

    def frozen(self, policy: BlockingPolicy, user: UserCode | None = None) -> BlockingCall:
        """The record as a fact, weighed by the policy."""
        name = self.name
        if self.inner and self.category not in _WHOLE:
            name = f"{name} -> {self.inner[0]}"
        if name == "import" and self.args:
            name = f"import {self.args.strip(chr(39))}"
        return BlockingCall(
            name=name,
            args="" if self.category == "import" else self.args,
            category=self.category,
            duration=self._duration,
            where=self.scene.where,
            chain=self.scene.chain,
            activity=self.activity,
            thread=self.thread,
            witness=self.witness,
            severity=weigh(
                self.category,
                self._held,
                policy,
                self.scene,
                self.activity,
                preparing=self.preparing,
                seen=self.seen,
                judge=self.judge,
            ),
            allow=allow_line(self.category, self.scene),
            remedy=_fill(self.remedy, self.args),
            test=self.test,
            created="" if self.birth is None or user is None else self.birth.told(user),
            at=self.at,
        )

    def __repr__(self) -> str:
        return f"<Record of {self.name} at {self.scene.where}>"


def joins(latest: Record, name: str, entry: Entry, scene: Scene) -> bool:
    """Is this call a part of the one that was recorded last?

    Both must be below the same line of the same frame of the user's;
    a function that calls its C function directly makes a new call each time.
    """
    was, now = latest.scene.user, scene.user
    if was is None or now is None or (was.ident, was.line) != (now.ident, now.line):
        return False
    if latest.category == "import":
        return scene.importing
    return latest.name == name and name != entry.name


def _fill(remedy: str, args: str) -> str:
    """`await anyio.sleep(...)` with the user's own argument, where there is just one."""
    return remedy.replace("sleep(...)", f"sleep({args})") if args else remedy
