"""What an in-memory fault gives is what a real socket gives: rows of the reference."""

import json
import re
import time
from pathlib import Path

import anyio
import httpx
import pytest

URL = "http://127.0.0.1:8765/"
ROWS = json.loads((Path(__file__).parent.parent / "data" / "httpx_faults.json").read_text())
# The reference was measured with budgets of 0.3 to 0.6 s; here they are a quarter.
SCALE = 0.25
BUDGETS = {name: value * SCALE for name, value in ROWS["meta"]["timeouts_s"].items()}

FAULTS = {
    "connect_syn_dropped": lambda point: point.connect_timeout(),
    "connect_never_accepted": lambda point: point.read_timeout(),
    "head_slow": lambda point: point.latency(1.2 * SCALE),
    "connect_refused": lambda point: point.refused(),
    "head_rst": lambda point: point.reset(),
    "head_empty_reply": lambda point: point.empty_reply(),
    "dns_nxdomain": lambda point: point.dns_error(),
}


def name_of(error):
    kind = type(error)
    number = f"[{error.errno}]" if isinstance(error, OSError) and error.errno else ""
    return f"{kind.__module__}.{kind.__qualname__}{number}"


def below(error):
    names = []
    while (error := error.__cause__ or error.__context__) is not None:
        names.append(name_of(error))
    return names


def states(client):
    return [
        re.search(r"IDLE|ACTIVE|CLOSED|CONNECTION FAILED|CONNECTING", item.info())[0]
        for item in client._transport._pool.connections
    ]


def outcome(error, client, began, ended):
    return {
        "type": name_of(error),
        "message": str(error).replace(":8765", ":PORT"),
        "request": error.request is not None,
        "inner": below(error),
        "pool": states(client),
        "at_s": ended - began,
    }


def observe(library, mode, busy=False):
    """Make the call; with `busy` the only connection is streaming meanwhile."""
    options = {"timeout": library.Timeout(**BUDGETS)}
    if busy:
        options["limits"] = library.Limits(max_connections=1)
    if mode == "sync":
        return observe_sync(library, busy, options)

    async def call():
        async with library.AsyncClient(**options) as client, client_busy(client, busy):
            began = time.monotonic()
            try:
                await client.get(URL)
            except library.HTTPError as error:
                found = outcome(error, client, began, time.monotonic())
        return found

    return anyio.run(call, backend=mode)


def client_busy(client, busy):
    from contextlib import nullcontext

    return client.stream("GET", URL + "stream") if busy else nullcontext()


def observe_sync(library, busy, options):
    with library.Client(**options) as client, client_busy(client, busy):
        began = time.monotonic()
        try:
            client.get(URL)
        except library.HTTPError as error:
            return outcome(error, client, began, time.monotonic())


def assert_equal_to_row(found, row):
    at = row["at_s"] if row["at_s"] < 0.05 else row["at_s"] * SCALE
    assert found.pop("at_s") == pytest.approx(at, abs=0.06)
    assert found == {name: row[name] for name in found}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_what_a_real_socket_gives(scope, faults, library, mode, fault):
    """Class, message, request, everything below it, pool and time are those of the row."""
    scope.router.get(URL).respond(200)
    FAULTS[fault](faults.on("*"))
    row = ROWS["faults"][fault]["results"][library.__name__][mode]
    assert_equal_to_row(observe(library, mode), row)


def test_an_exhausted_pool_is_what_a_real_pool_gives(scope, library, mode):
    """With one connection, and that one streaming, the second call is a PoolTimeout."""
    scope.router.get(URL + "stream").respond(stream=httpx.ByteStream(b"x"))
    scope.router.get(URL).respond(200)
    scope.router.allow_unused_routes = scope.router.through_network = True
    row = ROWS["faults"]["pool_exhausted"]["results"][library.__name__][mode]
    assert_equal_to_row(observe(library, mode, busy=True), row)


def test_a_pool_timeout_fault_is_the_same_error(scope, faults, library, mode):
    """The fault alone gives the error of an exhausted pool, after the pool budget."""
    faults.on("*").pool_timeout()
    row = dict(ROWS["faults"]["pool_exhausted"]["results"][library.__name__][mode], pool=[])
    assert_equal_to_row(observe(library, mode), row)


def test_a_status_fault_is_a_response(scope, faults, library, mode):
    """503 is an answer, not an error, and carries its Retry-After."""
    faults.on("*").status(503, retry_after=7)
    row = ROWS["faults"]["status_503"]["results"][library.__name__][mode]
    if mode == "sync":
        response = library.get(URL)
    else:

        async def call():
            async with library.AsyncClient() as client:
                return await client.get(URL)

        response = anyio.run(call, backend=mode)
    assert response.status_code == row["status"] == 503
    assert response.headers["retry-after"] == "7"
    assert "type" not in row
