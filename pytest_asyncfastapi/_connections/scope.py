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
from .._core.current_test import in_trio
from .._faults import Hit
from .finding_messages import no_timeout
from .intercept import CONNECTIONS, driver_of
from .link import Link

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from .._core.findings import Finding, Location
    from .._faults import Plan
    from .._faults.connections import ConnectionFaults, ConnectionRule, Phase, Place

_REAL_PATIENCE = 60.0  # seconds, where time is not virtual
# Every connection that was seen while a test took part: its transport, and where it leads. An
# app that runs longer than a test opens some in one test that matter in the next.
_OPENED: weakref.WeakKeyDictionary[Any, Place] = weakref.WeakKeyDictionary()


class Connections:
    """The way to databases, caches and brokers, of one test."""

    def __init__(
        self,
        faults: ConnectionFaults,
        *,
        where: Callable[[FrameType], Location | None],
        patience: Callable[[], float],
        log: Callable[[Finding], None],
        test: str = "",
    ) -> None:
        self.faults = faults
        self.where = where
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
        for link in self._links:
            link.detach()
        self._links.clear()

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

    async def open(self, place: Place, *phases: Phase) -> None:
        """Play what goes wrong while a connection is opened; raises as the system does."""
        self.faults.seen.add(place.url)
        rules = self.faults.covering(place, *phases)
        if "resolve" in phases and place.is_address:
            for rule in rules:
                if rule.phase == "resolve":
                    rule.powerless = f"the app connects to {place.url}: no name is resolved"
            rules = [rule for rule in rules if rule.phase != "resolve"]
        if not rules:
            return
        where = self.where(sys._getframe(1))
        try:
            plan = self._decide(place, rules, "connect")
            if plan is not None:
                await self._open(place, plan, where)
        finally:
            for rule in rules:
                rule.leave()

    async def _open(self, place: Place, plan: Plan, where: Location | None) -> None:
        effect = plan.effect
        await asyncio.sleep(effect.dns)
        if effect.ending == "dns_error":
            if effect.detail == "temporary":
                again = "Temporary failure in name resolution"
                raise socket.gaierror(socket.EAI_AGAIN, again)
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        await asyncio.sleep(effect.connect)
        if effect.ending == "connect_timeout":
            await asyncio.sleep(self.patience())
            self.no_timeout(place, "connect", where)
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        if effect.ending == "refused":
            address = (place.hosts[-1], place.port) if place.port else place.hosts[0]
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"Connect call failed {address}")

    def protocol(self, place: Place, inner: Any) -> Any:
        """What the transport of a new connection is to push: a link, where there are rules."""
        return self._link(place, inner) if len(self.faults) else inner

    def opened(self, transport: Any, place: Place) -> None:
        """It is open."""
        _OPENED[transport] = place

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
        if not len(self.faults):
            return
        loop: Any = asyncio._get_running_loop()
        if loop is not None and not isinstance(loop, asyncio.BaseEventLoop):
            name = type(loop).__module__.partition(".")[0]
            self.faults.unseen = f"{name} opens connections in C, where no fault reaches them"
        elif loop is None and in_trio():
            self.faults.unseen = "connections on trio are not seen"
        for link in self._links:
            link.rules = self.faults.covering(link.place, "exchange")
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

    def exchange(self, place: Place, rules: list[ConnectionRule]) -> Plan | None:
        """What happens to one that begins now."""
        return self._decide(place, rules, "exchange")

    def _decide(self, place: Place, rules: list[ConnectionRule], what: str) -> Plan | None:
        plan = self.faults.decide(rules, asyncio.get_running_loop().time())
        if plan is not None:
            for rule in plan.rules:
                rule.fired.append(Hit(what, place.url))
        return plan

    def no_timeout(self, place: Place, what: str, where: Location | None) -> None:
        """Log a wait that nothing ends."""
        self._log(no_timeout(place, what, where, ACTIVITY.get(), self._test))

    def __repr__(self) -> str:
        return f"<Connections {self._test!r} links={len(self._links)}>"


def _is_ours(transport: Any) -> bool:
    """Is it open, in this loop or in one that stands still?"""
    loop = transport._loop
    if loop is None:  # it is closed
        return False
    here = loop is asyncio._get_running_loop() or not (loop.is_running() or loop.is_closed())
    return here and not transport.is_closing()
