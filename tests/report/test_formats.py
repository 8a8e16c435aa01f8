"""Every format tells the same, however the tests were run: they read one aggregate."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pytest_asyncfastapi._report import html
from pytest_asyncfastapi._report.aggregate import Run

MORE = """
import pytest

TRIES = []


async def test_flaky(asgi_client):
    TRIES.append(1)
    await asgi_client.get("/sleepy" if len(TRIES) < 2 else "/thread/1")


@pytest.mark.allow_blocking("sleep", reason="not the point here")
@pytest.mark.fault_sweep(faults=["500", "slow"])
async def test_swept(asgi_client, upstream):
    upstream.post("https://pay.example/charges").respond(201, json={})
    await asgi_client.post("/checkout")
"""
PARTS = """
async def test_parts(asgi_client, subtests):
    for n in range(3):
        with subtests.test("part", n=n):
            assert n != 1
    await asgi_client.get("/sleepy")
"""
FILES = {
    "json": "--asyncfastapi-json=report.json",
    "html": "--asyncfastapi-html=report.html",
    "trace": "--asyncfastapi-trace=trace.json",
    "sarif": "--asyncfastapi-sarif=report.sarif",
    "junit": "--junitxml=junit.xml",
}
# What a finding is, in every format: its severity, its kind, its place, its test.
Found = set[tuple[str, str, str, str]]


def of_json(folder: Path) -> Found:
    data = json.loads((folder / "report.json").read_text())
    return {
        (f["severity"], f["kind"], _place(f["where"]), test["id"])
        for test in data["tests"]
        for f in test["findings"]
    }


def _place(where: dict[str, Any] | None) -> str:
    return "" if where is None else f"{where['path']}:{where['line']}"


def page(folder: Path) -> dict[str, Any]:
    """The data of the page."""
    text = (folder / "report.html").read_text()
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return dict(json.loads(found[1]))


def of_html(folder: Path) -> Found:
    data = page(folder)
    found: Found = set()
    for finding in data["findings"]:
        path, line = data["places"][finding["where"]][:2] if "where" in finding else ("", "")
        place = f"{path}:{line}" if path else ""
        for number in finding["tests"]:
            test = data["tests"][number]
            assert data["findings"].index(finding) in test["findings"]
            found.add((finding["severity"], finding["kind"], place, test["id"]))
    return found


def of_sarif(folder: Path) -> Found:
    (run,) = json.loads((folder / "report.sarif").read_text())["runs"]
    found: Found = set()
    for result in run["results"]:
        where = result["locations"][0]["physicalLocation"]
        place = f"{where['artifactLocation']['uri']}:{where['region']['startLine']}"
        for test in result["properties"]["tests"]:
            found.add((result["level"], result["ruleId"], place, test))
    return found


def of_junit(folder: Path) -> Found:
    found: dict[str, Found] = {}
    for case in ElementTree.parse(folder / "junit.xml").iter("testcase"):
        test = f"{str(case.get('classname')).replace('.', '/')}.py::{case.get('name')}"
        found[test] = set()  # pytest writes each try of a test; the last is what became of it
        for item in case.iter("property"):
            told = re.match(r"(\w+) (\S+?)(?: at (\S+))?: ", str(item.get("value")))
            if item.get("name") == "asyncfastapi_finding" and told is not None:
                found[test].add((told[1], told[2], told[3] or "", test))
    return {item for items in found.values() for item in items}


def of_github(folder: Path) -> Counter[tuple[str, str]]:
    """Severity and place; the tests are shortened there."""
    text = (folder / "summary.md").read_text()
    rows = re.findall(r"^\| :(x|warning): \| (?:<code>(.*?)</code>)?", text, re.MULTILINE)
    words = {"x": "error", "warning": "warning"}
    plain = [place.replace("&#95;", "_") for _, place in rows]
    return Counter((words[row[0]], place) for row, place in zip(rows, plain, strict=True))


RUNS = {
    "alone": (),
    "xdist": ("-n", "2"),
    "stops-early": ("-x",),
    "stops-early-xdist": ("-x", "-n", "2"),
    "tried-again": ("--reruns=1",),
    "tried-again-xdist": ("--reruns=1", "-n", "2"),
}


@pytest.mark.parametrize("flags", RUNS.values(), ids=RUNS)
def test_all_formats_agree(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...]
) -> None:
    """On findings, tests and records."""
    project.makepyfile(test_more=MORE)
    if pytest.version_tuple >= (9,):
        project.makepyfile(test_parts=PARTS)
    folder = project.path
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(folder))
    run = project.runpytest_subprocess if "-n" in flags else project.runpytest_inprocess
    run(*FILES.values(), *flags)
    found = of_json(folder)
    assert found
    assert of_html(folder) == found
    assert of_junit(folder) == found
    # SARIF places a finding that has no line of its own at its test.
    placed = {item for item in found if item[2]}
    assert {item for item in of_sarif(folder) if item[2] in {p[2] for p in placed}} == placed
    assert len(of_sarif(folder)) == len(found)
    places = {(kind, place or test): severity for severity, kind, place, test in found}
    assert sum(of_github(folder).values()) == len(places)
    _tests_agree(folder, flags)


def _tests_agree(folder: Path, flags: tuple[str, ...]) -> None:
    told = json.loads((folder / "report.json").read_text())
    shown = page(folder)
    assert [(t["id"], t["outcome"]) for t in shown["tests"]] == [
        (t["id"], t["outcome"]) for t in told["tests"]
    ]
    assert shown["counts"].items() <= told["summary"].items()
    recorded = [test["id"] for test in told["tests"] if test["record"]]
    assert [test["id"] for test in shown["tests"] if "record" in test] == recorded
    trace = json.loads((folder / "trace.json").read_text())["traceEvents"]
    names = [e["args"]["name"] for e in trace if e["name"] == "process_name"]
    points = [point for t in told["tests"] for s in t["sweeps"] for point in s["points"]]
    assert [name for name in names if not name.endswith("]")] == recorded
    assert len(names) == len(recorded) + len(points)
    shown_points = [point for sweep in shown["sweeps"] for point in sweep["points"]]
    assert [p["token"] for p in shown_points] == [p["token"] for p in points]
    assert all("record" in point for point in shown_points)
    if "--reruns=1" in flags:
        flaky = next(test for test in shown["tests"] if test["id"].endswith("test_flaky"))
        assert (flaky["outcome"], flaky["reruns"]) == ("passed", 1)
        assert "findings" not in flaky
    if "-x" not in flags and pytest.version_tuple >= (9,):
        parts = next(test for test in shown["tests"] if test["id"].endswith("test_parts"))
        assert [part["outcome"] for part in parts["subtests"]] == ["passed", "failed", "passed"]


def test_shares_of_a_sweep_are_one_sweep(project: pytest.Pytester) -> None:
    """Each worker has run some of the points; the page has one matrix."""
    project.makepyfile(test_more=MORE)
    project.runpytest_subprocess(FILES["html"], "-n", "2", "-k", "swept", "--asyncfastapi-shards=2")
    data = page(project.path)
    (sweep,) = data["sweeps"]
    assert [point["token"] for point in sweep["points"]] == ["faults:1:500", "faults:1:slow"]
    assert sweep["tests"] == [0, 1]
    assert len(data["tests"]) == 2


def test_a_thousand_tests_are_a_small_page(project: pytest.Pytester) -> None:
    """Two hundred findings among them, each at a place of its own: below 5 MB."""
    project.runpytest_inprocess(FILES["json"], "-k", "checkout")
    (test,) = json.loads((project.path / "report.json").read_text())["tests"]
    run = Run(str(project.path), tests=[])
    for number in range(1000):
        findings = [
            {**finding, "where": {**finding["where"], "line": number + 1}}
            for finding in test["findings"]
            if number < 200
        ]
        name = f"{test['id']}_number_{number}"
        run.tests.append({**test, "id": name, "findings": findings})
    text = html.render(run)
    assert len(text.encode()) < 5_000_000
    assert text.count("_number_") == 1000


def test_every_file_of_the_page_is_used() -> None:
    """None is forgotten in the page, or lies there for nothing."""
    folder = Path(html.__file__).parent / "page"
    known = {*html.STYLES, *html.SCRIPTS, "page.html"}
    assert {path.name for path in folder.iterdir()} == known
    text = html.render(Run("/nowhere"))
    assert "/*STYLE*/" not in text
    assert "/*SCRIPT*/" not in text
    assert "/*DATA*/" not in text
    for path in folder.iterdir():
        assert len(path.read_text().splitlines()) <= 300, path
