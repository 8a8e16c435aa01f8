"""The outcome of requests that ran together, as plain data that can be compared.

An outcome is the answer of each request and what was observed afterwards, flat: a value
for each path (`answer 2 .left`). Times and UUIDs are known by their form, other values that
differ from run to run by having differed; both become names, `<id 1>`, so that equal ones
stay equal. Must not depend on how the requests were run.
"""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from typing import Any

Path = tuple[str, ...]
Flat = dict[Path, Any]

_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?\s*(Z|[+-]\d\d:?\d\d)?")
_HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_NEAR = 366 * 86_400.0  # a number so near to this moment's time is one: tokens expire
SHOWN = 60  # characters of an answer that are shown
HEADERS = ("location", "etag")
TIME = "a time"
UNIQUE = "a UUID"
VARIES = "differs from run to run"
FREE = "is another one in each run"


def to_data(value: Any) -> Any:
    """An answer as plain data: a response's status, body and some headers; else the value."""
    if isinstance(value, BaseException):
        first = str(value).strip().partition("\n")[0]
        return {"raised": _ADDRESS.sub("", f"{type(value).__name__}: {first}".rstrip(": "))}
    status = getattr(value, "status_code", None)
    if status is None:
        return _data(value)
    headers, body = value.headers, value.text
    found = {"status": status, **{name: headers[name] for name in HEADERS if name in headers}}
    if "json" in headers.get("content-type", ""):
        with suppress(ValueError):
            body = value.json()
    return found if body == "" else {**found, "body": _data(body)}


def _data(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, dict):
        return {str(key): _data(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_data(one) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_data(one) for one in value), key=repr)
    return _ADDRESS.sub("", repr(value))


def flatten(answers: list[Any], observed: Any) -> Flat:
    """The values of all answers and of the observation by their paths."""
    found: Flat = {}
    for number, answer in enumerate(answers, 1):
        _flatten(answer, (f"answer {number}",), found)
    _flatten(observed, ("observed",), found)
    return found


def _flatten(value: Any, path: Path, found: Flat) -> None:
    if isinstance(value, dict) and value:
        for key in value:
            _flatten(value[key], (*path, f".{key}"), found)
    elif isinstance(value, list) and value:
        for number, one in enumerate(value):
            _flatten(one, (*path, f"[{number}]"), found)
    else:
        found[path] = value if not isinstance(value, (dict, list)) else json.dumps(value)


def pattern_of(path: Path) -> Path:
    """The same for each item of a list."""
    return tuple("[]" if part.startswith("[") else part for part in path)


def kind_of(value: Any) -> str:
    """What a value is by its form: a time, a UUID; else nothing."""
    if isinstance(value, str):
        if _UUID.fullmatch(value):
            return UNIQUE
        return TIME if _DATE.fullmatch(value) or _HTTP_DATE.fullmatch(value) else ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        now = time.time()
        return TIME if any(abs(value / unit - now) < _NEAR for unit in (1, 1_000, 1e6, 1e9)) else ""
    return ""


def with_placeholders(outcome: Flat, varying: dict[Path, str]) -> Flat:
    """The outcome with names in place of values that are not to be compared.

    `varying` is what is known of paths; values that are recognised by their form are added to it.
    """
    names: dict[Any, str] = {}
    found: Flat = {}
    for path, value in outcome.items():
        pattern = pattern_of(path)
        kind = varying.get(pattern)
        if kind is None:
            kind = kind_of(value)
            if kind:
                varying[pattern] = kind
        if not kind:
            found[path] = value
        elif kind in (TIME, FREE) or isinstance(value, float):
            found[path] = f"<{'time' if kind == TIME else 'value'}>"
        else:
            word = "id" if kind == UNIQUE else "value"
            found[path] = names.setdefault(value, f"<{word} {len(names) + 1}>")
    return found


def differing(one: Flat, other: Flat) -> list[Path]:
    """The paths at which two outcomes are not the same."""
    paths = [*one, *(path for path in other if path not in one)]
    missing = object()
    return [path for path in paths if not _same(one.get(path, missing), other.get(path, missing))]


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other


def show_path(path: Path) -> str:
    """`"answer 2 .items[0].id"`."""
    first, *rest = path
    return f"{first} {''.join(rest)}".rstrip()


def brief(answer: Any) -> str:
    """An answer on one line: `200 {"left": 9}`."""
    text = _line(answer)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def is_brief(answer: Any) -> bool:
    """Is all of it on the line?"""
    return len(_line(answer)) <= SHOWN


def _line(answer: Any) -> str:
    if isinstance(answer, dict) and "raised" in answer:
        text = f"raised {answer['raised']}"
    elif isinstance(answer, dict) and "status" in answer:
        body = answer.get("body", "")
        text = f"{answer['status']} {body if isinstance(body, str) else json.dumps(body)}"
    else:
        text = json.dumps(answer)
    return " ".join(_UUID.sub("<UUID>", text).split())
