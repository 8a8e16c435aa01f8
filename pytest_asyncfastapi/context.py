"""The running test, for what is called from inside its body without a fixture of ours."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

# `explore_schedules()` asks for it. None outside of pytest.
TEST: ContextVar[Any] = ContextVar("asyncfastapi_test", default=None)
