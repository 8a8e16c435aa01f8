"""Every order with at most so many changes to the ordinary one, those with the fewest first.

A change puts one task that is ready before all others, from one decision on until the next
change (see `Fifo`). Which changes there are is known from the runs: each decision of an order
offers its ready lanes, so the orders with one change more follow from those with one less. No
order comes twice: each differs from the one that it follows from at its last change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .token import Schedule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .policies import Changes, Offer

ALL = "all"
CHANGES = 2  # the default maximum


class EveryOrder:
    """Gives the schedules one at a time; `add_run()` has to be called after each of them.

    And after the ordinary one. What is not added is not followed: another share does that.
    """

    def __init__(self, most: int = CHANGES) -> None:
        self.most = most
        self.unsteady = 0  # runs that may have been in another order than the schedule's
        self._parents: list[list[tuple[Changes, list[Offer]]]] = [[] for _ in range(most)]
        self._followed: list[Offer] = []
        self._known: dict[Offer, Offer] = {}

    def add_run(
        self, schedule: Schedule, changes: Changes, offers: list[Offer], *, repeats: bool = True
    ) -> bool:
        """This order has been run, and `changes` were in it; False if it may not repeat.

        Up to its last change it has the choices of the order from which it follows; `repeats` is
        False where the machine has decided too.
        """
        wanted = schedule.changes
        number = wanted[-1][0] if wanted else 0
        steady = changes[: len(wanted)] == wanted and offers[:number] == self._followed[:number]
        self.unsteady += not (steady and repeats)
        if steady and len(wanted) < self.most:
            shared = [self._known.setdefault(offer, offer) for offer in offers]
            self._parents[len(wanted)].append((wanted, shared))
        return steady and repeats

    def __iter__(self) -> Iterator[Schedule]:
        for parents in self._parents:  # complete by the time that their children are needed
            for changes, offers in parents:
                self._followed = offers
                first = changes[-1][0] + 1 if changes else 0
                for number in range(first, len(offers)):
                    options, chosen = offers[number]
                    for lane in options:
                        if lane != chosen:
                            yield Schedule("fifo", changes=(*changes, (number, lane)))

    def __repr__(self) -> str:
        return f"<EveryOrder with at most {self.most} changes, {self.unsteady} unsteady>"


def most_changes(seeds: object, policy: str, start: int, changes: int | None) -> int:
    """How many changes the orders may have; 0 where they are drawn from seeds.

    Raises `ValueError` with one sentence.
    """
    if isinstance(seeds, str) and seeds != ALL:
        raise ValueError(f'seeds={seeds!r} must be a whole number, 1 or more, or "{ALL}"')
    if seeds != ALL:
        if changes is not None:
            raise ValueError(f'changes={changes!r} is for every order: "all", changes=2')
        return 0
    if policy != "auto" or start:
        name, value = ("policy", policy) if policy != "auto" else ("start", start)
        raise ValueError(f'{name}={value!r} is for seeds; "all" orders have none')
    if changes is None:
        return CHANGES
    if isinstance(changes, bool) or not isinstance(changes, int) or changes < 1:
        raise ValueError(f"changes={changes!r} must be a whole number, 1 or more")
    return changes
