"""file_metadata: asking the file system, and changing what it lists."""

from __future__ import annotations

import glob
import os
import shutil
import tempfile

from .case import blocks


@blocks("file_metadata")
async def stat(text):
    os.stat(text)  # <- here


@blocks("file_metadata")
async def exists(text):
    os.path.exists(text)  # <- here


@blocks("file_metadata")
async def path_exists(text):
    text.exists()  # <- here


@blocks("file_metadata")
async def is_file(text):
    os.path.isfile(text)  # <- here


@blocks("file_metadata")
async def get_size(text):
    os.path.getsize(text)  # <- here


@blocks("file_metadata")
async def listdir(folder):
    os.listdir(folder)  # <- here


@blocks("file_metadata")
async def scandir(folder):
    with os.scandir(folder) as entries:  # <- here
        list(entries)


@blocks("file_metadata")
async def iterdir(folder):
    list(folder.iterdir())  # <- here


@blocks("file_metadata")
async def globbing(folder):
    glob.glob(str(folder / "*.txt"))  # <- here


@blocks("file_metadata")
async def walk(folder):
    for _ in os.walk(folder):  # <- here
        pass


@blocks("file_metadata")
async def make_and_remove_a_folder(folder):
    os.mkdir(folder / "new")  # <- here
    os.rmdir(folder / "new")  # <- here


@blocks("file_metadata")
async def path_mkdir(folder):
    (folder / "a" / "b").mkdir(parents=True)  # <- here


@blocks("file_metadata")
async def rename_and_remove(text):
    os.rename(text, f"{text}.old")  # <- here
    os.remove(f"{text}.old")  # <- here


@blocks("file_metadata")
async def replace_and_unlink(text):
    new = text.replace(text.with_suffix(".new"))  # <- here
    new.unlink()  # <- here


@blocks("file_metadata")
async def links(text):
    os.symlink(text, f"{text}.link")  # <- here
    os.readlink(f"{text}.link")  # <- here


@blocks("file_metadata")
async def rights(text):
    os.access(text, os.R_OK)  # <- here
    os.chmod(text, 0o600)  # <- here
    os.utime(text)  # <- here


@blocks("file_metadata")
async def remove_a_tree(folder):
    (folder / "new").mkdir()  # <- here
    shutil.rmtree(folder / "new")  # <- here


@blocks("file_metadata")
async def free_space(folder):
    shutil.disk_usage(folder)  # <- here


@blocks("file_metadata")
async def temporary_folder():
    with tempfile.TemporaryDirectory():  # <- here
        pass


@blocks("file_metadata")
async def which():
    shutil.which("true")  # <- here


@blocks("file_metadata")
async def real_path(text):
    os.path.realpath(text)  # <- here
