"""The Python blocks of docs/concurrency.md are run, as the test files of one project."""

from __future__ import annotations

from tests import pages

PAGE = "docs/concurrency.md"


def test_every_python_block_runs(projects):
    """The first is the app, the others are tests, and none of them has a finding."""
    app, *blocks = pages.blocks(PAGE)
    files = {f"test_line_{block.line}": block.text for block in blocks}
    report = projects.run("--asyncfastapi-app=shop:app", "-W", "error", shop=app.text, **files)
    report.outcome(passed=len(blocks))
    assert len(blocks) == 5
    assert "pytest-asyncfastapi =" not in report.output


def test_the_place_in_the_text_is_the_place_in_the_block():
    """The example of who created a task."""
    line = pages.blocks(PAGE)[0].text.splitlines()[16 - 1]
    assert "shop.py:16" in pages.ROOT.joinpath(PAGE).read_text(encoding="utf-8")
    assert "create_task(send_mail())" in line
