"""The docstrings of what is public, in Google style: the reference is made of them."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

import pytest_asyncfastapi
from pytest_asyncfastapi._checks.queries import Queries

# The classes that a test makes itself: their docstring has the parameters of `__init__`.
MADE_BY_A_TEST = ("Operation", "VirtualClock")
# Other clients and routers that a test has in its hands: the fixture `queries` is not exported.
FIXTURES = {"Queries": Queries}


def functions() -> Iterator[tuple[str, Callable[..., Any], str]]:
    """Each public function and method of ours: its name, itself, its docstring."""
    exported = {name: getattr(pytest_asyncfastapi, name) for name in pytest_asyncfastapi.__all__}
    for name, value in {**exported, **FIXTURES}.items():
        if not inspect.isclass(value):
            yield name, value, inspect.getdoc(value) or ""
            continue
        for kind in value.__mro__:
            for key, member in vars(kind).items():
                function = inspect.unwrap(getattr(member, "__func__", member))
                ours = inspect.isfunction(function) and kind.__module__.startswith(
                    "pytest_asyncfastapi."
                )
                if ours and (not key.startswith("_") or key == "__call__"):
                    yield f"{name}.{key}", function, inspect.getdoc(function) or ""
        if name in MADE_BY_A_TEST:
            yield f"{name}.__init__", value.__init__, inspect.getdoc(value) or ""


PUBLIC = list({name: (name, *rest) for name, *rest in functions()}.values())


def section(docstring: str, title: str) -> str | None:
    """The text of a section, dedented; None if there is no such section."""
    lines = docstring.split("\n")
    if f"{title}:" not in lines:
        return None
    rest = lines[lines.index(f"{title}:") + 1 :]
    end = next((n for n, line in enumerate(rest) if line and not line.startswith(" ")), len(rest))
    return textwrap.dedent("\n".join(rest[:end])).strip("\n")


def items(text: str | None) -> dict[str, str]:
    """The names of a section with what is said of each."""
    return dict(re.findall(r"^(\*{0,2}\w+): *(.*(?:\n .*)*)", text or "", re.MULTILINE))


def parameters(function: Callable[..., Any]) -> list[str]:
    """As `Args:` names them."""
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    code: Any = inspect.unwrap(function)
    return [
        stars.get(each.kind, "") + each.name
        for each in inspect.signature(code).parameters.values()
        if each.name not in ("self", "cls")
    ]


def raised(function: Callable[..., Any]) -> tuple[bool, set[str]]:
    """Does the body raise, and by which names? Functions inside of it are not looked at."""
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
    left: list[ast.AST] = list(ast.parse(source).body[0].body)  # type: ignore[attr-defined]
    found, names = False, set()
    while left:
        node = left.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        left.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Raise) and node.exc is not None:
            found = True
            if isinstance(node.exc, ast.Call):
                names.add(ast.unparse(node.exc.func).rpartition(".")[2])
    return found, names


def problems(function: Callable[..., Any], docstring: str) -> list[str]:
    """What is wrong with a docstring."""
    found = []
    summary, _, rest = docstring.partition("\n")
    if not summary.endswith((".", "?", ":")) or rest[:1].strip():
        found.append("the first line must be a sentence, with an empty line below")
    described, wanted = items(section(docstring, "Args")), parameters(function)
    if list(described) != wanted:
        found.append(f"Args: has {list(described)}, the signature {wanted}")
    found += [f"{name} is not described" for name, text in described.items() if not text.strip()]
    # An annotation is text here: the modules have `from __future__ import annotations`.
    returns = inspect.unwrap(function).__annotations__.get("return", "None")
    if (returns != "None") != bool(section(docstring, "Returns")):
        found.append(f"it returns {returns}, and Returns: says something else")
    raises, names = raised(function)
    told = items(section(docstring, "Raises"))
    if raises and not told:
        found.append("it raises, and there is no Raises:")
    found += [f"Raises: does not name {name}" for name in sorted(names - set(told)) if told]
    if (example := section(docstring, "Example")) is not None:
        found += bad_code(example)
    return found


def bad_code(example: str) -> list[str]:
    """What is wrong with the code of an example."""
    blocks = re.findall(r"^```python\n(.*?)^```$", example, re.MULTILINE | re.DOTALL)
    found = [] if blocks else ["Example: has no block of code"]
    for block in blocks:
        try:
            compile(block, "example", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        except SyntaxError as error:
            found.append(f"the example does not parse: {error}")
    return found


@pytest.mark.parametrize(
    ("function", "docstring"), [p[1:] for p in PUBLIC], ids=[p[0] for p in PUBLIC]
)
def test_parameters_errors_and_examples_are_documented(
    function: Callable[..., Any], docstring: str
) -> None:
    """As the signature and the body have them."""
    assert problems(function, docstring) == []


def test_all_that_is_public_is_looked_at() -> None:
    """The functions of the root, methods of its classes, and those that they inherit from ours."""
    names = {name for name, *_ in PUBLIC}
    assert {"open_app", "Upstream.get", "Load.__call__", "Faults.on", "Queries.clear"} <= names
    assert {"BlockingGuard.allow", "AsgiClient.websocket", "VirtualClock.__init__"} <= names


def of_class(kind: type) -> list[str]:
    """What is wrong with the docstring of a class."""
    docstring = inspect.getdoc(kind) or ""
    found = [] if docstring.partition("\n")[0].endswith(".") else ["no sentence in the first line"]
    described = items(section(docstring, "Attributes"))
    found += [f"{name} is not described" for name, text in described.items() if not text.strip()]
    if is_dataclass(kind) and list(described) != (wanted := [each.name for each in fields(kind)]):
        found.append(f"Attributes: has {list(described)}, the class {wanted}")
    if (example := section(docstring, "Example")) is not None:
        found += bad_code(example)
    return found


@pytest.mark.parametrize("name", sorted(pytest_asyncfastapi.__all__))
def test_the_fields_of_a_class_are_documented(name: str) -> None:
    """Each field of a dataclass, in its order."""
    value = getattr(pytest_asyncfastapi, name)
    if inspect.isclass(value):
        assert of_class(value) == []


@dataclass
class Sound:
    """A result.

    Attributes:
        first: A number of seconds.
        second: Another.
    """

    first: float
    second: float


@dataclass
class Short(Sound):
    """A result.

    Attributes:
        first: A number of seconds.
    """


@dataclass
class Empty(Sound):
    """A result.

    Attributes:
        first: A number of seconds.
        second:
    """


@pytest.mark.parametrize(
    ("kind", "problems"),
    [
        (Sound, []),
        (Short, ["Attributes: has ['first'], the class ['first', 'second']"]),
        (Empty, ["second is not described"]),
    ],
)
def test_a_missing_field_is_found(kind: type, problems: list[str]) -> None:
    """And a field without a text."""
    assert of_class(kind) == problems


def inherited(kind: type) -> set[str]:
    """What a class has from mix-ins of ours that are not exported themselves."""
    exported = [getattr(pytest_asyncfastapi, name) for name in pytest_asyncfastapi.__all__]
    mixins = [
        base
        for base in kind.__mro__
        if base.__module__.startswith("pytest_asyncfastapi.") and base not in exported
    ]
    return {key for base in mixins for key in vars(base) if not key.startswith("_")}


@pytest.mark.parametrize("name", sorted(pytest_asyncfastapi.__all__))
def test_the_reference_shows_what_mixins_give(name: str) -> None:
    """mkdocstrings leaves out inherited members unless the entry asks for them."""
    value = getattr(pytest_asyncfastapi, name)
    text = (Path(__file__).parents[2] / "docs/reference.md").read_text("utf-8")
    entry = text.partition(f".{name}\n")[2].partition(":::")[0]
    if inspect.isclass(value) and inherited(value):
        assert "inherited_members:" in entry
    assert text.count(f".{name}\n") == 1


def sound(first: int, *others: str) -> int:
    """Add.

    Args:
        first: A number of seconds,
            on two lines.
        *others: More.

    Returns:
        Seconds.

    Raises:
        ValueError: For 0.

    Example:
        ```python
        async with a as b:
            await b
        ```
    """
    if not first:
        raise ValueError(first)
    return first


PLANTED = [
    ("*others: More.", "", "Args: has ['first'], the signature ['first', '*others']"),
    ("*others: More.", "others: More.", "the signature ['first', '*others']"),
    ("*others: More.", "*others: More.\n    more: Even more.", "Args: has"),
    ("*others: More.", "*others:", "*others is not described"),
    ("Raises:\n    ValueError: For 0.", "", "there is no Raises:"),
    ("Returns:\n    Seconds.", "", "it returns int, and Returns: says something else"),
    ("ValueError: For 0.", "TypeError: For 0.", "Raises: does not name ValueError"),
    ("await b", "await b(", "the example does not parse"),
    ("```python", "```text", "Example: has no block of code"),
    ("Add.\n", "Add\n", "the first line must be a sentence"),
]


def test_a_sound_docstring_has_no_problem() -> None:
    """The twin of those below."""
    assert problems(sound, inspect.getdoc(sound) or "") == []


@pytest.mark.parametrize(("text", "instead", "problem"), PLANTED)
def test_each_mistake_is_found(text: str, instead: str, problem: str) -> None:
    """One mistake at a time."""
    docstring = inspect.getdoc(sound) or ""
    assert text in docstring
    (found,) = problems(sound, docstring.replace(text, instead))
    assert problem in found
