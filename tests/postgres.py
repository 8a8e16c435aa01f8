"""A PostgreSQL for as long as a block runs: `nox -s postgres` uses it.

Made in a temporary folder, on a free loopback port, stopped at the end whatever happens.
PostgreSQL does not run as root: there it runs as the user `postgres`.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MISSING = "PostgreSQL is not installed here (Debian: apt-get install postgresql)"


def programs() -> Path | None:
    """The folder with `initdb` and `pg_ctl`; Debian keeps it off the PATH."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "pg_ctl").exists()), None)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def postgresql() -> Iterator[str]:
    """A server, for as long as the block runs; gives the URL of its database."""
    folder = programs()
    if folder is None:
        raise SystemExit(MISSING)
    user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    home = Path(tempfile.mkdtemp(prefix="postgresql-"))
    if user:
        shutil.chown(home, **user)
    data, port = str(home / "data"), _free_port()

    def run(program: str, *arguments: str) -> None:
        # Not `capture_output`: the server would inherit the pipes and hold them open.
        with (home / "log").open("a") as log:
            done = subprocess.run(
                [folder / program, *arguments],
                cwd=home,
                stdout=log,
                stderr=log,
                check=False,
                **user,
            )
        if done.returncode:
            raise SystemExit((home / "log").read_text())

    server = f"-h 127.0.0.1 -p {port} -k '' -c fsync=off -c synchronous_commit=off"
    try:
        run("initdb", "-D", data, "-U", "shop", "-A", "trust", "-E", "UTF8", "--no-sync")
        run("pg_ctl", "-D", data, "-l", str(home / "server.log"), "-o", server, "-w", "start")
        try:
            yield f"postgresql://shop@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(home)
