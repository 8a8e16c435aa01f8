"""What blocks an event loop, and what does not: one small function a case, by category.

Read a case as its own documentation; `case.py` says how they are written, `known_misses.py`
what is known to be missed. Nothing in here leaves the machine.
"""

from __future__ import annotations

from importlib import import_module

from .case import CASES, Case

CATEGORIES = (
    "sleeping sockets names tls selecting http_calls subprocesses files metadata waiting pools "
    "databases log_handlers standard_input imports computing passwords c_code shapes app_parts "
    "libraries"
).split()
HARMLESS = "harmless_waits harmless_files harmless_work".split()

for _name in (*CATEGORIES, *HARMLESS):
    import_module(f"{__name__}.{_name}")

BLOCKING = [case for case in CASES if case.category]
CLEAN = [case for case in CASES if not case.category]

__all__ = ["BLOCKING", "CASES", "CLEAN", "Case"]
