"""Functions of others are replaced, and put back in any order."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_asyncfastapi._core.patches import Patches


class Greeter:
    """Somebody else's class."""

    def greet(self) -> str:
        """What is patched."""
        return "hello"


class Loud(Greeter):
    """One that inherits it."""


STOCK = vars(Greeter)["greet"]


def marked(mark: str) -> Any:
    """Make a wrapper that adds `mark`."""

    def make(original: Any) -> Any:
        def greet(self: Any) -> str:
            return f"{original(self)}{mark}"

        return greet

    return make


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
def test_patches_are_undone_in_any_order(order: tuple[int, ...]) -> None:
    """One with another one on top goes with that one."""
    patches = [Patches() for _ in order]
    for number, each in enumerate(patches):
        each.wrap(Greeter, "greet", marked(str(number)))
    assert Greeter().greet() == "hello012"
    assert all(each.in_place() for each in patches)
    for number in order:
        patches[number].undo()
    assert vars(Greeter)["greet"] is STOCK


def test_a_patch_below_somebody_elses_goes_when_that_has_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is not on top when it is undone; the next one that comes takes it off."""
    first, second = Patches(), Patches()
    first.wrap(Greeter, "greet", marked("!"))
    monkeypatch.setattr(Greeter, "greet", lambda self: "theirs")
    assert not first.in_place()
    first.undo()
    assert Greeter().greet() == "theirs"
    monkeypatch.undo()
    second.wrap(Greeter, "greet", marked("?"))
    assert Greeter().greet() == "hello?"
    second.undo()
    assert vars(Greeter)["greet"] is STOCK


def test_what_was_inherited_is_inherited_again() -> None:
    """Nothing is left on a class or an object that had nothing of its own."""
    loud, patches = Loud(), Patches()
    patches.wrap(Loud, "greet", marked("!"))
    patches.wrap(Loud, "greet", marked("a second time does nothing"))
    patches.replace(loud, "greet", lambda: "mine")
    assert (loud.greet(), Loud().greet(), Greeter().greet()) == ("mine", "hello!", "hello")
    assert Loud.greet.__doc__ == Greeter.greet.__doc__
    patches.undo()
    assert "greet" not in vars(Loud)
    assert vars(loud) == {}
