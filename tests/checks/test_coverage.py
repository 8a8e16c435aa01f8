"""`--asyncfastapi-coverage`: what was not tested, and what would do it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.concurrency.conftest import Projects, Report

APP = """
import httpx
from fastapi import APIRouter, FastAPI, HTTPException

app = FastAPI()
orders = APIRouter(prefix="/orders")
admin = FastAPI()

@app.get("/items/{number}")
async def item(number: int):
    async with httpx.AsyncClient(timeout=2) as http:
        try:
            answer = await http.get(f"https://stock.example/items/{number}")
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise HTTPException(502) from error
    return answer.json()

@app.get("/report")
def report():
    return {}

@orders.post("/")
async def order():
    return {}

@admin.get("/users")
async def users():
    return []

app.include_router(orders)
app.mount("/admin", admin)
"""
TEST = """
import pytest

@pytest.mark.parametrize("number", [1, 2])
async def test_item(asgi_client, upstream, number):
    upstream.get(url__startswith="https://stock.example/items/").respond(json={"left": 1})
    assert (await asgi_client.get(f"/items/{number}")).status_code == 200

async def test_report(asgi_client):
    await asgi_client.get("/report")

async def test_users(asgi_client):
    await asgi_client.get("/admin/users")
"""
MORE = """
import pytest

@pytest.fixture
def stock(upstream):
    upstream.get(url__startswith="https://stock.example/items/").respond(json={"left": 1})

async def test_slow(asgi_client, stock, faults):
    faults.on("https://stock.example/*").read_timeout()
    assert (await asgi_client.get("/items/1")).status_code == 502

async def test_load(asgi_client, load):
    await load(lambda: asgi_client.get("/report"), n=40, concurrency=20)

@pytest.mark.disconnect_sweep
async def test_cut(asgi_client, stock):
    await asgi_client.get("/items/1")

async def test_order(asgi_client):
    await asgi_client.post("/orders/")
"""


@pytest.fixture(scope="module")
def plain(projects: Projects) -> Report:
    files = ("--asyncfastapi-coverage=found/page.html", "--asyncfastapi-coverage=found.json")
    return projects.run("--asyncfastapi-coverage=terminal", *files, app=APP, test_it=TEST)


def test_the_numbers(plain: Report) -> None:
    """Question by question."""
    plain.outcome(passed=4)
    assert "27 % of the behaviour was tested (3 of 11)" in plain.output
    lines = [" ".join(line.split()) for line in plain.output.splitlines()]
    for line in (
        "routes that were requested 3 of 4",
        "routes whose request was cut by its client 0 of 4",
        "`def` endpoints under load 0 of 1",
        "upstream calls that were seen to fail 0 of 1",
        "timeouts that were seen to end a call 0 of 1",
    ):
        assert line in lines


@pytest.mark.parametrize(
    ("what", "command"),
    [
        ("not requested: POST /orders/", 'in a test: await asgi_client.post("/orders/")'),
        ("not cut: GET /report", "pytest test_it.py::test_report --asyncfastapi-sweep=disconnect"),
        (
            "not cut: GET /admin/users",
            "pytest test_it.py::test_users --asyncfastapi-sweep=disconnect",
        ),
        (
            "not loaded: GET /report",
            'in a test: await load(lambda: asgi_client.get("/report"), n=100, concurrency=50)',
        ),
        (
            "not failed: GET https://stock.example/items/*",
            'pytest "test_it.py::test_item[1]" --asyncfastapi-sweep=faults',
        ),
        (
            "not timed out: GET https://stock.example/items/*",
            'pytest "test_it.py::test_item[1]" '
            '"--asyncfastapi-fault=https://stock.example/*: read_timeout"',
        ),
    ],
)
def test_what_is_missing_and_what_would_do_it(plain: Report, what: str, command: str) -> None:
    lines = plain.output.splitlines()
    (found,) = [number for number, line in enumerate(lines) if line.startswith(what + "  ")]
    assert lines[found + 1].strip() == command


def test_the_files(plain: Report) -> None:
    """The same as JSON and as a page that loads nothing."""
    found = json.loads(plain.folder.joinpath("found.json").read_text())
    assert (found["schema"], found["percent"]) == (1, 27)
    assert found["questions"]["requested"] == {"tested": 3, "of": 4}
    (order,) = [item for item in found["items"] if item["what"] == "POST /orders/"][:1]
    place = plain.line("app.py", '@orders.post("/")')
    assert (order["question"], order["tested"]) == ("requested", False)
    assert order["where"] == place
    page = plain.folder.joinpath("found", "page.html").read_text()
    assert "27 % of the behaviour was tested" in page
    assert "not requested" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_all_of_it(projects: Projects) -> None:
    """By a fault, a load, a sweep and a client that leaves."""
    report = projects.run("--asyncfastapi-coverage=terminal", app=APP, test_it=TEST + MORE)
    report.outcome(passed=8)
    assert "not failed" not in report.output
    assert "not timed out" not in report.output
    assert "not loaded" not in report.output
    assert "not requested" not in report.output
    assert "not cut: GET /items/{number}" not in report.output


def test_a_fault_of_a_dependency_finds_the_app(projects: Projects) -> None:
    """What listens to the requests does not hide the app."""
    app = """
from fastapi import Depends, FastAPI

app = FastAPI()

def rates():
    return {"EUR": 1}

@app.get("/rates")
async def all_rates(found: dict = Depends(rates)):
    return found
"""
    test = """
import pytest
from app import rates

async def test_it(asgi_client, faults):
    faults.dependency(rates).raises(ConnectionError("no rates"))
    with pytest.raises(ConnectionError):
        await asgi_client.get("/rates")
"""
    report = projects.run("--asyncfastapi-coverage=terminal", app=app, test_it=test)
    report.outcome(passed=1)


def test_under_xdist_it_is_the_same(projects: Projects, plain: Report) -> None:
    """The facts of all workers meet."""
    flags = ("-n", "2", "--asyncfastapi-coverage=terminal")
    report = projects.run(*flags, plugins="asyncio xdist", app=APP, test_it=TEST)
    report.outcome(passed=4)
    shown = plain.output.partition("of the behaviour")[2].partition("written:")[0]
    assert shown in report.output


@pytest.mark.parametrize(("floor", "code"), [(27, 0), (28, 1)])
def test_a_floor(projects: Projects, floor: int, code: int) -> None:
    """A run that has tested less fails, although each of its tests has passed."""
    report = projects.run(f"--asyncfastapi-coverage-floor={floor}", app=APP, test_it=TEST)
    report.outcome(passed=4)
    assert report.code == code
    assert ("FAILED: 27 % is below the floor of 28 %" in report.output) == bool(code)


@pytest.mark.parametrize(
    ("flag", "sentence"),
    [
        (
            "--asyncfastapi-coverage=page.txt",
            "'page.txt' must be terminal, or a file named *.html or *.json",
        ),
        ("--asyncfastapi-coverage-floor=101", "'101' must be 0 to 100"),
    ],
)
def test_wrong_values(projects: Projects, flag: str, sentence: str) -> None:
    report = projects.run(flag, app=APP, test_it=TEST)
    assert sentence in report.output
