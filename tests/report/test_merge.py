"""Reports of several machines become one."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pytest_asyncfastapi.__main__ import main
from pytest_asyncfastapi._report.json_file import schema
from pytest_asyncfastapi._report.merge import merge

APP = """
import httpx
from fastapi import FastAPI

app = FastAPI()

@app.get("/")
async def index():
    async with httpx.AsyncClient(timeout=5) as http:
        return (await http.get("https://up.example/a")).raise_for_status().json()
"""
TESTS = """
import pytest

@pytest.mark.fault_sweep
async def test_index(asgi_client, upstream):
    upstream.get("https://up.example/a").respond(json={"n": 1})
    assert (await asgi_client.get("/")).json() == {"n": 1}

def test_other():
    pass
"""


@pytest.fixture
def shares(pytester: pytest.Pytester) -> list[str]:
    """The reports of two machines, a share each."""
    pytester.makeini("[pytest]\nasyncfastapi_app = shopapp:app\npythonpath = .\n")
    pytester.makepyfile(shopapp=APP, test_it=TESTS)
    names = ["one.json", "two.json"]
    for number, name in enumerate(names, 1):
        shard = f"--asyncfastapi-shard={number}/2"
        pytester.runpytest(shard, f"--asyncfastapi-json={name}", "-p", "no:asyncio")
    return names


def load(name: str) -> Any:
    with open(name, encoding="utf-8") as file:
        return json.load(file)


def test_two_shares_become_one_report(shares: list[str], capsys: Any) -> None:
    """All points, each once; one finding a place; nothing changes when it is merged again."""
    assert main(["merge", *shares, "-o", "all.json"]) == 0
    told = capsys.readouterr().out
    one, two, both = (load(name) for name in (*shares, "all.json"))
    Draft202012Validator(schema()).validate(both)
    assert [test["id"] for test in both["tests"]] == [test["id"] for test in one["tests"]]

    def tokens(report: Any) -> list[str]:
        (sweep,) = report["tests"][0]["sweeps"]
        return [point["token"] for point in sweep["points"]]

    assert sorted(tokens(both)) == sorted(tokens(one) + tokens(two))
    assert len(tokens(both)) == 16
    assert both["tests"][0]["outcome"] == "failed"
    assert both["exit_status"] == 1
    places = [finding["title"] for finding in both["tests"][0]["findings"]]
    assert len(places) == len(set(places)) == both["summary"]["errors_found"]
    assert "fault sweep of test_it.py::test_index: 16 points" in told
    assert "2 reports in all.json: 1 passed, 1 failed" in told

    assert merge([("both", both), ("one", one), ("both", both)]) == both


def test_sweeps_inside_a_test_stay_apart(shares: list[str]) -> None:
    """Two calls of one test have the same tokens, and are not shares of one."""
    one = load(shares[0])
    (sweep,) = one["tests"][0]["sweeps"]
    calls = ("", "explore_faults()", "explore_faults() 2")
    one["tests"][0]["sweeps"] = [{**sweep, "call": call} for call in calls]
    sweeps = merge([("one", one), ("again", copy.deepcopy(one))])["tests"][0]["sweeps"]
    assert [one.get("call") for one in sweeps] == list(calls)
    assert [len(one["points"]) for one in sweeps] == [len(sweep["points"])] * 3


def test_what_does_not_fit_is_refused(shares: list[str], capsys: Any, tmp_path: Any) -> None:
    """One sentence, with the file and what to do."""
    one = load(shares[0])
    other, newer = copy.deepcopy(one), copy.deepcopy(one)
    other["made_with"]["pytest-asyncfastapi"] = "9.9"
    newer["version"] = 2
    cases = {
        "other.json": (json.dumps(other), "was written by pytest-asyncfastapi 9.9 and one.json by"),
        "newer.json": (json.dumps(newer), "newer.json: has version 2 of the format"),
        "plain.json": ("{}", "plain.json: is not a report of pytest-asyncfastapi; write one with"),
        "text.json": ("no", "text.json: is not JSON"),
    }
    for name, (text, sentence) in cases.items():
        with open(name, "w", encoding="utf-8") as file:
            file.write(text)
        assert main(["merge", shares[0], name]) == 2
        assert sentence in capsys.readouterr().err
    assert main(["merge", "nowhere.json"]) == 2
    assert "nowhere.json: cannot be read: No such file" in capsys.readouterr().err


def test_the_worse_outcome_counts(shares: list[str], capsys: Any) -> None:
    """Failed on one machine is failed."""
    one, two = (load(name) for name in shares)
    two["tests"][1]["outcome"] = "failed"
    assert merge([("one", one), ("two", two)])["tests"][1]["outcome"] == "failed"
    assert merge([("two", two), ("one", one)])["summary"]["failed"] == 2
