"""Client libraries whose calls neither routes nor faults see, and where the user's code has them.

For the reason why nothing was struck. Only what is imported already is looked at.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .frames import UserCode

LIBRARIES = (
    *("niquests", "curl_cffi", "pycurl", "primp", "wreq", "pyreqwest"),
    *("grpc", "grpclib", "tornado", "treq"),
)
# By the project's root and how many modules are imported.
_known: dict[tuple[str, int], tuple[str, ...]] = {}


def in_users_code(users: UserCode) -> tuple[str, ...]:
    """`("shop/payments.py uses grpc",)`: the modules of the user that have such a library."""
    key = (users.root, len(sys.modules))
    if key not in _known:
        _known.clear()
        _known[key] = tuple(_look(users))
    return _known[key]


def _look(users: UserCode) -> list[str]:
    found = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name.partition(".")[0] in LIBRARIES:  # its own parts
            continue
        if isinstance(file, str) and file.startswith(users.root) and users.owns(file):
            used = dict.fromkeys(_library(value) for value in list(vars(module).values()))
            found += [f"{users.show(file)} uses {library}" for library in used if library]
    return found


def _library(value: Any) -> str:
    name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", "")
    root = name.partition(".")[0] if isinstance(name, str) else ""
    return root if root in LIBRARIES else ""
