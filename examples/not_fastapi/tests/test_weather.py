"""One suite; nothing in it knows a framework."""

import pytest
from pytest_asyncfastapi import AsgiClient, Faults, Load, Upstream, VirtualClock

CITY = "https://station.example/cities/oslo"


async def test_the_weather(asgi_client: AsgiClient, upstream: Upstream) -> None:
    upstream.get(CITY).respond(json={"celsius": -4})

    response = await asgi_client.get("/weather/oslo")

    assert response.json() == {"celsius": -4.0}


async def test_a_slow_station_is_given_up(
    asgi_client: AsgiClient, upstream: Upstream, faults: Faults, clock: VirtualClock
) -> None:
    upstream.get(CITY).respond(json={"celsius": -4})
    faults.on(CITY).latency("30s")

    response = await asgi_client.get("/weather/oslo")

    assert (response.status_code, clock.elapsed) == (504, pytest.approx(3.0))


async def test_ten_at_once_take_no_longer_than_one(
    asgi_client: AsgiClient, upstream: Upstream, faults: Faults, load: Load
) -> None:
    upstream.get(CITY).respond(json={"celsius": -4})
    faults.on(CITY).latency("2s")

    report = await load(lambda: asgi_client.get("/weather/oslo"), n=10, concurrency=10)

    assert report.statuses == {200: 10}
    assert report.duration == pytest.approx(2.0)


async def test_events_come_once_a_minute(asgi_client: AsgiClient, clock: VirtualClock) -> None:
    async with asgi_client.sse("/clock", timeout=90) as events:
        async for event in events:
            if event.data == "6":
                break

    assert clock.elapsed == pytest.approx(300.0, abs=0.01)


async def test_the_echo(asgi_client: AsgiClient) -> None:
    async with asgi_client.websocket("/echo") as socket:
        await socket.send("hello")
        assert await socket.receive() == "hello"
