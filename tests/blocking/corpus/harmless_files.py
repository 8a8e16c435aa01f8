"""Harmless: files in memory, paths that touch nothing, sources read for a message."""

from __future__ import annotations

import csv
import inspect
import io
import json
import linecache
import os.path
import pathlib
import pickle
import shutil
import sys
import tokenize
import traceback
import warnings
import zipfile

import anyio

from .case import harmless


@harmless
async def text_in_memory():
    text = io.StringIO("a\nb\n")
    assert text.readline()
    assert text.read()
    text.write("x")
    text.flush()
    assert list(io.StringIO("a\nb"))


@harmless
async def bytes_in_memory():
    assert io.BytesIO(b"a").read()
    for _ in io.BytesIO(b"a\nb"):
        pass
    wrapped = io.TextIOWrapper(io.BytesIO(b"a\nb\n"))
    assert wrapped.readline()
    for _ in wrapped:
        pass


@harmless
async def buffers_in_memory():
    reader = io.BufferedReader(io.BytesIO(b"abc"))
    assert reader.peek(1)
    assert reader.readinto(bytearray(2)) == 2
    next(io.BufferedReader(io.BytesIO(b"a\n")))


@harmless
async def csv_in_memory():
    assert list(csv.reader(io.StringIO("a,b\n")))
    csv.writer(io.StringIO()).writerow([1, 2])


@harmless
async def an_archive_in_memory():
    with zipfile.ZipFile(io.BytesIO(), "w") as made:
        made.writestr("x", "x")


@harmless
async def archives_that_are_read_in_memory(zipped, tarred):
    assert zipped.read("some.txt") == b"one"
    assert tarred.extractfile("some.txt").read() == b""
    shutil.copyfileobj(io.BytesIO(b"one"), io.BytesIO())


@harmless
async def json_text():
    assert json.loads(json.dumps({"a": [1, 2, 3]}))
    json.dump({}, io.StringIO())
    assert json.load(io.StringIO("{}")) == {}


@harmless
async def pickles():
    assert pickle.loads(pickle.dumps([1]))


@harmless
async def path_arithmetic():
    assert os.path.basename(os.path.join("a", "b")) == "b"
    assert os.path.splitext(os.path.normpath("a/../b.txt"))
    assert pathlib.Path("a/b.txt").with_suffix(".md").parts
    os.fspath(pathlib.Path("a"))
    os.path.abspath("a")


@harmless
async def the_environment():
    os.environ.get("HOME")
    os.getpid()
    os.getcwd()
    os.urandom(8)


@harmless
async def anyio_files(text):
    path = anyio.Path(text)
    assert await path.exists()
    assert await path.read_text()
    async with await anyio.open_file(text) as file:
        async for line in file:
            assert line


@harmless
async def a_closed_file(file):
    await anyio.to_thread.run_sync(file.close)
    assert file.closed
    assert file.name


@harmless
async def where_a_file_stands(file):
    assert file.fileno()
    assert file.readable()
    assert not file.isatty()


@harmless
async def a_traceback():
    try:
        raise ValueError("x")
    except ValueError:
        linecache.clearcache()
        assert "ValueError" in traceback.format_exc()


@harmless
async def sources():
    linecache.clearcache()
    assert linecache.getline(__file__, 1)
    assert inspect.getsource(sources)
    with tokenize.open(__file__):
        pass


@harmless
async def a_stack():
    assert inspect.currentframe().f_lineno
    assert traceback.extract_stack(limit=5)


@harmless
async def a_warning():
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        warnings.warn("x", stacklevel=1)


@harmless
async def printing():
    print("x")
    print("x", file=sys.stderr, flush=True)
    sys.stdout.write("x")
    sys.stdout.flush()


@harmless
async def devices():
    with open(os.devnull, "w") as nothing:
        nothing.write("x")
