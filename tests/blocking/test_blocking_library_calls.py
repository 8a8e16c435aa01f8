"""What a library does below one line is one finding: of the call that mattered most."""

from __future__ import annotations

import io
import itertools
import shutil
import socket
import sys
import tarfile
import threading
import time
import types
import urllib.request
import zipfile

import pytest

from pytest_asyncfastapi._blocking import thread_stats
from pytest_asyncfastapi._blocking.call_site_filter import CallSiteFilter
from pytest_asyncfastapi._blocking.dispatcher import DISPATCHER
from pytest_asyncfastapi._blocking.thread_state import RepeatedCalls
from pytest_asyncfastapi._core.findings import Finding, FindingLog, Location
from pytest_asyncfastapi._core.frames import identity
from tests.blocking.conftest import installed_library

LIBRARY = """
import os, socket

def fetch(port, stats_first=True):
    if stats_first:
        os.path.exists("/.dockerenv")
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"x")
        return connection.recv(10)

def write(stream, text):
    stream.write(text)

def settings(path):
    os.path.exists(path)
    with open(path) as file:
        return file.read()
"""


@pytest.fixture
def library(tmp_path) -> types.ModuleType:
    """A library such as a database driver, in site-packages."""
    return installed_library(tmp_path, "driverlike", LIBRARY)


@pytest.fixture
def slow_server():
    """A server that answers each connection after 30 ms; its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.recv(10)
                time.sleep(0.03)
                connection.sendall(b"ok")

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="3.11 has no arguments of calls")
@pytest.mark.parametrize("stats_first", [True, False])
def test_file_metadata_does_not_hide_the_network_call_after_it(
    watch, library, slow_server, stats_first
):
    """The same finding with and without it: the strongest category, and its own call."""

    async def endpoint():
        library.fetch(slow_server, stats_first)

    (found,) = watch(endpoint, profile="default").findings()
    assert found.severity == "error"
    assert found.data["category"] == "network"
    assert found.title.startswith("blocking call: driverlike.fetch -> socket.recv held")
    assert found.data["duration"] >= 0.01
    assert "connect_tcp" in found.remedy
    assert found.count == 1


@pytest.mark.skipif(sys.version_info < (3, 12), reason="3.11 has no events that can be disabled")
@pytest.mark.parametrize("make", [io.StringIO, io.BytesIO])
def test_a_library_that_writes_to_memory_first(watch, library, tmp_path, monkeypatch, make):
    """A template's compiler writes thousands of times, and never to a file."""
    events = []
    keep = CallSiteFilter.keep_library_site

    def counted(self, *args):
        events.append(keep(self, *args))
        return events[-1]

    monkeypatch.setattr(CallSiteFilter, "keep_library_site", counted)
    text = make().getvalue()  # "" or b""

    def write(times: int) -> None:
        with make() as memory:
            for _ in range(times):
                library.write(memory, text)

    async def endpoint():
        write(100)
        with (tmp_path / "file").open("w" if text == "" else "wb") as file:
            library.write(file, text)

    (found,) = [item for item in watch(endpoint).findings() if "write" in item.title]
    assert found.data["category"] == "file"
    assert len(events) >= 100

    async def thousands():
        write(5_000)

    events.clear()
    watch(thousands)
    assert len(events) < 1_000
    assert not events[-1]


def test_file_metadata_alone_is_a_warning(watch, library, tmp_path):
    """The same without a network: nothing fails in the default profile."""
    (tmp_path / "settings.ini").write_text("a = 1")

    async def endpoint():
        library.settings(str(tmp_path / "settings.ini"))

    found = watch(endpoint, profile="default").findings()
    assert [item.data["category"] for item in found] == ["file"]
    assert [item.severity for item in found] == ["warning"]


def test_two_calls_of_one_line_are_one_finding_of_the_worse(watch, tmp_path):
    """Opening a file takes microseconds; what fails the test is the computation beside it."""
    out = tmp_path / "out.txt"

    async def endpoint():
        out.write_text("x" if sum(n * n for n in range(3_000_000)) else "")

    (found,) = watch(endpoint, profile="default", cpu_threshold=0.05).findings()
    assert found.severity == "error"
    assert found.data["category"] == "cpu"
    assert found.title.startswith("blocking computation: ")
    assert found.count == 1


def test_a_folded_finding_counts_the_calls_of_its_own_name():
    """`(x 2)` means two calls of what the title names."""

    def finding(name: str, severity: str, duration: float) -> Finding:
        data = {"name": name, "category": "file", "duration": duration, "strength": 0}
        where = Location("app.py", 3)
        return Finding("blocking", name, where, severity=severity, data=data)  # type: ignore[arg-type]

    log = FindingLog()
    for item in (
        finding("open", "warning", 0.001),
        finding("open", "warning", 0.003),
        finding("copy", "error", 0.002),
        finding("open", "warning", 0.1),
    ):
        log.add(item)
    assert [(item.title, item.severity, item.count) for item in log] == [("copy", "error", 1)]
    log = FindingLog()
    for duration in (0.001, 0.003, 0.002):
        log.add(finding("open", "warning", duration))
    assert [(item.data["duration"], item.count) for item in log] == [(0.003, 3)]


@pytest.mark.skipif(
    sys.version_info < (3, 12), reason="on 3.11 only the outer function has an event"
)
def test_one_request_is_one_call(watch, slow_server):
    """Name look-up, connect, send and receive below one line are not counted one by one."""

    async def endpoint():
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{slow_server}/", timeout=5)
        except OSError:
            pass
        except Exception:
            pass

    (found,) = watch(endpoint).findings()
    assert found.data["category"] == "http"
    assert found.count == 1


@pytest.mark.parametrize("chunks", [2, 700])
def test_all_calls_of_a_copy_are_added_up(watch, tmp_path, monkeypatch, chunks):
    """Hundreds of short reads and writes: each second call of the clock is 1 ms later."""
    (tmp_path / "from").write_bytes(b"x" * 64 * chunks)
    ticks = itertools.count()
    stock = thread_stats.perf_counter

    async def endpoint():
        with open(tmp_path / "from", "rb") as source, open(tmp_path / "to", "wb") as target:
            monkeypatch.setattr(
                thread_stats, "perf_counter", lambda: stock() + next(ticks) * 0.0001
            )
            shutil.copyfileobj(source, target, 64)
            monkeypatch.setattr(thread_stats, "perf_counter", stock)

    guard = watch(endpoint, profile="default")
    (copied,) = [call for call in guard.calls if "copyfileobj" in call.name]
    assert copied.category == "file"
    if sys.version_info >= (3, 12):
        assert copied.severity == ("warning" if chunks == 2 else "error")
        assert (copied.duration >= 0.0001 * chunks) is True


def archive(path, kind: str) -> str:
    """An archive of 5 files."""
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as made:
            for number in range(5):
                made.writestr(f"{number}.bin", b"content")
        return str(path)
    with tarfile.open(path, "w:gz") as packed:
        for number in range(5):
            member = tarfile.TarInfo(f"{number}.bin")
            member.size = len(b"content")
            packed.addfile(member, io.BytesIO(b"content"))
    return str(path)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="3.11 has no arguments of calls")
@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("tick", [0.0, 0.008])
def test_an_archive_that_is_unpacked_is_one_call(watch, tmp_path, monkeypatch, kind, tick):
    """What it reads and writes is added up; a quick one is a warning, as any file is.

    The clock says what each call takes: how busy the machine is plays no part.
    """
    path = archive(tmp_path / "it.bin", kind)
    ticks = itertools.count()
    stock = thread_stats.perf_counter
    began = stock()

    async def endpoint():
        monkeypatch.setattr(thread_stats, "perf_counter", lambda: began + next(ticks) * tick)
        if kind == "zip":
            zipfile.ZipFile(path).extractall(tmp_path / "out")
        else:
            tarfile.open(path).extractall(tmp_path / "out", filter="data")
        monkeypatch.setattr(thread_stats, "perf_counter", stock)

    guard = watch(endpoint, profile="default")
    (one,) = [call for call in guard.calls if "extractall" in call.name]
    assert one.category == "file"
    assert one.severity == ("error" if tick else "warning")


@pytest.mark.parametrize(("below", "found"), [(12, True), (40, False)])
def test_a_call_far_below_the_line_of_the_user_is_recognised_again(below, found):
    """As in a library that reads hundreds of files: the stack is read once."""
    repeated, records = RepeatedCalls(), []
    DISPATCHER.catalog.refresh()
    entry = DISPATCHER.catalog.find(time.sleep)
    user = identity(sys._getframe())

    def call(depth):
        if depth:
            return call(depth - 1)
        repeated.remember(entry, sys._getframe(), user, records)
        return repeated.find(entry, sys._getframe())

    assert (call(below - 1) is records) == found
