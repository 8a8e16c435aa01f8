"""What the user has chosen, as one record: a field for each row of the table in `options.py`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from .._core.http_library import LibraryName

Mode = Literal["fail", "raise", "warn", "off"]


@dataclass(frozen=True, eq=False)  # lean: it is made at every start of pytest
class Settings:
    """What the user has chosen; the fields are the names of the options."""

    app: Any = None  # a text; in a marker also an app, or its factory
    app_scope: Literal["function", "module", "session"] = "function"
    client: LibraryName = "httpx"
    runner: str = "auto"
    blocking: Literal["auto"] | Mode = "auto"
    blocking_profile: Literal["default", "strict"] = "default"
    blocking_threshold: float = 0.05
    cpu_threshold: float = 0.25
    allow_blocking: tuple[str, ...] = ()
    blocking_category: tuple[tuple[str, str], ...] = ()
    blocking_baseline: str = ""
    clock: Literal["auto", "freeze", "flow", "off"] = "auto"
    freeze_bound: float = 10.0
    leaks: Literal["auto", "fail", "warn", "off"] = "auto"
    allow_leaks: tuple[str, ...] = ()
    threads: Literal["auto", "fail", "warn", "off"] = "auto"
    checks: Literal["auto", "fail", "warn", "off"] = "auto"
    check: tuple[tuple[str, str], ...] = ()
    allow_checks: tuple[str, ...] = ()
    fan_out: int = 50
    equal_statements: int = 10
    timeout: float = 0.0
    loop_lag: int = 0
    fault: tuple[str, ...] = ()
    seed: int = 0
    sweep: Literal["off", "faults", "disconnect"] = "off"
    schedules: int = 0
    replay: str = ""
    shards: int = 1
    shard: tuple[int, int] = (1, 1)
    sweep_budget: float = 0.0
    network: str = "refuse"
    unrouted: str = "fail"
    passthrough: tuple[str, ...] = ()
    tapes: str = "replay"
    client_timeout: float = 30.0
    startup_timeout: float = 10.0
    shutdown_timeout: float = 10.0
    coverage: tuple[str, ...] = ()
    coverage_floor: int = 0
    json: str = ""
    html: str = ""
    trace: str = ""
    sarif: str = ""
    github: Literal["auto", "off"] = "auto"
    compare: str = ""
    docs_url: str = ""
    # Not options: where `app` was given, for the errors about it.
    app_origin: str = ""

    @property
    def records(self) -> bool:
        """Does a report need to know what each test did, moment by moment?"""
        return bool(self.json or self.html or self.trace)

    @property
    def reports(self) -> bool:
        """Is there anything to write when the run is over?"""
        hosted = self.github == "auto" and os.environ.get("GITHUB_ACTIONS") == "true"
        return self.records or bool(self.sarif) or hosted
