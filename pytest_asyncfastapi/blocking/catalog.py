"""Which callables can block, as data: C callables by identity, Python ones by name.

An entry says what the call is, in which category it falls, how to tell a
blocking call from a harmless one (`judge`) and what to write instead. This
module knows nothing of threads, frames, guards or pytest.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Literal, get_args

Category = Literal[
    "sleep",
    "network",
    "dns",
    "tls",
    "http",
    "subprocess",
    "lock",
    "join",
    "queue",
    "database",
    "file",
    "file_metadata",
    "stdin",
    "import",
    "cpu",
    "unknown",
]
CATEGORIES: frozenset[str] = frozenset(get_args(Category))

# always  it blocks whatever its arguments
# socket  it blocks when the socket (argument 0) has a timeout other than 0
# tls     as socket; argument 0 is ssl's C object
# path    it opens argument 0, when that is a path of a real file system
# file    argument 0 is an open file; a real one blocks, a StringIO does not
# fd      argument 0 is a descriptor
# wait    only if the call took time: locks, select, waitpid, join
Judge = Literal["always", "socket", "tls", "path", "file", "fd", "wait"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One callable that can block the loop."""

    name: str
    category: Category
    judge: Judge
    remedy: str


THREAD = "await anyio.to_thread.run_sync(...)"
_SLEEP = "await anyio.sleep(...)"
_NET = "await anyio.connect_tcp(...), or asyncio streams"
_DNS = "await anyio.getaddrinfo(...) or loop.getaddrinfo(...)"
_TLS = "await anyio.connect_tcp(..., tls=True)"
_PROC = "await anyio.run_process(...) or asyncio.create_subprocess_exec(...)"
_LOCK = "an anyio.Lock, Event or Condition; for a lock shared with threads, " + THREAD
_JOIN = THREAD + " for the work, and await its result"
_QUEUE = "an asyncio.Queue or anyio.create_memory_object_stream(...)"
_SQL = "aiosqlite or SQLAlchemy's async engine, or " + THREAD
_DB = "an async driver (asyncpg, psycopg.AsyncConnection, ...), or " + THREAD
_FILE = "await anyio.Path(...).read_text() / anyio.open_file(...), or " + THREAD
_META = "await anyio.Path(...).stat(), .exists(), ..., or " + THREAD
_HTTP = "async with httpx.AsyncClient() as client: await client.get(...)"
_STDIN = THREAD
_SIGNAL = "anyio.open_signal_receiver(...)"

_Row = tuple[str, str, Category, Judge, str]

# module, names (of functions, or of one type after a colon), category, judge, remedy
_C_TABLE: tuple[_Row, ...] = (
    ("time", "sleep", "sleep", "always", _SLEEP),
    ("_socket", "getaddrinfo getnameinfo gethostbyname gethostbyname_ex gethostbyaddr", "dns",
     "always", _DNS),
    ("_socket", "socket: connect connect_ex _accept recv recv_into recvfrom recvfrom_into recvmsg "
     "recvmsg_into send sendall sendto sendmsg", "network", "socket", _NET),
    ("_ssl", "_SSLSocket: do_handshake read write shutdown", "tls", "tls", _TLS),
    ("select", "select", "network", "wait", _NET),
    ("select", "poll: poll", "network", "wait", _NET),
    ("select", "epoll: poll", "network", "wait", _NET),
    ("select", "kqueue: control", "network", "wait", _NET),
    ("posix", "system", "subprocess", "always", _PROC),
    ("nt", "system", "subprocess", "always", _PROC),
    ("_posixsubprocess", "fork_exec", "subprocess", "always", _PROC),
    ("_winapi", "CreateProcess", "subprocess", "always", _PROC),
    ("posix", "posix_spawn posix_spawnp fork forkpty", "subprocess", "always", _PROC),
    ("posix", "wait wait3 wait4 waitid waitpid", "subprocess", "wait", _PROC),
    ("_winapi", "WaitForSingleObject WaitForMultipleObjects", "subprocess", "wait", _PROC),
    ("posix", "read readv pread write writev pwrite", "file", "fd", _FILE),
    ("posix", "fsync fdatasync sync", "file", "always", _FILE),
    ("posix", "open", "file", "path", _FILE),
    ("nt", "open", "file", "path", _FILE),
    ("posix", "stat lstat listdir scandir access mkdir rmdir unlink remove rename replace link "
     "symlink readlink chmod chown utime truncate statvfs", "file_metadata", "path", _META),
    ("nt", "stat lstat listdir scandir access mkdir rmdir unlink remove rename replace link "
     "symlink readlink chmod utime truncate", "file_metadata", "path", _META),
    ("_io", "open open_code FileIO", "file", "path", _FILE),
    ("_io", "TextIOWrapper: read readline write flush", "file", "file", _FILE),
    ("_io", "BufferedReader: read read1 readinto readinto1 readline peek", "file", "file", _FILE),
    ("_io", "BufferedWriter: write flush", "file", "file", _FILE),
    ("_io", "BufferedRandom: read read1 readinto readinto1 readline peek write flush", "file",
     "file", _FILE),
    ("_io", "FileIO: read readall readinto write", "file", "file", _FILE),
    ("_io", "_IOBase: readline readlines writelines", "file", "file", _FILE),
    ("_io", "_BufferedIOBase: readinto readinto1", "file", "file", _FILE),
    ("_thread", "LockType: acquire acquire_lock __enter__", "lock", "wait", _LOCK),
    ("_thread", "RLock: acquire __enter__", "lock", "wait", _LOCK),
    ("_thread", "_ThreadHandle: join", "join", "wait", _JOIN),
    ("_queue", "SimpleQueue: get", "queue", "wait", _QUEUE),
    ("_multiprocessing", "SemLock: acquire __enter__", "lock", "wait", _LOCK),
    ("_sqlite3", "connect", "database", "always", _SQL),
    ("_sqlite3", "Connection: execute executemany executescript commit rollback backup iterdump",
     "database", "always", _SQL),
    ("_sqlite3", "Cursor: execute executemany executescript fetchone fetchmany fetchall",
     "database", "always", _SQL),
    ("psycopg2._psycopg", "_connect", "database", "always", _DB),
    ("psycopg2._psycopg", "connection: commit rollback", "database", "always", _DB),
    ("psycopg2._psycopg", "cursor: execute executemany callproc copy_expert fetchone fetchmany "
     "fetchall", "database", "always", _DB),
    ("MySQLdb._mysql", "connection: query store_result commit rollback", "database", "always",
     _DB),
    ("pyodbc", "connect", "database", "always", _DB),
    ("pyodbc", "Cursor: execute executemany fetchone fetchmany fetchall commit", "database",
     "always", _DB),
    ("builtins", "input", "stdin", "always", _STDIN),
    ("_signal", "sigwait sigwaitinfo sigtimedwait pause", "lock", "wait", _SIGNAL),
    ("signal", "sigwait sigwaitinfo sigtimedwait pause", "lock", "wait", _SIGNAL),
)  # fmt: skip

# Modules whose private name nobody writes.
_PUBLIC = {
    "_socket": "socket", "_ssl": "ssl", "posix": "os", "nt": "os", "_io": "io",
    "_thread": "threading", "_queue": "queue", "_sqlite3": "sqlite3", "_signal": "signal",
    "_posixsubprocess": "subprocess", "_winapi": "subprocess", "psycopg2._psycopg": "psycopg2",
}  # fmt: skip
_SHOWN = {
    "io.open": "open", "builtins.input": "input", "io._IOBase.readline": "file.readline",
    "io._IOBase.readlines": "file.readlines", "io._IOBase.writelines": "file.writelines",
    "io.TextIOWrapper.read": "file.read", "io.TextIOWrapper.readline": "file.readline",
    "io.TextIOWrapper.write": "file.write", "io.TextIOWrapper.flush": "file.flush",
    "io.BufferedReader.read": "file.read", "io.BufferedReader.readline": "file.readline",
    "io.BufferedWriter.write": "file.write", "io.BufferedWriter.flush": "file.flush",
    "threading._ThreadHandle.join": "threading.Thread.join",
    "threading.LockType.acquire": "threading.Lock.acquire",
    "threading.LockType.__enter__": "threading.Lock.__enter__",
    "socket.socket._accept": "socket.accept", "signal.pause": "signal.pause",
}  # fmt: skip


def _shown(module: str, owner: str, name: str) -> str:
    parts = [_PUBLIC.get(module, module), *([owner] if owner else []), name]
    full = ".".join(parts).replace("socket.socket.", "socket.").replace("._SSLSocket", ".SSLSocket")
    return _SHOWN.get(".".join(parts), full)


class Catalog:
    """The C callables of this process that can block, found by identity.

    Only modules that are imported already are looked at: what is not imported
    cannot be called. Build it anew (`refresh`) when a guard starts.
    """

    def __init__(self) -> None:
        self.by_id: dict[int, Entry] = {}
        self.names: frozenset[str] = frozenset()  # of methods: sites that may change their callee
        self._keep: list[object] = []  # an id is only good while its object lives
        self._modules: set[str] = set()

    def refresh(self) -> None:
        """Add the callables of modules that were imported since."""
        names: set[str] = set(self.names)
        fresh: set[str] = set()
        for module_name, spec, category, judge, remedy in _C_TABLE:
            module = sys.modules.get(module_name)
            if module is None or module_name in self._modules:
                continue
            fresh.add(module_name)
            owner_name, _, members = spec.rpartition(":")
            owner: Any = getattr(module, owner_name, None) if owner_name else module
            if module_name == "select" and owner_name == "poll" and owner is not None:
                owner = type(owner())  # a function; the type itself has no name there
            for name in members.split():
                callee = vars(owner).get(name) if hasattr(owner, "__dict__") else None
                # A mocked function is nobody's C function any more.
                if callee is None or isinstance(callee, type(_shown)):
                    continue
                entry = Entry(_shown(module_name, owner_name, name), category, judge, remedy)
                self.by_id.setdefault(id(callee), entry)
                self._keep.append(callee)
                names.add(name)
        self._modules |= fresh
        self.names = frozenset(names)

    def bound(self, callee: Any) -> Entry | None:
        """The entry of a C method that was bound earlier (`recv = sock.recv`)."""
        owner = getattr(type(callee.__self__), callee.__name__, None)
        return self.by_id.get(id(owner))

    def __repr__(self) -> str:
        return f"<Catalog of {len(self.by_id)} C callables>"


@dataclass(frozen=True, slots=True)
class Named:
    """A Python function that people write, above the C functions that block.

    `always`: calling it in a coroutine is a finding even when a mock answers
    at once and nothing below it blocks.
    """

    entry: Entry
    modules: tuple[str, ...]
    always: bool = False


def _named(
    shown: str,
    qualname: str,
    category: Category,
    remedy: str,
    modules: str,
    *,
    always: bool = False,
) -> tuple[str, Named]:
    entry = Entry(f"{shown}{qualname}", category, "always", remedy)
    return qualname, Named(entry, tuple(modules.split()), always)


def _build_named() -> dict[str, tuple[Named, ...]]:
    rows: list[tuple[str, Named]] = []
    for verb in ("get", "post", "put", "patch", "delete", "head", "options", "request", "stream"):
        for name in ("httpx", "httpx2", "requests"):
            rows.append(
                _named(f"{name}.", verb, "http", _HTTP, f"{name}._api {name}.api", always=True)
            )
    for name in ("httpx", "httpx2"):
        client = f"{name}._client"
        for verb in ("get", "post", "put", "patch", "delete", "head", "options", "request"):
            rows.append(_named(f"{name}.", f"Client.{verb}", "http", _HTTP, client))
        rows.append(_named(f"{name}.", "Client.send", "http", _HTTP, client, always=True))
    for verb in ("get", "post", "put", "patch", "delete", "head", "options", "request", "send"):
        always = verb in ("send", "request")
        rows.append(
            _named(
                "requests.", f"Session.{verb}", "http", _HTTP, "requests.sessions", always=always
            )
        )
    rows += [
        _named("urllib.request.", "urlopen", "http", _HTTP, "urllib.request", always=True),
        _named("urllib.request.", "urlretrieve", "http", _HTTP, "urllib.request", always=True),
        _named(
            "urllib.request.", "OpenerDirector.open", "http", _HTTP, "urllib.request", always=True
        ),
        _named("urllib3.", "PoolManager.request", "http", _HTTP, "urllib3._request_methods"),
        _named("urllib3.", "PoolManager.urlopen", "http", _HTTP, "urllib3.poolmanager"),
        _named("http.client.", "HTTPConnection.request", "http", _HTTP, "http.client"),
        _named("http.client.", "HTTPConnection.connect", "http", _HTTP, "http.client"),
        _named("http.client.", "HTTPConnection.getresponse", "http", _HTTP, "http.client"),
        _named("http.client.", "HTTPResponse.read", "http", _HTTP, "http.client"),
    ]
    for name in ("run", "call", "check_call", "check_output", "getoutput", "getstatusoutput"):
        rows.append(_named("subprocess.", name, "subprocess", _PROC, "subprocess"))
    for name in ("__init__", "wait", "communicate", "__exit__"):
        rows.append(_named("subprocess.", f"Popen.{name}", "subprocess", _PROC, "subprocess"))
    rows += [
        _named("os.", "popen", "subprocess", _PROC, "os"),
        _named("queue.", "Queue.get", "queue", _QUEUE, "queue"),
        _named("queue.", "Queue.put", "queue", _QUEUE, "queue"),
        _named("queue.", "Queue.join", "queue", _QUEUE, "queue"),
        _named("multiprocessing.", "Queue.get", "queue", _QUEUE, "multiprocessing.queues"),
        _named("threading.", "Thread.join", "join", _JOIN, "threading"),
        _named("threading.", "Event.wait", "lock", _LOCK, "threading"),
        _named("threading.", "Condition.wait", "lock", _LOCK, "threading"),
        _named("threading.", "Condition.wait_for", "lock", _LOCK, "threading"),
        _named("threading.", "Semaphore.acquire", "lock", _LOCK, "threading"),
        _named("threading.", "Barrier.wait", "lock", _LOCK, "threading"),
        _named("multiprocessing.", "BaseProcess.join", "join", _JOIN, "multiprocessing.process"),
        _named("concurrent.futures.", "Future.result", "join", _JOIN, "concurrent.futures._base"),
        _named("concurrent.futures.", "wait", "join", _JOIN, "concurrent.futures._base"),
        _named("concurrent.futures.", "Executor.__exit__", "join", _JOIN,
               "concurrent.futures._base"),
        _named("concurrent.futures.", "ThreadPoolExecutor.shutdown", "join", _JOIN,
               "concurrent.futures.thread"),
    ]  # fmt: skip
    table: dict[str, tuple[Named, ...]] = {}
    for qualname, named in rows:
        table[qualname] = (*table.get(qualname, ()), named)
    return table


NAMED: dict[str, tuple[Named, ...]] = _build_named()

# Network calls below these packages are their database traffic.
DATABASE_PACKAGES = frozenset(
    {"pymysql", "psycopg", "psycopg2", "mysql", "MySQLdb", "redis", "pymongo", "pymssql", "pg8000",
     "clickhouse_driver", "cassandra", "ldap3", "pymemcache"}
)  # fmt: skip
DATABASE_REMEDY = _DB


def find_named(qualname: str, module: str) -> Named | None:
    """The entry of a Python function by its qualified name and its module."""
    for named in NAMED.get(qualname, ()):
        if module in named.modules:
            return named
    return None
