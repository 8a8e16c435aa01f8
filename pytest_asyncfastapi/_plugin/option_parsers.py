"""What the values of options may be: each parser rejects with the second half of a sentence.

Used by the table in `options.py`; the grammar of a rule or a fault is its package's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def one_of(*words: str) -> Callable[[object], str]:
    """One of these words."""

    def parse(value: object) -> str:
        if value not in words:
            raise ValueError(f"{value!r} must be one of {', '.join(words)}")
        return str(value)

    return parse


def non_empty_str(value: object) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{value!r} is not a text")
    return value.strip()


def web_address(value: object) -> str:
    """A URL of the web."""
    if isinstance(value, str) and value.strip().startswith(("https://", "http://")):
        return value.strip()
    raise ValueError(f"{value!r} must be a URL such as https://docs.example/")


def app(value: object) -> object:
    """An import string; in a marker, an app or what makes one."""
    if callable(value):
        return value
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise ValueError(f"{value!r} is neither a text such as 'pkg.mod:app' nor an app")


def integer(value: object) -> int:
    """A whole number."""
    if isinstance(value, bool) or not str(value).strip().lstrip("-").isdigit():
        raise ValueError(f"{value!r} is not a whole number")
    return int(str(value))


def non_negative_int(value: object) -> int:
    """A whole number, 0 or more."""
    number = integer(value)
    if number < 0:
        raise ValueError(f"{value!r} is less than 0")
    return number


def hosts(value: str | Iterable[object]) -> tuple[str, ...]:
    """Names of hosts, separated by commas."""
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(non_empty_str(part).lower() for part in parts)


def allow(value: object) -> str:
    """A rule of the blocking guard."""
    from .._blocking.allow import parse_rule

    return parse_rule(non_empty_str(value)).text


def category(value: object) -> tuple[str, str]:
    """A category of the blocking guard, and what it does."""
    from .._blocking.catalog import CATEGORIES

    name, _, word = (part.strip() for part in non_empty_str(value).partition("="))
    if name not in CATEGORIES or word not in ("fail", "warn", "off"):
        raise ValueError(
            f"{value!r} is not CATEGORY=WORD with one of {', '.join(sorted(CATEGORIES))} and "
            "fail, warn or off"
        )
    return name, word


def leak(value: object) -> str:
    """A rule of the leaks."""
    from .._concurrency.leak_findings import parse_rule

    parse_rule(non_empty_str(value))
    return non_empty_str(value)


def check(value: object) -> tuple[str, str]:
    """One of the checks, and what it does."""
    from .._checks.rules import as_word

    return as_word(non_empty_str(value))


def check_rule(value: object) -> str:
    """A rule of the checks."""
    from .._checks.rules import as_rule

    as_rule(non_empty_str(value))
    return non_empty_str(value)


def fault(value: object) -> str:
    """A fault, in words."""
    from .._faults.grammar import parse

    given = non_empty_str(value)
    parse(given)
    return given


def positive_int(value: object) -> int:
    """A whole number, 1 or more."""
    number = integer(value)
    if number < 1:
        raise ValueError(f"{value!r} is less than 1")
    return number


def percent(value: object) -> int:
    """A whole number, 0 to 100."""
    number = integer(value)
    if not 0 <= number <= 100:
        raise ValueError(f"{value!r} must be 0 to 100")
    return number


def coverage(value: object) -> str:
    """`terminal`, or a file whose name says how it is written."""
    given = non_empty_str(value)
    if given != "terminal" and not given.endswith((".html", ".json")):
        raise ValueError(f"{value!r} must be terminal, or a file named *.html or *.json")
    return given


def shard(value: object) -> tuple[int, int]:
    """One share of several: `"2/4"`."""
    number, slash, total = str(value).partition("/")
    if not (slash and number.strip().isdigit() and total.strip().isdigit()):
        raise ValueError(f"{value!r} is not a share, such as 2/4")
    if not 1 <= int(number) <= int(total):
        raise ValueError(f"{value!r}: there is no share {number} of {total}")
    return int(number), int(total)


def token(value: object) -> str:
    """The name of one point of a sweep: `"faults:3:reset"`."""
    from .._explore.marker_arguments import check_token

    given = non_empty_str(value)
    check_token(given)
    return given
