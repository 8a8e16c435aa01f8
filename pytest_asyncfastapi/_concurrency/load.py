"""`load`: many requests at once, a bounded number at a time, on asyncio and trio.

Depends on HTTP only for the `status_code` of a response. What the pools, the
loop and the upstream did meanwhile comes from `Meters`.
"""

from __future__ import annotations

import inspect
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import anyio.lowlevel

from .._core.current_loop import now
from .._core.signatures import signature
from .load_model import Operation, recorder
from .load_report import LoadError, LoadReport
from .loop_lag import loop_lag
from .thread_pool import Threads

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .load_model import Recorder

_EXAMPLE = 'await load(lambda: asgi_client.get("/items"), n=100, concurrency=10)'


class Meters(Protocol):
    """What others measure while a load runs."""

    def swap_threads(self, threads: Threads) -> Threads:
        """Count the thread pools here from now on; returns where they were counted."""
        ...

    def step_times(self) -> list[float]:
        """What each step of the loop took so far, in seconds."""
        ...

    def upstream_calls(self) -> list[tuple[float, float]] | None:
        """Beginning and end of each upstream call that has ended; None without an upstream."""
        ...


class Load:
    """Runs loads; what the fixture `load` gives."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters

    async def __call__(
        self,
        request: Callable[..., Awaitable[Any] | Operation],
        *,
        n: int = 100,
        concurrency: int = 10,
        model: type[Any] | None = None,
    ) -> LoadReport:
        """Call `request()` (or `request(number)`) `n` times, at most `concurrency` at a time.

        What it raises is kept in the report.

        Args:
            request: A function that makes one request; with a parameter, it is given the request's
                number. With `model`, it returns an `Operation`.
            n: How many requests, 1 or more.
            concurrency: How many at a time, 1 or more.
            model: A class with a method for each kind of request. The answers must be those of its
                methods, called in some order in which no request comes before one that was answered
                before it was sent.

        Returns:
            The answers' statuses, latencies in seconds, and what was measured meanwhile.

        Raises:
            NotLinearizable: If there is no such order.
            TypeError: For a `request` or `model` that makes no load.
            ValueError: If `n` or `concurrency` is not 1 or more.

        Example:
            ```python
            report = await load(lambda: asgi_client.get("/items"), n=200, concurrency=20)
            assert report.statuses == {200: 200}
            ```
        """
        call = _request_function(request)
        _check_count("n", n)
        _check_count("concurrency", concurrency)
        meters, threads = self._meters, Threads()
        outer, steps = meters.swap_threads(threads), len(meters.step_times())
        before = len(meters.upstream_calls() or ())
        history = None if model is None else recorder(model)
        run = _Run(call, n, history)
        began = now()
        try:
            async with anyio.create_task_group() as group:
                for _ in range(min(n, concurrency)):
                    group.start_soon(run.work)
        except BaseExceptionGroup as failed:
            # Only what is not the request's: a wrong factory, a cancellation, a test's own failure.
            raise failed.exceptions[0] from None
        finally:
            meters.swap_threads(outer)
            outer.add(threads)
        calls = meters.upstream_calls()
        report = run.report(n, concurrency, now() - began)
        report = replace(
            report,
            threads=threads.pools,
            lag=loop_lag(meters.step_times()[steps:]),
            upstream_peak=None if calls is None else _peak(calls[before:]),
        )
        return report if history is None else replace(report, notes=history.judge(report))

    def __repr__(self) -> str:
        return f"<load: {_EXAMPLE}>"


@dataclass(slots=True)
class _Done:
    latency: float = 0.0
    status: int | None = None
    error: BaseException | None = None


class _Run:
    """One load while it runs: its workers take the next number until there is none."""

    def __init__(
        self, call: Callable[[int], Awaitable[Any]], n: int, history: Recorder | None
    ) -> None:
        self._call = call
        self._history = history
        self._numbers = iter(range(n))
        self._done: dict[int, _Done] = {}
        self._in_flight = 0
        self._peak = 0

    async def work(self) -> None:
        """Make requests one after the other."""
        for number in self._numbers:
            self._in_flight += 1
            self._peak = max(self._peak, self._in_flight)
            done = self._done[number] = _Done()
            since = now()
            try:
                response = await self._send(number)
                done.status = getattr(response, "status_code", None)
            except _WrongRequest:
                raise
            except Exception as error:
                done.error = error
            finally:
                done.latency = now() - since
                self._in_flight -= 1
            # A request that never waits would keep the other workers from running.
            await anyio.lowlevel.checkpoint()

    async def _send(self, number: int) -> Any:
        """Make the request, and record it in the history if there is a model."""
        request, history = self._call(number), self._history
        if history is None:
            return await _awaitable(request)
        try:
            call = history.begin(number, request)
        except TypeError as error:
            _close(getattr(request, "request", request))
            raise _WrongRequest(str(error)) from None
        assert isinstance(request, Operation)
        response = await _awaitable(request.request)
        history.end(call, response)
        return response

    def report(self, n: int, concurrency: int, duration: float) -> LoadReport:
        """The report, without what `Meters` has measured."""
        done = sorted(self._done.items())
        statuses = Counter(item.status for _, item in done if item.status is not None)
        return LoadReport(
            n=n,
            concurrency=concurrency,
            duration=duration,
            latencies=tuple(item.latency for _, item in done if item.error is None),
            statuses=dict(statuses),
            errors=tuple(LoadError(number, item.error) for number, item in done if item.error),
            peak=self._peak,
        )


class _WrongRequest(TypeError):
    pass


def _awaitable(thing: Any) -> Awaitable[Any]:
    if not inspect.isawaitable(thing):
        raise _WrongRequest(
            f"load(): the request gave {thing!r}, which cannot be awaited. Fix: give a function "
            f"that makes a request and returns it un-awaited: {_EXAMPLE}"
        )
    return thing


def _close(request: Any) -> None:
    """A coroutine that will not be awaited."""
    close = getattr(request, "close", None)
    if close is not None:
        close()


def _check_count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"load({name}={value!r}): it must be a whole number, 1 or more")


def _request_function(request: Any) -> Callable[[int], Awaitable[Any]]:
    if inspect.isawaitable(request):
        _close(request)
        raise TypeError(
            f"load() got one request that is under way already, {type(request).__name__}. Fix: "
            f"give a function that makes one each time: {_EXAMPLE}"
        )
    if not callable(request):
        raise TypeError(f"load() got {request!r}, not a function that makes a request: {_EXAMPLE}")
    call: Any = request
    try:
        takes = signature(call)
    except (TypeError, ValueError):
        return lambda number: call()
    for arguments in ((), (0,)):
        try:
            takes.bind(*arguments)
        except TypeError:
            continue
        return call if arguments else lambda number: call()
    raise TypeError(
        f"load(): {getattr(request, '__name__', 'the function')}{takes} wants more than the "
        f"number of the request. Fix: {_EXAMPLE}"
    )


def _peak(calls: list[tuple[float, float]]) -> int:
    """The most calls that were out at one time."""
    out = most = 0
    for _, change in sorted([(begin, 1) for begin, _ in calls] + [(end, -1) for _, end in calls]):
        out += change
        most = max(most, out)
    return most
