"""What the user has chosen: the table of `options.py`, read from three places.

`--asyncfastapi-NAME`, `asyncfastapi_NAME` and `@pytest.mark.asyncfastapi(NAME=...)`
mean the same; marker > flag > ini > default, the nearest to the test first. All
are read and checked once, at the start: a wrong value stops the run with one
sentence that says where it stands. This module knows no hooks.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Literal

import pytest

from .chosen import Settings
from .options import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .option import Option

SETTINGS = pytest.StashKey[Settings]()
_BY_NAME = {option.name: option for option in OPTIONS}


def add_options(parser: pytest.Parser) -> None:
    """Register every row of the table as a flag and as an ini key."""
    group = parser.getgroup("asyncfastapi", "async endpoints (pytest-asyncfastapi)")
    for option in OPTIONS:
        group.addoption(
            option.flag,
            dest=option.ini,
            default=None,
            action="append" if option.many else "store",
            metavar=option.metavar or option.name.upper(),
            help=option.help,
        )
        kind: Literal["linelist", "string"] = "linelist" if option.many else "string"
        parser.addini(option.ini, option.help, type=kind, default=None)
    group.addoption(
        "--asyncfastapi-doctor",
        action="store_true",
        dest="asyncfastapi_doctor",
        help="show the app that is found, the settings and where each is given, the runner, the "
        "versions and what cannot be watched on this system; runs no test",
    )


def read(config: pytest.Config) -> Settings:
    """The settings of this run. Raises `pytest.UsageError` with place and remedy."""
    values: dict[str, Any] = {}
    for option in OPTIONS:
        given = config.getoption(option.ini)
        ini = _from_ini(config, option)
        if option.many:
            flags = [_parsed(option, item, option.flag) for item in given or ()]
            values[option.name] = (*_parsed_list(option, ini, config), *flags)
        elif given is not None:
            values[option.name] = _parsed(option, given, option.flag)
        elif ini not in (None, ""):
            values[option.name] = _parsed(option, ini, _ini_place(option, config))
        if option.name == "app" and "app" in values:
            values["app_origin"] = option.flag if given else _ini_place(option, config)
    return Settings(**values)


def _parsed_list(option: Option, items: Sequence[Any] | None, config: pytest.Config) -> list[Any]:
    place = _ini_place(option, config)
    return [_parsed(option, item, place) for item in items or ()]


def _from_ini(config: pytest.Config, option: Option) -> Any:
    try:
        return config.getini(option.ini)
    except TypeError as error:
        expected = "a list of strings" if option.many else "a string"
        raise pytest.UsageError(
            f"{_ini_place(option, config)} must be {expected}: {error}"
        ) from None


def _ini_place(option: Option, config: pytest.Config) -> str:
    return f"{option.ini} in {config.inipath.name if config.inipath else 'the configuration'}"


def _parsed(option: Option, value: Any, place: str) -> Any:
    try:
        return option.parse(value)
    except ValueError as error:
        raise pytest.UsageError(f"{place}: {error} (it means: {option.help})") from None


def for_item(settings: Settings, item: pytest.Item) -> Settings:
    """The settings of one test: those of the run, changed by its `asyncfastapi` markers.

    Raises `pytest.UsageError` for a marker that does not fit the table.
    """
    changes: dict[str, Any] = {}
    # From the farthest (module) to the nearest (function): the nearest wins.
    for mark in reversed(list(item.iter_markers("asyncfastapi"))):
        if mark.args:
            raise pytest.UsageError(
                f"{item.nodeid}: @pytest.mark.asyncfastapi takes keywords only, such as "
                f'app="pkg.main:app"; got {mark.args[0]!r}'
            )
        for name, value in mark.kwargs.items():
            changes[name] = _marked(settings, item, name, value)
    if "app" in changes:
        changes["app_origin"] = "@pytest.mark.asyncfastapi"
    return replace(settings, **changes) if changes else settings


def _marked(settings: Settings, item: pytest.Item, name: str, value: Any) -> Any:
    option = _BY_NAME.get(name)
    if option is None:
        import difflib

        near = difflib.get_close_matches(name, _BY_NAME, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise pytest.UsageError(
            f"{item.nodeid}: @pytest.mark.asyncfastapi has no argument {name!r}; {hint}It takes: "
            f"{', '.join(name for name in _BY_NAME if _BY_NAME[name].marker)}"
        )
    if not option.marker:
        raise pytest.UsageError(
            f"{item.nodeid}: {name!r} holds for the whole run, no test can have its own. Fix: "
            f"write {option.ini} in the configuration, or give {option.flag}."
        )
    place = f"{item.nodeid}: @pytest.mark.asyncfastapi({name}={value!r})"
    if not option.many:
        return _parsed(option, value, place)
    items = (value,) if isinstance(value, str) else value
    return (*getattr(settings, name), *(_parsed(option, item, place) for item in items))


assert set(_BY_NAME) == {field.name for field in fields(Settings)} - {"app_origin"}
