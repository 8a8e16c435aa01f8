"""Everybody can use the page: by keys alone, in both themes, on a narrow screen, by ear."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

CHECKS = (Path(__file__).parent / "checks.js").read_text()
VIEWS = ("#/", "#/finding/0", "#/test/0", "#/test/1", "#/sweep/0", "#/sweep/1")
WIDTHS = (1280, 400)


def test_by_keys_alone(opened: Any, report: Any) -> None:
    """From the list to a finding, a test, a row and a cell, without a mouse."""
    page = opened()
    press = page.keyboard.press
    press("j")
    assert page.url.endswith("#/finding/0")
    press("j")
    press("k")
    assert page.url.endswith("#/finding/0")
    press("/")
    page.keyboard.type("refuses nothing")
    press("Escape")
    assert page.get_by_label("Filter by text").input_value() == ""
    press("o")
    assert page.url.endswith("#/")
    press("?")
    assert page.get_by_role("dialog").is_visible()
    press("Escape")
    assert not page.get_by_role("dialog").is_visible()
    page.get_by_role("tab", name="Findings").focus()
    press("ArrowRight")
    assert page.get_by_role("tab", name="Tests").get_attribute("aria-selected") == "true"
    press("ArrowRight")
    assert page.get_by_role("tab", name="Sweeps").get_attribute("aria-selected") == "true"


def test_arrows_go_from_cell_to_cell(opened: Any) -> None:
    """One cell is in the order of Tab; the others are next to it."""
    page = opened("#/sweep/0")
    cells = page.locator(".matrix .cell")
    assert page.locator(".matrix .cell[tabindex='0']").count() == 1
    page.locator(".matrix .cell[tabindex='0']").focus()
    page.keyboard.press("Home")
    assert cells.first.evaluate("e => e === document.activeElement")
    page.keyboard.press("ArrowRight")
    assert cells.nth(1).evaluate("e => e === document.activeElement")
    page.keyboard.press("Enter")
    token = cells.nth(1).get_attribute("data-token")
    assert page.locator("#chosen h3.token").inner_text() == token
    # The focus stays where it was, and so do the keys.
    assert page.locator(f".cell[data-token='{token}']").evaluate(
        "e => e === document.activeElement"
    )
    page.keyboard.press("End")
    assert cells.last.evaluate("e => e === document.activeElement")


def test_tab_reaches_the_rows_and_shows_where_it_is(opened: Any, numbered: Any) -> None:
    """The skip link leads past the list; a row has a visible ring, and Enter opens it."""
    page = opened(numbered("test_checkout"))
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to the report"
    page.keyboard.press("Enter")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("!!document.activeElement.closest('.row')"):
            break
    focused = page.locator(":focus")
    assert focused.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.locator(".about").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_is_the_systems_until_somebody_says_otherwise(opened: Any, scheme: str) -> None:
    """And is remembered."""
    page = opened(scheme=scheme)
    shade = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]"
    assert (page.evaluate(shade) > 128) == (scheme == "light")
    page.get_by_role("button", name="Use").click()
    assert (page.evaluate(shade) > 128) == (scheme == "dark")
    page.reload()
    assert (page.evaluate(shade) > 128) == (scheme == "dark")
    page.keyboard.press("t")
    assert (page.evaluate(shade) > 128) == (scheme == "light")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("at", VIEWS)
def test_nothing_is_cut_off_at_the_side(opened: Any, at: str, width: int) -> None:
    """No sideways scrolling of the page."""
    page = opened(at, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_on_a_narrow_screen_the_list_gives_way(opened: Any) -> None:
    """To what was chosen; a link leads back."""
    page = opened(width=400)
    page.locator("#list .item").first.click()
    assert not page.locator("#side").is_visible()
    page.get_by_role("link", name="Back to the list").click()
    assert page.locator("#list .item").first.is_visible()


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
