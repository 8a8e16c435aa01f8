"""The HTML report: one page, with everything in it, that asks nobody for anything.

Puts the files of `page/` and the run's data together; what is shown, and how, is
theirs. The page's own policy forbids it the network.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING

from .page_data import document

if TYPE_CHECKING:
    from .aggregate import Run

STYLES = ("tokens.css", "layout.css", "detail.css", "waterfall.css", "sweep.css", "lanes.css")
SCRIPTS = (
    *("dom.js", "model.js", "timeline.js", "waterfall.js", "finding.js", "test.js"),
    *("lanes.js", "matrix.js", "sweep.js", "overview.js", "list.js", "app.js"),
)


def render(run: Run) -> str:
    """The page as text."""
    parts = {
        "STYLE": "\n".join(map(_file, STYLES)),
        "SCRIPT": "\n".join(map(_file, SCRIPTS)),
        "DATA": _embedded(json.dumps(document(run), separators=(",", ":"), allow_nan=False)),
    }
    page = _file("page.html")
    for name, text in parts.items():
        page = page.replace(f"/*{name}*/", text, 1)
    return page


def _file(name: str) -> str:
    folder = files("pytest_asyncfastapi._report").joinpath("page")
    return folder.joinpath(name).read_text(encoding="utf-8")


def _embedded(text: str) -> str:
    """JSON that cannot end the script element in which it stands; it is ASCII already."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
