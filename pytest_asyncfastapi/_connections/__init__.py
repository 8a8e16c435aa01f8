"""Connections to real servers: databases, caches and brokers, below their drivers.

Carries out what `faults` decides on them (`scope.py`), and refuses the public network
(`network_policy.py`). Knows asyncio's transports; no HTTP. Imports nothing by itself: the second
is a part of every test.
"""
