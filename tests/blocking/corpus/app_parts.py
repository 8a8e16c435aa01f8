"""The parts of an app that are not endpoints: each of them holds the same loop."""

import time
from contextlib import asynccontextmanager

from fastapi import BackgroundTasks, Depends, FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from pydantic import BaseModel, field_validator, model_serializer
from starlette.middleware.base import BaseHTTPMiddleware

from .case import blocks, harmless


@blocks("sleep", app=True)
def an_endpoint():
    app = FastAPI()

    @app.get("/case")
    async def case():
        time.sleep(0.001)  # <- here

    return app


@blocks("sleep", app=True, at="lifespan")
def lifespan_start():
    @asynccontextmanager
    async def lifespan(app):
        time.sleep(0.001)  # <- here
        yield

    return FastAPI(lifespan=lifespan)


@blocks("sleep", app=True, at="lifespan")
def lifespan_end():
    @asynccontextmanager
    async def lifespan(app):
        yield
        time.sleep(0.001)  # <- here

    return FastAPI(lifespan=lifespan)


@blocks("sleep", app=True)
def middleware():
    app = FastAPI()

    @app.middleware("http")
    async def slow(request, call_next):
        time.sleep(0.001)  # <- here
        return await call_next(request)

    return app


@blocks("sleep", app=True)
def middleware_class():
    class Slow(BaseHTTPMiddleware):
        async def dispatch(self, request, call_next):
            response = await call_next(request)
            time.sleep(0.001)  # <- here
            return response

    app = FastAPI()
    app.add_middleware(Slow)
    return app


@blocks("sleep", app=True)
def plain_asgi_middleware():
    inner = FastAPI()

    async def app(scope, receive, send):
        if scope["type"] == "http":
            time.sleep(0.001)  # <- here
        await inner(scope, receive, send)

    return app


@blocks("sleep", app=True)
def dependency():
    async def user():
        time.sleep(0.001)  # <- here

    app = FastAPI()
    app.get("/case")(_uses(user))
    return app


@blocks("sleep", app=True)
def dependency_with_an_end():
    async def session():
        yield 1
        time.sleep(0.001)  # <- here

    app = FastAPI()
    app.get("/case")(_uses(session))
    return app


@blocks("sleep", app=True)
def dependency_class():
    class User:
        async def __call__(self):
            time.sleep(0.001)  # <- here

    app = FastAPI()
    app.get("/case")(_uses(User()))
    return app


def _uses(dependency):
    async def endpoint(value=Depends(dependency)):
        return 1

    return endpoint


@blocks("sleep", app=True)
def background_task():
    app = FastAPI()

    async def mail():
        time.sleep(0.001)  # <- here

    @app.get("/case")
    async def case(tasks: BackgroundTasks):
        tasks.add_task(mail)

    return app


@blocks("sleep", app=True)
def exception_handler():
    app = FastAPI()

    @app.exception_handler(ValueError)
    async def handle(request, error):
        time.sleep(0.001)  # <- here
        return PlainTextResponse("sorry", 500)

    @app.get("/case")
    async def case():
        raise ValueError

    return app


@blocks("sleep", app=True)
def an_endpoint_that_fails():
    app = FastAPI()

    @app.get("/case")
    async def case():
        time.sleep(0.001)  # <- here
        raise ValueError

    return app


@blocks("sleep", app=True)
def validation():
    class Item(BaseModel):
        number: int

        @field_validator("number")
        @classmethod
        def check(cls, value):
            time.sleep(0.001)  # <- here
            return value

    app = FastAPI()

    @app.get("/case")
    async def case():
        return Item(number=1).number

    return app


@blocks("sleep", app=True)
def serialisation():
    class Item(BaseModel):
        @model_serializer
        def plain(self):
            time.sleep(0.001)  # <- here
            return {}

    app = FastAPI()

    @app.get("/case")
    async def case() -> Item:
        return Item()

    return app


@blocks("cpu", app=True)
def a_response_that_takes_long_to_write():
    class Slow(JSONResponse):
        def render(self, content):
            end = time.thread_time() + 0.09
            while time.thread_time() < end:  # <- here
                pass
            return b"{}"

    app = FastAPI()

    @app.get("/case")
    async def case():
        return Slow({})

    return app


@blocks("sleep", app=True)
def streaming():
    async def rows():
        for _ in range(2):
            time.sleep(0.001)  # <- here
            yield b"x"

    app = FastAPI()

    @app.get("/case")
    async def case():
        return StreamingResponse(rows())

    return app


@blocks("sleep", app=True)
def mounted():
    inner, app = FastAPI(), FastAPI()

    @inner.get("/")
    async def case():
        time.sleep(0.001)  # <- here

    app.mount("/case", inner)
    app.router.redirect_slashes = False

    @app.get("/case")
    async def outer():
        return await case()

    return app


@blocks("sleep", app=True)
def a_request_class():
    class Slow(Request):
        async def body(self):
            time.sleep(0.001)  # <- here
            return b""

    app = FastAPI()

    @app.get("/case")
    async def case(request: Request):
        await Slow(request.scope, request.receive).body()

    return app


@harmless(app=True)
def a_sync_endpoint():
    app = FastAPI()

    @app.get("/case")
    def case():
        time.sleep(0.001)

    return app


@harmless(app=True)
def a_sync_dependency():
    def session():
        time.sleep(0.001)
        yield 1
        time.sleep(0.001)

    app = FastAPI()
    app.get("/case")(_uses(session))
    return app


@harmless(app=True)
def a_sync_background_task():
    app = FastAPI()

    @app.get("/case")
    async def case(tasks: BackgroundTasks):
        tasks.add_task(time.sleep, 0.001)

    return app


@harmless(app=True)
def a_sync_stream():
    def rows():
        time.sleep(0.001)
        yield b"x"

    app = FastAPI()

    @app.get("/case")
    async def case():
        return StreamingResponse(rows())

    return app


@harmless(app=True)
def an_error_nobody_handles():
    app = FastAPI()

    @app.get("/case")
    async def case():
        raise ValueError

    return app


@harmless(app=True)
def the_schema():
    class Item(BaseModel):
        number: int

    app = FastAPI()

    @app.get("/case")
    async def case() -> Item:
        app.openapi()
        return Item(number=1)

    return app


@harmless(app=True)
def the_lifespan_may_read_its_files():
    @asynccontextmanager
    async def lifespan(app):
        with open(__file__) as file:
            file.read()
        yield

    app = FastAPI(lifespan=lifespan)
    return app


@harmless(app=True)
def a_file_response():
    from fastapi.responses import FileResponse

    app = FastAPI()

    @app.get("/case")
    async def case():
        return FileResponse(__file__)

    return app


@harmless(app=True)
def static_files():
    from pathlib import Path

    from fastapi.staticfiles import StaticFiles

    app = FastAPI()
    app.mount("/", StaticFiles(directory=Path(__file__).parent))
    return app
