"""Which hosts are near: this machine, a private network, a service of a compose file."""

from __future__ import annotations

import ipaddress

_ENDINGS = (".localhost", ".local", ".internal")


def is_private_host(host: str) -> bool:
    """Is it an address that the public network does not reach, or a name without a domain?"""
    name = host.strip("[]").rstrip(".").lower()
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return "." not in name or name.endswith(_ENDINGS)
    mapped = getattr(address, "ipv4_mapped", None)
    return not (mapped or address).is_global
