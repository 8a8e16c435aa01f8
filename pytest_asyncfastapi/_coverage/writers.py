"""The result as text and as a page."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from .result import QUESTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .result import Coverage

_MOST = 20  # lines of what is missing, in the terminal
_WIDTH = max(map(len, QUESTIONS.values()))


def as_lines(coverage: Coverage, *, verbose: bool = False) -> Iterator[str]:
    """For the terminal: the numbers, then what is missing and what would test it."""
    done, whole = sum(item.tested for item in coverage.items), len(coverage.items)
    yield f"{coverage.percent} % of the behaviour was tested ({done} of {whole})"
    for name, text in QUESTIONS.items():
        tested, of = coverage.of(name)
        if of:
            yield f"  {text:<{_WIDTH}}  {tested} of {of}"
    missing = coverage.missing
    shown = missing if verbose else missing[:_MOST]
    for item in shown:
        yield f"not {item.question}: {item.what}" + (f"  {item.where}" if item.where else "")
        yield f"      {item.command}"
    if len(missing) > len(shown):
        yield f"and {len(missing) - len(shown)} more: -v shows all"


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
:root {{ color-scheme: light dark }}
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto }}
table {{ border-collapse: collapse; width: 100%; margin: 1rem 0 }}
th, td {{ text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #8886 }}
code {{ font-size: 13px; overflow-wrap: anywhere }}
.no {{ color: #b3261e }} .yes {{ color: #146c2e }}
@media (prefers-color-scheme: dark) {{ .no {{ color: #ff8a80 }} .yes {{ color: #7ddc95 }} }}
</style></head><body><h1>{title}</h1>
<table><thead><tr><th scope="col">question</th><th scope="col">tested</th></tr></thead>
<tbody>{numbers}</tbody></table>
<h2>Each of them</h2>
<table><thead><tr><th scope="col">what</th><th scope="col">line</th><th scope="col">tested</th>
<th scope="col">what would test it</th></tr></thead><tbody>{items}</tbody></table>
</body></html>
"""


def as_page(coverage: Coverage) -> str:
    """For a browser: it loads nothing."""
    numbers = ""
    for name, text in QUESTIONS.items():
        tested, whole = coverage.of(name)
        numbers += f"<tr><td>{html.escape(text)}</td><td>{tested} of {whole}</td></tr>"
    items = ""
    missing = coverage.missing
    for item in [*missing, *(each for each in coverage.items if each.tested)]:
        said = f"{'' if item.tested else 'not '}{item.question}"
        command = "" if item.tested else f"<code>{html.escape(item.command)}</code>"
        items += (
            f"<tr><td>{html.escape(item.what)}</td><td><code>{html.escape(item.where)}</code></td>"
            f'<td class="{"yes" if item.tested else "no"}">{said}</td><td>{command}</td></tr>'
        )
    title = f"{coverage.percent} % of the behaviour was tested"
    return _PAGE.format(title=title, numbers=numbers, items=items)
