"""The parameters of the user's functions, whatever their annotations name.

From Python 3.14 on annotations are evaluated when they are read (PEP 649), and
`inspect.signature()` reads them: a name that only type checkers import is then a `NameError`.
"""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def signature(call: Callable[..., Any], *, evaluated: bool = False) -> inspect.Signature:
    """Names, kinds and defaults. `evaluated`: the annotations too, as far as they can be."""
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        how = Format.FORWARDREF if evaluated else Format.STRING
        return inspect.signature(call, annotation_format=how)
    return inspect.signature(call)
