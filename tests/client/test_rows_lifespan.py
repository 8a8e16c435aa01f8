"""Rows L: the lifespan runs, is bounded, and its errors are its own - on asyncio and trio."""

from __future__ import annotations

import contextvars
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from fastapi import FastAPI, Request

from pytest_asyncfastapi import open_app
from pytest_asyncfastapi._app.lifespan import LifespanError


class Boom(Exception):
    pass


def fastapi_app(lifespan: Any) -> FastAPI:
    app = FastAPI(lifespan=asynccontextmanager(lifespan))

    @app.get("/")
    async def root(request: Request) -> dict[str, Any]:
        seen = dict(request.state._state)
        request.state.leak = True
        return seen

    return app


async def test_L01_start_up_and_shutdown_run() -> None:
    """Around the block."""
    log: list[str] = []

    async def lifespan(app: Any) -> Any:
        log.append("up")
        yield
        log.append("down")

    async with open_app(fastapi_app(lifespan)):
        assert log == ["up"]
    assert log == ["up", "down"]


async def test_L03_state_reaches_requests() -> None:
    """What the lifespan yields."""

    async def lifespan(app: Any) -> Any:
        yield {"db": "open"}

    async with open_app(fastapi_app(lifespan)) as client:
        assert (await client.get("/")).json() == {"db": "open"}


async def test_L04_state_is_a_copy_for_each_request() -> None:
    """What one request adds, the next does not see; objects in it are the same."""

    async def lifespan(app: Any) -> Any:
        yield {"db": "open"}

    async with open_app(fastapi_app(lifespan)) as client:
        assert (await client.get("/")).json() == {"db": "open"}
        assert (await client.get("/")).json() == {"db": "open"}


async def test_L05_one_loop() -> None:
    """A lock of the lifespan can be taken in a request."""

    async def lifespan(app: Any) -> Any:
        app.state.lock = anyio.Lock()
        async with app.state.lock:
            yield {}

    app = fastapi_app(lifespan)

    @app.get("/lock")
    async def locked() -> bool:
        return bool(app.state.lock.locked())

    async with open_app(app) as client:
        assert (await client.get("/lock")).json() is True


async def test_L02_the_scope_has_the_asgi_key() -> None:
    """As the specification requires, with state."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async with open_app(app):
        pass
    assert seen[0]["asgi"] == {"version": "3.0", "spec_version": "2.0"}
    assert seen[0]["state"] == {}


async def test_L12_an_app_without_lifespan_is_served() -> None:
    """One that fails before it asks for a message does not know the scope: that is allowed."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    async with open_app(app) as client:
        assert (await client.get("/")).status_code == 204


async def test_L07_N09_an_exception_in_start_up_is_itself() -> None:
    """Not wrapped in a group; the block does not run."""

    async def lifespan(app: Any) -> Any:
        raise Boom("no database")
        yield

    with pytest.raises(Boom, match="no database"):
        async with open_app(fastapi_app(lifespan)):
            pytest.fail("the block ran")


async def test_L10_an_exception_in_shutdown_is_itself() -> None:
    """The same at the other end."""

    async def lifespan(app: Any) -> Any:
        yield
        raise Boom("cannot close")

    with pytest.raises(Boom, match="cannot close"):
        async with open_app(fastapi_app(lifespan)):
            pass


async def test_L13_N08_shutdown_runs_when_the_block_raises() -> None:
    """And the block's own exception is kept."""
    log: list[str] = []

    async def lifespan(app: Any) -> Any:
        yield
        log.append("down")

    with pytest.raises(Boom, match="in the test"):
        async with open_app(fastapi_app(lifespan)):
            raise Boom("in the test")
    assert log == ["down"]


WORDS = {
    "startup": "^the app said that its lifespan failed as it started: disk is full$",
    "shutdown": "^the app said that its lifespan failed as it shut down: disk is full$",
}


@pytest.mark.parametrize("phase", ["startup", "shutdown"])
async def test_L06_L09_a_failed_message_keeps_its_words(phase: str) -> None:
    """`lifespan.*.failed` without an exception behind it is an error that quotes it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if phase == "startup":
            await send({"type": "lifespan.startup.failed", "message": "disk is full"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.failed", "message": "disk is full"})

    with pytest.raises(LifespanError, match=WORDS[phase]):
        async with open_app(app):
            assert phase == "shutdown"


async def test_L08_N07_a_start_up_that_hangs_is_bounded() -> None:
    """With the option that raises the bound in the sentence."""

    async def lifespan(app: Any) -> Any:
        await anyio.sleep_forever()
        yield

    with pytest.raises(LifespanError, match="did not start within 50 ms.*startup_timeout"):
        async with open_app(fastapi_app(lifespan), startup_timeout=0.05):
            pytest.fail("the block ran")


async def test_L11_a_shutdown_that_hangs_is_bounded() -> None:
    """The same at the other end."""

    async def lifespan(app: Any) -> Any:
        yield
        await anyio.sleep_forever()

    with pytest.raises(LifespanError, match="did not shut down within 50 ms.*shutdown_timeout"):
        async with open_app(fastapi_app(lifespan), shutdown_timeout=0.05):
            pass


async def test_L14_returning_without_a_word_is_an_error() -> None:
    """No hang."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    with pytest.raises(LifespanError, match="returned from its lifespan as it started"):
        async with open_app(app):
            pytest.fail("the block ran")


async def test_L17_N06_a_crash_while_serving_is_reported_as_itself() -> None:
    """A background task of the lifespan dies: the next request says so, nothing hangs."""
    crash = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await crash.wait()
        raise Boom("the worker died")

    with pytest.raises(Boom, match="the worker died"):
        async with open_app(app) as client:
            crash.set()
            await anyio.wait_all_tasks_blocked()
            await client.get("/")


async def test_L15_one_task_for_start_up_and_shutdown() -> None:
    """A task group may be held open across the `yield` of the app's lifespan."""
    log: list[str] = []

    async def lifespan(app: Any) -> Any:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep_forever)
            yield
            group.cancel_scope.cancel()
            log.append("cancelled")

    async with open_app(fastapi_app(lifespan)):
        pass
    assert log == ["cancelled"]


VAR: contextvars.ContextVar[str] = contextvars.ContextVar("VAR", default="unset")


def telling(lifespan: Any) -> FastAPI:
    """An app that tells what a request sees of VAR, in the loop and in a thread."""
    app = FastAPI(lifespan=asynccontextmanager(lifespan))

    @app.get("/thread")
    def thread() -> str:
        return VAR.get()

    @app.get("/loop")
    async def loop() -> str:
        seen = VAR.get()
        VAR.set("set by a request")
        return seen

    return app


async def test_L16_context_of_the_lifespan_is_not_seen_in_requests() -> None:
    """As under uvicorn; what the test has set is seen, and nothing comes back out."""

    async def lifespan(app: Any) -> Any:
        VAR.set("set by the lifespan")
        yield

    async with open_app(telling(lifespan)) as client:
        for path in ("/loop", "/loop", "/thread"):
            assert (await client.get(path)).json() == "unset"
        assert VAR.get() == "unset"
        VAR.set("set by the test")
        assert (await client.get("/loop")).json() == "set by the test"
