"""file: opening, reading and writing real files."""

from __future__ import annotations

import configparser
import csv
import fileinput
import gzip
import hashlib
import io
import json
import os
import pickle
import shutil
import tempfile
import tomllib
import zipfile

from .case import blocks


@blocks("file")
async def open_and_read(text):
    with open(text) as file:  # <- here
        file.read()  # <- here


@blocks("file")
async def read(file):
    file.read()  # <- here


@blocks("file")
async def readline(file):
    file.readline()  # <- here


@blocks("file")
async def readlines(file):
    file.readlines()  # <- here


@blocks("file")
async def lines(file):
    for line in file:  # <- here
        line.strip()


@blocks("file")
async def lines_in_a_list(file):
    [line.strip() for line in file]  # <- here


@blocks("file")
async def a_list_of_lines(file):
    list(file)  # <- here


@blocks("file")
async def the_next_line(file):
    next(file)  # <- here


@blocks("file")
async def readinto(binary):
    binary.readinto(bytearray(3))  # <- here


@blocks("file")
async def peek(binary):
    binary.peek(1)  # <- here


@blocks("file")
async def write_and_flush(file):
    file.write("x")  # <- here
    file.flush()  # <- here


@blocks("file")
async def writelines(file):
    file.writelines(["x", "y"])  # <- here


@blocks("file")
async def printing_into_a_file(file):
    print("hello", file=file)  # <- here


@blocks("file")
async def truncate(binary):
    binary.truncate(2)  # <- here


@blocks("file")
async def append(text):
    with open(text, "ab") as file:  # <- here
        file.write(b"x")  # <- here


@blocks("file")
async def path_read_text(text):
    text.read_text()  # <- here


@blocks("file")
async def path_write_bytes(folder):
    (folder / "new").write_bytes(b"x")  # <- here


@blocks("file")
async def io_file_io(text):
    io.FileIO(text).close()  # <- here


@blocks("file")
async def descriptors(text):
    number = os.open(text, os.O_RDWR)  # <- here
    os.read(number, 1)  # <- here
    os.pread(number, 1, 0)  # <- here
    os.write(number, b"x")  # <- here
    os.fsync(number)  # <- here
    os.close(number)


@blocks("file")
async def json_load(file):
    file.truncate(0)  # <- here
    file.write("{}")  # <- here
    file.seek(0)
    json.load(file)  # <- here


@blocks("file")
async def pickle_dump_and_load(binary):
    pickle.dump([1] * 100_000, binary)  # <- here
    binary.seek(0)
    pickle.load(binary)  # <- here


@blocks("file")
async def toml_load(text):
    text.write_text("a = 1")  # <- here
    with open(text, "rb") as file:  # <- here
        tomllib.load(file)  # <- here


@blocks("file")
async def ini_file(text):
    configparser.ConfigParser(allow_no_value=True).read(text.with_name("none.ini"))  # <- here


@blocks("file")
async def csv_rows(file):
    for row in csv.reader(file):  # <- here
        assert row


@blocks("file")
async def file_input(text):
    with fileinput.input(text) as lines:
        for line in lines:  # <- here
            assert line


@blocks("file")
async def compressed(folder):
    with gzip.open(folder / "x.gz", "wb") as file:  # <- here
        file.mtime = 1


@blocks("file")
async def archive(folder):
    with zipfile.ZipFile(folder / "x.zip", "w") as made:  # <- here
        made.writestr("x", "x")  # <- here


@blocks("file")
async def digest(binary):
    hashlib.file_digest(binary, "sha256")  # <- here


@blocks("file")
async def copy(text):
    shutil.copyfile(text, text.with_name("copy"))  # <- here


@blocks("file")
async def copying_from_one_open_file_to_another(text):
    with text.open("rb") as source, text.with_name("copy").open("wb") as target:  # <- here
        shutil.copyfileobj(source, target)  # <- here


@blocks("file")
async def unpacking_a_zip(folder, zipped):
    zipped.extractall(folder)  # <- here


@blocks("file")
async def unpacking_a_tar(folder, tarred):
    tarred.extractall(folder, filter="data")  # <- here


@blocks("file")
async def temporary_file():
    with tempfile.TemporaryFile() as file:  # <- here
        file.write(b"x")  # <- here


@blocks("file")
async def a_wrapper_of_ones_own(text):
    class Settings:
        def __init__(self):
            self.text = text.read_bytes()  # <- here

    Settings()
