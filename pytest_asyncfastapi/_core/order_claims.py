"""The claim after every order of a test's tasks, up to a number of changes, was tried.

The claim covers only what was run: an order that was left out, or did not repeat, is
named. Must not depend on how orders are made.
"""

from __future__ import annotations


def orders(changes: int) -> str:
    """`"order with at most 2 changes"`."""
    return f"order with at most {changes} change{'s' if changes > 1 else ''}"


def claim(changes: int, run: int, *, stopped: str = "", unsteady: int = 0, share: str = "") -> str:
    """The result in words where none of `run` orders has failed.

    `stopped` is why not all were run, `unsteady` how many may have run in another order than they
    were to, `share` the part of the orders that was tried (`"1/4"`).
    """
    if stopped:
        return f"not every {orders(changes)} was run ({stopped}); of {run:,} that were, none fails"
    if unsteady:
        return (
            f"{run:,} orders were run and none fails, which proves nothing of every "
            f"{orders(changes)}: {unsteady:,} may not repeat, as something beside the schedule "
            "decides too (real I/O, a thread that waits, state that outlives a run)"
        )
    if share:
        return f"in share {share} of the orders, no {orders(changes)} fails ({run:,} run)"
    return f"no {orders(changes)} fails ({run:,} run)"


def smallest(changes: int, *, unsteady: int = 0) -> str:
    """Of the first order that fails, where those with fewer changes were run before it."""
    if changes == 1 or unsteady:
        return f"{changes} change{'s' if changes > 1 else ''} to the ordinary order"
    return f"{changes} changes to the ordinary order, and no {orders(changes - 1)} fails"
