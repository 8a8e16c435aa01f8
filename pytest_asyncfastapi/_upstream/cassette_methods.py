"""`upstream.record(path)` and `upstream.replay(path)`: the verbs of a test's router.

Says what may go out while a tape is recorded, and when the tape is written.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .call_assertions import AssertingRouter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from .._core.findings import Finding
    from .cassettes import CassetteRecording
    from .route import Route
    from .router_scope import RouterScope


class CassetteRouter(AssertingRouter):
    """The part of `upstream` that knows tapes."""

    scope: RouterScope | None
    _tape: CassetteRecording | None
    _tape_findings: list[Finding]
    _reached: set[int]

    def record(self, request: Any, **options: Any) -> Any:
        """Record the calls that no route answers to a tape, from now until the end of the test.

        In a `with` until the end of its block. The calls really go out.

        Args:
            request: The path of the tape; a relative one is below the project's root. Given a
                request instead of a path it is respx's own `record`.
            **options: `hosts`: only calls to these hosts go out. `secrets`: more names (of headers,
                query or body fields) whose values are not written.

        Returns:
            A context manager, which need not be entered.

        Raises:
            TypeError: If `request` is not a path, or an option is one text instead of a list.
            RuntimeError: If another tape is still recording, or outside of a test.

        Example:
            ```python
            upstream.record("tapes/pay.json", hosts=["pay.example"])
            ```
        """
        if isinstance(request, (str, os.PathLike)):
            return self._record_to(request, **options)
        if not hasattr(request, "url"):
            raise TypeError(f"upstream.record({request!r}): give the path of a tape")
        return super().record(request, **options)

    def _record_to(
        self,
        path: str | os.PathLike[str],
        *,
        hosts: Iterable[str] = (),
        secrets: Iterable[str] = (),
    ) -> AbstractContextManager[CassetteRecording]:
        from .cassettes import CassetteRecording

        if self._tape is not None:
            raise RuntimeError(
                f"{self._tape!r} is still recording: end it (`with upstream.record(...)`) first"
            )
        scope = self._scope_for("record")
        recording = self._tape = CassetteRecording(self._place(path), os.fspath(path), secrets)
        undo = scope.let_through(_names(hosts, "hosts"))

        @contextmanager
        def block() -> Iterator[CassetteRecording]:
            try:
                yield recording
            finally:
                undo()
                self._end_recording()

        return block()

    def replay(
        self,
        path: str | os.PathLike[str],
        *,
        secrets: Iterable[str] = (),
        assert_all_called: bool = False,
    ) -> list[Route]:
        """Answer the calls of a tape, each as often as it was recorded.

        A call that is not on the tape is un-routed. With `--asyncfastapi-tapes=record` the tape is
        recorded anew instead.

        Args:
            path: The path of the tape; a relative one is below the project's root.
            secrets: More names (of headers, query or body fields) whose values are not written.
            assert_all_called: Fail the test if a call of the tape was not made.

        Returns:
            The routes; none where the tape is recorded anew.

        Raises:
            TapeError: For a file that is missing or no tape.

        Example:
            ```python
            upstream.replay("tapes/pay.json")
            ```
        """
        from .cassettes import replay

        if self._scope_for("replay").tapes == "record":
            self.record(path, secrets=secrets)
            return []
        more = _names(secrets, "secrets")
        routes = replay(self, self._place(path), os.fspath(path), more)
        if not assert_all_called:
            self._reached.update(id(route) for route in routes)
        return routes

    def _end_recording(self) -> None:
        """Write the tape that is being recorded, if one is."""
        tape, self._tape = self._tape, None
        if tape is not None:
            self._tape_findings += tape.write()

    def _scope_for(self, verb: str) -> RouterScope:
        if self.scope is None:
            raise RuntimeError(f"only the `upstream` of a test can {verb}: this one has no test")
        return self.scope

    def _place(self, path: str | os.PathLike[str]) -> Path:
        return Path(self._scope_for("record").user_code.root) / path


def _names(names: Iterable[str], what: str) -> tuple[str, ...]:
    if isinstance(names, str):
        raise TypeError(f"{what}={names!r} is one text: write {what}=[{names!r}]")
    return tuple(names)
