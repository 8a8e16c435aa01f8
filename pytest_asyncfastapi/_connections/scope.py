"""One test's connections to real servers: which there are, and what happens to each.

`activate()` stands in the way of those that are opened from then on; those that are open
already are found by their addresses. Decides by the faults; `link.py` carries it out.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
import weakref
from typing import TYPE_CHECKING, Any

from .._core.activity import ACTIVITY
from .._core.call_each import call_each
from .._core.current_loop import in_trio
from .._core.held_bytes import HELD
from .._faults import Hit
from .drivers import driver_of
from .finding_messages import no_timeout
from .intercept import CONNECTIONS
from .link import Link

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

    from .._core.findings import Finding, Location
    from .._faults import FaultPlan
    from .._faults.connections import ConnectionFaults, ConnectionRule, Phase, Place
    from .participant import Records
    from .statements import Statement

_REAL_PATIENCE = 60.0  # seconds, where time is not virtual
# Every connection that was seen while a test took part: its transport, and where it leads. An
# app that runs longer than a test opens some in one test that matter in the next.
_OPENED: weakref.WeakKeyDictionary[Any, Place] = weakref.WeakKeyDictionary()


class Connections:
    """The way to databases, caches and brokers, of one test.

    `records` keeps every exchange, if anybody wants to know them.
    """

    def __init__(
        self,
        faults: ConnectionFaults,
        *,
        where: Callable[[FrameType], Location | None],
        patience: Callable[[], float],
        log: Callable[[Finding], None],
        test: str = "",
        records: Records | None = None,
    ) -> None:
        self.faults = faults
        self.where = where
        self.records = records
        self.watches = records is not None
        self._patience = patience
        self._log = log
        self._test = test
        self._links: list[Link] = []
        self._names: dict[str, tuple[str, ...]] = {}  # by address: what was resolved to it

    def activate(self) -> None:
        """Take part in every connection; a second time changes nothing."""
        CONNECTIONS.enter(self)
        self.faults._on_change = self.refresh

    def deactivate(self) -> None:
        """Step aside; every connection is the driver's own again."""
        CONNECTIONS.leave(self)
        self.faults._on_change = None
        links, self._links = self._links, []  # what is delivered now may close another one
        call_each(*[link.detach for link in links])

    def patience(self) -> float:
        """How long (s) a stalled connection waits for a timeout of the app's."""
        return self._patience() or _REAL_PATIENCE

    # Where a connection leads

    def resolved(self, host: str, addresses: list[str]) -> None:
        """This name has these addresses."""
        for address in addresses:
            known = self._names.get(address, ())
            if host not in known:
                self._names[address] = (host, *known)

    def named(self, host: str) -> tuple[str, ...]:
        """The names of a host: what it was resolved from first, if it is an address."""
        return (*self._names.get(host, ()), host)

    # What happens

    def recorded(self, statement: Statement, frame: FrameType) -> Recorded:
        """An exchange, or an attempt to connect, takes as long as this block."""
        return Recorded(self, self.begin(statement, frame))

    def begin(self, statement: Statement, frame: FrameType) -> Any:
        """An exchange begins; None where nobody keeps it."""
        if self.records is None:
            return None
        now = asyncio.get_running_loop().time()
        return self.records.begin(statement, statement.place.package or "asyncio", now, frame)

    def end(self, call: Any, error: str = "") -> None:
        """Its answer is here, or it is known that none comes."""
        if call is not None and self.records is not None:
            now = asyncio.get_running_loop().time()
            if not error:
                call.head = call.head or now
            self.records.end(call, now, error=error)

    async def open(self, place: Place, *phases: Phase, call: Any = None) -> None:
        """Play what goes wrong while a connection is opened; raises as the system does."""
        self.faults.seen.add(place.url)
        rules = [r for r in self.faults.covering(place, *phases) if r.where.picks(call)]
        if "resolve" in phases and place.is_address:
            for rule in rules:
                if rule.phase == "resolve":
                    rule.powerless = f"the app connects to {place.url}: no name is resolved"
            rules = [rule for rule in rules if rule.phase != "resolve"]
        if not rules:
            return
        where = self.where(sys._getframe(1))
        attempt = -id(rules)  # in place of a descriptor, which it does not have yet
        try:
            plan = self._decide(place, rules, "connect", call)
            if plan is not None:
                HELD.add(attempt)
                await self._open(place, plan, where)
        finally:
            HELD.discard(attempt)
            for rule in rules:
                rule.leave()

    async def _open(self, place: Place, plan: FaultPlan, where: Location | None) -> None:
        effect = plan.effect
        await asyncio.sleep(effect.dns)
        if effect.kind.stage == "resolve":
            if effect.detail == "temporary":
                again = "Temporary failure in name resolution"
                raise socket.gaierror(socket.EAI_AGAIN, again)
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        await asyncio.sleep(effect.connect)
        if effect.never_connects:
            await asyncio.sleep(self.patience())
            self.no_timeout(place, "connect", where)
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        if effect.is_refused:
            address = (place.hosts[-1], place.port) if place.port else place.hosts[0]
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"Connect call failed {address}")

    def protocol(self, place: Place, inner: Any) -> Any:
        """What the transport of a new connection is to push: a link, where there are rules."""
        return self._link(place, inner) if self._links_all else inner

    @property
    def _links_all(self) -> bool:
        return self.watches or len(self.faults) > 0

    def opened(self, place: Place, made: tuple[Any, Any]) -> tuple[Any, Any]:
        """A connection is open; what its client is given of this transport and protocol."""
        transport, protocol = made
        _OPENED[transport] = place
        return (transport, protocol.get_protocol()) if isinstance(protocol, Link) else made

    def let_go(self, transport: Any) -> Place | None:
        """TLS is about to begin on this connection: where does it lead?"""
        for link in self._links:
            if link.transport is transport:
                link.detach()
                self._links.remove(link)
                break
        return _OPENED.pop(transport, None)

    def moved(self, place: Place, transport: Any) -> None:
        """It speaks TLS from now on, over this transport."""
        _OPENED[transport] = place
        self.refresh()

    def _link(self, place: Place, inner: Any) -> Link:
        link = Link(self, place, inner)
        link.rules = self.faults.covering(place, "exchange")
        self._links.append(link)
        return link

    def gone(self, link: Link) -> None:
        """This one is closed."""
        if link in self._links:
            self._links.remove(link)

    def refresh(self) -> None:
        """The rules have changed: which are about which connection?"""
        for link in self._links:
            link.rules = self.faults.covering(link.place, "exchange")
        if not self._links_all:
            return
        loop: Any = asyncio._get_running_loop()
        if loop is not None and not isinstance(loop, asyncio.BaseEventLoop):
            name = type(loop).__module__.partition(".")[0]
            self.faults.unseen = f"{name} opens connections in C, where no fault reaches them"
        elif loop is None and in_trio():
            self.faults.unseen = "connections on trio are not seen"
        # All are linked: the clock has to know which of them have nothing to bring.
        self._find_open()
        known = {id(link.transport) for link in self._links}
        for transport, place in list(_OPENED.items()):
            if id(transport) not in known and _is_ours(transport):
                self._link(place, transport.get_protocol()).stand_in(transport)

    def _find_open(self) -> None:
        """Those that were opened while no test took part."""
        loop: Any = asyncio._get_running_loop()
        for raw in list(getattr(loop, "_transports", {}).values()):
            transport = getattr(raw.get_protocol(), "_app_transport", None) or raw
            peer = transport.get_extra_info("peername")
            if transport in _OPENED or not peer or transport.get_extra_info("socket") is None:
                continue
            if getattr(raw, "_server", None) is None:  # not a client of a server in this loop
                package = driver_of(None, transport.get_protocol())
                _OPENED[transport] = self.place(peer, package)

    def place(self, address: Any, package: str) -> Place:
        """Of the address of a socket."""
        from .._faults.connections import Place

        if isinstance(address, tuple):
            return Place(self.named(str(address[0])), int(address[1]), package)
        return Place((os.fsdecode(address),), 0, package)

    def exchange(self, place: Place, rules: list[ConnectionRule], call: Any) -> FaultPlan | None:
        """What happens to one that begins now."""
        return self._decide(place, rules, "exchange", call) if rules else None

    def _decide(
        self, place: Place, rules: list[ConnectionRule], what: str, call: Any
    ) -> FaultPlan | None:
        plan = self.faults.decide(rules, asyncio.get_running_loop().time())
        if plan is not None:
            if call is not None:
                call.fault = plan
            for rule in plan.rules:
                rule.fired.append(Hit(what, place.url))
        return plan

    def no_timeout(self, place: Place, what: str, where: Location | None) -> None:
        """Log a wait that nothing ends."""
        self._log(no_timeout(place, what, where, ACTIVITY.get(), self._test))

    def __repr__(self) -> str:
        return f"<Connections {self._test!r} links={len(self._links)}>"


class Recorded:
    """A block that is one exchange; what is raised in it is how the exchange ends."""

    def __init__(self, scope: Connections, call: Any) -> None:
        self._scope = scope
        self._call = call

    def __enter__(self) -> Any:
        return self._call

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._scope.end(self._call, "" if kind is None else kind.__name__)

    def __repr__(self) -> str:
        return f"<Recorded {self._call!r}>"


def _is_ours(transport: Any) -> bool:
    """Is it open, in this loop or in one that stands still?"""
    loop = transport._loop
    if loop is None:  # it is closed
        return False
    here = loop is asyncio._get_running_loop() or not (loop.is_running() or loop.is_closed())
    return here and not transport.is_closing()
