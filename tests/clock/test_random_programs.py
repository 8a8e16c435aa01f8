"""Random async programs against an exact model of what time they end at."""

from __future__ import annotations

import anyio
import pytest

from tests.clock.random_programs import outside_server, run_programs


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("policy", ["freeze", "flow"])
@pytest.mark.parametrize("first", range(0, 60, 20))
def test_random_programs_match_the_model(backend, policy, first):
    """No program sees a spurious timeout; under freeze every event is exact to the microsecond."""
    with outside_server() as outer:
        outcome = anyio.run(run_programs, range(first, first + 20), policy, outer, backend=backend)
    assert outcome.programs >= 5
    assert outcome.spurious == 0
    assert outcome.wrong == []
    if policy == "freeze":
        assert outcome.notes == []
