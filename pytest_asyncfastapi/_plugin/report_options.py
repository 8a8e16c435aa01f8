"""The rows of the table of settings that are about reports."""

from __future__ import annotations

from .option import Option
from .option_parsers import coverage as _coverage
from .option_parsers import non_empty_str as _text
from .option_parsers import one_of as _one_of
from .option_parsers import percent as _percent
from .option_parsers import web_address as _web_address

REPORT_OPTIONS = (
    Option(
        "coverage",
        "what was not tested of the app's behaviour, with the command that would do it: terminal, "
        "or a FILE.html or FILE.json to write as well",
        _coverage,
        many=True,
        metavar="terminal|FILE",
        marker=False,
    ),
    Option(
        "coverage_floor",
        "fail the run if less than N percent of the behaviour was tested (default 0)",
        _percent,
        metavar="N",
        marker=False,
    ),
    Option("json", "write all that was seen, as JSON", _text, metavar="FILE", marker=False),
    Option("html", "write a page to read and to search", _text, metavar="FILE", marker=False),
    Option("trace", "write timelines for ui.perfetto.dev", _text, metavar="FILE", marker=False),
    Option("sarif", "write findings for code scanning", _text, metavar="FILE", marker=False),
    Option(
        "github",
        "auto: annotations and a step summary, in GitHub Actions (default); off: neither",
        _one_of("auto", "off"),
        marker=False,
    ),
    Option(
        "compare",
        "the JSON report of an earlier run: the HTML page says which findings are new, gone or "
        "still there",
        _text,
        metavar="FILE",
        marker=False,
    ),
    Option(
        "docs_url",
        "where the documentation is published: reports link the pages of findings below it "
        "(default: the path of the page in the source tree)",
        _web_address,
        metavar="URL",
        marker=False,
    ),
)
