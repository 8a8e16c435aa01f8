"""What must never be a finding, in the strict profile too."""

import asyncio
import contextvars
import io
import json
import linecache
import logging
import os.path
import queue
import socket
import sys
import threading
import time
import tokenize
import traceback
import warnings

import pytest

from pytest_asyncfastapi._blocking.default_allowlist import NOISE


async def sleeps():
    await asyncio.sleep(0.01)
    await asyncio.wait_for(asyncio.sleep(0), 1)


async def streams():
    async def serve(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"hello\n")
    assert await reader.readline() == b"hello\n"
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


async def loop_sockets():
    loop = asyncio.get_running_loop()
    left, right = socket.socketpair()
    left.setblocking(False)
    right.setblocking(False)
    await loop.sock_sendall(left, b"x")
    assert await loop.sock_recv(right, 1) == b"x"
    left.close()
    right.close()


async def name_resolution():
    await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80)


async def subprocess_exec():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "print(1)", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert out.strip() == b"1"


async def to_thread():
    await asyncio.to_thread(time.sleep, 0.01)


async def executor():
    await asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.01)


async def anyio_to_thread():
    import anyio.to_thread

    await anyio.to_thread.run_sync(time.sleep, 0.01)


async def anyio_path():
    import anyio

    path = anyio.Path(__file__)
    assert await path.exists()
    assert await path.read_text()


async def anyio_file():
    import anyio

    async with await anyio.open_file(__file__) as file:
        await file.readline()


async def anyio_process():
    import anyio

    await anyio.run_process([sys.executable, "-c", ""])


async def anyio_tasks():
    import anyio

    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 0.001)
        with anyio.move_on_after(0.001):
            await anyio.sleep(1)


async def traceback_text():
    try:
        raise ValueError("x")
    except ValueError:
        linecache.clearcache()
        assert "ValueError" in traceback.format_exc()


async def source_lines():
    linecache.clearcache()
    assert linecache.getline(__file__, 1)
    with tokenize.open(__file__):
        pass


async def warning_text():
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        warnings.warn("x", stacklevel=1)


async def logging_to_memory():
    logger = logging.getLogger("test_blocking_harmless")
    handler = logging.StreamHandler(io.StringIO())
    logger.addHandler(handler)
    logger.warning("x")
    logger.removeHandler(handler)


async def logging_to_stderr():
    handler = logging.StreamHandler()
    logger = logging.getLogger("test_blocking_harmless.stderr")
    logger.propagate = False
    logger.addHandler(handler)
    logger.warning("x")
    logger.removeHandler(handler)


async def prints():
    print("x")
    print("x", file=sys.stderr)
    sys.stdout.write("x")
    sys.stdout.flush()


async def memory_files():
    text = io.StringIO("a\nb\n")
    assert text.readline()
    assert text.read()
    assert list(io.BytesIO(b"a\nb"))
    wrapped = io.TextIOWrapper(io.BytesIO(b"a\nb\n"))
    assert wrapped.readline()
    assert wrapped.read()


async def json_text():
    assert json.loads(json.dumps({"a": [1, 2, 3]}))


async def path_arithmetic():
    assert os.path.basename(os.path.join("a", "b")) == "b"
    assert os.path.splitext(os.path.normpath("a/../b.txt"))


async def free_locks():
    for lock in (threading.Lock(), threading.RLock(), threading.Condition()):
        with lock:
            pass
        assert lock.acquire(blocking=False)
        lock.release()
    event = threading.Event()
    event.set()
    event.wait()


async def queues():
    items = queue.Queue()
    items.put_nowait(1)
    assert items.get_nowait() == 1
    aio = asyncio.Queue()
    aio.put_nowait(1)
    assert await aio.get() == 1


async def cached_import():
    import asyncio as again
    import json as more

    assert again
    assert more


async def context_variables():
    variable = contextvars.ContextVar("variable")
    variable.set(1)
    assert contextvars.copy_context()[variable] == 1


async def futures():
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.001, future.set_result, 1)
    await future
    threading.Timer(0, asyncio.get_running_loop().call_soon_threadsafe, [lambda: None])


async def finished_thread():
    thread = threading.Thread(target=lambda: None)
    thread.start()
    while thread.is_alive():
        await asyncio.sleep(0.001)
    thread.join()


async def lambda_keys():
    assert sorted([3, 1, 2], key=lambda item: -item) == [3, 2, 1]
    assert max({"get": 1}.get(name, 0) for name in ("get", "recv"))


async def aiosqlite_query():
    aiosqlite = pytest.importorskip("aiosqlite")
    async with aiosqlite.connect(":memory:") as connection:
        async with connection.execute("select 1") as cursor:
            assert await cursor.fetchall()


async def sqlalchemy_query():
    asyncio_engine = pytest.importorskip("sqlalchemy.ext.asyncio")
    import sqlalchemy

    engine = asyncio_engine.create_async_engine("sqlite+aiosqlite:///:memory:")
    async with engine.begin() as connection:
        await connection.execute(sqlalchemy.text("create table t (a int)"))
        await connection.execute(sqlalchemy.text("insert into t values (1)"))
        assert (await connection.execute(sqlalchemy.text("select a from t"))).all()
    await engine.dispose()


async def async_http_client():
    httpx = pytest.importorskip("httpx")
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text="x"))
    async with httpx.AsyncClient(transport=transport) as client:
        assert (await client.get("http://upstream/")).text == "x"


CASES = [
    sleeps, streams, loop_sockets, name_resolution, subprocess_exec, to_thread, executor,
    anyio_to_thread, anyio_path, anyio_file, anyio_process, anyio_tasks, traceback_text,
    source_lines, warning_text, logging_to_memory, logging_to_stderr, prints, memory_files,
    json_text, path_arithmetic, free_locks, queues, cached_import, context_variables, futures,
    finished_thread, lambda_keys, aiosqlite_query, sqlalchemy_query, async_http_client,
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_harmless_code_has_no_finding(watch, case):
    """Not even in the strict profile, and however busy the machine is."""
    # Twice: the first run imports lazily, and an import is something else.
    asyncio.run(case())
    guard = watch(case, profile="strict")
    assert [
        (call.name, str(call.where), call.evidence) for call in guard.calls + guard.stalls
    ] == []


READS = """
async def reads():
    with open(path) as file:
        file.read()
"""


@pytest.mark.parametrize(("module", "said"), [("linecache", 0), ("glob", 1)])
def test_modules_that_are_frozen(watch, module, said):
    """Which modules have no file differs by version: known by name, as the others."""
    names = {"path": __file__}
    exec(compile(READS, f"<frozen {module}>", "exec"), names)

    async def endpoint():
        await names["reads"]()

    assert len(watch(endpoint, profile="strict").calls) == said


def test_an_app_and_its_client_have_no_finding(watch):
    """A request to a FastAPI app with a sync endpoint in the thread pool is clean."""
    fastapi = pytest.importorskip("fastapi")
    httpx = pytest.importorskip("httpx")
    app = fastapi.FastAPI()

    @app.get("/sync")
    def sync_endpoint():
        time.sleep(0.01)
        return {"a": 1}

    @app.get("/async")
    async def async_endpoint():
        await asyncio.sleep(0)
        return {"a": 1}

    async def body():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            for path in ("/sync", "/async"):
                assert (await client.get(path)).json() == {"a": 1}

    asyncio.run(body())
    assert watch(body).findings() == []


def test_shipped_rules_are_of_frames():
    """They are looked up by category and frame alone, so none may name what is called."""
    for rule in NOISE:
        assert ":" in rule.text or "@" in rule.text, rule
