"""The SARIF log fits the standard, and says where and what."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pytest_asyncfastapi._core.findings import Finding, Location
from pytest_asyncfastapi._report import sarif
from pytest_asyncfastapi._report.aggregate import Run


def strict(required: str, **properties: Any) -> dict[str, Any]:
    """An object with these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


def many(item: dict[str, Any]) -> dict[str, Any]:
    """A list of these."""
    return {"type": "array", "items": item}


TEXT = {"type": "string", "minLength": 1}
MESSAGE = strict("text", text=TEXT)
LEVEL = {"enum": ["none", "note", "warning", "error"]}
COUNT = {"type": "integer", "minimum": 1}
ARTIFACT = strict("uri", uri={"type": "string", "pattern": r"^[^\\ ]+$"}, uriBaseId=TEXT)
LOCATION = strict(
    "physicalLocation",
    physicalLocation=strict(
        "artifactLocation region",
        artifactLocation=ARTIFACT,
        region=strict("startLine", startLine=COUNT, snippet=MESSAGE),
    ),
    logicalLocations=many(strict("fullyQualifiedName", fullyQualifiedName=TEXT, kind=TEXT)),
)
RULE = strict(
    "id shortDescription",
    id=TEXT,
    name=TEXT,
    shortDescription=MESSAGE,
    help=MESSAGE,
    helpUri={"type": "string", "pattern": "^https?://"},
    defaultConfiguration=strict("level", level=LEVEL),
    properties={"type": "object"},
)
THREAD = strict("locations", locations=many(strict("location", location=LOCATION)))
RESULT = strict(
    "ruleId message locations partialFingerprints",
    ruleId=TEXT,
    ruleIndex={"type": "integer", "minimum": 0},
    level=LEVEL,
    message=MESSAGE,
    locations={**many(LOCATION), "minItems": 1},
    partialFingerprints={"type": "object", "additionalProperties": TEXT},
    occurrenceCount=COUNT,
    codeFlows=many(strict("threadFlows", threadFlows=many(THREAD))),
    properties={"type": "object"},
)
RUN = strict(
    "tool results",
    tool=strict("driver", driver=strict("name", name=TEXT, version=TEXT, rules=many(RULE))),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    originalUriBaseIds={
        "type": "object",
        "additionalProperties": strict("uri", uri={"type": "string", "pattern": "^file:///.*/$"}),
    },
    invocations=many(strict("executionSuccessful", executionSuccessful={"type": "boolean"})),
    results=many(RESULT),
)
# What we use of SARIF 2.1.0, by its own words (sections 3.13 to 3.27); nothing else passes.
SUBSET = strict("version runs", **{"$schema": TEXT}, version={"const": "2.1.0"}, runs=many(RUN))


def validated(text: str) -> dict[str, Any]:
    """The only run of a log, which fits the standard."""
    data = json.loads(text)
    Draft202012Validator(SUBSET).validate(data)
    (run,) = data["runs"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    return dict(run)


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_result_for_each_place(project: pytest.Pytester, workers: tuple[str, ...]) -> None:
    """With rule, level, place, way through the code, and tests."""
    project.runpytest_subprocess("--asyncfastapi-sarif=report.sarif", *workers)
    run = validated((project.path / "report.sarif").read_text())
    assert [result["level"] for result in run["results"]] == ["error", "error", "warning"]
    first = run["results"][0]
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "shopapp.py", "uriBaseId": "%SRCROOT%"}
    assert place["region"] == {"startLine": 20, "snippet": {"text": "time.sleep(0.02)"}}
    assert first["properties"]["tests"] == ["test_shop.py::test_blocks"]
    assert "Fix: await anyio.sleep(" in first["message"]["text"]
    threads = run["results"][2]
    where = threads["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert where == "shopapp.py"


def finding(line: int, **changes: Any) -> Finding:
    """One, at this line."""
    where = Location("a dir/ä.py", line, "f", "time.sleep(1)")
    return Finding(**{"kind": "blocking", "title": "t", "where": where, **changes})


def log_of(*findings: Finding) -> dict[str, Any]:
    """The run of a log of one test."""
    test = {"id": "t.py::t", "file": "t.py", "line": 3, "outcome": "failed"}
    data = [item.to_json() for item in findings]
    return validated(sarif.render(Run("/repo", tests=[{**test, "findings": data}])))


def test_a_fingerprint_outlives_lines_above_it() -> None:
    """The same line elsewhere in the file is the same alert; twice in a function are two."""
    (before,) = log_of(finding(7))["results"]
    (after,) = log_of(finding(9))["results"]
    assert before["partialFingerprints"] == after["partialFingerprints"]
    twice = log_of(finding(7), finding(9))["results"]
    assert twice[0]["partialFingerprints"] != twice[1]["partialFingerprints"]


def test_paths_are_uris() -> None:
    """Escaped, with slashes."""
    (result,) = log_of(finding(7))["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "a%20dir/%C3%A4.py"
    (result,) = log_of(finding(7, where=Location("/else/where.py", 3)))["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "file:///else/where.py"}


def test_nothing_found_is_a_log_too() -> None:
    """Code scanning closes the alerts that are gone."""
    assert log_of()["results"] == []


def test_the_way_through_the_code() -> None:
    """From the endpoint down to the line."""
    chain = (Location("a.py", 1, "endpoint", "f()"), Location("a.py", 7, "f", "time.sleep(1)"))
    (result,) = log_of(finding(7, chain=chain))["results"]
    steps = result["codeFlows"][0]["threadFlows"][0]["locations"]
    lines = [step["location"]["physicalLocation"]["region"]["startLine"] for step in steps]
    assert lines == [1, 7]
