"""Explore: the same test again, under another fault, disconnect or schedule.

Imports nothing by itself: each kind of exploring is a module of its own.
"""
