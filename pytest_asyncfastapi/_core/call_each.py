"""Ends that do not depend on each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def call_each(*functions: Callable[[], object]) -> None:
    """Call them in this order, each whatever another raises; the last error is passed on.

    As an `ExitStack` does, which takes five times as long: this is called in every test.
    """
    if functions:
        try:
            functions[0]()
        finally:
            call_each(*functions[1:])
