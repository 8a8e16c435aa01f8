"""Findings in pytest's own JUnit XML."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest


def properties(project: pytest.Pytester, *args: str) -> dict[str, list[str]]:
    """The findings of each test, as a reader of the file sees them."""
    project.runpytest_subprocess("--junitxml=junit.xml", *args)
    tree = ElementTree.parse(project.path / "junit.xml")
    return {
        str(case.get("name")): [
            str(item.get("value"))
            for item in case.iter("property")
            if item.get("name") == "asyncfastapi_finding"
        ]
        for case in tree.iter("testcase")
    }


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_property_for_each_finding(project: pytest.Pytester, workers: tuple[str, ...]) -> None:
    """With its place, its request and its remedy; none for tests without."""
    found = properties(project, *workers)
    (text,) = found["test_blocks"]
    assert text.startswith("error blocking at shopapp.py:20: blocking call: time.sleep")
    assert "; in GET /sleepy; fix: await anyio.sleep(" in text
    assert found["test_plain"] == []
    (warning,) = found["test_threads"]
    assert warning.startswith("warning threads at shopapp.py:37: thread pool exhausted: 2 calls")


def test_each_try_begins_anew(project: pytest.Pytester) -> None:
    """rerunfailures runs the same item again: its findings do not add up."""
    found = properties(project, "-k", "blocks", "--reruns=2")
    assert [len(texts) for texts in found.values()] == [1]


def test_other_properties_stay(project: pytest.Pytester) -> None:
    """Those of the test's own are not ours to drop."""
    project.makepyfile(
        """
        async def test_own(asgi_client, record_property):
            record_property("mine", "1")
            await asgi_client.get("/sleepy")
        """
    )
    project.runpytest(
        "--junitxml=junit.xml", "-o", "junit_family=xunit1", "-k", "own", "--reruns=1"
    )
    text = (project.path / "junit.xml").read_text()
    assert '<property name="mine" value="1"' in text
    cases = text.split("<testcase ")[1:]
    assert cases
    assert all(case.count("asyncfastapi_finding") == 1 for case in cases)
