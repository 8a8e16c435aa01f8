"""Sweeps in the summary: a matrix of call and fault, a line for each cut request.

Reads the plain data that travels on the reports, and merges the shares of one
sweep; knows nothing of how a sweep is run.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from .._core.order_claims import claim
from . import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from _pytest.terminal import TerminalReporter

    from .._explore.model import ExplorationResult

# Where it is not the beginning of the name.
_SHORT = {
    "connect_timeout": "ctime",
    "read_timeout": "rtime",
    "bad_json": "json",
    "503_html": "html",
    "no_body": "nbody",
    "json_object": "{}",
    "json_array": "[]",
    "json_null": "null",
}
_REACHES = ("", "+", "+host", "+equal")  # how far a fault goes on from its call

_WIDTH = 6
_MARKS = {
    **dict.fromkeys(("masked", "lost background task", "unexpected data", "unsafe retry"), "~"),
    "cleanup cut off": "~",
    "not reached": "-",
}


def write_summary(
    terminal: TerminalReporter,
    swept: Sequence[dict[str, Any]],
    interrupted: Sequence[ExplorationResult],
) -> None:
    """Write each sweep: in a line where all is well, as a matrix where it is not (or with -v)."""
    broken = [item.to_json() for item in interrupted]
    told = [sweep for sweep in (*merged(swept), *broken) if sweep["points"] or sweep["stopped"]]
    if not told or terminal.config.get_verbosity() < 0:
        return
    terminal.section("sweeps", sep="=", cyan=True)
    for sweep in told:
        bad = any(point["bad"] for point in sweep["points"])
        terminal.write_line(headline(sweep), red=bad, bold=bad)
        if bad or _listed(sweep) or terminal.config.get_verbosity() > 0:
            for line in details(sweep):
                terminal.write_line(line)
    for item in interrupted:  # no report carries what they found
        if item.findings:
            terminal.write_line(text.findings(item.findings))


def merged(swept: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The shares of one sweep as one, in the order of the points."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for sweep in swept:
        name = sweep["test"].partition("[share")[0] if sweep["shard"] else sweep["test"]
        key = (sweep["kind"], name, sweep.get("call", ""))
        known = found.get(key)
        if known is None:
            found[key] = {**sweep, "test": name, "points": list(sweep["points"])}
            found[key]["shards"] = [sweep["shard"]] if sweep["shard"] else []
            continue
        if sweep["shard"] and sweep["shard"] not in known["shards"]:
            known["shards"].append(sweep["shard"])
        tokens = {point["token"] for point in known["points"]}
        known["points"] += [p for p in sweep["points"] if p["token"] not in tokens]
        known["stopped"] = known["stopped"] or sweep["stopped"]
        known["duration"] += sweep["duration"]
        known["planned"] = (known["planned"] or 0) + (sweep["planned"] or 0) or None
        if not known.get("about"):
            known["about"] = sweep.get("about", {})
    for sweep in found.values():
        sweep["points"].sort(key=_in_order)
    return list(found.values())


def _in_order(point: dict[str, Any]) -> tuple[list[int], str]:
    return [int(part) for part in re.findall(r"\d+", point["row"])], point["row"]


def headline(sweep: dict[str, Any]) -> str:
    """`"fault sweep of tests/test_x.py::test_y: 44 points, 2 bad, 1 masked, 0.9 s"`."""
    counted = Counter(point["verdict"] for point in sweep["points"] if not point["bad"])
    bad = sum(point["bad"] for point in sweep["points"])
    of = f" of {sweep['planned']}" if sweep["stopped"] and sweep["planned"] else ""
    parts = [_claim(sweep) or f"{len(sweep['points'])}{of} points, {bad} bad"]
    known = ("ok", "one by one")
    parts += [f"{n} {verdict}" for verdict, n in counted.items() if verdict not in known]
    parts.append(f"{sweep['duration']:.1f} s")
    name = {"faults": "fault sweep", "disconnect": "disconnect sweep"}.get(
        sweep["kind"], sweep["kind"]
    )
    stopped = f"; stopped: {sweep['stopped']}" if sweep["stopped"] and not _claim(sweep) else ""
    call = f", {sweep['call']}" if sweep.get("call") else ""
    return f"{name} of {sweep['test']}{call}: {', '.join(parts)}{stopped}"


def _claim(sweep: dict[str, Any]) -> str:
    """What is proven where every order was to be run, and none has failed."""
    changes = (sweep.get("about") or {}).get("most_changes")
    points = sweep["points"]
    if not changes or any(point["bad"] for point in points):
        return ""
    unsteady = sum(point["data"].get("unsteady", False) for point in points)
    stopped, share = sweep["stopped"], share_of(sweep)
    one_by_one = sweep["about"].get("one_by_one")
    # The ordinary order is the clean run, or a point to be compared.
    run = sum(point["verdict"] == "ok" for point in points) + (not one_by_one)
    told = claim(changes, run, stopped=stopped, unsteady=unsteady, share=share)
    return f"{told}, compared with {one_by_one} one after the other" if one_by_one else told


def share_of(sweep: dict[str, Any]) -> str:
    """Which shares of a sweep this is (`"1/4"`); empty where it is all of them."""
    shares = [*sweep.get("shares", ())] or sweep.get("shards") or [sweep["shard"]]
    of = {share.partition("/")[2] for share in shares}
    return "" if of == {str(len(shares))} else ", ".join(shares)


def details(sweep: dict[str, Any]) -> list[str]:
    """The matrix of a fault sweep; the requests of a disconnect sweep."""
    if sweep["kind"] == "faults":
        return _matrix(sweep)
    if sweep["kind"] == "disconnect":
        return _requests(sweep)
    return [f"  {line}" for line in (sweep.get("about") or {}).get("compared", ())]


def _matrix(sweep: dict[str, Any]) -> list[str]:
    about = sweep.get("about") or {}
    columns, rows = about.get("columns", []), about.get("rows", {})
    cells = {(point["row"], point["column"]): _cell(point) for point in sweep["points"]}
    if not cells:
        return []
    lines = [
        "  call" + "".join(f"{_SHORT.get(name, name[: _WIDTH - 1]):>{_WIDTH}}" for name in columns)
    ]
    for row in (f"{number}{reach}" for number in rows for reach in _REACHES):
        if any((row, name) in cells for name in columns):
            shown = "".join(f"{cells.get((row, name), ''):>{_WIDTH}}" for name in columns)
            lines.append(f"  {row:>4}{shown}".rstrip())
    struck = {row.partition("+")[0] for row, _ in cells}
    for row, call in rows.items():
        if row not in struck:
            continue
        where = f"  {call['where']}" if call["where"] else ""
        lines.append(f"  {row:>4} = {call['call']}{where}")
    if left := about.get("left_out", 0):
        lines.append(f"  {left} more calls are equal to others, and not struck one by one")
    lines.append("  each cell is what the caller got; ! bad, ~ masked or lost, - not reached")
    if any("+" in row for row, _ in cells):
        lines.append(
            "  3+: from call 3 on, each call to its URL; 3+host: to its host; 3+equal: all like it"
        )
    return lines


def _cell(point: dict[str, Any]) -> str:
    answer = "exc" if point["answer"] == "raised" else point["answer"]
    return answer + ("!" if point["bad"] else _MARKS.get(point["verdict"], ""))


def _requests(sweep: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    about = sweep.get("about") or {}
    for number, (label, steps, status) in about.get("requests", {}).items():
        mine = [p for p in sweep["points"] if p["row"].partition(".")[0] == number]
        bad = [point["row"].partition(".")[2] for point in mine if point["bad"]]
        told = f", bad at {', '.join(dict.fromkeys(bad))}" if bad else ""
        left = about.get("left_out", {}).get(number)
        equal = f" ({left} equal to others not cut)" if left else ""
        lines.append(f"  {label} -> {status}: {steps} awaits{equal}{told}")
    return lines


def _listed(sweep: dict[str, Any]) -> bool:
    compared = (sweep.get("about") or {}).get("compared")
    return bool(compared) or any(point["verdict"] in _MARKS for point in sweep["points"])
