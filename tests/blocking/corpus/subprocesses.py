"""subprocess and os: programs that the loop waits for."""

from __future__ import annotations

import os
import subprocess

import anyio

from .case import blocks
from .resources import later


@blocks("subprocess")
async def run():
    subprocess.run(["true"], check=True)  # <- here


@blocks("subprocess")
async def run_with_output():
    subprocess.run(["echo", "hello"], capture_output=True, text=True, check=True)  # <- here


@blocks("subprocess")
async def run_in_a_shell():
    subprocess.run("true", shell=True, check=True)  # <- here


@blocks("subprocess")
async def call():
    subprocess.call(["true"])  # <- here


@blocks("subprocess")
async def check_call():
    subprocess.check_call(["true"])  # <- here


@blocks("subprocess")
async def check_output():
    subprocess.check_output(["echo", "hello"])  # <- here


@blocks("subprocess")
async def getoutput():
    subprocess.getoutput("echo hello")  # <- here


@blocks("subprocess")
async def popen_and_wait():
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)  # <- here
    later(process.stdin.close)
    process.wait()  # <- here


@blocks("subprocess")
async def popen_and_communicate():
    process = subprocess.Popen(["sleep", "0.02"], stdout=subprocess.PIPE)  # <- here
    process.communicate()  # <- here


@blocks("subprocess")
async def popen_and_read():
    with subprocess.Popen(["echo", "hello"], stdout=subprocess.PIPE) as process:  # <- here
        process.stdout.read()  # <- here


@blocks("subprocess")
async def os_system():
    os.system("true")  # <- here


@blocks("subprocess")
async def os_popen():
    stream = os.popen("echo hello")  # <- here
    stream.read()  # <- here
    while stream._proc.poll() is None:  # else close() waits for its end, now and then
        await anyio.sleep(0.001)
    stream.close()


@blocks("subprocess")
async def posix_spawn():
    number = os.posix_spawnp("true", ["true"], os.environ)  # <- here
    await anyio.to_thread.run_sync(os.waitpid, number, 0)


@blocks("subprocess")
async def waitpid(process):
    later(process.stdin.close)
    os.waitpid(process.pid, 0)  # <- here


@blocks("subprocess")
async def a_wait_with_a_timeout(process):
    later(process.stdin.close)
    process.wait(timeout=60)  # <- here


@blocks("subprocess")
async def a_pipe():
    reader, writer = os.pipe()
    os.write(writer, b"x")
    os.read(reader, 1)  # <- here
    os.close(reader)
    os.close(writer)
