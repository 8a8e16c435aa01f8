"""Who leaked, who queued, who hung: watches, and changes nothing that the app sees.

Must not know the blocking room, HTTP messages or pytest; `state.py` connects it.
"""

from __future__ import annotations

from .watch import ConcurrencyWatch

__all__ = ["ConcurrencyWatch"]
