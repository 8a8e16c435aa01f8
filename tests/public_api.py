"""What is public, as text: `python -m tests.public_api` writes it to `tests/data/public_api.txt`.

One line for each name that the package's root exports, and for each public method and property
that this package defines on it, with the names of the parameters.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest_asyncfastapi

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = Path(__file__).parent / "data" / "public_api.txt"


def described() -> str:
    """The whole text."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    for name in sorted(pytest_asyncfastapi.__all__):
        value = getattr(pytest_asyncfastapi, name)
        if not inspect.isclass(value):
            yield f"{name}({_parameters(value)})"
            continue
        bases = ", ".join(base.__name__ for base in value.__bases__ if base is not object)
        yield f"class {name}({bases})"
        ours = [kind for kind in value.__mro__ if kind.__module__.startswith("pytest_asyncfastapi")]
        members = {key: each for kind in reversed(ours) for key, each in vars(kind).items()}
        fields = {key for kind in ours for key in vars(kind).get("__annotations__", {})}
        for key in sorted({*members, *fields}):
            if not key.startswith("_"):
                yield f"    {name}.{key}{_call(members.get(key))}"


def _call(member: Any) -> str:
    function = getattr(member, "__func__", member)
    return f"({_parameters(function)})" if inspect.isfunction(function) else ""


def _parameters(function: Any) -> str:
    shown = []
    for parameter in inspect.signature(function).parameters.values():
        stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}
        optional = "=" if parameter.default is not parameter.empty else ""
        if parameter.kind is parameter.KEYWORD_ONLY and not any("*" in each for each in shown):
            shown.append("*")
        if parameter.name not in ("self", "cls"):
            shown.append(stars.get(parameter.kind, "") + parameter.name + optional)
    return ", ".join(shown)


if __name__ == "__main__":
    FILE.write_text(described(), encoding="utf-8")
