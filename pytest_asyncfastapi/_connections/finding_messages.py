"""The findings of this package, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.findings import Finding

if TYPE_CHECKING:
    from .._core.findings import Location
    from .._faults.connections import Place

_REMEDIES = {
    ("redis", "exchange"): "redis.asyncio.Redis(socket_timeout=5)",
    ("redis", "connect"): "redis.asyncio.Redis(socket_connect_timeout=5)",
    ("asyncpg", "exchange"): "asyncpg.create_pool(command_timeout=5), or timeout= on this call",
    ("asyncpg", "connect"): "asyncpg.connect(timeout=5)",
    ("pymongo", "exchange"): "AsyncMongoClient(timeoutMS=5000)",
    ("pymongo", "connect"): "AsyncMongoClient(connectTimeoutMS=5000)",
}


def timeout_remedy(place: Place, what: str) -> str:
    """What ends a wait for an answer of this server, or for a connection to it."""
    around = "asyncio.timeout(5) around the call"
    remedy = _REMEDIES.get((place.package, what))
    return around if remedy is None else f"{remedy}, or {around}"


def no_timeout(
    place: Place, what: str, where: Location | None, activity: str, test: str
) -> Finding:
    """A server that does not answer would be waited for without an end."""
    title = f"no timeout is set on an exchange with {place.url}: it would never end"
    if what == "connect":
        title = f"no timeout is set on the connect to {place.url}: only the system's would end it"
    return Finding(
        kind="no-timeout",
        title=title,
        where=where,
        activity=activity,
        why="a server that stops answering holds the request and its connection without limit",
        remedy=timeout_remedy(place, what),
        test=test,
    )


def network_refused(
    host: str,
    port: object,
    where: Location | None,
    activity: str,
    *,
    refused: bool,
    sure: bool,
    test: str,
) -> Finding:
    """A connection to the public network."""
    place = f"{host}:{port}" if port else host
    title = f"a connection to {place} was refused: it is in the public network"
    if not refused:
        title = f"the test connects to {place}, in the public network"
    remedy = "a server on loopback or in a private network, or a fake in the place of the client"
    if str(port) in ("80", "443", "http", "https"):
        scheme = "http" if str(port) in ("80", "http") else "https"
        remedy = f'answer the call: upstream.get("{scheme}://{host}/...").respond(...)'
    return Finding(
        kind="network",
        title=title,
        where=where,
        activity=activity,
        why="the test would depend on a server that others run, and may change something there",
        remedy=remedy,
        allow=f"asyncfastapi_passthrough = {host}",
        severity="error" if sure else "warning",
        test=test,
    )
