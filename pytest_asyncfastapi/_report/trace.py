"""Each test's timeline in Chrome's trace-event format, for Perfetto and chrome://tracing.

A process is a test, or one run of its sweep; a track is a request, a lane of its
upstream calls, a task, what blocked the loop, a thread pool. Moments are those of the
record: seconds since the test began, on the clock in force, here as microseconds.
Slices of one track never overlap in part, as viewers ask for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .aggregate import made_with
from .timeline import Slice, call_slices, in_lanes, last_moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .aggregate import Run


def render(run: Run) -> str:
    """The trace as text."""
    return json.dumps(document(run), ensure_ascii=False, allow_nan=False) + "\n"


def document(run: Run) -> dict[str, Any]:
    """The trace as plain data."""
    events: list[dict[str, Any]] = []
    for pid, (name, labels, record) in enumerate(_timelines(run), 1):
        process = _Process(pid, name, labels)
        _fill(process, record)
        events += process.events()
    return {
        "displayTimeUnit": "ms",
        "otherData": {**made_with(), "started": run.started, "seed": run.seed},
        "traceEvents": events,
    }


def _timelines(run: Run) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name, labels and record of every run that was recorded: the test's, then its sweeps'."""
    for test in run.tests:
        if test["record"]:
            yield test["id"], _labels(test["outcome"], test["record"]), test["record"]
        for sweep in test["sweeps"]:
            for point in sweep["points"]:
                if point.get("record"):
                    name = f"{test['id']} [{point['token']}]"
                    yield name, _labels(point["verdict"], point["record"]), point["record"]


def _labels(outcome: str, record: dict[str, Any]) -> str:
    clock = "virtual time" if record["clock"]["virtual"] else "real time"
    return f"{outcome}, {clock}"


@dataclass(eq=False)
class _Process:
    """The tracks of one timeline, numbered as they come."""

    pid: int
    name: str
    labels: str
    tracks: list[tuple[str, list[Slice]]] = field(default_factory=list)

    def add(self, name: str, slices: list[Slice]) -> None:
        """One more track, if there is anything on it."""
        if slices:
            self.tracks.append((name, slices))

    def events(self) -> Iterator[dict[str, Any]]:
        """All of it as trace events; a parent comes before its children."""
        yield self._named("process_name", 0, name=self.name)
        yield self._named("process_labels", 0, labels=self.labels)
        yield self._named("process_sort_index", 0, sort_index=self.pid)
        for tid, (name, slices) in enumerate(self.tracks, 1):
            yield self._named("thread_name", tid, name=name)
            yield self._named("thread_sort_index", tid, sort_index=tid)
            for item in slices:
                yield self._slice(item, tid)

    def _named(self, what: str, tid: int, **args: Any) -> dict[str, Any]:
        return {"ph": "M", "name": what, "pid": self.pid, "tid": tid, "args": args}

    def _slice(self, item: Slice, tid: int) -> dict[str, Any]:
        start, end = _microseconds(item.start), _microseconds(item.end)
        event = {"name": item.name, "cat": item.kind, "pid": self.pid, "tid": tid, "ts": start}
        event["args"] = {key: value for key, value in item.args.items() if value not in (None, "")}
        if item.kind == "blocking":
            event["cname"] = "terrible"
        if item.instant:
            return {**event, "ph": "i", "s": "t"}
        return {**event, "ph": "X", "dur": round(end - start, 3)}


def _microseconds(seconds: float) -> float:
    return round(seconds * 1e6, 3)


def _fill(process: _Process, record: dict[str, Any]) -> None:
    end = last_moment(record)
    tasks: dict[int | None, list[dict[str, Any]]] = {}
    calls: dict[int | None, list[dict[str, Any]]] = {}
    for task in record["tasks"]:
        tasks.setdefault(task["request"], []).append(task)
    for call in record["upstream"]:
        calls.setdefault(call["request"], []).append(call)
    for request in record["requests"]:
        number = request["number"]
        label = f"#{number} {request['method']} {request['path']}"
        process.add(label, _request(request, label, end))
        _add_calls(process, f"#{number} upstream", calls.pop(number, []), end)
        _add_tasks(process, f"#{number} task ", tasks.pop(number, []), end)
    for number, rest in calls.items():
        _add_calls(process, "upstream" if number is None else f"#{number} upstream", rest, end)
    for number, others in tasks.items():
        _add_tasks(process, "task " if number is None else f"#{number} task ", others, end)
    virtual = record["clock"]["virtual"]
    blocking = [_blocked(call, virtual=virtual) for call in record["blocking"]]
    for number, lane in enumerate(in_lanes([[item] for item in blocking])):
        process.add("event loop blocked" + (f" ({number + 1})" if number else ""), lane)
    for pool in record["threads"]:
        waits = [[_waited(wait, pool)] for wait in pool["waits"]]
        for number, lane in enumerate(in_lanes(waits), 1):
            process.add(f"waiting for {pool['pool']} ({number})", lane)


def _request(request: dict[str, Any], label: str, end: float) -> list[Slice]:
    ended = end if request["end"] is None else request["end"]
    args = {"status": request["status"], "error": request["error"], "kind": request["kind"]}
    start, head, complete = request["start"], request["head"], request["complete"]
    found = [Slice(label, "request", start, ended, args)]
    found.append(Slice("until the head", "request", start, ended if head is None else head))
    if head is not None:
        found.append(Slice("body", "request", head, ended if complete is None else complete))
    if complete is not None and ended > complete:
        found.append(Slice("background tasks", "request", complete, ended))
    return [item for item in found if item.end >= item.start]


def _add_calls(process: _Process, name: str, calls: list[dict[str, Any]], end: float) -> None:
    lanes = in_lanes([call_slices(call, end) for call in calls])
    for number, lane in enumerate(lanes):
        process.add(name + (f" ({number + 1})" if number else ""), lane)


def _add_tasks(process: _Process, name: str, tasks: list[dict[str, Any]], end: float) -> None:
    for task in tasks:
        ended = end if task["end"] is None else task["end"]
        slices = [
            Slice(
                f"await {_place(wait['where'])}",
                "await",
                wait["at"],
                wait["at"] + wait["seconds"],
                {"source": wait["where"]["source"]},
            )
            for wait in task["awaits"]
        ]
        ended = max(ended, *(item.end for item in slices))
        created = None if task["created"] is None else _place(task["created"])
        life = Slice(task["name"], "task", task["start"], ended, {"created": created})
        process.add(name + task["name"], [life, *slices])


def _blocked(call: dict[str, Any], *, virtual: bool) -> Slice:
    seconds = call["duration"] or 0.0
    args = {
        "where": None if call["where"] is None else _place(call["where"]),
        "source": None if call["where"] is None else call["where"]["source"],
        "request": call["request"],
        "severity": call["severity"],
        "real seconds": seconds or None,
    }
    name = call["name"] + (f"({call['args']})" if call["args"] else "")
    # Virtual time stands still while code runs: there the call is a moment.
    instant = virtual or not seconds
    end = call["at"] if instant else call["at"] + seconds
    return Slice(name, "blocking", call["at"], end, args, instant=instant)


def _waited(wait: dict[str, Any], pool: dict[str, Any]) -> Slice:
    start = max(0.0, wait["at"])
    args = {"request": wait["request"], "size": pool["size"], "peak": pool["peak"]}
    name = "waits for a thread" + (f" (#{wait['request']})" if wait["request"] else "")
    return Slice(name, "threads", start, start + wait["seconds"], args)


def _place(where: dict[str, Any]) -> str:
    inside = f", in {where['function']}" if where["function"] else ""
    return f"{where['path']}:{where['line']}{inside}"
