"""Every flag, ini key and marker argument, in one table.

`--asyncfastapi-NAME`, `asyncfastapi_NAME` and `@pytest.mark.asyncfastapi(NAME=...)`
mean the same; marker > flag > ini > default, the nearest to the test first. All
are read and checked once, at the start: a wrong value stops the run with one
sentence that says where it stands. This module knows no hooks.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

import pytest

from .units import seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._http import LibraryName

Mode = Literal["fail", "raise", "warn", "off"]


@dataclass(frozen=True, eq=False)  # lean: it is made at every start of pytest
class Settings:
    """What the user has chosen; the fields are the names of the options."""

    app: str | None = None
    app_scope: Literal["function", "module", "session"] = "function"
    client: LibraryName = "httpx"
    runner: str = "auto"
    blocking: Literal["auto"] | Mode = "auto"
    blocking_profile: Literal["default", "strict"] = "default"
    blocking_threshold: float = 0.05
    cpu_threshold: float = 0.25
    allow_blocking: tuple[str, ...] = ()
    clock: Literal["auto", "freeze", "flow", "off"] = "auto"
    freeze_bound: float = 10.0
    fault: tuple[str, ...] = ()
    seed: int = 0
    unrouted: str = "fail"
    passthrough: tuple[str, ...] = ()
    tapes: str = "replay"
    client_timeout: float = 30.0
    startup_timeout: float = 10.0
    shutdown_timeout: float = 10.0
    # Not options: where `app` was given, for the errors about it.
    app_origin: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Option:
    """One row of the table; `parse` raises `ValueError` with the second half of a sentence."""

    name: str
    help: str
    parse: Callable[[Any], Any]
    many: bool = False
    metavar: str | None = None
    marker: bool = True  # may one test have its own?

    @property
    def flag(self) -> str:
        """As written on the command line."""
        return "--asyncfastapi-" + self.name.replace("_", "-")

    @property
    def ini(self) -> str:
        """As written in the configuration file."""
        return "asyncfastapi_" + self.name


def _one_of(*words: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value not in words:
            raise ValueError(f"{value!r} is none of {', '.join(words)}")
        return str(value)

    return parse


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{value!r} is not a text")
    return value.strip()


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not str(value).strip().lstrip("-").isdigit():
        raise ValueError(f"{value!r} is not a whole number")
    return int(value)


def _hosts(value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(_text(part).lower() for part in parts)


def _allow(value: Any) -> str:
    from .blocking.allow import as_rule

    return as_rule(_text(value)).text


def _fault(value: Any) -> str:
    from .faults.grammar import parse

    text = _text(value)
    parse(text)
    return text


OPTIONS = (
    Option("app", "the app under test: 'pkg.mod:app', or 'pkg.mod:create_app()'", _text),
    Option(
        "app_scope",
        "how long one run of the app lives: function (default), module or session; `asgi_client` "
        "is each test's own all the same",
        _one_of("function", "module", "session"),
        marker=False,
    ),
    Option(
        "client",
        "the library that `asgi_client` is a client of: httpx (default) or httpx2",
        _one_of("httpx", "httpx2"),
    ),
    Option(
        "runner",
        "auto: run async tests that no other runner claims (default); off: leave them alone",
        _one_of("auto", "off"),
    ),
    Option(
        "blocking",
        "what a blocking call on the event loop does: auto (default: fail, in tests that use our "
        "fixtures), fail, raise, warn or off (in every test)",
        _one_of("auto", "fail", "raise", "warn", "off"),
    ),
    Option(
        "blocking_profile",
        "default: what stalls a server; strict: every blocking call, however short",
        _one_of("default", "strict"),
    ),
    Option(
        "blocking_threshold",
        "how long a step of the loop may be held by a call that is not always reported, such as "
        "a file read (default 50ms)",
        seconds,
        metavar="DURATION",
    ),
    Option(
        "cpu_threshold",
        "how long a step of the loop may compute (default 250ms)",
        seconds,
        metavar="DURATION",
    ),
    Option(
        "allow_blocking",
        "a blocking call that is intended: 'module:function', 'category@module' or a name",
        _allow,
        many=True,
        metavar="RULE",
    ),
    Option(
        "clock",
        "virtual time: auto (default: where a test asks for `clock` or injects a delay), freeze or "
        "flow (in every async test; while real work is pending) or off (only for the fixture)",
        _one_of("auto", "freeze", "flow", "off"),
    ),
    Option(
        "freeze_bound",
        "how long virtual time stands still for real work before it flows (default 10s)",
        seconds,
        metavar="DURATION",
    ),
    Option(
        "fault",
        "a fault on the app's outgoing calls in every test: 'https://pay.example/*: latency=3s'",
        _fault,
        many=True,
        metavar="SPEC",
    ),
    Option("seed", "seed of everything that is drawn at random (default 0)", _whole, metavar="N"),
    Option(
        "unrouted",
        "what a call that no route of `upstream` matches does: fail (default), warn or pass",
        _one_of("fail", "warn", "pass"),
    ),
    Option(
        "passthrough",
        "hosts that the app may really call, separated by commas: 'localhost,127.0.0.1'",
        _hosts,
        metavar="HOSTS",
    ),
    Option(
        "tapes",
        "what `upstream.replay(path)` does: replay (default) or record, with real calls",
        _one_of("replay", "record"),
    ),
    Option(
        "client_timeout",
        "how long `asgi_client` waits for the app to send something (default 30s)",
        seconds,
        metavar="DURATION",
    ),
    Option(
        "startup_timeout",
        "how long the app's lifespan may take to start (default 10s)",
        seconds,
        metavar="DURATION",
    ),
    Option(
        "shutdown_timeout",
        "how long the app's lifespan may take to shut down (default 10s)",
        seconds,
        metavar="DURATION",
    ),
)
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
