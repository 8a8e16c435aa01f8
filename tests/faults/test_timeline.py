import asyncio

import pytest

from pytest_asyncfastapi._clock import VirtualClock

URL = "https://pay.example/charge"


def seconds(library, **client):
    """Virtual seconds until the body is read, and the body."""

    async def run():
        clock = VirtualClock()
        clock.install()
        try:
            async with library.AsyncClient(**client) as http:
                body = (await http.get(URL)).content
            return clock.time(), body
        finally:
            clock.uninstall()

    return asyncio.run(run())


@pytest.mark.parametrize("phase", ["dns", "connect", "tls", "accept", "head", "first_byte", "tail"])
def test_each_phase_takes_its_time(scope, faults, library, phase):
    """A delay in any phase is exactly that much, and within the budget nothing is lost."""
    scope.router.get(URL).respond(content=b"0123456789")
    faults.on(URL).timeline(**{phase: "3s"})
    at, body = seconds(library, timeout=5)
    assert at == pytest.approx(3.0, abs=1e-6)
    assert body == b"0123456789"


def test_phases_add_up(scope, faults, library):
    """The whole timeline of one call, under a timeout that no single wait exceeds."""
    scope.router.get(URL).respond(content=b"0123456789")
    faults.on(URL).timeline(connect=1, tls=1, accept=1, head=1, first_byte=1, gap=1, tail=1)
    at, body = seconds(library, timeout=2.5)
    assert at == pytest.approx(7.0, abs=1e-6)
    assert body == b"0123456789"


def test_a_bandwidth_bounds_the_body(scope, faults, library):
    """32 kB at 16 kB/s take two seconds, and a read timeout of one never fires."""
    scope.router.get(URL).respond(content=b"x" * 32_000)
    faults.on(URL).bandwidth("16KB/s")
    at, body = seconds(library, timeout=1)
    assert at == pytest.approx(2.0, abs=1e-6)
    assert len(body) == 32_000


def test_a_slow_reader_does_not_slow_the_server(scope, faults, library):
    """What the server sent meanwhile is there when a late client reads on."""
    scope.router.get(URL).respond(content=b"0123456789")
    faults.on(URL).dribble(10, "9s")

    async def run():
        clock = VirtualClock()
        clock.install()
        try:
            async with library.AsyncClient() as http, http.stream("GET", URL) as response:
                async for _ in response.aiter_bytes():
                    await asyncio.sleep(2)
            return clock.time()
        finally:
            clock.uninstall()

    assert asyncio.run(run()) == pytest.approx(20.0, abs=1e-6)


def test_a_tls_fault_spares_plain_http(scope, faults, library):
    """Where there is no handshake it cannot strike, and is reported as unused."""
    scope.router.get("http://pay.example/").respond(200)
    faults.on("*").tls_error("expired")

    async def run():
        async with library.AsyncClient() as http:
            return (await http.get("http://pay.example/")).status_code

    assert asyncio.run(run()) == 200
    assert [finding.kind for finding in scope.findings()] == ["unused-fault"]


def test_json_that_does_not_parse(scope, faults, library):
    """The answer says JSON and is none."""
    scope.router.get(URL).respond(json={"a": 1})
    faults.on(URL).bad_json()

    async def run():
        async with library.AsyncClient() as http:
            return await http.get(URL)

    response = asyncio.run(run())
    assert response.headers["content-type"] == "application/json"
    with pytest.raises(ValueError, match=r"Expecting value|EOF|delimiter"):
        response.json()


def test_a_cut_body_keeps_its_pace(scope, faults, library):
    """Of ten pieces over nine seconds, the first five come a second apart, and the body is cut."""
    scope.router.get(URL).respond(content=b"x" * 100)
    faults.on("*").dribble(10, "9s")
    faults.on("*").reset(after_bytes=45)

    async def run():
        pieces, clock = [], VirtualClock()
        clock.install()
        async with library.AsyncClient(timeout=5) as client:
            with pytest.raises(library.ReadError):
                async with client.stream("GET", URL) as response:
                    async for piece in response.aiter_raw():
                        pieces.append((round(clock.time(), 3), len(piece)))
        clock.uninstall()
        return pieces

    assert asyncio.run(run()) == [(0.0, 10), (1.0, 10), (2.0, 10), (3.0, 10), (4.0, 5)]
