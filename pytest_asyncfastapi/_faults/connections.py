"""Faults on connections to real servers: `faults.on("redis://*").reset().first(1)`.

Databases, caches and brokers, whatever they speak. A rule is about the opening of a
connection, or about what is exchanged over it; one exchange is what is written until the
server answers. This package decides; `connections/` carries it out.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from .effect import Effect, combine, describe
from .kinds import KINDS, NORMAL
from .plan import OPTIONAL, FaultPlan, given_by
from .rule import FaultRule, RequestPattern
from .rule_table import RuleTable

if TYPE_CHECKING:
    from collections.abc import Callable


Phase = Literal["resolve", "connect", "exchange"]

# By scheme: the port that is meant without one, and the packages of its drivers.
SYSTEMS: dict[str, tuple[int, tuple[str, ...]]] = {
    "redis": (6379, ("redis", "coredis", "aioredis", "valkey")),
    "postgresql": (5432, ("asyncpg", "psycopg", "aiopg")),
    "mysql": (3306, ("aiomysql", "asyncmy", "pymysql")),
    "mongodb": (27017, ("pymongo", "motor")),
    "amqp": (5672, ("aio_pika", "aiormq", "pamqp")),
    "nats": (4222, ("nats",)),
    "kafka": (9092, ("aiokafka",)),
    "memcached": (11211, ("aiomcache", "emcache")),
}
_OTHER_NAMES = {
    **{"rediss": "redis", "valkey": "redis", "postgres": "postgresql", "mariadb": "mysql"},
    **{"amqps": "amqp"},
}
PACKAGES = {package: name for name, (_, all_of) in SYSTEMS.items() for package in all_of}
_BY_PORT = {port: name for name, (port, _) in SYSTEMS.items()}
PLAIN = ("tcp", "unix")  # any connection, whatever it speaks
_HTTP = ("http", "https", "ws", "wss")
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9-]*)(?:\+\w+)?://")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def is_connection(pattern: object) -> bool:
    """Does it say where as the address of a server that does not speak HTTP?"""
    found = _SCHEME.match(pattern) if isinstance(pattern, str) else None
    return found is not None and found["scheme"].lower() not in _HTTP


def server_of(pattern: str) -> Server | None:
    """The servers that a pattern means; None where it is one of HTTP calls, or of none."""
    try:
        return Server(pattern) if is_connection(pattern) else None
    except ValueError:
        return None


def wrong(pattern: str, effect: Effect) -> tuple[str, str]:
    """The word that cannot be a fault of a connection, and why; empty where all can."""
    opening = exchange = ""
    for text in describe(effect):
        word, _, value = text.partition("=")
        kind = KINDS.get(word, NORMAL)
        placed = kind.is_placed and value and not value.isdecimal()
        if kind.connection == "opening":
            opening = opening or word
        elif kind.connection == "exchange" and not placed:
            exchange = exchange or word
        else:
            known = ", ".join((*_of("exchange"), "close_after", *_of("opening")))
            return word, f"{text!r} is not a fault of a connection to {pattern}: write {known}"
    if opening and exchange:
        return exchange, (
            f"{opening!r} is about the opening of a connection and {exchange!r} about what is "
            "exchanged over it: write two faults"
        )
    return "", ""


def _of(part: str) -> list[str]:
    return [kind.name for kind in KINDS.values() if kind.connection == part]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a connection leads: the names and addresses of its host, and its port.

    A Unix socket has its path for a host, and port 0. `package` is the driver's, if it is known.
    """

    hosts: tuple[str, ...]
    port: int
    package: str = ""

    @property
    def system(self) -> str:
        """`redis`, `postgresql` ...; `tcp` or `unix` where it is not known."""
        found = PACKAGES.get(self.package) or _BY_PORT.get(self.port)
        return found or ("tcp" if self.port else "unix")

    @property
    def url(self) -> str:
        """For people, and as a pattern that covers it."""
        host = f"[{self.hosts[0]}]" if ":" in self.hosts[0] else self.hosts[0]
        return f"{self.system}://{host}" + (f":{self.port}" if self.port else "")

    @property
    def is_address(self) -> bool:
        """Is there no name to resolve?"""
        try:
            ipaddress.ip_address(self.hosts[0])
        except ValueError:
            return not self.port
        return True


class Server(RequestPattern):
    """The connections that a rule covers: `redis://*`, `postgresql://db:5432`, `tcp://db:*`.

    The URL of a database in the app's settings will do: user, password, driver and path do
    not count. Without a port the scheme decides: its own port, or the driver's package.
    """

    def __init__(self, pattern: str) -> None:
        found = _SCHEME.match(pattern)
        scheme = "" if found is None else found["scheme"].lower()
        self._system = _OTHER_NAMES.get(scheme, scheme)
        if found is None or self._system not in (*SYSTEMS, *PLAIN):
            known = ", ".join((*SYSTEMS, *PLAIN))
            raise ValueError(f"{scheme}:// is not known: write tcp://host:port, or one of {known}")
        self.text = pattern
        place = pattern[found.end() :]
        if self._system == "unix":
            self._host, self._port = _glob(place or "*"), ""
            return
        place = re.split(r"[/?#]", place, maxsplit=1)[0].rpartition("@")[2]
        host, port = _split(place)
        if port not in ("", "*") and not port.isdecimal():
            raise ValueError(f"{port!r} in {pattern!r} is not a port: write a number, or *")
        self._host, self._port = _glob(host or "*"), port

    def covers(self, request: object) -> bool:
        """Is this connection meant? A request of HTTP never is."""
        if not isinstance(request, Place):
            return False
        names = request.hosts
        if any(name in _LOOPBACK for name in names):
            names = (*names, *_LOOPBACK)
        if not any(self._host.match(name) for name in names):
            return False
        if self._system == "unix":
            return not request.port
        if self._port:
            return self._port == "*" or int(self._port) == request.port
        if self._system == "tcp":
            return bool(request.port)
        port, packages = SYSTEMS[self._system]
        return request.package in packages or (not request.package and request.port == port)

    def picks(self, call: object) -> bool:
        """Of an exchange with a server that is covered, is this one meant?"""
        return True


class Picked(Server):
    """Exchanges, and attempts to connect, one by one: those that `target.match(...)` says.

    It is asked for the request of a recorded call, whatever server that is with.
    """

    def __init__(self, target: Any) -> None:
        self.text = repr(target)
        self._target = target

    def covers(self, request: object) -> bool:
        """Every connection; never a request of HTTP."""
        return isinstance(request, Place)

    def picks(self, call: Any) -> bool:
        """Is this one meant?"""
        return call is not None and bool(self._target.match(call.request))


def _split(place: str) -> tuple[str, str]:
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        return host, port.removeprefix(":")
    host, _, port = place.partition(":")
    return host, port


def _glob(text: str) -> re.Pattern[str]:
    return re.compile(rf"{re.escape(text)}\Z".replace(r"\*", ".*"), re.IGNORECASE)


class ConnectionRule(FaultRule):
    """A fault of connections; each attempt to open one, or each exchange, is asked about."""

    where: Server

    @property
    def phase(self) -> Phase:
        """When it strikes."""
        effect = self.effect
        if effect.kind.stage == "resolve" or effect.dns or "dns" in dict(effect.spread):
            return "resolve"
        return "connect" if effect.before_request else "exchange"

    def covers(self, request: object) -> bool:
        """Is this connection meant?"""
        return self.where.covers(request)


class ConnectionFaults(RuleTable[ConnectionRule]):
    """The faults of one test on connections. `changed` is called when a rule is added."""

    _kind = "connection"
    _remedy = f"correct the address or the schedule, {OPTIONAL}"

    unseen = ""  # why no connection of this loop is seen, if so

    @cached_property
    def seen(self) -> set[str]:
        """The servers that connections were opened to."""
        return set()

    def add(
        self, where: Server, effect: Effect, optional: bool, *, origin: str = ""
    ) -> ConnectionRule:
        """Add a rule. Raises `ValueError` for what no connection can do."""
        word, problem = wrong(where.text, effect)
        if word:
            raise ValueError(problem)
        added = self._added_at(origin)
        rule = ConnectionRule(
            where,
            effect,
            stream=f"{self._stream}/{where.text}: {effect}/{len(self._rules)}",
            optional=optional,
            origin=origin,
            added=added,
        )
        return self._add_rule(rule, takes_time=effect.takes_time)

    def give(self, target: Any, *effects: Effect, origin: str) -> None:
        """Add rules that need not strike, on what `target` picks (see `Picked`)."""
        for effect in effects:
            self.add(Picked(target), effect, True, origin=origin)

    def covering(self, place: Place, *phases: Phase) -> list[ConnectionRule]:
        """The rules that are about this connection, then."""
        return [rule for rule in self._rules if rule.phase in phases and rule.covers(place)]

    def decide(self, rules: list[ConnectionRule], now: float) -> FaultPlan | None:
        """What happens now (s, on the loop's clock), by those of these rules that strike.

        `leave()` of each has to follow.
        """
        struck: list[tuple[FaultRule, Effect]] = []
        for rule in rules:
            ended = any(effect.ending for _, effect in struck)
            effect = rule._strikes(self._since(now, ""))
            if effect is not None and not (ended and effect.ending):
                struck.append((rule, effect))
        if not struck:
            return None
        whole = combine(effect for _, effect in struck)
        if whole.takes_time:
            self._wait()
        return FaultPlan(whole, tuple(struck))

    def lend(self) -> Callable[[], None]:
        """Rules that are given from now on are taken back by what this returns."""
        before = list(self._rules)

        def take_back() -> None:
            self._rules[:] = [rule for rule in self._rules if rule in before or not rule.origin]
            if self._on_change is not None:
                self._on_change()

        return take_back

    def _why_unused(self, rule: ConnectionRule) -> str:
        evidence = f"its schedule selected none of the {rule.seen} that it saw"
        if rule.powerless:
            evidence = rule.powerless
        elif not rule.seen:
            what = "nothing was written to a connection to it"
            if rule.phase != "exchange":
                what = "no connection to it was opened after the fault was added"
            others = ", ".join(sorted(self.seen)) or "none"
            evidence = self.unseen or f"{what}; connections of this test: {others}"
        return given_by(rule, evidence)
