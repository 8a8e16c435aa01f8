"""Leaks, thread-pool queueing and deadlines: observes, and changes nothing that the app sees.

Must not know the blocking guard, HTTP messages or pytest. Imports nothing by itself: most tests
use a part of it only.
"""
