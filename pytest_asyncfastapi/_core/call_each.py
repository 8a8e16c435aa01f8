"""Ends that do not depend on each other."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def call_each(*functions: Callable[..., object], **arguments: object) -> None:
    """Call them in this order, each whatever another raises; the last error is passed on.

    The stack is made only for an error: every test ends by this, and a stack takes 7 us.
    """
    for number, function in enumerate(functions, start=1):
        try:
            function(**arguments)
        except BaseException:
            with ExitStack() as rest:
                for each in reversed(functions[number:]):
                    rest.callback(each, **arguments)
                raise
