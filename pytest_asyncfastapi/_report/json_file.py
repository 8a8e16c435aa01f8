"""The JSON report: everything that was seen. `schema.json` beside this file describes it.

`version` rises when something is renamed or removed; readers must ignore what they do
not know, since more may be added at any time.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from .aggregate import made_with

if TYPE_CHECKING:
    from .aggregate import Run

VERSION = 1


def render(run: Run) -> str:
    """The report as text; strict JSON, without NaN and Infinity; a test a line.

    So it can be compared by lines, and is written by the encoder that is not Python's slow one.
    """
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode

    def lines(value: Any) -> str:
        if not isinstance(value, list) or not value:
            return encode(value)
        return "[\n" + ",\n".join(f"  {encode(item)}" for item in value) + "\n ]"

    parts = [f" {encode(key)}: {lines(value)}" for key, value in document(run).items()]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def document(run: Run) -> dict[str, Any]:
    """The report as plain data."""
    errors = sum(finding.severity == "error" for finding, _ in run.findings())
    return {
        "format": "pytest-asyncfastapi",
        "version": VERSION,
        "made_with": made_with(),
        "started": run.started,
        "duration": run.duration,
        "exit_status": run.exit_status,
        "seed": run.seed,
        "summary": {
            **run.counts(),
            "errors_found": errors,
            "warnings_found": sum(1 for _ in run.findings()) - errors,
        },
        "tests": run.tests,
        "collection_errors": run.collection_errors,
        "notes": run.notes,
    }


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the report."""
    text = files("pytest_asyncfastapi._report").joinpath("schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded
