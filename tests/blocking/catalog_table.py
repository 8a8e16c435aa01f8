"""The table of docs/blocking.md, from the catalog: `python -m tests.blocking.catalog_table`."""

from __future__ import annotations

from pathlib import Path

from pytest_asyncfastapi._blocking.catalog import C_TABLE, CATEGORIES, JUDGES, NAMED
from pytest_asyncfastapi._blocking.catalog.c_functions import display_name

PAGE = Path(__file__).parents[2] / "docs" / "blocking.md"
BEGIN, END = "<!-- catalog: begin -->\n", "<!-- catalog: end -->\n"
_ELSEWHERE = ("nt", "_winapi", "select.kqueue", "select.devpoll")


def table() -> str:
    """Which calls, judged how, and what to write instead; by category."""
    lines = ["| category | call | it counts | instead |", "|---|---|---|---|"]
    for category in sorted(CATEGORIES):
        rows: dict[tuple[str, str], list[str]] = {}
        for module, spec, kind, judge, remedy in C_TABLE:
            owner, _, names = spec.rpartition(":")
            if kind == category and module not in _ELSEWHERE:
                calls = [display_name(module, owner, name) for name in names.split()]
                rows.setdefault((JUDGES[judge], remedy), []).extend(calls)
        for named in (item for items in NAMED.values() for item in items):
            if named.entry.category == category:
                how = "by its name, mocked or not" if named.always else "when it does any of these"
                rows.setdefault((how, named.entry.remedy), []).append(named.entry.name)
        for (how, remedy), calls in rows.items():
            unique = ", ".join(f"`{name}`" for name in dict.fromkeys(calls))
            lines.append(f"| `{category}` | {unique} | {how} | {remedy} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    PAGE.write_text(head + BEGIN + table() + END + rest.partition(END)[2], encoding="utf-8")
