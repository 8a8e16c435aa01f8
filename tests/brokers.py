"""NATS, RabbitMQ and MariaDB, each for as long as a block runs: `nox -s brokers` uses them.

Each on a free loopback port, with its files in a temporary folder, stopped at the end
whatever happens.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_asyncfastapi import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

PACKAGES = {
    "nats-server": "nats-server",
    "mariadbd": "mariadb-server",
    "rabbitmq-server": "rabbitmq-server",
}
_RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


def missing(program: str) -> str:
    """Why there is no such server here; empty if there is one."""
    # Debian's own `rabbitmq-server` on the PATH accepts the user `rabbitmq` only.
    if program == "rabbitmq-server":
        found = _RABBITMQ.exists() and shutil.which("epmd")
    else:
        found = _which(program)
    package = PACKAGES[program]
    return "" if found else f"{package} is not installed here (Debian: apt-get install {package})"


def _which(program: str) -> str | None:
    return shutil.which(program, path=os.pathsep.join((os.environ["PATH"], "/usr/sbin")))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _running(
    command: list[str], port: int, greeting: bytes, home: Path, env: dict[str, str] | None = None
) -> Iterator[int]:
    """This server, once it answers to `greeting` (or greets by itself, if that is empty)."""
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=home, env={**os.environ, **(env or {})}
        )
    try:
        deadline = time.monotonic() + 60
        while not _answers(port, greeting):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start: {(home / 'log').read_text()}")
            time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _answers(port: int, greeting: bytes) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as probe:
            probe.sendall(greeting)
            return bool(probe.recv(1))
    except OSError:
        return False


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="broker-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextmanager
def nats() -> Iterator[int]:
    """A NATS server; gives its port."""
    port = _free_port()
    command = [_which("nats-server") or "", "-a", "127.0.0.1", "-p", str(port)]
    with _folder() as home, _running(command, port, b"", home):
        yield port


@contextmanager
def mariadb() -> Iterator[int]:
    """A MariaDB with a database `test`, whose user `root` has no password; gives its port."""
    port = _free_port()
    user = "--user=root" if os.geteuid() == 0 else "--skip-name-resolve"
    with _folder() as home:
        data = home / "data"
        subprocess.run(
            [
                _which("mariadb-install-db") or "mariadb-install-db",
                "--no-defaults",
                f"--datadir={data}",
                "--auth-root-authentication-method=normal",
                user,
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        command = [
            _which("mariadbd") or "",
            "--no-defaults",
            f"--datadir={data}",
            f"--port={port}",
            "--bind-address=127.0.0.1",
            f"--socket={home / 'socket'}",
            f"--pid-file={home / 'pid'}",
            "--innodb-flush-log-at-trx-commit=0",
            "--max-connect-errors=100000",
            user,
        ]
        with _running(command, port, b"", home):
            yield port


@contextmanager
def rabbitmq() -> Iterator[int]:
    """A RabbitMQ, whose user is `guest`; gives its port."""
    port, names = _free_port(), _free_port()
    with _folder() as home:
        env = {
            "HOME": str(home),
            "ERL_EPMD_PORT": str(names),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(_free_port()),
            "RABBITMQ_NODENAME": f"test{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(home / "logs"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq"),
            "RABBITMQ_PID_FILE": str(home / "pid"),
        }
        # Erlang's register of names: started by RabbitMQ it would stay when that ends.
        register = subprocess.Popen(
            [shutil.which("epmd") or "epmd", "-port", str(names), "-address", "127.0.0.1"]
        )
        try:
            with _running([str(_RABBITMQ)], port, b"AMQP\0\0\0\0", home, env):
                yield port
        finally:
            register.terminate()
            register.wait()


def in_virtual_time(use: Callable[[VirtualClock], Awaitable[Any]]) -> Any:
    """Run `use(clock)` to its end."""

    async def main() -> Any:
        clock = VirtualClock()
        clock.install()
        try:
            return await use(clock)
        finally:
            clock.uninstall()

    return asyncio.run(main())
