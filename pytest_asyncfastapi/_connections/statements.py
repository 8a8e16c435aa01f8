"""What a driver sends, named by its command: `GET`, `SELECT`, `COMMIT`; never its arguments."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from .finding_messages import timeout_remedy

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._faults.connections import Place

EXCHANGE = "exchange"  # its command is not known
CONNECT = "connect"
_START = 400  # bytes in which the command is

_SQL = re.compile(rb"\s*(?:(?:/\*.*?\*/|--[^\n]*\n)\s*)*([A-Za-z]{1,20})", re.DOTALL)
_WORD = re.compile(rb"[A-Za-z]{1,20}(?=\s|\Z)")
# What a driver sends by itself: it logs in, or makes a connection ready for its pool.
_REDIS_OWN = ("HELLO", "AUTH", "CLIENT", "COMMAND", "READONLY")
_POSTGRESQL_OWN = (b"pg_advisory_unlock_all", b"typeinfo_tree", b"pg_catalog.set_config")
_MONGODB_OWN = ("hello", "ismaster", "isMaster", "saslStart", "saslContinue", "endSessions", "ping")
_NATS_OWN = ("CONNECT", "PONG", "PING")
_HEARTBEATS = (b"\x08\0\0\0\0\0\0\xce", b"PONG\r\n")  # of AMQP, of NATS: nothing answers them
_STARTUP = {80877102: "cancel", 80877103: "ssl"}
_MYSQL = {0x03: "", 0x0E: "PING", 0x16: "PREPARE", 0x17: "EXECUTE"}


@dataclass(slots=True, eq=False)
class Statement:
    """One exchange, or one attempt to connect: like an HTTP request it has a method and a URL.

    `is_own` says that the driver sends it by itself. `place` is where it goes.
    """

    extensions: ClassVar[dict[str, Any]] = {}  # it has no timeouts of its own that are known

    method: str
    place: Place
    is_own: bool = False

    @property
    def url(self) -> str:
        """The server, with its port: `"redis://db:6379"`."""
        return self.place.url

    @property
    def is_connect(self) -> bool:
        """Is a connection opened?"""
        return self.method == CONNECT

    @property
    def server(self) -> str:
        """The server without its port, which may be another one in each run: `"redis://db"`."""
        url = self.place.url
        return url.rpartition(":")[0] if self.place.port else url

    @property
    def remedy(self) -> str:
        """What ends a wait for its answer."""
        return timeout_remedy(self.place, CONNECT if self.is_connect else EXCHANGE)

    def __repr__(self) -> str:
        return f"<Statement {self.method} {self.url}>"


class Commands:
    """Names what is sent over one connection, whose prepared statements it remembers."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._prepared: dict[bytes, str] = {}
        names: dict[str, Callable[[bytes], tuple[str, bool]]] = {
            "redis": _of_redis,
            "postgresql": self._of_postgresql,
            "mysql": _of_mysql,
            "mongodb": _of_mongodb,
            "nats": _of_nats,
            "memcached": _of_memcached,
        }
        self._name = names.get(place.system)

    def statement(self, data: Any) -> Statement:
        """The exchange that begins with these bytes."""
        if self._name is None:
            return Statement(EXCHANGE, self._place)
        try:
            name, is_own = self._name(bytes(memoryview(data)[:_START]))
        except (IndexError, struct.error, UnicodeDecodeError, ValueError):
            name, is_own = "", False
        return Statement(name or EXCHANGE, self._place, is_own)

    def is_heartbeat(self, data: Any) -> bool:
        """Does the driver only say that it is there? That does not begin an exchange."""
        return self._place.system in ("amqp", "nats") and data in _HEARTBEATS

    def _of_postgresql(self, data: bytes) -> tuple[str, bool]:
        kind = data[:1]
        if kind == b"\0":
            (code,) = struct.unpack_from("!I", data, 4)
            return _STARTUP.get(code, "startup"), True
        if kind == b"Q":
            return _sql(data[5:]), _is_own(data)
        if kind == b"P":
            name, _, text = data[5:].partition(b"\0")
            word = self._prepared[name] = _sql(text)
            return f"PREPARE {word}", _is_own(data)
        if kind == b"B":
            name = data[5:].split(b"\0", 2)[1]
            return self._prepared.get(name, "EXECUTE"), False
        return "", kind in (b"p", b"X", b"C")

    def __repr__(self) -> str:
        return f"<Commands to {self._place.url}>"


def _sql(text: bytes) -> str:
    found = _SQL.match(text)
    return "" if found is None else found[1].decode().upper()


def sql_command(text: Any) -> str:
    """The first word of a query, as a driver is given it."""
    if isinstance(text, str):
        text = text[:_START].encode()
    return (_sql(text[:_START]) if isinstance(text, bytes) else "") or EXCHANGE


def _is_own(data: bytes) -> bool:
    return any(word in data for word in _POSTGRESQL_OWN)


def _of_redis(data: bytes) -> tuple[str, bool]:
    name = data.split(b"\r\n", 3)[2].decode("ascii").upper() if data[:1] == b"*" else ""
    return (name, name in _REDIS_OWN) if name.isalnum() else ("", False)


def _of_mysql(data: bytes) -> tuple[str, bool]:
    number, command = data[3], data[4]
    if number or command not in _MYSQL:
        return "", True
    return _MYSQL[command] or _sql(data[5:]), False


def _of_mongodb(data: bytes) -> tuple[str, bool]:
    name = data[26:].partition(b"\0")[0].decode("ascii") if data[20:21] == b"\0" else ""
    return (name, name in _MONGODB_OWN) if name.isalnum() else ("", True)


def _of_nats(data: bytes) -> tuple[str, bool]:
    name = _first_word(data).upper()
    return name, name in _NATS_OWN


def _of_memcached(data: bytes) -> tuple[str, bool]:
    return _first_word(data), False


def _first_word(data: bytes) -> str:
    found = _WORD.match(data)
    return "" if found is None else found[0].decode()
