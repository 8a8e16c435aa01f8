"""How a call of a client library gets the timeouts that it does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# A phase that has no timeout in httpcore 1.0: the handshake with a SOCKS5 proxy.
SOCKS = "SOCKS5"


def timeout_remedy(library: str, missing: Sequence[str]) -> str:
    """What to write for a call of this library, by the names of what has no timeout."""
    if SOCKS in missing:
        return f"asyncio.timeout(5) or anyio.fail_after(5) around the call; {library} has none"
    if library == "urllib3":
        return "give the call a timeout: requests.get(..., timeout=5)"
    if library == "aiohttp":
        return "aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))"
    if list(missing) == ["pool"]:
        return f"{library}.Timeout(5.0): the limit for the pool is then 5 s too"
    return f"leave timeout=None out ({library}'s own limit is 5 s), or write timeout=5"
