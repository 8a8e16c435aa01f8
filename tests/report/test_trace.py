"""The trace: valid for viewers of Chrome's format, and true to the record."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

# What Perfetto's and Chrome's importers ask of the phases that we write.
SCHEMA = {
    "type": "object",
    "required": ["traceEvents"],
    "additionalProperties": False,
    "properties": {
        "displayTimeUnit": {"enum": ["ms", "ns"]},
        "otherData": {"type": "object"},
        "traceEvents": {"type": "array", "items": {"$ref": "#/$defs/event"}},
    },
    "$defs": {
        "event": {
            "type": "object",
            "required": ["ph", "name", "pid", "tid", "args"],
            "properties": {
                "pid": {"type": "integer", "minimum": 1},
                "tid": {"type": "integer", "minimum": 0},
                "name": {"type": "string", "minLength": 1},
                "args": {"type": "object"},
            },
            "oneOf": [
                {
                    "properties": {
                        "ph": {"const": "M"},
                        "name": {
                            "enum": [
                                "process_name",
                                "process_labels",
                                "process_sort_index",
                                "thread_name",
                                "thread_sort_index",
                            ]
                        },
                    }
                },
                {
                    "properties": {
                        "ph": {"const": "X"},
                        "ts": {"type": "number", "minimum": 0},
                        "dur": {"type": "number", "minimum": 0},
                    },
                    "required": ["ts", "dur", "cat"],
                },
                {
                    "properties": {
                        "ph": {"const": "i"},
                        "s": {"const": "t"},
                        "ts": {"type": "number", "minimum": 0},
                    },
                    "required": ["ts", "s", "cat"],
                },
            ],
        }
    },
}


class Trace:
    """A trace as a viewer reads it: processes, their tracks, the slices on each."""

    def __init__(self, data: dict[str, Any]) -> None:
        Draft202012Validator(SCHEMA).validate(data)
        self.processes: dict[str, dict[str, list[dict[str, Any]]]] = {}
        names: dict[tuple[int, int], list[dict[str, Any]]] = {}
        pids: dict[int, dict[str, Any]] = {}
        for event in data["traceEvents"]:
            if event["name"] == "process_name":
                pids[event["pid"]] = self.processes.setdefault(event["args"]["name"], {})
            elif event["name"] == "thread_name":
                track = pids[event["pid"]].setdefault(event["args"]["name"], [])
                names[event["pid"], event["tid"]] = track
            elif event["ph"] in "Xi":
                names[event["pid"], event["tid"]].append(event)
        for tracks in self.processes.values():
            for slices in tracks.values():
                nests(slices)

    def test(self, name: str) -> dict[str, list[dict[str, Any]]]:
        return next(tracks for told, tracks in self.processes.items() if told.endswith(name))


def nests(slices: list[dict[str, Any]]) -> None:
    """In order, and each within the one that is open, or after it: else viewers drop it."""
    open_until: list[float] = []
    last = 0.0
    for item in (item for item in slices if item["ph"] == "X"):
        start, end = item["ts"], item["ts"] + item["dur"]
        assert start >= last, item
        last = start
        while open_until and open_until[-1] <= start and end > open_until[-1]:
            open_until.pop()
        assert not open_until or end <= open_until[-1] + 0.01, item
        open_until.append(end)


@pytest.fixture
def traced(project: pytest.Pytester) -> Any:
    """Run with these arguments; gives the trace."""

    def traced(*args: str) -> Trace:
        run = project.runpytest_subprocess if "-n" in args else project.runpytest_inprocess
        run("--asyncfastapi-trace=trace.json", *args)
        return Trace(json.loads((project.path / "trace.json").read_text()))

    return traced


def found(slices: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (one,) = [item for item in slices if item["name"].startswith(name)]
    return one


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_track_for_each_request_call_task_and_what_blocked(
    traced: Any, workers: tuple[str, ...]
) -> None:
    """On the virtual clock: 2 s injected, half a second of background task."""
    tracks = traced("-k", "checkout or threads", *workers).test("test_checkout")
    request = tracks["#1 POST /checkout"]
    whole, head = found(request, "#1 POST"), found(request, "until the head")
    assert whole["args"]["status"] == 200
    assert whole["dur"] == pytest.approx(2.5e6, abs=1)
    assert head["dur"] == pytest.approx(2e6, abs=1)
    assert found(request, "background tasks")["dur"] == pytest.approx(0.5e6, abs=1)
    call = found(tracks["#1 upstream"], "POST https://pay.example/charges")
    delay = found(tracks["#1 upstream"], "injected delay")
    assert (delay["cat"], delay["dur"]) == ("injected", pytest.approx(2e6, abs=1))
    assert call["args"]["where"].startswith("shopapp.py:")
    assert "latency=2s" in call["args"]["fault"]
    waits = tracks["#1 task checkout"]
    awaits = [item for item in waits if item["name"].startswith("await shopapp.py")]
    assert [item["dur"] for item in awaits] == pytest.approx([2e6, 0.5e6], abs=1)
    blocked = found(tracks["event loop blocked"], "time.sleep")
    assert blocked["ph"] == "i"  # virtual time stood still
    assert blocked["args"]["real seconds"] >= 0.03
    assert blocked["args"]["source"] == "time.sleep(0.03)"


def test_threads_and_calls_that_overlap(traced: Any, project: pytest.Pytester) -> None:
    """Each on a lane of its own; what never ended is cut off."""
    project.makepyfile(
        test_more="""
        import asyncio
        import httpx

        async def test_three(asgi_client, upstream, faults):
            upstream.post("https://pay.example/charges").respond(201, json={})
            faults.on("https://pay.example/*").timeline(connect="1s", first_byte="250ms")
            await asyncio.gather(*(asgi_client.post("/checkout") for _ in range(3)))
        """
    )
    trace = traced("-k", "threads or times_out or three")
    waits = {n: s for n, s in trace.test("test_threads").items() if n.startswith("waiting for")}
    assert sum(map(len, waits.values())) == 2
    assert all(item["dur"] > 10_000 for slices in waits.values() for item in slices)
    silent = found(trace.test("test_times_out")["#1 upstream"], "read timeout")
    assert (silent["cat"], silent["dur"]) == ("injected", pytest.approx(5e6, abs=1))
    for number in (1, 2, 3):
        lane = trace.test("test_three")[f"#{number} upstream"]
        assert found(lane, "injected connect")["dur"] == pytest.approx(1e6, abs=1)
        assert found(lane, "injected wait for the body")["dur"] == pytest.approx(250e3, abs=1)
        assert found(lane, "body")["dur"] == pytest.approx(250e3, abs=1)


def test_the_runs_of_a_sweep_are_there(traced: Any, project: pytest.Pytester) -> None:
    """Each as a process of its own, named by its token."""
    project.makepyfile(
        """
        import pytest

        @pytest.mark.allow_blocking("sleep", reason="not the point here")
        @pytest.mark.fault_sweep(faults=["slow", "500"])
        async def test_swept(asgi_client, upstream):
            upstream.post("https://pay.example/charges").respond(201, json={})
            await asgi_client.post("/checkout")
        """
    )
    trace = traced("-k", "swept")
    (slow,) = [t for name, t in trace.processes.items() if name.endswith("[faults:1:slow]")]
    assert found(slow["#1 upstream"], "injected delay")["dur"] == pytest.approx(5e6, abs=1)
    assert [name for name in trace.processes if name.endswith("[faults:1:500]")]
