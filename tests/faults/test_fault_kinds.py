"""The kinds of faults: one entry is enough for a new kind, and nothing is written beside."""

import asyncio

import aiohttp
import anyio
import pytest
import requests

from pytest_asyncfastapi._faults import FaultSpecError, parse
from pytest_asyncfastapi._faults.builder import FaultPoint
from pytest_asyncfastapi._faults.keywords import vocabulary
from pytest_asyncfastapi._faults.kinds import KINDS, FaultKind
from tests.faults import from_kinds

URL = "https://pay.example/charge"
# The one entry of a kind that the package does not have, with what it does on the wire.
HALF = FaultKind(
    name="half_a_status_line",
    what="half a status line, and the end of the connection",
    method="Answer with half a status line.",
    instead=lambda effect: [("say", b"HTTP/1.1 2"), ("end", "close")],
    http2=lambda effect: [("end", "close")],
    swept=("call",),
)


@pytest.fixture
def kind(monkeypatch):
    monkeypatch.setitem(KINDS, HALF.name, HALF)
    return HALF


def fetch(library, mode, **options):
    if mode == "sync":
        with library.Client(**options) as client:
            return client.get(URL)

    client = library.AsyncClient(**options)  # not in the loop: it reads certificates

    async def call():
        async with client:
            return await client.get(URL)

    return anyio.run(call, backend=mode)


def test_what_is_written_from_the_kinds_is_of_today():
    """`python -m tests.faults.from_kinds` writes it anew."""
    assert from_kinds.MODULE.read_text(encoding="utf-8") == from_kinds.methods()
    page = from_kinds.PAGE.read_text(encoding="utf-8")
    assert page == from_kinds.page(page)


def test_each_kind_has_a_verb_and_a_word():
    """In the builder, under its name or as its entry says; in the grammar, with its example."""
    words = vocabulary()
    for kind in KINDS.values():
        assert hasattr(FaultPoint, kind.name) or kind.builder, kind
        for word in kind.words or (kind.name,):
            assert words[word].kind is kind
        for keyword in kind.words.values():
            for example in keyword.example.replace(" or ", ", ").split(", "):
                assert parse(f"*: {example}").effect.kind.name in ("", kind.name)


def test_the_page_of_connections_has_their_kinds():
    """Each fault that a connection can have is in a table of docs/connections.md."""
    page = from_kinds.PAGE.with_name("connections.md").read_text(encoding="utf-8")
    for kind in KINDS.values():
        words = f"`{kind.name}`", f"`{kind.name}="
        assert not kind.connection or any(word in page for word in words), kind


def test_a_new_kind_in_the_grammar(kind):
    """Its word is known, takes no value, and is among the words of an error."""
    spec = parse("https://pay.example:443/*: half_a_status_line, first=1")
    assert (spec.effect.ending, spec.effect.kind) == (kind.name, kind)
    assert str(spec.effect) == kind.name
    with pytest.raises(FaultSpecError, match="'half_a_status_line' takes no value"):
        parse("*: half_a_status_line=1")
    with pytest.raises(FaultSpecError, match=r"endings: .*half_a_status_line"):
        parse("*: bananas")


def test_a_new_kind_in_the_builder_and_in_the_docs(kind):
    """Its method and its row are written from the entry."""
    written = {"__package__": "pytest_asyncfastapi._faults", "__name__": "written"}
    exec(from_kinds.methods(), written)
    given = []
    point = written["PlainFaults"]("*", lambda effect, optional: given.append((effect, optional)))
    point.half_a_status_line(optional=True)
    assert given == [(parse("*: half_a_status_line").effect, True)]
    assert kind.method in point.half_a_status_line.__doc__
    row = f"| `.half_a_status_line()` | `half_a_status_line` | {kind.what} |\n"
    assert row in from_kinds.table()


@pytest.mark.parametrize("http2", [False, True])
def test_a_new_kind_in_memory(scope, faults, library, mode, http2, kind):
    """Over HTTP/1.1 and HTTP/2; the next call is whole again."""
    scope.router.get(URL).respond(200)
    rule = faults.add(f"{URL}: {kind.name}, first=1")
    with pytest.raises(library.RemoteProtocolError):
        fetch(library, mode, http2=http2)
    assert fetch(library, mode, http2=http2).status_code == 200
    assert rule.hits == 1
    assert scope.findings() == []


def test_a_new_kind_for_other_clients(scope, faults, kind):
    """aiohttp and requests meet it over memory."""
    scope.router.post(URL).respond(200)
    faults.add(f"{URL}: {kind.name}")

    async def by_aiohttp():
        async with aiohttp.ClientSession() as session:
            await session.post(URL)

    with pytest.raises(aiohttp.ClientError):
        asyncio.run(by_aiohttp())
    with pytest.raises(requests.ConnectionError):
        requests.post(URL, timeout=5)


def test_a_new_kind_on_a_real_socket(upstream, faults, kind):
    """`serve()` plays it, unless its entry says why not."""
    upstream.post(URL).respond(200)
    rule = faults.add(f"{URL}: {kind.name}, first=1")
    with upstream.serve("https://pay.example") as server:
        with pytest.raises(requests.ConnectionError):
            requests.post(server.url + "/charge", timeout=5)
        assert requests.post(server.url + "/charge", timeout=5).status_code == 200
    assert rule.hits == 1


def test_a_new_kind_that_cannot_be_served(scope, upstream, faults, monkeypatch):
    """The finding says what to write instead."""
    asked = FaultKind(name="half", what="half", end="close", not_served="use .close()")
    monkeypatch.setitem(KINDS, "half", asked)
    upstream.post(URL).respond(200)
    faults.add(f"{URL}: half")
    with upstream.serve("https://pay.example") as server:
        assert requests.post(server.url + "/charge", timeout=5).status_code == 501
    (finding,) = [each for each in scope.findings() if each.kind == "not-served"]
    assert finding.remedy == "use .close()"


def test_a_new_kind_in_a_sweep(kind, pytester):
    """Every call is tried with it, and the matrix has its column."""
    pytester.makeini("[pytest]\nasyncfastapi_app = shopapp:app\npythonpath = .\n")
    pytester.makepyfile(
        shopapp="""
        import httpx
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/")
        async def home():
            async with httpx.AsyncClient() as http:
                return (await http.get("https://up.example/a")).json()
        """,
        test_it="""
        import pytest

        @pytest.mark.fault_sweep(faults=["half_a_status_line", "503"])
        async def test_home(asgi_client, upstream):
            upstream.get("https://up.example/a").respond(json={"n": 1})
            assert (await asgi_client.get("/")).status_code == 200
        """,
    )
    result = pytester.runpytest_inprocess()  # with the kind of this process
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*GET / raised RemoteProtocolError*", "  call half_   503"])
