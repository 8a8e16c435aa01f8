"""As soon as a test has faults, its calls wait for connections as in production, struck or not."""

import anyio
import pytest

from pytest_asyncfastapi._clock import VirtualClock

SLOW, FAST = "https://up.example/slow", "https://up.example/fast"


def virtually(run):
    """Run it with virtual time, on asyncio."""

    async def main():
        clock = VirtualClock()
        clock.install()
        try:
            return await run(clock)
        finally:
            clock.uninstall()

    return anyio.run(main)


@pytest.fixture(autouse=True)
def _routes(scope):
    scope.router.route(host="up.example").respond(text="ok")


def overlapping(library, clock, connections, **budgets):
    """A slow call, and a fast one 0.1 s later; when each ended, or how."""

    async def run():
        ended = {}
        timeout = library.Timeout(5, **budgets)
        limits = library.Limits(max_connections=connections)
        async with library.AsyncClient(limits=limits, timeout=timeout) as client:

            async def call(url, after):
                await anyio.sleep(after)
                try:
                    await client.get(url)
                    ended[url] = round(clock.elapsed, 3)
                except library.HTTPError as error:
                    ended[url] = type(error).__name__

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call, SLOW, 0)
                tasks.start_soon(call, FAST, 0.1)
        return ended

    return run()


def test_a_call_that_no_rule_strikes_waits_for_a_connection(faults, library):
    """One connection: after the slow call. Two: at once."""
    faults.on(SLOW).latency("1s")
    assert virtually(lambda clock: overlapping(library, clock, 1)) == {SLOW: 1.0, FAST: 1.0}
    assert virtually(lambda clock: overlapping(library, clock, 2)) == {SLOW: 1.0, FAST: 0.1}


def test_and_no_longer_than_its_pool_timeout(faults, library):
    """As it would on a real network."""
    faults.on(SLOW).latency("1s")
    found = virtually(lambda clock: overlapping(library, clock, 1, pool=0.5))
    assert found == {SLOW: 1.0, FAST: "PoolTimeout"}


def test_a_plain_status_takes_a_connection_too(faults, library):
    """A fault that changes only the answer."""
    faults.on(SLOW).latency("1s")
    faults.on(FAST).status(503)
    assert virtually(lambda clock: overlapping(library, clock, 1))[FAST] == 1.0


def test_a_stream_that_is_held_open_holds_its_connection(faults, library, mode):
    """Until it is read or closed; no rule strikes either of the calls."""
    faults.on("https://other.example/*").reset().optional()
    options = {
        "limits": library.Limits(max_connections=1),
        "timeout": library.Timeout(5, pool=0.02),
    }
    if mode == "sync":
        with library.Client(**options) as client:
            with client.stream("GET", FAST), pytest.raises(library.PoolTimeout):
                client.get(FAST)
            assert client.get(FAST).text == "ok"
        return

    async def run():
        async with library.AsyncClient(**options) as client:
            async with client.stream("GET", FAST):
                with pytest.raises(library.PoolTimeout):
                    await client.get(FAST)
            assert (await client.get(FAST)).text == "ok"

    anyio.run(run, backend=mode)


@pytest.mark.parametrize(("connections", "peak"), [(2, 2), (None, 6)])
def test_what_waits_in_the_pool_is_not_in_flight(scope, faults, library, connections, peak):
    """`peak_in_flight`, and the schedule `concurrency(n)`, count what is on the wire."""
    faults.on("*").latency("1s")
    faults.on("*").status(429).concurrency(4).optional()
    statuses = virtually(lambda _: gathered(library, connections))
    assert scope.router.peak_in_flight == peak
    assert statuses.count(429) == {2: 0, 6: 2}[peak]
    scope.router.assert_max_in_flight(peak)
    with pytest.raises(AssertionError, match=f"{peak} upstream calls were in flight"):
        scope.router.assert_max_in_flight(peak - 1)


def test_nor_where_there_are_no_faults(scope, library):
    """The mock answers at once, and the client has two connections."""
    virtually(lambda _: gathered(library, 2))
    assert scope.router.peak_in_flight == 2


async def gathered(library, connections):
    """Six calls at one time."""
    found = []
    limits = library.Limits(max_connections=connections)
    async with library.AsyncClient(limits=limits, timeout=30) as client:

        async def call():
            found.append((await client.get(FAST)).status_code)

        async with anyio.create_task_group() as tasks:
            for _ in range(6):
                tasks.start_soon(call)
    return found
