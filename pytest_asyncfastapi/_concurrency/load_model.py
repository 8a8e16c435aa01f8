"""A load against a sequential model: what each request did, by the model's own methods.

The history of each key is judged by itself, as requests about different keys do not touch
each other. Depends on HTTP only for the status and JSON body of an answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._core.base_error import AsyncFastAPIError
from .linearizability import Call, History, Undecided

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from .load_report import LoadReport

_UNKNOWN = 500  # from this status on an answer does not say whether anything was done


class Operation:
    """One request of a load with `model=`: what is awaited, and the model's method for it.

    What the method returns says what the answer must be: a status, a JSON body, or both as a
    tuple; None: any.

    Args:
        request: What is awaited for the answer.
        name: The method of the model.
        *args: The arguments of the method.
        key: Requests with different keys have a model each: they do not influence each other.

    Example:
        ```python
        Operation(client.post("/sell/mug"), "sell", key="mug")
        ```
    """

    __slots__ = ("args", "key", "name", "request")

    def __init__(
        self, request: Awaitable[Any], name: str, *args: Any, key: Hashable = None
    ) -> None:
        self.request: Awaitable[Any] = request
        self.name: str = name
        self.args: tuple[Any, ...] = args
        self.key: Hashable = key

    def __repr__(self) -> str:
        return f"Operation({self.name!r}, *{self.args!r}, key={self.key!r})"


class NotLinearizable(AsyncFastAPIError, AssertionError):
    """The answers of a load fit no order of its requests.

    Attributes:
        report: The report of the load.
    """

    def __init__(self, message: str, report: LoadReport) -> None:
        super().__init__(message)
        self.report = report


@dataclass(slots=True)
class Recorder:
    """The history of a load, event by event."""

    model: Callable[[], Any]
    _calls: dict[Hashable, list[Call]]
    _events: int = 0

    def begin(self, number: int, operation: Any) -> Call:
        """This request is about to be sent. Raises `TypeError` with one sentence."""
        if not isinstance(operation, Operation):
            raise TypeError(
                f"load(model=...): the request gave {operation!r}. Fix: say which method of the "
                'model it is: Operation(client.post("/sell"), "sell")'
            )
        if not callable(getattr(self.model, operation.name, None)):
            name = getattr(self.model, "__name__", repr(self.model))
            raise TypeError(f"load(model=...): {name} has no method {operation.name!r}")
        self._events += 1
        call = Call(number, operation.name, operation.args, self._events)
        self._calls.setdefault(operation.key, []).append(call)
        return call

    def end(self, call: Call, response: Any) -> None:
        """It has been answered."""
        self._events += 1
        status = getattr(response, "status_code", None)
        if status is not None and status >= _UNKNOWN:
            return
        call.ended = self._events
        call.answer = response if status is None else (status, _body(response))

    def judge(self, report: LoadReport) -> tuple[str, ...]:
        """Nothing where some order explains it; keys that are too much are returned.

        Raises `NotLinearizable`.
        """
        notes = []
        for key, calls in self._calls.items():
            try:
                found = History(self.model, calls, _matches).violation(key)
            except Undecided:
                about = "" if key is None else f" of {key!r}"
                notes.append(
                    f"not decided: {len(calls)} calls{about} have too many orders; fewer "
                    "requests, a lower concurrency or more keys have less"
                )
                continue
            if found is not None:
                raise NotLinearizable(
                    f"the answers fit no order of the requests, one after the other:\n{found}",
                    report,
                )
        return tuple(notes)


def recorder(model: Any) -> Recorder:
    """For this model. Raises `TypeError` with one sentence."""
    if not isinstance(model, type):
        raise TypeError(
            f"load(model={model!r}): it must be a class with a method for each kind of request"
        )
    return Recorder(model, {})


def _body(response: Any) -> Any:
    try:
        return response.json()
    except ValueError:
        return response.text


def _matches(expected: Any, answer: Any) -> bool:
    if expected is None:
        return True
    if not (isinstance(answer, tuple) and len(answer) == 2):
        return bool(expected == answer)
    status, body = answer
    if isinstance(expected, int) and not isinstance(expected, bool):
        return bool(status == expected)
    if isinstance(expected, tuple):
        return bool((status, body) == expected)
    return bool(status < 400 and body == expected)
