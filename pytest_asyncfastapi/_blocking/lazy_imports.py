"""Unused `lazy import` statements of the user's modules (Python 3.15, PEP 810)."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .._core.frames import UserCode

_LAZY_IMPORT_TYPE: Any = getattr(types, "LazyImportType", None)
_MAX_NAMES = 5  # names in a message


def unused_lazy_imports(user: UserCode) -> list[str]:
    """Modules, and names in them, that the user's modules import lazily and have not used.

    Reading one as a global variable would import it, as a local one does not.
    """
    if _LAZY_IMPORT_TYPE is None:
        return []
    found: set[str] = set()
    for module in list(sys.modules.values()):
        names = vars(module) if isinstance(module, types.ModuleType) else {}
        if user.owns(str(names.get("__file__"))):
            # Only its repr() has the name: <lazy_import 'json.tool'>.
            kept = [
                repr(value) for value in list(names.values()) if type(value) is _LAZY_IMPORT_TYPE
            ]
            found.update(text.split("'")[1] for text in kept)
    return sorted(found)


def other_lazy_imports(user: UserCode) -> str:
    """The sentence that a remedy for one lazy import adds about the others."""
    names = unused_lazy_imports(user)
    if not names:
        return ""
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return f"; imported lazily too, and not used yet: {', '.join(names[:_MAX_NAMES])}{more}"
