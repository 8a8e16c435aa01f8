"""Which frames of a failure are shown: the user's, and none of this plugin's.

A traceback that leads through this plugin also leads through the HTTP client, the
web framework and the event loop: of these, only the place that raised is shown.
Any other traceback stays as pytest has it; so does every one with `--tb=long` or
`--full-trace`.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import pytest

from .._core.frames import is_ours

if TYPE_CHECKING:
    from collections.abc import Callable

    from _pytest._code.code import Traceback, TracebackEntry

    from .._core.frames import UserCode

# What stands around every test, also one that has nothing to do with us.
_AROUND = tuple(
    os.path.join("pytest_asyncfastapi", *path) + ".py"
    for path in (
        ("plugin",),
        ("_plugin", "runners"),
        ("_plugin", "virtual_time"),
        ("_plugin", "concurrency"),
        ("_concurrency", "deadline"),
    )
)


def shorten(item: pytest.Item, users: UserCode) -> None:
    """Show the failures of this test without our frames."""
    option = item.config.option
    if not getattr(option, "fulltrace", False) and getattr(option, "tbstyle", "auto") != "long":
        as_pytest = item._traceback_filter
        item._traceback_filter = partial(_shown, as_pytest, users)  # type: ignore[method-assign]


def restore(item: pytest.Item) -> None:
    """Forget it: pytest keeps its items."""
    vars(item).pop("_traceback_filter", None)  # pyright: ignore[reportAttributeAccessIssue]


def correct(
    item: pytest.Item, report: pytest.TestReport, error: pytest.ExceptionInfo[BaseException]
) -> None:
    """Let the place of a failure in one line be a frame that is shown, too.

    Where none is, the words of the exception are all there is to say.
    """
    for part, *_ in getattr(report.longrepr, "chain", ()):
        if str(part.extraline).startswith("All traceback entries are hidden"):
            part.extraline = None
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None or not is_ours(crash.path) or "_traceback_filter" not in item.__dict__:
        return
    shown = item._traceback_filter(error)
    if shown:
        crash.path, crash.lineno = _file(shown[-1]), shown[-1].lineno + 1


def _shown(
    as_pytest: Callable[[pytest.ExceptionInfo[BaseException]], Traceback],
    users: UserCode,
    error: pytest.ExceptionInfo[BaseException],
) -> Traceback:
    if _has_words_only(error):
        return error.traceback[-1:]  # any frame does, and to choose one takes 2 ms
    shown = as_pytest(error)
    files = [_file(entry) for entry in shown]
    all_files = [_file(entry) for entry in error.traceback]
    mine = [number for number, file in enumerate(all_files) if users.owns(file)]
    after_test = all_files[mine[0] :] if mine else all_files
    if not any(is_ours(file) and not file.endswith(_AROUND) for file in (*after_test, *files)):
        return type(shown)(entry for entry in shown if not _passes_through(entry))
    # Of the frames below the last line of the user's, the last one may say why.
    through_us = not mine or any(is_ours(file) for file in all_files[mine[-1] :])
    last = max((n for n, file in enumerate(files) if users.owns(file)), default=-1)
    kept = [
        entry
        for number, (entry, file) in enumerate(zip(shown, files, strict=True))
        if users.owns(file)
        or (number > last and not through_us)
        or (number > last and entry is shown[-1] and _says_why(file, users))
    ]
    if kept and any(entry._repr_style for entry in shown):
        ends = (0, len(kept) - 1)
        kept = [
            entry.with_repr_style("long" if number in ends else "short")
            for number, entry in enumerate(kept)
        ]
    return type(shown)(kept)


def _has_words_only(error: pytest.ExceptionInfo[BaseException]) -> bool:
    """Is it `pytest.fail(..., pytrace=False)`, of which no frame is shown?"""
    return isinstance(error.value, pytest.fail.Exception) and not error.value.pytrace


def _passes_through(entry: TracebackEntry) -> bool:
    """Is this one of our hooks, in which pytest goes on at the `yield`?"""
    return _file(entry).endswith(_AROUND) and "yield" in str(entry.statement)


def _says_why(file: str, users: UserCode) -> bool:
    """Is this a library that the app uses, and no part of the way between app and test?"""
    from .._core.creation_site import is_plumbing

    return not is_ours(file) and not is_plumbing(file, users)


def _file(entry: TracebackEntry) -> str:
    return str(entry.frame.code.raw.co_filename)
