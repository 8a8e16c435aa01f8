"""The call monitor and the audit hook: which call, where, and what to do instead."""

import asyncio
import contextlib
import contextvars
import functools
import http.server
import importlib
import os
import queue
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import tomllib
import urllib.request
from time import sleep as nap

import pytest

from pytest_asyncfastapi._core.activity import ACTIVITY

NEW = sys.version_info >= (3, 12)


def line_of(function, text: str) -> int:
    """The line of a function's source that contains a text."""
    import inspect

    lines, first = inspect.getsourcelines(function)
    return next(first + index for index, line in enumerate(lines) if text in line)


def names(guard) -> list[str]:
    return [call.name for call in guard.calls]


def categories(guard) -> list[str]:
    return [call.category for call in guard.calls if call.severity == "error"]


def test_sleep_is_reported_with_line_label_chain_and_remedy(watch):
    """A sleep in an endpoint is named with everything that is needed to fix it."""

    async def charge():
        time.sleep(0.02)

    async def endpoint():
        ACTIVITY.set("POST /checkout")
        await charge()

    guard = watch(endpoint)
    (found,) = guard.findings()
    assert found.title.startswith("blocking call: time.sleep")
    assert "held the event loop for 2" in found.title
    assert found.where.path == "tests/blocking/test_blocking_calls.py"
    assert found.where.line == line_of(charge, "time.sleep")
    assert found.where.source == "time.sleep(0.02)"
    assert found.activity == "POST /checkout"
    assert [item.function.rpartition(".")[2] for item in found.chain] == ["endpoint", "charge"]
    assert "await anyio.sleep(" in found.remedy
    assert found.why == "nothing else runs on the loop meanwhile"
    assert found.allow == f"asyncfastapi_allow_blocking = sleep@{__name__}"
    assert found.severity == "error"
    assert found.kind == "blocking"
    assert found.test == "test_it"
    assert found.data["category"] == "sleep"
    assert found.data["duration"] >= 0.02


@pytest.mark.skipif(not NEW, reason="a profile function does not get arguments")
def test_the_argument_is_part_of_title_and_remedy(watch):
    """The title and the remedy repeat what the user wrote."""

    async def endpoint():
        time.sleep(0.01)

    (found,) = watch(endpoint).findings()
    assert "time.sleep(0.01)" in found.title
    assert found.remedy == "await anyio.sleep(0.01)"


async def by_alias():
    nap(0.01)


async def by_partial():
    functools.partial(time.sleep, 0.01)()


async def by_local_name():
    pause = time.sleep
    pause(0.01)


async def by_attribute():
    class Config:
        wait = staticmethod(time.sleep)

    Config.wait(0.01)


async def by_arguments():
    time.sleep(*(0.01,))


async def by_site_that_was_harmless():
    for call in (abs, float, time.sleep):
        call(0.01)


async def by_attribute_that_was_harmless():
    class Box:
        call = None

    for call in (abs, float, time.sleep):
        Box.call = call
        Box.call(0.01)


async def by_default_argument():
    def wait(call=time.sleep):
        call(0.01)

    wait()


async def swallowed():
    with contextlib.suppress(Exception):
        time.sleep(0.01)
        raise ValueError


async def in_callback():
    asyncio.get_running_loop().call_soon(lambda: time.sleep(0.01))
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def in_task():
    async def work():
        time.sleep(0.01)

    await asyncio.gather(work())


async def in_generator():
    async def rows():
        time.sleep(0.01)
        yield 1

    async for _ in rows():
        pass


@pytest.mark.parametrize(
    "function",
    [
        by_alias,
        pytest.param(by_partial, marks=pytest.mark.skipif(not NEW, reason="C calls C")),
        by_local_name,
        by_attribute,
        by_arguments,
        by_site_that_was_harmless,
        by_attribute_that_was_harmless,
        by_default_argument,
        swallowed,
        in_callback,
        in_task,
        in_generator,
    ],
)
def test_every_way_to_call_sleep_is_reported_once(watch, function):
    """However the callable was reached, the call is one call of time.sleep."""
    guard = watch(function)
    assert [(call.name, call.category) for call in guard.calls] == [("time.sleep", "sleep")]
    assert guard.calls[0].where.path.endswith("test_blocking_calls.py")


async def in_a_context():
    contextvars.copy_context().run(os.listdir, "/")  # this line


async def as_a_key():
    min(["/"], key=functools.lru_cache(os.listdir))  # this line


async def by_a_library_that_called_something_else_before():
    for function in (list, functools.partial(len, ()), functools.partial(os.listdir, "/")):
        with contextlib.ExitStack() as stack:  # this line
            stack.callback(function)


@pytest.mark.parametrize(
    "function", [in_a_context, as_a_key, by_a_library_that_called_something_else_before]
)
def test_what_c_code_calls_is_found_by_its_audit_event(watch, function):
    """There is no call event where C calls C, or at a site that was disabled."""
    (call,) = watch(function, profile="strict").calls
    assert (call.category, call.args, call.evidence) == ("file_metadata", "'/'", "audit event")
    assert call.where.line == line_of(function, "# this line")


def test_a_method_bound_before_the_start_is_reported(watch):
    """Binding a method early hides nothing."""
    left, right = socket.socketpair()
    receive = left.recv
    right.send(b"x")

    async def endpoint():
        receive(1)

    guard = watch(endpoint)
    left.close()
    right.close()
    assert names(guard) == ["socket.recv"]


def test_each_call_counts_but_one_line_is_one_finding(watch):
    """Repeats at one place are folded."""

    async def endpoint():
        for _ in range(3):
            time.sleep(0.001)

    guard = watch(endpoint)
    assert len(guard.calls) == 3
    (found,) = guard.findings()
    assert found.count == 3


def test_worker_threads_are_not_reported(watch):
    """A thread without a loop may block."""

    async def endpoint():
        await asyncio.to_thread(time.sleep, 0.01)
        await asyncio.to_thread(nap, 0.01)
        await asyncio.get_running_loop().run_in_executor(None, lambda: time.sleep(0.01))

    assert watch(endpoint, profile="strict").findings() == []


def test_code_outside_a_loop_is_not_reported(watch):
    """A guard that is active does not mind sync code."""
    guard = watch.guard(profile="strict")
    guard.start()
    time.sleep(0.001)
    guard.stop()
    assert guard.calls == []


def test_sqlite_is_reported_for_connect_execute_and_fetch(watch):
    """A sync database driver on the loop is named at each step."""

    async def endpoint():
        connection = sqlite3.connect(":memory:")
        cursor = connection.execute("select 1")
        cursor.fetchall()
        connection.commit()
        connection.close()

    guard = watch(endpoint)
    assert set(categories(guard)) == {"database"}
    assert names(guard) == [
        "sqlite3.connect",
        "sqlite3.Connection.execute",
        "sqlite3.Cursor.fetchall",
        "sqlite3.Connection.commit",
    ]


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    made = http.server.HTTPServer(("127.0.0.1", 0), Hello)
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}/"
    made.shutdown()
    thread.join()
    made.server_close()


def test_a_sync_http_request_is_one_call_named_as_written(watch, server):
    """All that urlopen does below is one call, and its category is http."""

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    async def endpoint():
        opener.open(server).read()

    guard = watch(endpoint)
    first = guard.calls[0]
    assert first.name.startswith("urllib.request.OpenerDirector.open -> socket.")
    assert first.category == "http"
    assert "httpx.AsyncClient" in first.remedy
    assert {call.category for call in guard.calls if call.severity == "error"} == {"http"}
    assert len({call.where.line for call in guard.calls}) == 1


def test_a_mocked_sync_client_is_reported(watch):
    """A mock hides the wait, not the fault: production will block there."""
    httpx = pytest.importorskip("httpx")

    def answer(request):
        return httpx.Response(200)

    async def endpoint():
        with httpx.Client(transport=httpx.MockTransport(answer)) as client:
            client.get("http://upstream/")

    guard = watch(endpoint)
    http_calls = [call for call in guard.calls if call.category == "http"]
    assert [call.name for call in http_calls] == ["httpx.Client.get"]
    assert http_calls[0].where.source == 'client.get("http://upstream/")'


def test_blocking_and_non_blocking_sockets(watch):
    """A socket blocks unless its timeout is 0."""
    left, right = socket.socketpair()
    with left, right:

        async def blocking():
            left.send(b"x")
            right.recv(1)

        async def non_blocking():
            left.send(b"x")
            right.recv(1)
            with contextlib.suppress(BlockingIOError):
                right.recv(1)

        assert names(watch(blocking)) == ["socket.send", "socket.recv"]
        left.setblocking(False)
        right.setblocking(False)
        assert watch(non_blocking, profile="strict").calls == []


def test_name_resolution_is_reported(watch):
    """getaddrinfo blocks whichever host it is asked for."""

    async def endpoint():
        socket.getaddrinfo("127.0.0.1", 80)

    guard = watch(endpoint)
    assert categories(guard) == ["dns"]
    assert "getaddrinfo" in guard.calls[0].remedy


@pytest.mark.parametrize("profile", ["default", "strict"])
def test_the_wildcard_address_is_no_name(watch, profile):
    """As code does that looks for a free port: nothing is resolved."""

    async def endpoint():
        socket.getaddrinfo(None, 0, socket.AF_UNSPEC, socket.SOCK_STREAM)
        socket.getaddrinfo(host=None, port=0)

    assert watch(endpoint, profile=profile).findings() == []


def test_a_contended_lock_is_reported_and_a_free_one_is_not(watch):
    """Locks are judged by the wait, not by their name."""
    lock = threading.Lock()

    async def contended():
        lock.acquire()
        timer = threading.Timer(0.05, lock.release)
        timer.start()
        lock.acquire()
        lock.release()

    async def free():
        for made in (threading.Lock(), threading.RLock()):
            made.acquire()
            made.release()
            with made:
                pass
        assert not (lock.acquire() and lock.acquire(blocking=False))
        lock.release()

    guard = watch(contended)
    assert categories(guard) == ["lock"]
    assert guard.calls[0].duration >= 0.001
    assert guard.calls[0].where.line == line_of(contended, "timer.start()") + 1
    assert watch(free, profile="strict").findings() == []


def test_waits_for_threads_are_named_as_written(watch):
    """Event.wait, Thread.join and Queue.get are what the user wrote, not lock.acquire."""

    async def endpoint():
        event = threading.Event()
        threading.Timer(0.05, event.set).start()
        event.wait()
        thread = threading.Thread(target=time.sleep, args=(0.05,))
        thread.start()
        thread.join()
        items = queue.Queue()
        threading.Timer(0.05, items.put, [1]).start()
        items.get()
        simple = queue.SimpleQueue()
        threading.Timer(0.05, simple.put, [1]).start()
        simple.get()

    guard = watch(endpoint)
    assert [(call.name, call.category) for call in guard.calls] == [
        ("threading.Event.wait", "lock"),
        ("threading.Thread.join", "join"),
        ("queue.Queue.get", "queue"),
        ("queue.SimpleQueue.get", "queue"),
    ]


def test_queues_that_do_not_wait_are_not_reported(watch):
    """get_nowait and a queue with something in it hold nobody up."""

    async def endpoint():
        for made in (queue.Queue(), queue.SimpleQueue()):
            made.put(1)
            made.get_nowait()
            with contextlib.suppress(queue.Empty):
                made.get_nowait()

    assert watch(endpoint, profile="strict").calls == []


def test_a_subprocess_is_one_call(watch):
    """subprocess.run is one call, named as written."""

    async def endpoint():
        subprocess.run([sys.executable, "-c", ""], check=True)

    guard = watch(endpoint)
    assert names(guard) == ["subprocess.run"]
    assert categories(guard) == ["subprocess"]
    assert "create_subprocess_exec" in guard.calls[0].remedy


def test_os_system_is_reported(watch):
    """os.system blocks until the command ends."""

    async def endpoint():
        os.system("true")

    assert categories(watch(endpoint)) == ["subprocess"]


def test_open_warns_by_default_and_fails_in_strict(watch, tmp_path):
    """A short file operation is a warning, not an error."""
    path = tmp_path / "data.txt"
    path.write_text("one\ntwo\n")

    async def endpoint():
        with open(path) as file:
            file.readline()
            file.read()

    for profile, severity in (("default", "warning"), ("strict", "error")):
        guard = watch(endpoint, profile=profile)
        assert names(guard) == ["open", "file.readline", "file.read"]
        assert {found.severity for found in guard.findings()} == {severity}
        assert {found.data["category"] for found in guard.findings()} == {"file"}


@pytest.mark.parametrize("name", ["read_text", "read_bytes", "write_text", "touch"])
def test_pathlib_is_one_call_named_as_written(watch, tmp_path, name):
    """One call, whatever it opens and reads, and whichever private module defines it."""
    path = tmp_path / "data.txt"
    path.write_text("x")
    arguments = ["x"] if name == "write_text" else []

    async def endpoint():
        getattr(path, name)(*arguments)

    (call,) = watch(endpoint, profile="strict").calls
    assert call.name == f"pathlib.Path.{name}"
    assert call.category in ("file", "file_metadata")


def test_what_a_private_module_of_the_standard_library_defines_is_named_as_written(watch, tmp_path):
    """`tomllib.load`, not `tomllib._parser.load`."""
    (tmp_path / "data.toml").write_text("a = 1")
    data = open(tmp_path / "data.toml", "rb")  # noqa: SIM115 - outside of the coroutine

    async def endpoint():
        tomllib.load(data)

    with data:
        (call,) = watch(endpoint, profile="strict").calls
    assert call.name.partition(" ")[0] == "tomllib.load"


def test_file_metadata_is_silent_by_default(watch, tmp_path):
    """A stat is seen, and not reported."""

    async def endpoint():
        os.stat(tmp_path)
        os.listdir(tmp_path)

    guard = watch(endpoint)
    assert {call.severity for call in guard.calls} == {"silent"}
    assert guard.findings() == []
    strict = watch(endpoint, profile="strict")
    assert [found.data["category"] for found in strict.findings()] == ["file_metadata"] * 2


def test_an_import_is_one_silent_call(watch, tmp_path, monkeypatch):
    """A first import is the import statement's, and silent while it is quick."""
    (tmp_path / "lazily_imported.py").write_text("import lazily_imported_too\n")
    (tmp_path / "lazily_imported_too.py").write_text("with open(__file__) as f: value = f.read()\n")
    monkeypatch.syspath_prepend(tmp_path)

    async def endpoint():
        import lazily_imported  # noqa: F401

    guard = watch(endpoint)
    for name in ("lazily_imported", "lazily_imported_too"):
        del sys.modules[name]
    assert [(c.name, c.severity) for c in guard.calls] == [("import lazily_imported", "silent")]
    assert guard.calls[0].where.source.startswith("import lazily_imported")


def test_a_call_without_a_line_of_the_users_is_the_librarys(watch, tmp_path, monkeypatch):
    """A library that blocks in its own task is named, with the activity."""
    package = tmp_path / "site-packages"
    package.mkdir()
    (package / "some_library.py").write_text(
        "import time\nasync def work():\n    time.sleep(0.01)\n"
    )
    monkeypatch.syspath_prepend(package)
    import some_library

    async def endpoint():
        ACTIVITY.set("GET /")
        await asyncio.create_task(some_library.work())

    guard = watch(endpoint)
    (found,) = guard.findings()
    assert found.where.path.endswith("some_library.py")
    assert found.where.line == 3
    assert found.activity == "GET /"
    assert found.allow == "asyncfastapi_allow_blocking = sleep@some_library"


def test_a_librarys_call_below_a_users_line_is_the_users(watch, tmp_path, monkeypatch):
    """The line to change is the user's; the name says what it went through."""
    package = tmp_path / "site-packages"
    package.mkdir()
    (package / "other_library.py").write_text(
        "import time\ndef fetch():\n    _inner()\ndef _inner():\n    time.sleep(0.01)\n"
    )
    monkeypatch.syspath_prepend(package)
    import other_library

    async def endpoint():
        other_library.fetch()

    (call,) = watch(endpoint).calls
    assert call.name == "other_library.fetch -> time.sleep"
    assert call.where.line == line_of(endpoint, "other_library.fetch()")
    assert call.category == "sleep"


@pytest.mark.parametrize("name", ["loguru", "some_writer"])
def test_log_lines_of_a_logging_library_are_not_reported(watch, tmp_path, monkeypatch, name):
    """A logger writes lines to a file, as `logging` does; another library that does it is named."""
    package = tmp_path / "site-packages"
    package.mkdir()
    (package / f"{name}.py").write_text(
        "import threading\n"
        "class Logger:\n"
        "    def __init__(self, path):\n"
        "        self.lock, self.file = threading.Lock(), open(path, 'w')\n"
        "    def info(self, text):\n"
        "        with self.lock:\n"
        "            self.file.write(text)\n"
        "            self.file.flush()\n"
    )
    monkeypatch.syspath_prepend(package)
    logger = importlib.import_module(name).Logger(tmp_path / "app.log")

    async def endpoint():
        logger.info("one line")

    guard = watch(endpoint)
    logger.file.close()
    del sys.modules[name]
    assert bool(guard.findings()) == (name == "some_writer")


def test_a_sync_test_client_is_not_reported_but_its_app_is(watch):
    """The client's wait for its own thread is noise; what the app does there is not."""
    testclient = pytest.importorskip("fastapi.testclient")
    fastapi = pytest.importorskip("fastapi")
    app = fastapi.FastAPI()

    @app.get("/good")
    async def good():
        return 1

    @app.get("/bad")
    async def bad():
        time.sleep(0.01)
        return 1

    async def body():
        with testclient.TestClient(app) as client:
            client.get("/good")
            client.get("/bad")

    asyncio.run(body())
    guard = watch(body)
    assert [found.where.function.rpartition(".")[2] for found in guard.findings()] == ["bad"]
