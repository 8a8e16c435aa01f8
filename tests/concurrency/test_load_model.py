"""`load(..., model=...)`: the answers of many requests against a small sequential model."""

from __future__ import annotations

import anyio
import pytest
from fastapi import FastAPI, HTTPException

from pytest_asyncfastapi import NotLinearizable, Operation
from pytest_asyncfastapi._concurrency import linearizability

BACKENDS = pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
KEYS = ("mug", "tea")


class Shelf:
    """What is left of one thing."""

    def __init__(self):
        self.left = 5

    def sell(self):
        if self.left < 1:
            return 410
        self.left -= 1
        return {"left": self.left}

    def look(self):
        return 200, {"left": self.left}


@pytest.fixture
def racy():
    return {"sell": False, "look": False, "raise": False}


@pytest.fixture
def asgi_app(racy):
    """A shop that is sound but for what `racy` says."""
    app = FastAPI()
    left, cache = dict.fromkeys(KEYS, 5), {}
    locks = {key: anyio.Lock() for key in KEYS}
    sold = []

    @app.post("/sell/{key}")
    async def sell(key: str):
        sold.append(key)
        if racy["raise"] and len(sold) == 4:
            left[key] -= 1
            raise RuntimeError("the answer is lost")
        if racy["sell"]:
            return await change(key)
        async with locks[key]:
            return await change(key)

    async def change(key):
        before = left[key]
        if before < 1:
            raise HTTPException(410)
        await anyio.sleep(0.002)
        left[key] = before - 1
        return {"left": left[key]}

    @app.get("/look/{key}")
    async def look(key: str):
        if racy["look"]:
            cache.setdefault(key, left[key])
            await anyio.sleep(0.001)
            return {"left": cache[key]}
        async with locks[key]:
            return {"left": left[key]}

    return app


@pytest.fixture
def request_number(asgi_client):
    """Sales and looks, of two things."""

    def request(number):
        key = KEYS[number // 2 % 2]
        if number % 2:
            return Operation(asgi_client.get(f"/look/{key}"), "look", key=key)
        return Operation(asgi_client.post(f"/sell/{key}"), "sell", key=key)

    return request


@BACKENDS
async def test_a_sound_shop_is_explained(load, request_number, anyio_backend):
    report = await load(request_number, n=60, concurrency=6, model=Shelf)
    assert report.notes == ()
    assert report.statuses[410] > 0


@BACKENDS
async def test_a_lost_update_is_found(load, request_number, racy, anyio_backend):
    racy["sell"] = True
    with pytest.raises(NotLinearizable) as caught:
        await load(request_number, n=60, concurrency=6, model=Shelf)
    text = str(caught.value)
    assert text.startswith("the answers fit no order of the requests, one after the other:")
    assert "sell() of 'mug' was answered (200, {'left': 4}); it might have been" in text
    assert "meanwhile " in text
    assert caught.value.report.n == 60


@BACKENDS
async def test_a_stale_read_is_found(load, request_number, racy, anyio_backend):
    racy["look"] = True
    with pytest.raises(NotLinearizable) as caught:
        await load(request_number, n=60, concurrency=6, model=Shelf)
    text = str(caught.value)
    assert "look() of 'mug' was answered (200, {'left': 5}); it might have been (200, " in text
    assert "a stale read: it is right before #" in text


async def test_an_answer_that_is_lost_may_stand_for_a_sale_or_not(load, request_number, racy):
    """The request raised, after the sale: nobody can know, so nothing is said."""
    racy["raise"] = True
    report = await load(request_number, n=30, concurrency=4, model=Shelf)
    assert len(report.errors) == 1


async def test_what_is_too_much_is_a_note(load, request_number, monkeypatch):
    monkeypatch.setattr(linearizability, "_MOST_STEPS", 3)
    report = await load(request_number, n=12, concurrency=4, model=Shelf)
    assert report.notes[0].startswith("not decided: 6 calls of 'mug' have too many orders")
    assert "note      not decided" in str(report)


async def test_plain_values_are_compared_too(load):
    """Nothing of HTTP is needed; a method that returns nothing takes any answer."""

    class Numbers:
        def __init__(self):
            self.last = 0

        def draw(self):
            self.last += 1
            return self.last

        def reset(self):
            self.last = 0

    drawn = []

    async def draw():
        drawn.append(1)
        return len(drawn)

    async def reset():
        drawn.clear()
        return "done"

    def request(number):
        if number == 5:
            return Operation(reset(), "reset")
        return Operation(draw(), "draw")

    await load(request, n=12, concurrency=3, model=Numbers)


@pytest.mark.parametrize(
    ("request_of", "model", "sentence"),
    [
        (lambda: anyio.sleep(0), Shelf, "Fix: say which method of the model it is: Operation("),
        (lambda: Operation(anyio.sleep(0), "buy"), Shelf, "Shelf has no method 'buy'"),
        (lambda: Operation(anyio.sleep(0), "sell"), Shelf(), "it must be a class with a method"),
        (lambda: Operation(3, "sell"), Shelf, "the request gave 3, which cannot be awaited"),
    ],
)
async def test_wrong_uses_get_one_sentence(load, request_of, model, sentence):
    with pytest.raises(TypeError, match=r"load\(") as caught:
        await load(request_of, n=2, model=model)
    assert sentence in str(caught.value)
