"""The cases that are known to be missed, with the reason; tests compare both ways.

On asyncio with Python 3.12 and later none is missed. Cases that use a loop's own functions
run on that loop only (`only=` in the case), so they are not listed here.
"""

from __future__ import annotations

import os
import sys

_NO_LINES = "a profile function receives calls: `with` and `for` make none, and it was too short"
_NO_ARGUMENTS = "a profile function does not get arguments: it cannot know the descriptor or file"
_C_TO_C = "C calls C: no profile event, and time.sleep has no audit event before 3.13"

PYTHON_311: dict[str, str] = {
    "sockets.sendfile": _NO_ARGUMENTS,
    "subprocesses.a_pipe": _NO_ARGUMENTS,
    "files.lines": _NO_LINES,
    "files.lines_in_a_list": _NO_LINES,
    "files.a_list_of_lines": _NO_ARGUMENTS,
    "files.the_next_line": _NO_ARGUMENTS,
    "files.printing_into_a_file": _NO_ARGUMENTS,
    "files.descriptors": _NO_ARGUMENTS + "; open and fsync are found",
    "files.pickle_dump_and_load": _NO_ARGUMENTS,
    "files.csv_rows": _NO_ARGUMENTS,
    "waiting.with_lock": _NO_LINES,
    "waiting.with_the_lock_of_an_object": _NO_LINES,
    "waiting.with_one_of_many_locks": _NO_LINES,
    "waiting.with_a_reentrant_lock": _NO_LINES,
    "pools.process_queue": _NO_ARGUMENTS,
    "pools.process_pipe": _NO_ARGUMENTS,
    "databases.each_row": _NO_LINES,
    "databases.a_list_of_rows": _NO_ARGUMENTS,
    "standard_input.each_line": _NO_LINES,
    "standard_input.its_descriptor": _NO_ARGUMENTS,
    "c_code.map_calls_sleep": _C_TO_C,
    "shapes.a_partial": _C_TO_C,
    "shapes.a_partial_of_a_partial": _C_TO_C,
    "shapes.by_method_caller": _C_TO_C,
    "shapes.by_dunder_call": _C_TO_C,
}
TRIO: dict[str, str] = {}

_C_STEPS = "uvloop runs its steps in C: they are not timed, and there is no call event"
UVLOOP: dict[str, str] = dict.fromkeys(
    (
        "computing.a_loop",
        "computing.a_loop_in_a_helper",
        "computing.json_text",
        "computing.a_regular_expression",
        "computing.sorting",
        "computing.compressing",
        "computing.copying",
        "computing.big_numbers",
        "computing.pickling",
        "computing.a_comprehension",
        "computing.a_search",
        "computing.in_a_callback",
        "c_code.usleep",
        "c_code.nanosleep",
        "c_code.usleep_that_keeps_the_gil",
        "c_code.poll",
        "c_code.select_in_c",
        "c_code.read_from_a_socket",
        "c_code.connecting_in_c",
        "c_code.map_calls_select",
        "c_code.a_driver",
        "app_parts.a_response_that_takes_long_to_write",
    ),
    _C_STEPS,
)

# Where there is no /proc: macOS, Windows.
NO_THREAD_STATS: dict[str, str] = {
    name: "it is not known that a thread sleeps, and there is no call event"
    for name in UVLOOP
    if name.startswith("c_code.")
}
HAS_THREAD_STATS = sys.platform == "linux" and os.path.exists("/proc/self/schedstat")

# Found, but not with the line to change, on any Python.
MISPLACED: dict[str, str] = {
    "shapes.call_soon_without_a_frame": "no Python frame: the loop calls C by itself",
}


def known_miss(name: str, backend: str) -> str:
    """Why this case is missed here, or ""."""
    if not HAS_THREAD_STATS and name in NO_THREAD_STATS:
        return NO_THREAD_STATS[name]
    if backend == "trio" and name in TRIO:
        return TRIO[name]
    if backend == "uvloop" and name in {**UVLOOP, **MISPLACED}:
        return {**UVLOOP, **MISPLACED}[name]
    return PYTHON_311.get(name, "") if sys.version_info < (3, 12) else ""
