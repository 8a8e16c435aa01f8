"""A look at how the app is, by one more request: its upstream calls are nobody's finding."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from .._core.findings import FindingLog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .scope import UpstreamScope


@contextmanager
def suppress_findings(scope: UpstreamScope) -> Iterator[None]:
    """Calls in this block are answered as before; what was wrong with them is forgotten."""
    log, router = scope.call_policy.log, scope.router
    exhausted = list(router.exhausted) if router is not None else []
    scope.call_policy.log = FindingLog()
    try:
        yield
    finally:
        scope.call_policy.log = log
        if router is not None:
            router.exhausted[:] = exhausted
