"""What nothing refers to any more although it is still in memory: found without collecting it.

A collection at the end of each test would move what is alive to the oldest objects,
which a run seldom collects; and it would make asyncio, trio and Python warn, of other
things too, inside a test that did nothing wrong. So only what is suspected is looked
at. Assumes of the collector that it lists the newest objects apart, and no more.
"""

from __future__ import annotations

import gc
import inspect
import sys
import weakref
from types import CoroutineType
from typing import Any

# Where the collector works in increments, its last threshold is 0, and all but the newest
# objects are in the next list.
_NEWEST = (0, 1) if gc.get_threshold()[2] else (0,)
_MOST = 500  # objects that lead to a suspect, before it counts as in use
_FARTHEST = 20  # steps that these are away


def never_started() -> list[weakref.ref[CoroutineType[Any, Any, Any]]]:
    """The coroutines that were not awaited yet, among the newest objects."""
    found: list[weakref.ref[CoroutineType[Any, Any, Any]]] = []
    for generation in _NEWEST:
        objects = gc.get_objects(generation)
        if CoroutineType in map(type, objects):
            found += [
                weakref.ref(each)
                for each in objects
                if type(each) is CoroutineType
                and inspect.getcoroutinestate(each) == inspect.CORO_CREATED
            ]
    return found


def is_garbage(ref: weakref.ref[Any]) -> bool:
    """Would a collection take this object? The caller holds the weak reference only.

    What the collector does for all objects, for those that lead to this one: is each
    reference to each of them from one of them?
    """
    members = _leading_to(ref)
    counts = dict.fromkeys(map(id, members), 0)
    for index in range(len(members)):
        for number in map(id, gc.get_referents(members[index])):
            if number in counts:
                counts[number] += 1
    return bool(members) and all(
        _references(members, index) == counts[id(members[index])] for index in range(len(members))
    )


def _leading_to(ref: weakref.ref[Any]) -> list[Any]:
    """The object with all that refer to it, directly or not; nothing if they are too many.

    In the end no reference to any of them is ours but that of this list, so the other
    lists are emptied.
    """
    members: list[Any] = []
    newest: list[Any] = [ref()]
    lists: list[list[Any]] = [members, newest]
    known = {id(members), id(newest), id(lists), id(None)}
    for _ in range(_FARTHEST):
        newest[:] = [each for each in newest if id(each) not in known]
        if not newest:
            return members
        known.update(map(id, newest))
        members += newest
        if len(members) > _MOST:
            break
        found = gc.get_referrers(*newest)
        lists.append(found)
        known.add(id(found))
        # Without the arguments of this call, a tuple that is gone by now.
        newest[:] = [found[index] for index in range(len(found)) if _references(found, index)]
        found.clear()
    return []


def _references(things: list[Any], index: int) -> int:
    """How many references there are to one of them, beside the list's."""
    return sys.getrefcount(things[index]) - _LISTED


_LISTED = 0
_LISTED = _references([[]], 0)  # the list's and those of the call
