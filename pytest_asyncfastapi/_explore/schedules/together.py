"""`explore_together()`: a few requests at the same time, against the same one after the other.

No invariant is written: what the requests come to in some order, each done before the next
begins, is right; what they come to together and no such order gives is a race. Must not know
pytest.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from ..._core.current_test import test_of_body
from ..._core.units import seconds
from ..marker_arguments import require_function
from .every_order import ALL
from .probe import ScheduleProbe, end_outer_schedule
from .run import Runner, Stuck
from .search import Explored, ScheduleFailure, SearchOptions, search_schedules
from .sequential import MOST, NotAtomic, Sequential, TogetherResult, in_words
from .token import Schedule

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from ..model import RunState

    Request = Callable[[], Awaitable[Any]]

_CALLED = "explore_together"
_AGAIN = 5  # times that more is learnt of the orders one after the other


async def explore_together(
    *requests: Callable[[], Awaitable[Any]],
    observe: Callable[[], Any] | None = None,
    reset: Callable[[], Any] | None = None,
    seeds: int | Sequence[int] | Literal["all"] = "all",
    policy: str = "auto",
    start: int = 0,
    changes: int | None = None,
    budget: float | str = 0,
    ignore: Sequence[str] = (),
    replay: str = "",
    shrink: bool = True,
) -> Explored:
    """Run 2 to 4 requests together: some order of them, one after the other, must give the same.

    First the requests are run one after the other, in each order and twice; then together, under
    the schedules. An outcome is the status, body, `Location` and `ETag` of each answer (or the
    exception, or any other value) and what was observed. Times are not compared, nor what
    `ignore` names, nor text that differs between two equal runs; of UUIDs and such numbers only
    which are equal. The notes of the result say what. A request that is answered 409, 412, 423,
    425, 429 or 503 may as well not have been sent.

    Args:
        *requests: Functions that send one each: `lambda: client.post("/sell")`.
        observe: Async or not; it is called when all have been answered and gives what can be seen
            then: `lambda: client.get("/sale")`.
        reset: Async or not; makes new what the requests change, before each run.
        seeds: As in `explore_schedules()`.
        policy: As in `explore_schedules()`.
        start: As in `explore_schedules()`.
        changes: As in `explore_schedules()`; None: 1, with `seeds="all"`.
        budget: As in `explore_schedules()`: seconds of real time, or `"30s"`.
        ignore: Keys of JSON that are not compared.
        replay: Run one schedule instead, by its token.
        shrink: Look for a shorter schedule that fails too.

    Returns:
        How many schedules were run, how many of them differed, and notes.

    Raises:
        ScheduleFailure: With the nearest outcome of an order beside the one that was found, and
            the interleaving.
        ValueError: For arguments that make no sense, and where the same order does not come to
            the same twice.

    Example:
        ```python
        await explore_together(
            lambda: client.post("/sell"),
            lambda: client.post("/sell"),
            observe=lambda: client.get("/stock"),
            reset=fill_the_stock,
        )
        ```
    """
    __tracebackhide__ = True
    _check(_CALLED, requests, observe=observe, reset=reset)
    ignored = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    if seeds == ALL and changes is None:
        changes = 1  # the number of orders grows with the square, and so on, of the steps
    options = SearchOptions(
        seeds=seeds,
        policy=policy,
        start=start,
        changes=changes,
        limit=seconds(budget),
        replay=replay,
        shrink=shrink,
    )
    end_outer_schedule(test_of_body())
    trial = Trial(requests, observe, reset, Sequential(len(requests), ignored))
    return await trial.explored(options)


class Trial:
    """The requests, one after the other or together; `sequential` has the allowed outcomes."""

    def __init__(
        self,
        requests: Sequence[Request],
        observe: Callable[[], Any] | None,
        reset: Callable[[], Any] | None,
        sequential: Sequential,
    ) -> None:
        self._requests = requests
        self._observe = observe
        self._reset = reset
        self._sequential = sequential
        self._last: TogetherResult | None = None

    async def explored(self, options: SearchOptions) -> Explored:
        """What came of it. Raises `ScheduleFailure`."""
        __tracebackhide__ = True
        sequential = self._sequential
        await self._one_after_the_other([*sequential.all()] * 2)
        for again in range(_AGAIN):
            try:
                result = await search_schedules(_CALLED, self._together, None, options)
            except ScheduleFailure as failure:
                found = self._last
                if not isinstance(failure.__cause__, NotAtomic) or found is None:
                    raise
                # What differs between two runs seldom, and the orders of fewer requests.
                more = sequential.orders_to_try(found) * 2
                await self._one_after_the_other([*sequential.possible(), *more])
                if sequential.verdict(found) or again == _AGAIN - 1:
                    raise failure from None  # its text has all that the cause says
            else:
                return replace(result, notes=(*result.notes, *sequential.about()))
        raise AssertionError("not reached")

    async def _one_after_the_other(self, orders: Iterable[tuple[int, ...]]) -> None:
        sequential = self._sequential
        for order in orders:
            if order in sequential.impossible:
                continue

            async def scenario(order: tuple[int, ...] = order) -> None:
                answers: list[Any] = [None] * len(self._requests)
                await called(self._reset)
                for number in order:
                    answers[number - 1] = await answer(self._requests[number - 1])
                self._last = TogetherResult(answers, await called(self._observe))

            with Runner(scenario, None) as runner:
                outcome = await runner.run(Schedule("fifo"))
            if isinstance(outcome.error, Stuck):
                sequential.impossible.append(order)
            elif outcome.error is not None:
                outcome.error.add_note(f"{_CALLED}(): one after the other, {in_words(order)}")
                raise outcome.error
            elif self._last is not None:
                sequential.add(order, self._last)
        if not sequential.possible():
            raise ValueError(
                "the requests never end one after the other, in any order: each waits for another "
                "one, so there is nothing to compare with"
            )

    async def _together(self) -> None:
        await called(self._reset)
        self._last = None
        answers = await at_once(self._requests)
        self._last = found = TogetherResult(answers, await called(self._observe))
        if text := self._sequential.verdict(found):
            raise NotAtomic(text)

    def __repr__(self) -> str:
        return f"<Trial of {len(self._requests)} requests>"


class Together:
    """What the fixture `together` gives: `await together(a, b, observe=c)`, once in a test.

    The test is run again with the requests one after the other, in each order, and together
    under many schedules; see `explore_together()`.
    """

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._called = False

    async def __call__(
        self,
        *requests: Callable[[], Awaitable[Any]],
        observe: Callable[[], Any] | None = None,
        ignore: Sequence[str] = (),
    ) -> TogetherResult:
        """Run 2 to 4 requests together; an outcome that no order of them gives fails the test.

        Args:
            *requests: Functions that send one each.
            observe: Async or not; gives what can be seen afterwards.
            ignore: Keys of JSON that are not compared.

        Returns:
            The answers and the observation of this run.

        Raises:
            RuntimeError: If it is called twice in a test.
            ValueError: If there are fewer than 2 or more than 4 requests.

        Example:
            ```python
            result = await together(
                lambda: asgi_client.post("/sell"),
                lambda: asgi_client.post("/sell"),
                observe=lambda: asgi_client.get("/stock"),
            )
            ```
        """
        _check("together", requests, observe=observe)
        if self._called:
            raise RuntimeError("together() is called twice in this test: write a test for each")
        self._called = True
        probe = self._state.probe
        explored = isinstance(probe, ScheduleProbe)
        if explored:
            frame = sys._getframe(1)
            probe.called_at = self._state.user_code.location(frame.f_code, frame.f_lineno)
            probe.ignored = (ignore,) if isinstance(ignore, str) else tuple(ignore)
            probe.body.begin()
        if explored and probe.order is not None:
            answers: list[Any] = [None] * len(requests)
            for number in probe.order:
                answers[number - 1] = await answer(requests[number - 1])
        else:
            answers = await at_once(requests)
        if explored:
            probe.body.rest()
        found = TogetherResult(answers, await called(observe))
        if explored:
            probe.found = found
        return found

    def __repr__(self) -> str:
        return "<together: await together(request, request, observe=...)>"


def _check(called: str, requests: Sequence[Any], **given: Any) -> None:
    if not 2 <= len(requests) <= MOST:
        raise ValueError(f"{called}() takes 2 to {MOST} requests; got {len(requests)}")
    for number, request in enumerate(requests, 1):
        require_function(request, f"request {number}", "run")
    for name, one in given.items():
        if one is not None:
            require_function(one, name, "run")


async def called(given: Callable[[], Any] | None) -> Any:
    """What it gives, async or not; None without it."""
    made = None if given is None else given()
    return await made if inspect.isawaitable(made) else made


async def answer(request: Request) -> Any:
    """What it returned, or what it raised."""
    try:
        made: Any = request()
        if not inspect.isawaitable(made):
            raise _NotAwaitable(
                "a request must return something to await: write `async def`, or "
                f"`lambda: client.post(...)`; it returned {made!r}"
            )
        return await made
    except _NotAwaitable:
        raise
    except Exception as error:
        return error


class _NotAwaitable(ValueError):
    pass


async def at_once(requests: Sequence[Request]) -> list[Any]:
    """All of them at the same time, each in a task that is named by its number."""
    if asyncio._get_running_loop() is None:
        raise RuntimeError(
            "together() needs a test on asyncio: trio chooses the order of its tasks itself. "
            "Fix: run this test on asyncio (anyio_backend = 'asyncio')."
        )
    tasks = [
        asyncio.create_task(answer(request), name=f"request {number}")
        for number, request in enumerate(requests, 1)
    ]
    return await asyncio.gather(*tasks)
