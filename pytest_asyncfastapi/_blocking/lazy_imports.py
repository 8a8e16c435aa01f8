"""What a `lazy import` of Python 3.15 (PEP 810) has declared and nobody has used yet."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .._core.frames import UserCode

_KIND: Any = getattr(types, "LazyImportType", None)
_MOST = 5  # names in a text


def not_loaded(user: UserCode) -> list[str]:
    """Modules, and names in them, that the user's modules import lazily and have not used.

    To read one from a global variable would import it, from a local one it does not.
    """
    if _KIND is None:
        return []
    found: set[str] = set()
    for module in list(sys.modules.values()):
        names = vars(module) if isinstance(module, types.ModuleType) else {}
        if user.owns(str(names.get("__file__"))):
            # Its text is all that it says of itself: <lazy_import 'json.tool'>.
            kept = [repr(value) for value in list(names.values()) if type(value) is _KIND]
            found.update(text.split("'")[1] for text in kept)
    return sorted(found)


def besides(user: UserCode) -> str:
    """What is to be added to the remedy for one lazy import, as long as there are others."""
    names = not_loaded(user)
    if not names:
        return ""
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return f"; imported lazily too, and not used yet: {', '.join(names[:_MOST])}{more}"
