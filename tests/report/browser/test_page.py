"""What the page shows, and that it shows what the run was."""

from __future__ import annotations

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


def test_findings_are_there_once_a_place(opened: Any, report: Any) -> None:
    """With title, file, line, source, remedy, and the tests that have seen it."""
    page = opened()
    places = {
        (f["kind"], f["where"]["path"], f["where"]["line"])
        for test in report.data["tests"]
        for f in test["findings"]
        if f["where"]
    }
    items = page.locator("#list .item")
    assert items.count() == len(places) + sum(
        f["where"] is None for test in report.data["tests"] for f in test["findings"]
    )
    finding = report.test("test_checkout")["findings"][0]
    items.filter(has_text=finding["title"]).first.click()
    text = page.locator("#detail").inner_text()
    place = finding["where"]
    for told in (f"{place['path']}:{place['line']}", place["source"], finding["remedy"]):
        assert told in text
    assert finding["activity"] in text
    assert page.locator("#detail .seen a").first.inner_text().endswith("test_checkout")
    assert page.locator("#detail .waterfall .row.blocked").count() == 1


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


def test_a_row_opens_to_say_everything(opened: Any, numbered: Any) -> None:
    """The line that called, the fault, the moments; closed again by the same button."""
    page = opened(numbered("test_checkout"))
    row = page.locator(".row.call")
    button = row.get_by_role("button")
    button.click()
    told = row.locator(".about").inner_text()
    for words in ("https://pay.example/charges", "latency=2s", "shopapp.py:", "delay: 2 s"):
        assert words in told
    assert button.get_attribute("aria-expanded") == "true"
    button.click()
    assert row.locator(".about").count() == 0


def test_tasks_and_what_they_awaited(opened: Any, numbered: Any) -> None:
    """On demand: they would hide the calls else."""
    page = opened(numbered("test_checkout"))
    assert page.locator(".row.task").count() == 0
    page.get_by_role("button", name="tasks").click()
    assert "checkout" in page.locator(".row.task .name").all_inner_texts()
    page.locator(".row.request").get_by_role("button").click()
    assert "app.state.http.post" in page.locator(".row.request .about").inner_text()


def test_what_never_came_and_threads(opened: Any, numbered: Any) -> None:
    """A silent upstream is hatched up to its timeout; a wait for a thread has its own colour."""
    page = opened(numbered("test_times_out"))
    assert page.locator(".row.call .seg.injected").count() == 1
    assert "ReadTimeout" in page.locator(".row.call").inner_text()
    page.goto(page.url.partition("#")[0] + numbered("test_threads"))
    assert page.locator(".row.request .seg.wait").count() == 2


def test_each_cell_of_a_sweep_opens_its_run(opened: Any, report: Any) -> None:
    """The matrix, the verdict, the replay line, and the waterfall of that very run."""
    page = opened("#/sweep/0")
    sweeps = [s for test in report.data["tests"] for s in test["sweeps"]]
    faults = next(sweep for sweep in sweeps if sweep["kind"] == "faults")
    page.get_by_role("tab", name="Sweeps").click()
    page.locator("#list .item").filter(has_text="test_swept").click()
    assert page.locator(".matrix .cell").count() == len(faults["points"])
    assert page.locator(".matrix thead th").all_inner_texts()[1] == "refused"
    for point in faults["points"]:
        page.locator(f".cell[data-token='{point['token']}']").click()
        chosen = page.locator("#chosen")
        assert chosen.locator("h3.token").inner_text() == point["token"]
        assert f"--asyncfastapi-replay={point['token']}" in chosen.inner_text()
        assert point["verdict"] in chosen.locator(".pill").first.inner_text()
        assert page.url.endswith(point["token"])
        assert chosen.locator(".waterfall .row.call").count() >= 1
    page.locator(".cell[data-token='faults:1:slow']").click()
    assert page.locator("#chosen .row.call .seg.injected").count() >= 1
    # The address of a cell is one to send to somebody else.
    page.reload()
    assert page.locator("#chosen h3.token").inner_text() == "faults:1:slow"


def test_a_finding_of_a_sweep_shows_its_run(opened: Any, report: Any) -> None:
    """Not the test's own, in which nothing went wrong; and leads to its cell."""
    page = opened()
    finding = report.test("test_swept")["findings"][0]
    token = finding["data"]["tokens"][0]
    page.locator("#list .item").filter(has_text=finding["title"]).first.click()
    detail = page.locator("#detail")
    assert f"What happened in {token}" in detail.inner_text()
    detail.get_by_role("link", name="See it beside").click()
    assert page.url.endswith(f"/{token}")
    assert page.locator("#chosen h3.token").inner_text() == token


def test_a_disconnect_sweep_has_a_cell_for_each_await(opened: Any, report: Any) -> None:
    """And each way of being cut."""
    page = opened()
    page.get_by_role("tab", name="Sweeps").click()
    page.locator("#list .item").filter(has_text="test_cut").click()
    sweep = report.test("test_cut")["sweeps"][0]
    assert page.locator(".matrix .cell").count() == len(sweep["points"])
    page.locator(".matrix .cell").last.click()
    assert page.locator("#chosen h3.token").inner_text() == sweep["points"][-1]["token"]


def test_a_sweep_inside_a_test_is_named_by_its_call(opened: Any, report: Any) -> None:
    """Its cells are replayed by its own argument, and its runs are the test's."""
    page = opened()
    page.get_by_role("tab", name="Sweeps").click()
    page.locator("#list .item").filter(has_text="test_inside, explore_faults() 2").click()
    assert page.locator("#title").inner_text() == "test_inside, explore_faults() 2"
    sweep = report.test("test_inside")["sweeps"][1]
    assert page.locator(".matrix .cell").count() == len(sweep["points"]) == 2
    page.locator(".matrix .cell").last.click()
    chosen = page.locator("#chosen").inner_text()
    assert "explore_faults(..., replay='faults:1:bad_json')" in chosen
    assert "It ran inside the test" in chosen


def test_filters(opened: Any, report: Any) -> None:
    """By text and by outcome, together; and what is left when nothing fits."""
    page = opened()
    page.get_by_role("tab", name="Tests").click()
    items = page.locator("#list .item")
    assert items.count() == len(report.data["tests"])
    page.get_by_role("button", name="failed", exact=True).click()
    failed = [t for t in report.data["tests"] if t["outcome"] == "failed"]
    assert items.count() == len(failed)
    page.get_by_label("Filter by text").fill("check")
    assert items.count() == 1
    page.get_by_label("Filter by text").fill("nothing of that name")
    assert page.locator("#list").inner_text() == "Nothing fits the filter."
    assert "0 of" in page.locator("#said").inner_text()
    page.get_by_role("tab", name="Findings").click()
    page.get_by_label("Filter by text").fill("")
    page.get_by_role("button", name="warning").click()
    warnings = {
        str(f["title"])
        for t in report.data["tests"]
        for f in t["findings"]
        if f["severity"] == "warning"
    }
    assert items.count() == len(warnings)


def test_names_and_messages_are_text(opened: Any, report: Any) -> None:
    """Whatever a test is called."""
    page = opened()
    page.get_by_role("tab", name="Tests").click()
    for test in report.data["tests"]:
        if "names_are_text" not in test["id"]:
            continue
        name = test["id"].partition("::")[2]
        page.locator("#list .item").filter(has_text=name).first.click()
        assert page.locator("#title").inner_text() == name
        assert "<img src=x" in page.locator("#detail .message").inner_text()
    assert "owned" not in page.title().partition(" - ")[2]
    assert page.locator("#detail img, #detail b").count() == 0
