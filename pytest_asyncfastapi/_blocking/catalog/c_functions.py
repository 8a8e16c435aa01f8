"""The C callables that can block: a table, and how they are found in this process.

They are known by identity, so that aliases, partials and methods bound early are the same
callable. This module knows nothing of threads, frames, guards or pytest.
"""

from __future__ import annotations

import sys
from typing import Any

from . import remedies as to
from .kinds import Category, Entry, Judge

_Row = tuple[str, str, Category, Judge, str]

# module, names (of functions, or of one type's methods after a colon), category, judge, remedy
C_TABLE: tuple[_Row, ...] = (
    ("time", "sleep", "sleep", "always", to.SLEEP),
    ("_socket", "getaddrinfo", "dns", "resolves", to.DNS),
    ("_socket", "getnameinfo gethostbyname gethostbyname_ex gethostbyaddr", "dns", "always",
     to.DNS),
    ("_socket", "socket: connect connect_ex _accept recv recv_into recvfrom recvfrom_into recvmsg "
     "recvmsg_into send sendall sendto sendmsg sendmsg_afalg", "network", "socket", to.NET),
    ("_ssl", "_SSLSocket: do_handshake read write shutdown", "tls", "tls", to.TLS),
    ("select", "select", "network", "wait", to.NET),
    ("select", "poll: poll", "network", "wait", to.NET),
    ("select", "epoll: poll", "network", "wait", to.NET),
    ("select", "devpoll: poll", "network", "wait", to.NET),
    ("select", "kqueue: control", "network", "wait", to.NET),
    ("posix", "system", "subprocess", "always", to.PROC),
    ("nt", "system", "subprocess", "always", to.PROC),
    ("_posixsubprocess", "fork_exec", "subprocess", "always", to.PROC),
    ("_winapi", "CreateProcess", "subprocess", "always", to.PROC),
    ("posix", "posix_spawn posix_spawnp fork forkpty", "subprocess", "always", to.PROC),
    ("posix", "wait wait3 wait4 waitid waitpid", "subprocess", "wait", to.PROC),
    ("nt", "spawnv spawnve waitpid", "subprocess", "wait", to.PROC),
    ("_winapi", "WaitForSingleObject WaitForMultipleObjects", "subprocess", "wait", to.PROC),
    ("posix", "read readv pread preadv write writev pwrite pwritev ftruncate sendfile "
     "copy_file_range splice posix_fallocate", "file", "fd", to.FILE),
    ("nt", "read write ftruncate", "file", "fd", to.FILE),
    ("posix", "fsync fdatasync sync", "file", "always", to.FILE),
    ("nt", "fsync", "file", "always", to.FILE),
    ("posix", "lockf", "lock", "wait", to.LOCK),
    ("fcntl", "flock lockf", "lock", "wait", to.LOCK),
    ("posix", "open", "file", "path", to.FILE),
    ("nt", "open", "file", "path", to.FILE),
    ("posix", "stat lstat listdir scandir access mkdir rmdir unlink remove rename replace link "
     "symlink readlink chmod lchmod chown lchown utime truncate statvfs mkfifo mknod getxattr "
     "setxattr listxattr removexattr pathconf", "file_metadata", "path", to.META),
    ("nt", "stat lstat listdir scandir access mkdir rmdir unlink remove rename replace link "
     "symlink readlink chmod utime truncate _path_exists _path_isfile _path_isdir _path_islink",
     "file_metadata", "path", to.META),
    ("_io", "open open_code FileIO", "file", "path", to.FILE),
    ("_io", "TextIOWrapper: read readline write flush truncate", "file", "file", to.FILE),
    ("_io", "BufferedReader: read read1 readinto readinto1 readline peek truncate", "file",
     "file", to.FILE),
    ("_io", "BufferedWriter: write flush truncate", "file", "file", to.FILE),
    ("_io", "BufferedRandom: read read1 readinto readinto1 readline peek write flush truncate",
     "file", "file", to.FILE),
    ("_io", "FileIO: read readall readinto write truncate", "file", "file", to.FILE),
    ("_io", "_IOBase: readline readlines writelines", "file", "file", to.FILE),
    ("_io", "_BufferedIOBase: readinto readinto1", "file", "file", to.FILE),
    # They read the file by themselves, from C.
    ("builtins", "list tuple set frozenset sorted next enumerate sum min max", "file", "iterates",
     to.FILE),
    ("builtins", "map filter", "unknown", "applies", to.THREAD),
    ("itertools", "starmap", "unknown", "applies", to.THREAD),
    ("_csv", "reader", "file", "iterates", to.FILE),
    ("_csv", "writer", "file", "file", to.FILE),
    ("_pickle", "load", "file", "file", to.FILE),
    ("_pickle", "dump", "file", "into", to.FILE),
    ("marshal", "load", "file", "file", to.FILE),
    ("marshal", "dump", "file", "into", to.FILE),
    ("builtins", "print", "file", "into", to.FILE),
    ("mmap", "mmap: flush", "file", "always", to.FILE),
    ("_thread", "LockType: acquire acquire_lock __enter__", "lock", "wait", to.LOCK),
    ("_thread", "RLock: acquire __enter__", "lock", "wait", to.LOCK),
    ("_thread", "_ThreadHandle: join", "join", "wait", to.JOIN),
    ("_queue", "SimpleQueue: get", "queue", "wait", to.QUEUE),
    ("_multiprocessing", "SemLock: acquire __enter__", "lock", "wait", to.LOCK),
    ("_sqlite3", "connect", "database", "always", to.SQL),
    ("_sqlite3", "Connection: execute executemany executescript commit rollback backup iterdump "
     "blobopen deserialize", "database", "always", to.SQL),
    ("_sqlite3", "Cursor: execute executemany executescript fetchone fetchmany fetchall",
     "database", "always", to.SQL),
    ("_sqlite3", "Blob: read write", "database", "always", to.SQL),
    ("dbm", "open", "database", "always", to.SQL),
    ("_dbm", "open", "database", "always", to.SQL),
    ("_gdbm", "open", "database", "always", to.SQL),
    ("psycopg2._psycopg", "_connect", "database", "always", to.DB),
    ("psycopg2._psycopg", "connection: commit rollback", "database", "always", to.DB),
    ("psycopg2._psycopg", "cursor: execute executemany callproc copy_expert fetchone fetchmany "
     "fetchall", "database", "always", to.DB),
    ("MySQLdb._mysql", "connection: query store_result commit rollback", "database", "always",
     to.DB),
    ("pyodbc", "connect", "database", "always", to.DB),
    ("pyodbc", "Cursor: execute executemany fetchone fetchmany fetchall commit", "database",
     "always", to.DB),
    ("_hashlib", "scrypt pbkdf2_hmac", "cpu", "hashes", to.THREAD),
    ("_crypt", "crypt", "cpu", "hashes", to.THREAD),
    ("bcrypt._bcrypt", "hashpw checkpw kdf", "cpu", "hashes", to.THREAD),
    ("argon2.low_level", "lib: argon2_hash argon2_verify argon2_ctx", "cpu", "hashes", to.THREAD),
    ("cryptography.hazmat.primitives.kdf.scrypt", "Scrypt: derive verify", "cpu", "hashes",
     to.THREAD),
    ("cryptography.hazmat.primitives.kdf.pbkdf2", "PBKDF2HMAC: derive verify", "cpu", "hashes",
     to.THREAD),
    ("_ssl", "_SSLContext: load_verify_locations set_default_verify_paths", "cpu", "certificates",
     to.CONTEXT_ONCE),
    ("builtins", "input", "stdin", "always", to.STDIN),
    ("_signal", "sigwait sigwaitinfo sigtimedwait pause", "lock", "wait", to.SIGNAL),
    ("signal", "sigwait sigwaitinfo sigtimedwait pause", "lock", "wait", to.SIGNAL),
)  # fmt: skip

# Modules whose private name is not shown.
_PUBLIC = {
    "_socket": "socket", "_ssl": "ssl", "posix": "os", "nt": "os", "_io": "io",
    "_thread": "threading", "_queue": "queue", "_sqlite3": "sqlite3", "_signal": "signal",
    "_posixsubprocess": "subprocess", "_winapi": "subprocess", "psycopg2._psycopg": "psycopg2",
    "_csv": "csv", "_pickle": "pickle", "_multiprocessing": "multiprocessing", "_dbm": "dbm",
    "_gdbm": "dbm", "_hashlib": "hashlib", "_crypt": "crypt", "bcrypt._bcrypt": "bcrypt",
    "cryptography.hazmat.primitives.kdf.scrypt": "cryptography",
    "cryptography.hazmat.primitives.kdf.pbkdf2": "cryptography",
}  # fmt: skip
_SHOWN = {
    "io.open": "open",
    "threading._ThreadHandle.join": "threading.Thread.join",
    "threading.LockType.acquire": "threading.Lock.acquire",
    "threading.LockType.__enter__": "threading.Lock.__enter__",
    "multiprocessing.SemLock.acquire": "multiprocessing.Lock.acquire",
    "multiprocessing.SemLock.__enter__": "multiprocessing.Lock.__enter__",
    "socket.socket._accept": "socket.accept",
}  # fmt: skip
_FILES = ("io._IOBase.", "io._BufferedIOBase.", "io.TextIOWrapper.", "io.BufferedReader.",
          "io.BufferedWriter.", "io.BufferedRandom.")  # fmt: skip


def display_name(module: str, owner: str, name: str) -> str:
    """The name as people write it: `socket.recv`, `file.readline`."""
    full = ".".join([_PUBLIC.get(module, module), *([owner] if owner else []), name])
    if full in _SHOWN:
        return _SHOWN[full]
    if full.startswith(_FILES):
        return f"file.{name}"
    full = full.removeprefix("builtins.").replace(".lib.", ".")  # of cffi, which is not shown
    return full.replace("socket.socket.", "socket.").replace("ssl._SSL", "ssl.SSL")


_MODULES = frozenset(row[0] for row in C_TABLE)
_MAX_LOOKUPS = 10_000


def _is_imported(name: str) -> bool:
    """Is this module imported, and not only in the middle of it?"""
    module = sys.modules.get(name)
    if module is None:
        return False
    return not getattr(getattr(module, "__spec__", None), "_initializing", False)


class Catalog:
    """The C callables of this process that can block, found by identity.

    Only modules that are imported already are looked at: what is not imported
    cannot be called. `refresh()` it when a guard starts.
    """

    def __init__(self) -> None:
        # By the callable and not by its id(): each id() is an audit event, which costs more.
        self.entries: dict[Any, Entry] = {}
        self.callable_types: set[type] = (
            set()
        )  # theirs; of others neither hash nor equality is asked for
        self.names: frozenset[str] = frozenset()  # of methods: sites that may change their callee
        self.being_imported: set[str] = set()  # modules of the table that are being imported now
        self.methods: frozenset[str] = frozenset()  # those of them that are methods
        self._modules: set[str] = set()
        self._missing = _MODULES
        self._lookups = 0

    def on_import(self, module: str) -> None:
        """A module is about to be imported: its callables are to be learned right afterwards."""
        if module in _MODULES and module not in self._modules:
            self.being_imported.add(module)
            self._lookups = 0

    def learn_imported(self) -> bool:
        """Learn what has been imported since; was there anything?"""
        self._lookups += 1
        done = {name for name in self.being_imported if _is_imported(name)}
        self.being_imported -= done
        if self._lookups > _MAX_LOOKUPS:
            self.being_imported.clear()  # an import that failed
        return bool(done) and self.refresh()

    def refresh(self) -> bool:
        """Add the callables of modules that were imported since; were there any?"""
        if sys.modules.keys().isdisjoint(self._missing):
            return False
        names, methods = set(self.names), set(self.methods)
        fresh: set[str] = set()
        for module_name, spec, category, judge, remedy in C_TABLE:
            module = sys.modules.get(module_name)
            if module_name in self._modules or module is None or not _is_imported(module_name):
                continue
            fresh.add(module_name)
            owner_name, _, members = spec.rpartition(":")
            owner: Any = getattr(module, owner_name, None) if owner_name else module
            if module_name == "select" and owner_name == "poll" and owner is not None:
                owner = type(owner())  # a function; the type itself has no name there
            for name in members.split():
                callee = vars(owner).get(name) if hasattr(owner, "__dict__") else None
                # A mocked function is a Python function.
                if callee is None or isinstance(callee, type(display_name)):
                    continue
                entry = Entry(display_name(module_name, owner_name, name), category, judge, remedy)
                self.entries.setdefault(callee, entry)
                self.callable_types.add(type(callee))
                names.add(name)
                if owner_name:
                    methods.add(name)
        self._modules |= fresh
        self._missing = _MODULES - self._modules
        self.names, self.methods = frozenset(names), frozenset(methods)
        return bool(fresh)

    def find_bound(self, callee: Any) -> Entry | None:
        """The entry of a C method that was bound earlier (`recv = sock.recv`)."""
        owner = getattr(type(callee.__self__), callee.__name__, None)
        return self.find(owner)

    def find(self, callee: Any) -> Entry | None:
        """The entry of this very callable."""
        return self.entries.get(callee) if type(callee) in self.callable_types else None

    def __repr__(self) -> str:
        return f"<Catalog of {len(self.entries)} C callables>"
