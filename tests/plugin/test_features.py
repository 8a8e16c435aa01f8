"""The features of a test: which there are, and in which order they take part."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from pytest_asyncfastapi._core.call_each import call_each
from pytest_asyncfastapi._plugin.feature import Feature, TestContext
from pytest_asyncfastapi._plugin.state import TestState, state_of


class Noting(Feature):
    """Notes when it is called."""

    def __init__(self, test: TestContext, name: str, calls: list[str]) -> None:
        super().__init__(test)
        self._name = name
        self._calls = calls

    def begin(self) -> None:
        """See `Feature`."""
        self._calls.append(f"{self._name} begins")

    def around(self, body: Any) -> Any:
        """See `Feature`."""
        return lambda: f"{self._name}({body()})"

    def wrap_app(self, app: Any) -> Any:
        """See `Feature`."""
        return f"{self._name}({app})"

    def report_data(self, phase: str) -> dict[str, Any]:
        """See `Feature`."""
        return {self._name: phase}

    def session_data(self) -> dict[str, Any]:
        """See `Feature`."""
        return {self._name: True}

    def end(self, *, judge: bool) -> None:
        """See `Feature`."""
        self._calls.append(f"{self._name} ends")


def test_every_feature_takes_part(request: pytest.FixtureRequest) -> None:
    """One that is written and has no place in the order would do nothing."""
    written = {kind for kind in Feature.__subclasses__() if kind.__module__ != Noting.__module__}
    in_order = [type(feature) for feature in state_of(request.node).features]
    assert set(in_order) == written
    assert len(in_order) == len(written)


def test_the_order(request: pytest.FixtureRequest) -> None:
    """The last to begin is the first to end, and is around the others."""
    calls: list[str] = []
    state = TestState(request.node)
    state.features = (Noting(state, "a", calls), Noting(state, "b", calls))
    state.begin()
    state.end()
    assert calls == ["a begins", "b begins", "b ends", "a ends"]
    assert state.around(lambda: "body")() == "b(a(body))"
    wrapped: Any = state.wrap_app("app")  # type: ignore[arg-type]
    assert wrapped == "b(a(app))"


class Failing(Noting):
    """Cannot end."""

    def end(self, *, judge: bool) -> None:
        """See `Feature`."""
        super().end(judge=judge)
        raise RuntimeError(self._name)


def test_one_that_cannot_end(request: pytest.FixtureRequest) -> None:
    """The others end all the same: otherwise the next test would run under them."""
    calls: list[str] = []
    state = TestState(request.node)
    state.features = (Noting(state, "a", calls), Failing(state, "b", calls))
    with pytest.raises(RuntimeError, match="b"):
        state.end()
    assert calls == ["b ends", "a ends"]


def test_thousands_of_ends() -> None:
    """A load test may have as many connections; of two errors the later one shows the first."""
    calls: list[int] = []

    def fail(number: int) -> None:
        calls.append(number)
        raise RuntimeError(number)

    ends = [partial(calls.append, number) for number in range(3000)]
    call_each(*ends)
    assert calls == list(range(3000))
    calls.clear()
    with pytest.raises(RuntimeError, match="7") as caught:
        call_each(partial(fail, 5), *ends, partial(fail, 7), *ends)
    assert calls == [5, *range(3000), 7, *range(3000)]
    assert str(caught.value.__context__) == "5"


def test_what_reports_carry(request: pytest.FixtureRequest) -> None:
    """Each adds to the report of a phase, and to what the whole run is to know."""
    state = TestState(request.node)
    state.features = (Noting(state, "a", []), Noting(state, "b", []))
    assert state.report_data("call") == {"a": "call", "b": "call"}
    run = {"a": True, "b": True}
    assert state.report_data("teardown") == {"a": "teardown", "b": "teardown", "run": run}


def test_a_feature_that_does_nothing(request: pytest.FixtureRequest) -> None:
    """Every part of it is optional."""
    state = TestState(request.node)
    state.features = (Feature(state),)
    state.begin()
    state.on_loop()
    state.set_in_body(True)
    with state.wider_fixture():
        assert (state.wide, state.in_body) == (True, True)
    state.set_in_body(False)
    state.collect(passed=True, ended=True)
    state.end()
    assert (state.wide, state.in_body, [*state.log]) == (False, False, [])
    assert state.around(list) is list
    assert state.report_data("call") == {}


def test_a_context_that_outlives_its_test(pytester: pytest.Pytester) -> None:
    """What runs in it (a server that goes on) is no longer in the body of that test."""
    pytester.makepyfile(
        """
        from contextvars import copy_context
        from pytest_asyncfastapi._core.current_test import current_test, test_of_body

        kept = []

        async def test_first():
            kept.append(copy_context())
            assert test_of_body().test == current_test().test == "test_it.py::test_first"

        async def test_second():
            assert kept[0].run(test_of_body) is None
            assert kept[0].run(current_test).test == "test_it.py::test_second"
        """,
    )
    pytester.path.joinpath("test_a_context_that_outlives_its_test.py").rename("test_it.py")
    pytester.runpytest("-p", "no:asyncio").assert_outcomes(passed=2)
