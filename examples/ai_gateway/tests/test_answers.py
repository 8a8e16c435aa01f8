"""The gateway when the model is well."""

import httpx2
import respx
from conftest import MODEL, QUESTION, listen, spoken
from pytest_asyncfastapi import AsgiClient, Faults, Load, Upstream, VirtualClock


async def test_an_answer_is_streamed(asgi_client: AsgiClient, model: respx.Route) -> None:
    assert await listen(asgi_client) == [
        ("token", "Forty"),
        ("token", "-two"),
        ("token", "."),
        ("done", ""),
    ]
    model.assert_called_once_with(
        json={"messages": [{"role": "user", "content": QUESTION["prompt"]}], "stream": True}
    )


async def test_each_token_is_passed_on_as_it_comes(
    asgi_client: AsgiClient, upstream: Upstream, faults: Faults, clock: VirtualClock
) -> None:
    upstream.post(MODEL).respond(text=spoken(*"abcdefghij", end=""))
    faults.on(MODEL).dribble(10, "9s")

    seconds = []
    async with asgi_client.sse("/chat", method="POST", json=QUESTION) as events:
        async for _ in events:
            seconds.append(round(clock.elapsed))

    assert seconds == list(range(10)) + [9]


async def test_a_model_may_think_before_it_speaks(
    asgi_client: AsgiClient, model: respx.Route, faults: Faults, clock: VirtualClock
) -> None:
    faults.on(MODEL).timeline(first_byte="12s")

    events = await listen(asgi_client)

    assert events[-1] == ("done", "")
    assert clock.elapsed == 12.0


async def test_a_hundred_questions_at_once(
    asgi_client: AsgiClient, model: respx.Route, faults: Faults, load: Load
) -> None:
    faults.on(MODEL).latency("2s")

    report = await load(
        lambda: asgi_client.post("/chat", json=QUESTION, timeout=None), n=100, concurrency=50
    )

    assert report.statuses == {httpx2.codes.OK: 100}
    assert report.p99 < 2.1  # nobody waits for anybody else's answer
