"""Parts of the documentation that are made of the code: `python -m tests.docs.generated`.

Each part stands between two comments of its page; a test compares it.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import fields
from pathlib import Path

from pytest_asyncfastapi import plugin
from pytest_asyncfastapi._plugin.chosen import Settings
from pytest_asyncfastapi._plugin.claims import OUR_FIXTURES
from pytest_asyncfastapi._plugin.markers import MARKERS
from pytest_asyncfastapi._plugin.options import OPTIONS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_DURATIONS = {30.0: "30s", 10.0: "10s", 0.05: "50ms", 0.25: "250ms"}


def fixtures() -> str:
    """Name, scope and the first sentence of the docstring."""
    lines = ["| fixture | scope | what it is |", "|---|---|---|"]
    for name in sorted(OUR_FIXTURES):
        definition = getattr(plugin, name)
        scope = definition._fixture_function_marker.scope
        shown = scope if isinstance(scope, str) else "`asyncfastapi_app_scope`"
        text = (definition.__doc__ or definition.__wrapped__.__doc__).strip().split("\n\n")[0]
        lines.append(f"| `{name}` | {shown} | {' '.join(text.split())} |")
    return "\n".join(lines) + "\n"


def markers() -> str:
    """As `pytest --markers` shows them."""
    lines = ["| marker | what it does |", "|---|---|"]
    for marker in MARKERS:
        signature, _, text = marker.partition("): ")
        lines.append(f"| `@pytest.mark.{signature})` | {_cell(text)} |")
    return "\n".join(lines) + "\n"


def settings() -> str:
    """One row of `OPTIONS` each, with the default of `Settings`."""
    defaults = {field.name: field.default for field in fields(Settings)}
    lines = ["| name | default | where | meaning |", "|---|---|---|---|"]
    for option in OPTIONS:
        where = "all" if option.marker else "flag, ini"
        kind = "a list; " if option.many else ""
        default = _default(defaults[option.name])
        lines.append(f"| `{option.name}` | {default} | {where} | {kind}{_cell(option.help)} |")
    return "\n".join(lines) + "\n"


def _default(value: object) -> str:
    if value in ("", None, ()):
        return ""
    if value == (1, 1):
        return "`1/1`"
    if isinstance(value, float):
        return f"`{_DURATIONS.get(value, f'{value:g}')}`"
    return f"`{value}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("*", "\\*")


def migration(name: str) -> str:
    """A suite of examples/migrate before and after, as a diff."""
    before, after = (
        (ROOT / "examples/migrate" / side / f"test_{name}.py").read_text("utf-8").splitlines()
        for side in ("before", "after")
    )
    lines = difflib.unified_diff(before, after, "before", "after", n=100, lineterm="")
    kept = [line for line in lines if not line.startswith("@@")]
    return "```diff\n" + "\n".join(line.rstrip() for line in kept) + "\n```\n"


def parts() -> dict[str, dict[str, str]]:
    """By page: each part by its name."""
    found = {
        "configuration.md": {
            "fixtures": fixtures(),
            "markers": markers(),
            "settings": settings(),
        }
    }
    for path in sorted((DOCS / "migration").glob("*.md")):
        if path.stem != "index":
            found[f"migration/{path.name}"] = {"diff": migration(path.stem)}
    return found


def written(text: str, name: str, part: str) -> str:
    """The page with this part between its comments."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    assert begin in text, f"no {begin!r}"
    return re.sub(
        re.escape(begin) + r".*?" + re.escape(end), lambda _: begin + part + end, text, flags=re.S
    )


if __name__ == "__main__":
    for page, names in parts().items():
        content = (DOCS / page).read_text("utf-8")
        for each, made in names.items():
            content = written(content, each, made)
        (DOCS / page).write_text(content, "utf-8")
