"""Connections to real servers: databases, caches and brokers, below their drivers.

Carries out what `faults` decides on them. Knows asyncio's transports; no driver, no HTTP.
"""

from .scope import Connections

__all__ = ["Connections"]
