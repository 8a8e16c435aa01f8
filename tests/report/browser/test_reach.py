"""Everybody can use the page: by keys alone, in both themes, on a narrow screen, by ear."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

CHECKS = (Path(__file__).parent / "checks.js").read_text()
VIEWS = ("#/", "#/finding/0", "#/test/0", "#/test/1", "#/sweep/0", "#/sweep/1")
WIDTHS = (1280, 400)


def test_by_keys_alone(opened: Any, expect: Any) -> None:
    """From the list to a finding, a test, a row and a cell, without a mouse."""
    page = opened()
    press = page.keyboard.press
    press("j")
    expect(page).to_have_url(re.compile("#/finding/0$"))
    press("j")
    expect(page).to_have_url(re.compile("#/finding/1$"))
    press("k")
    expect(page).to_have_url(re.compile("#/finding/0$"))
    press("/")
    page.keyboard.type("refuses nothing")
    press("Escape")
    expect(page.get_by_label("Filter by text")).to_have_value("")
    press("o")
    expect(page).to_have_url(re.compile("#/$"))
    press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.get_by_role("tab", name="Findings").focus()
    for name in ("Tests", "Sweeps"):
        press("ArrowRight")
        expect(page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")


def test_arrows_go_from_cell_to_cell(opened: Any, expect: Any) -> None:
    """One cell is in the order of Tab; the others are next to it."""
    page = opened("#/sweep/0")
    cells = page.locator(".matrix .cell")
    expect(page.locator(".matrix .cell[tabindex='0']")).to_have_count(1)
    page.locator(".matrix .cell[tabindex='0']").focus()
    page.keyboard.press("Home")
    expect(cells.first).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(cells.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    token = cells.nth(1).get_attribute("data-token")
    expect(page.locator("#chosen h3.token")).to_have_text(token)
    # The focus stays where it was, and so do the keys.
    expect(page.locator(f".cell[data-token='{token}']")).to_be_focused()
    page.keyboard.press("End")
    expect(cells.last).to_be_focused()


def test_tab_reaches_the_rows_and_shows_where_it_is(
    opened: Any, expect: Any, numbered: Any
) -> None:
    """The skip link leads past the list; a row has a visible ring, and Enter opens it."""
    page = opened(numbered("test_checkout"))
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the report")
    page.keyboard.press("Enter")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("!!document.activeElement.closest('.row')"):
            break
    focused = page.locator(":focus")
    expect(focused).to_have_css("outline-style", "solid")
    page.keyboard.press("Enter")
    expect(page.locator(".about")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_is_the_systems_until_another_is_chosen(
    opened: Any, painted: Any, expect: Any, scheme: str
) -> None:
    """The choice is kept for the next time that the page is opened."""
    other = "dark" if scheme == "light" else "light"
    page = opened(scheme=scheme)
    colours = page.locator("html")
    expect(colours).to_have_attribute("data-theme", scheme)
    assert _is_dark(page) == (scheme == "dark")
    page.get_by_role("button", name="Use").click()
    expect(colours).to_have_attribute("data-theme", other)
    assert _is_dark(page) == (other == "dark")
    # Chromium may open the page anew in another process, before what was chosen has reached its
    # storage: then it is chosen again.
    for tries in range(20):
        page.wait_for_timeout(100 * tries)
        page.reload()
        if colours.get_attribute("data-theme") == other:
            break
        page.get_by_role("button", name="Use").click()
        expect(colours).to_have_attribute("data-theme", other)
    else:
        page.reload()
    expect(colours).to_have_attribute("data-theme", other)
    painted(page)
    page.keyboard.press("t")
    expect(colours).to_have_attribute("data-theme", scheme)


def _is_dark(page: Any) -> bool:
    """Whether the page's background is."""
    shade = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]"
    return bool(page.evaluate(shade) < 128)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("at", VIEWS)
def test_nothing_is_cut_off_at_the_side(opened: Any, at: str, width: int) -> None:
    """No sideways scrolling of the page."""
    page = opened(at, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_on_a_narrow_screen_the_list_gives_way(opened: Any, expect: Any) -> None:
    """To what was chosen; a link leads back."""
    page = opened(width=400)
    page.locator("#list .item").first.click()
    expect(page.locator("#side")).to_be_hidden()
    page.get_by_role("link", name="Back to the list").click()
    expect(page.locator("#list .item").first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("at", VIEWS)
def test_names_and_contrast(opened: Any, at: str, scheme: str) -> None:
    """All that can be pressed has a name; all text stands out from what is behind it."""
    page = opened(at, scheme=scheme)
    for button in page.locator(".row > button").all()[:4]:
        button.click()
    page.evaluate(CHECKS)
    assert page.evaluate("unnamed()") == []
    assert page.evaluate("faint()") == []
    assert page.evaluate("repeatedIds()") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("at", VIEWS)
def test_axe_finds_nothing(opened: Any, at: str, scheme: str) -> None:
    """axe-core's rules, where it is: `nox -s browser` installs it if there is npm."""
    axe = os.environ.get("AXE_CORE", "")
    if not axe:
        pytest.skip("AXE_CORE names no axe.min.js; nox -s browser sets it if there is npm")
    page = opened(at, scheme=scheme)
    for button in page.locator(".row > button").all()[:4]:
        button.click()
    page.evaluate(Path(axe).read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    told = [
        (rule["id"], rule["help"], [node["target"] for node in rule["nodes"]][:4])
        for rule in found["violations"]
    ]
    assert told == []
