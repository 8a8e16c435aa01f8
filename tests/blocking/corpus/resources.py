"""The resources that cases ask for by name: files, sockets, servers, all on this machine.

They are made before the guard starts and closed after it has stopped, so that a case is
nothing but the call that it is about.
"""

from __future__ import annotations

import contextlib
import gc
import http.server
import io
import multiprocessing
import os
import queue
import random
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Seconds that a case waits where only the duration of the wait is detected.
HOLD = 0.1
# The same where the call is known by its name, and just has to wait at all.
BRIEF = 0.02

RESOURCES: dict[str, Callable[[], Any]] = {}


def resource(make: Callable[[], Iterator[Any]]) -> None:
    """Register a generator function under its name."""
    RESOURCES[make.__name__] = contextlib.contextmanager(make)


def later(action: Callable[..., Any], *args: Any) -> None:
    """Do something in another thread, as soon as the calling thread waits for it."""
    waits = once_caller_waits()

    def act() -> None:
        waits()
        action(*args)

    threading.Thread(target=act).start()


def once_caller_waits() -> Callable[..., None]:
    """A function that, in another thread, returns as soon as the calling thread waits in one place.

    Not after some time: on a busy machine the thread may come to its wait much later. It waits
    when the kernel has it asleep, and has not run it for 40 ms, in which the GIL was free.
    """
    number = threading.get_native_id()

    def waits(*ignored: object) -> None:
        before, still = "", 0
        while still < 2 * BRIEF / 0.002:
            time.sleep(0.002)
            run = Path(f"/proc/self/task/{number}/schedstat").read_text().split()[0]
            state = Path(f"/proc/self/task/{number}/stat").read_text().rpartition(")")[2].split()[0]
            still = still + 1 if (run, state) == (before, "S") else 0
            before = run

    return waits


@contextlib.contextmanager
def open_resources(*names: str) -> Iterator[dict[str, Any]]:
    """Opens all of these, and closes them at the end."""
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(RESOURCES[name]()) for name in names}


@resource
def folder():
    path = Path(tempfile.mkdtemp())
    yield path
    shutil.rmtree(path)


@resource
def text():
    """A text file of three lines."""
    with open_resources("folder") as resources:
        path = resources["folder"] / "some.txt"
        path.write_text("one\ntwo\nthree\n")
        yield path


@resource
def zipped():
    """An archive in memory, of one small file."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("some.txt", "one")
    with zipfile.ZipFile(made) as archive:
        yield archive


@resource
def tarred():
    """The same as a tar."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("some.txt"), io.BytesIO())
    made.seek(0)
    with tarfile.open(fileobj=made) as archive:
        yield archive


@resource
def file():
    """The same, open already."""
    with open_resources("text") as resources, resources["text"].open("r+") as opened:
        yield opened


@resource
def binary():
    """The same, open already, for bytes."""
    with open_resources("text") as resources, resources["text"].open("r+b") as opened:
        yield opened


@resource
def pair():
    """Two connected sockets, with a line to read in the second."""
    left, right = socket.socketpair()
    left.send(b"hello\n")
    with left, right:
        yield left, right


@resource
def datagrams():
    """A bound UDP socket with something to read, and its address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.sendto(b"x", made.getsockname())
        yield made, made.getsockname()


@resource
def full_datagrams():
    """A datagram socket whose peer has no room, and a function that makes some."""
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with left, right:
        left.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                left.send(b"x" * 1000)
        left.setblocking(True)
        right.setblocking(False)

        def read_all():
            with contextlib.suppress(OSError):
                while True:
                    right.recv(1000)

        yield left, read_all


@resource
def port():
    """The port of a server that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made.getsockname()[1]


@resource
def visitors():
    """A listening socket with a waiting connection."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        with socket.create_connection(made.getsockname()):
            yield made


@resource
def hang_up():
    """The port of a server that accepts, waits a little, and hangs up."""
    made = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = made.accept()
                threading.Timer(0.03, connection.close).start()

    thread = threading.Thread(target=serve)
    thread.start()
    yield made.getsockname()[1]
    made.shutdown(socket.SHUT_RDWR)
    made.close()
    thread.join()


class Hello(http.server.BaseHTTPRequestHandler):
    """Answers each request with a greeting."""

    def do_GET(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(200)
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    do_POST = do_PUT = do_GET

    def log_message(self, *args):
        pass


@resource
def web():
    """The URL of an HTTP server."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.005,))
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}/"
        made.shutdown()
        thread.join()


def anonymous(side: int) -> ssl.SSLContext:
    """TLS without certificates: for a test on one machine."""
    context = ssl.SSLContext(side)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("aNULL:@SECLEVEL=0")
    return context


@resource
def tls_server():
    """A socket with a TLS server behind it, which sends a greeting and echoes."""
    left, right = socket.socketpair()

    def serve():
        context = anonymous(ssl.PROTOCOL_TLS_SERVER)
        with contextlib.suppress(OSError), context.wrap_socket(right, server_side=True) as peer:
            peer.send(b"hello")
            while data := peer.recv(100):
                peer.send(data)

    thread = threading.Thread(target=serve)
    thread.start()
    yield left, anonymous(ssl.PROTOCOL_TLS_CLIENT)
    with contextlib.suppress(OSError):
        left.shutdown(socket.SHUT_RDWR)
    left.close()
    thread.join()


@resource
def tls():
    """A TLS connection, with something to read."""
    with open_resources("tls_server") as resources:
        left, context = resources["tls_server"]
        with context.wrap_socket(left) as made:
            yield made


@resource
def held():
    """A lock that another thread holds for a short time."""
    lock = threading.Lock()
    lock.acquire()
    yield lock


@resource
def database():
    """The path of an SQLite database with three rows in `t`."""
    with open_resources("folder") as resources:
        path = resources["folder"] / "some.db"
        with contextlib.closing(sqlite3.connect(path)) as made, made:
            made.executescript("create table t (a int); insert into t values (1), (2), (3)")
        yield path


@resource
def connection():
    """A connection to that database."""
    with (
        open_resources("database") as resources,
        contextlib.closing(sqlite3.connect(resources["database"])) as it,
    ):
        yield it


@resource
def rows():
    """A cursor that has rows to fetch."""
    with open_resources("connection") as resources:
        yield resources["connection"].execute("select a from t")


@resource
def typed():
    """A line on the standard input."""
    reader, writer = os.pipe()
    os.write(writer, b"hello\nagain\n")
    os.close(writer)
    kept, before = os.dup(0), sys.stdin
    os.dup2(reader, 0)
    os.close(reader)
    with open(0, closefd=False) as sys.stdin:
        yield
    sys.stdin = before
    os.dup2(kept, 0)
    os.close(kept)


@resource
def library():
    """A folder for installed packages that modules can be put in; they are forgotten again."""
    with open_resources("folder") as resources:
        path = resources["folder"] / "site-packages"
        path.mkdir()
        sys.path.insert(0, str(path))
        before, writes = set(sys.modules), sys.dont_write_bytecode
        sys.dont_write_bytecode = True
        yield path
        sys.dont_write_bytecode = writes
        sys.path.remove(str(path))
        for name in set(sys.modules) - before:
            if str(path) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]


@resource
def module(text="value = 1\n"):
    """The name of a module that is not imported yet."""
    with open_resources("library") as resources:
        (resources["library"] / "never_imported.py").write_text(text)
        yield "never_imported"


@resource
def items():
    """A queue."""
    yield queue.Queue(1)


@resource
def mocked_client():
    """A sync httpx client whose transport is a mock."""
    import httpx

    transport = httpx.MockTransport(lambda request: httpx.Response(200, text="hello"))
    with httpx.Client(transport=transport) as client:
        yield client


@resource
def process():
    """A process that ends when its input is closed."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as made:
        yield made


@resource
def reentrant():
    """A reentrant lock that another thread holds until this one has waited for it."""
    lock, taken = threading.RLock(), threading.Event()
    waits = once_caller_waits()

    def hold():
        with lock:
            taken.set()
            waits()

    threading.Thread(target=hold).start()
    taken.wait()
    yield lock


@resource
def executor():
    """A pool of one thread, which runs already."""
    with ThreadPoolExecutor(1) as made:
        made.submit(int).result()
        yield made


@resource
def engine():
    """A sync engine of SQLAlchemy."""
    import sqlalchemy
    import sqlalchemy.orm  # noqa: F401

    with open_resources("database") as resources:
        made = sqlalchemy.create_engine(f"sqlite:///{resources['database']}")
        yield made
        made.dispose()


@resource
def bound_recv():
    """The method `recv` of a socket that has something to read."""
    with open_resources("pair") as resources:
        yield resources["pair"][1].recv


@resource
def mongo():
    """A client of a MongoDB that is not there."""
    import pymongo

    with open_resources("port") as resources:
        address = {"host": "127.0.0.1", "port": resources["port"]}
        with pymongo.MongoClient(**address, serverSelectionTimeoutMS=30) as made:
            yield made


@resource
def channel():
    """A gRPC channel to a server that never answers."""
    import grpc

    with (
        open_resources("port") as resources,
        grpc.insecure_channel(f"127.0.0.1:{resources['port']}") as made,
    ):
        yield made


@resource
def prices():
    """Many numbers."""
    draw = random.Random(1).random
    yield [draw() for _ in range(300_000)]


@resource
def spawn():
    """A context that starts fresh processes, without the main module of this one."""
    main = sys.modules["__main__"]
    with mock.patch.multiple(main, create=True, __file__=None, __spec__=None):
        yield multiprocessing.get_context("spawn")


@resource
def young_heap():
    """Everything that is there already is out of the garbage collector's way."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
