"""The gateway when the model is slow, cut off or busy, or when nobody listens any more."""

import httpx2
import pytest
import respx
from conftest import MODEL, QUESTION, listen, spoken
from pytest_asyncfastapi import AsgiClient, Faults, Upstream, VirtualClock


async def test_a_model_that_is_silent_is_given_up(
    asgi_client: AsgiClient, model: respx.Route, faults: Faults, clock: VirtualClock
) -> None:
    faults.on(MODEL).read_timeout()

    response = await asgi_client.post("/chat", json=QUESTION)

    assert (response.status_code, clock.elapsed) == (504, 15.0)


async def test_a_model_that_only_thinks_is_given_up(
    asgi_client: AsgiClient, upstream: Upstream, faults: Faults, clock: VirtualClock
) -> None:
    upstream.post(MODEL).respond(text=": thinking\n\n" * 60)
    faults.on(MODEL).dribble(60, "60s")  # a comment each second: no read ever times out

    response = await asgi_client.post("/chat", json=QUESTION)

    assert (response.status_code, clock.elapsed) == (504, 20.0)


async def test_an_answer_that_is_cut_off_ends_in_an_error(
    asgi_client: AsgiClient, model: respx.Route, faults: Faults
) -> None:
    faults.on(MODEL).close_after(len(spoken("Forty", "-two", end="")))

    assert await listen(asgi_client) == [
        ("token", "Forty"),
        ("token", "-two"),
        ("error", "the model is out of reach"),
    ]


async def test_an_answer_without_an_end_is_no_answer(
    asgi_client: AsgiClient, upstream: Upstream
) -> None:
    upstream.post(MODEL).respond(text=spoken("Forty", end=""))

    assert await listen(asgi_client) == [
        ("token", "Forty"),
        ("error", "the model stopped in mid-sentence"),
    ]


@pytest.mark.faults(f"{MODEL}: status=429, retry_after=7")
async def test_a_busy_model_says_when_to_come_back(
    asgi_client: AsgiClient, model: respx.Route
) -> None:
    response = await asgi_client.post("/chat", json=QUESTION)

    assert (response.status_code, response.headers["Retry-After"]) == (503, "7")


@pytest.fixture
def talkative(upstream: Upstream, faults: Faults) -> Upstream:
    """A model that talks for ten minutes, a word a second."""
    upstream.post(MODEL).respond(text=spoken(*["word"] * 600))
    faults.on(MODEL).dribble(600, "600s")
    return upstream


async def test_who_has_heard_enough_ends_the_call_upstream(
    asgi_client: AsgiClient, talkative: Upstream, clock: VirtualClock
) -> None:
    async with asgi_client.sse("/chat", method="POST", json=QUESTION) as events:
        async for event in events:
            assert event.json() == "word"
            break

    (call,) = talkative.exchanges
    assert call.ended is not None
    assert clock.elapsed < 5  # and not 600


async def test_a_client_that_is_lost_ends_the_call_upstream(
    asgi_client: AsgiClient, talkative: Upstream, faults: Faults
) -> None:
    faults.client.disconnect(after="30s")

    with pytest.raises(httpx2.ReadError):
        await asgi_client.post("/chat", json=QUESTION, timeout=None)

    (call,) = talkative.exchanges
    assert call.duration == pytest.approx(30.0)  # at once, without being cancelled by us


async def test_a_client_that_does_not_read_holds_the_model_up_and_may_leave(
    asgi_client: AsgiClient, upstream: Upstream
) -> None:
    upstream.post(MODEL).respond(text=spoken(*["x" * 1000] * 1000))

    async with asgi_client.stream("POST", "/chat", json=QUESTION) as response:
        assert response.status_code == 200  # and nothing of the body is read

    (call,) = upstream.exchanges
    assert call.ended is not None
