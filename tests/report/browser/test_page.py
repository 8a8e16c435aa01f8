"""What the page shows, and that it shows what the run was."""

from __future__ import annotations

import re
from typing import Any

import pytest


def test_it_asks_nobody_for_anything(chromium: Any, report: Any) -> None:
    """One request: the file itself. The page's own policy would stop any other."""
    page = chromium.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.path.as_uri())
    page.get_by_role("heading", level=2).first.wait_for()
    assert asked == [report.path.as_uri()]
    refused = page.evaluate("fetch('https://example.com/').then(() => 'went', () => 'refused')")
    assert refused == "refused"
    page.close()


def test_findings_are_there_once_a_place(opened: Any, expect: Any, report: Any) -> None:
    """With title, file, line, source, remedy, and the tests that have seen it."""
    page = opened()
    places = {
        (f["kind"], f["where"]["path"], f["where"]["line"])
        for test in report.data["tests"]
        for f in test["findings"]
        if f["where"]
    }
    items = page.locator("#list .item")
    nowhere = [f for test in report.data["tests"] for f in test["findings"] if not f["where"]]
    expect(items).to_have_count(len(places) + len(nowhere))
    finding = report.test("test_checkout")["findings"][0]
    items.filter(has_text=finding["title"]).first.click()
    detail = page.locator("#detail")
    place = finding["where"]
    for words in (f"{place['path']}:{place['line']}", place["source"], finding["remedy"]):
        expect(detail).to_contain_text(words)
    expect(detail).to_contain_text(finding["activity"])
    expect(detail.locator(".seen a").first).to_have_text(re.compile("test_checkout$"))
    expect(detail.locator(".waterfall .row.blocked")).to_have_count(1)


def test_the_waterfall_is_true_to_the_virtual_clock(
    opened: Any, report: Any, numbered: Any
) -> None:
    """2 of 2.5 s injected; the blocking call at the moment where it was; the axis in seconds."""
    page = opened(numbered("test_checkout"))
    chart = page.locator(".waterfall")

    def box(row: str, kind: str) -> Any:
        return chart.locator(f".row.{row} .seg.{kind}").first.bounding_box()

    head, after = box("request", "request"), box("request", "after")
    delay, blocked = box("call", "injected"), box("blocked", "blocked")
    whole = after["x"] + after["width"] - head["x"]
    assert delay["width"] / whole == pytest.approx(2 / 2.5, abs=0.01)
    assert after["width"] / whole == pytest.approx(0.5 / 2.5, abs=0.01)
    assert (blocked["x"] - head["x"]) / whole == pytest.approx(2 / 2.5, abs=0.01)
    ticks = chart.locator(".ticks span").all_inner_texts()
    assert ticks[0] == "0 s"
    assert {"1 s", "2 s"} <= set(ticks)
    assert "2.5 s of virtual time" in chart.inner_text()
    # Its real duration is said: it has none in virtual time.
    assert "ms real" in chart.locator(".row.blocked").inner_text()
    hatched = "getComputedStyle(e).backgroundImage"
    assert "repeating-linear-gradient" in chart.locator(".seg.injected").evaluate(f"e => {hatched}")
    red, green, blue = chart.locator(".seg.blocked").evaluate(
        "e => getComputedStyle(e).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
    )
    assert red > 180
    assert max(green, blue) < 100


def test_the_time_axis_zooms(opened: Any, expect: Any, numbered: Any) -> None:
    """By dragging over it, by buttons and by keys; outside of the view nothing is drawn."""
    page = opened(numbered("test_checkout"))
    chart = page.locator(".waterfall")
    clock, ticks = chart.locator(".clock"), chart.locator(".ticks")
    whole = clock.inner_text()
    everything = chart.get_by_role("button", name="Show all of the time")
    expect(everything).to_be_disabled()
    box = ticks.bounding_box()
    page.mouse.move(box["x"] + 1, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 5)
    page.mouse.up()
    expect(clock).to_contain_text("1 s of 2.5 s of virtual time")
    expect(ticks).to_contain_text("400 ms")
    expect(chart.locator(".row.blocked .seg")).to_have_count(0)  # it was at 2 s
    expect(chart.locator(".row.call .seg.injected")).to_have_count(1)
    delay = chart.locator(".row.call .seg.injected").bounding_box()
    assert delay["x"] + delay["width"] == pytest.approx(box["x"] + box["width"], abs=3)
    later = chart.get_by_role("button", name="Later")
    for _ in range(4):
        if later.is_enabled():
            later.press("Enter")
    expect(clock).to_contain_text("to 2.5 s of 2.5 s")
    expect(chart.locator(".row.blocked .seg")).to_have_count(1)
    expect(ticks).to_contain_text("2 s")
    everything.press("Enter")
    expect(clock).to_have_text(whole)
    chart.get_by_role("button", name="Zoom in").click()
    expect(clock).to_contain_text("625 ms to 1.88 s of 2.5 s")
    chart.get_by_role("button", name="Zoom out").click()
    expect(clock).to_have_text(whole)
    expect(page.locator(".zoom button:focus")).to_have_count(1)


def test_a_row_opens_to_say_everything(opened: Any, expect: Any, numbered: Any) -> None:
    """The line that called, the fault, the moments; closed again by the same button."""
    page = opened(numbered("test_checkout"))
    row = page.locator(".row.call")
    button = row.get_by_role("button")
    button.click()
    about = row.locator(".about")
    for words in ("https://pay.example/charges", "latency=2s", "shopapp.py:", "delay: 2 s"):
        expect(about).to_contain_text(words)
    expect(button).to_have_attribute("aria-expanded", "true")
    button.click()
    expect(about).to_have_count(0)


def test_tasks_and_what_they_awaited(opened: Any, expect: Any, numbered: Any) -> None:
    """On demand: they would hide the calls else."""
    page = opened(numbered("test_checkout"))
    expect(page.locator(".row.request")).to_have_count(1)
    expect(page.locator(".row.task")).to_have_count(0)
    page.get_by_role("button", name="tasks").click()
    names = page.locator(".row.task .name")
    expect(names.get_by_text("checkout", exact=True).first).to_be_visible()
    page.locator(".row.request").get_by_role("button").click()
    expect(page.locator(".row.request .about")).to_contain_text("app.state.http.post")


def test_what_never_came_and_threads(opened: Any, expect: Any, numbered: Any) -> None:
    """A silent upstream is hatched up to its timeout; a wait for a thread has its own colour."""
    page = opened(numbered("test_times_out"))
    expect(page.locator(".row.call .seg.injected")).to_have_count(1)
    expect(page.locator(".row.call")).to_contain_text("ReadTimeout")
    page.goto(page.url.partition("#")[0] + numbered("test_threads"))
    expect(page.locator(".row.request .seg.wait")).to_have_count(2)


def test_each_cell_of_a_sweep_opens_its_run(opened: Any, expect: Any, report: Any) -> None:
    """The matrix, the verdict, the replay line, and the waterfall of that very run."""
    page = opened("#/sweep/0")
    sweeps = [s for test in report.data["tests"] for s in test["sweeps"]]
    faults = next(sweep for sweep in sweeps if sweep["kind"] == "faults")
    page.get_by_role("tab", name="Sweeps").click()
    page.locator("#list .item").filter(has_text="test_swept").click()
    expect(page.locator(".matrix .cell")).to_have_count(len(faults["points"]))
    expect(page.locator(".matrix thead th").nth(1)).to_have_text("refused")
    chosen = page.locator("#chosen")
    for point in faults["points"]:
        page.locator(f".cell[data-token='{point['token']}']").click()
        expect(chosen.locator("h3.token")).to_have_text(point["token"])
        expect(chosen).to_contain_text(f"--asyncfastapi-replay={point['token']}")
        expect(chosen.locator(".pill").first).to_contain_text(point["verdict"])
        expect(page).to_have_url(re.compile(re.escape(point["token"]) + "$"))
        expect(chosen.locator(".waterfall .row.call").first).to_be_visible()
    page.locator(".cell[data-token='faults:1:slow']").click()
    expect(chosen.locator(".row.call .seg.injected").first).to_be_visible()
    # The address of a cell is one to send to somebody else.
    page.reload()
    expect(chosen.locator("h3.token")).to_have_text("faults:1:slow")


def test_a_finding_of_a_sweep_shows_its_run(opened: Any, expect: Any, report: Any) -> None:
    """Not the test's own, in which nothing went wrong; and leads to its cell."""
    page = opened()
    finding = report.test("test_swept")["findings"][0]
    token = finding["data"]["tokens"][0]
    page.locator("#list .item").filter(has_text=finding["title"]).first.click()
    detail = page.locator("#detail")
    expect(detail).to_contain_text(f"What happened in {token}")
    detail.get_by_role("link", name="See it beside").click()
    expect(page).to_have_url(re.compile(re.escape(f"/{token}") + "$"))
    expect(page.locator("#chosen h3.token")).to_have_text(token)


def test_a_disconnect_sweep_has_a_cell_for_each_await(
    opened: Any, expect: Any, report: Any
) -> None:
    """And each way of being cut."""
    page = opened()
    page.get_by_role("tab", name="Sweeps").click()
    page.locator("#list .item").filter(has_text="test_cut").click()
    sweep = report.test("test_cut")["sweeps"][0]
    expect(page.locator(".matrix .cell")).to_have_count(len(sweep["points"]))
    page.locator(".matrix .cell").last.click()
    expect(page.locator("#chosen h3.token")).to_have_text(sweep["points"][-1]["token"])


def test_a_sweep_inside_a_test_is_named_by_its_call(opened: Any, expect: Any, report: Any) -> None:
    """Its cells are replayed by its own argument, and its runs are the test's."""
    page = opened()
    page.get_by_role("tab", name="Sweeps").click()
    page.locator("#list .item").filter(has_text="test_inside, explore_faults() 2").click()
    expect(page.locator("#title")).to_have_text("test_inside, explore_faults() 2")
    sweep = report.test("test_inside")["sweeps"][1]
    assert len(sweep["points"]) == 2
    expect(page.locator(".matrix .cell")).to_have_count(2)
    page.locator(".matrix .cell").last.click()
    chosen = page.locator("#chosen")
    expect(chosen).to_contain_text("explore_faults(..., replay='faults:1:bad_json')")
    expect(chosen).to_contain_text("It ran inside the test")


def test_filters(opened: Any, expect: Any, report: Any) -> None:
    """By text and by outcome, together; and what is left when nothing fits."""
    page = opened()
    page.get_by_role("tab", name="Tests").click()
    items = page.locator("#list .item")
    expect(items).to_have_count(len(report.data["tests"]))
    page.get_by_role("button", name="failed", exact=True).click()
    failed = [t for t in report.data["tests"] if t["outcome"] == "failed"]
    expect(items).to_have_count(len(failed))
    page.get_by_label("Filter by text").fill("check")
    expect(items).to_have_count(1)
    page.get_by_label("Filter by text").fill("nothing of that name")
    expect(page.locator("#list")).to_have_text("Nothing fits the filter.")
    expect(page.locator("#said")).to_contain_text("0 of")
    page.get_by_role("tab", name="Findings").click()
    page.get_by_label("Filter by text").fill("")
    page.get_by_role("button", name="warning").click()
    warnings = {
        str(f["title"])
        for t in report.data["tests"]
        for f in t["findings"]
        if f["severity"] == "warning"
    }
    expect(items).to_have_count(len(warnings))


def test_names_and_messages_are_text(opened: Any, expect: Any, report: Any) -> None:
    """Whatever a test is called."""
    page = opened()
    page.get_by_role("tab", name="Tests").click()
    for test in report.data["tests"]:
        if "names_are_text" not in test["id"]:
            continue
        name = test["id"].partition("::")[2]
        page.locator("#list .item").filter(has_text=name).first.click()
        expect(page.locator("#title")).to_have_text(name)
        expect(page.locator("#detail .message")).to_contain_text("<img src=x")
    assert "owned" not in page.title().partition(" - ")[2]
    assert page.locator("#detail img, #detail b").count() == 0
