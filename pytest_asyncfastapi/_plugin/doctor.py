"""`pytest --asyncfastapi-doctor`: what the plugin found in this project, in one screen.

No test is collected or run. The app is imported, as a test would do it.
"""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from .._core import platforms
from .._core.rules import SITE
from .options import OPTIONS
from .settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

_LIBRARIES = (
    *("httpx", "httpx2", "respx", "anyio", "starlette", "fastapi", "trio", "uvloop"),
    *("aiohttp", "requests", "urllib3"),
)
_PLUGINS = ("pytest-asyncio", "pytest-trio", "pytest-xdist", "pytest-timeout")
_WIDTH = 12


def run(config: pytest.Config) -> int:
    """Show it all; 0 where an app is found, 1 where none is."""
    config._do_configure()
    try:
        found, app_lines = _app(config)
        for line in lines(config, found, app_lines):
            print(line)
        return 0 if found else 1
    finally:
        config._ensure_unconfigure()


def lines(config: pytest.Config, found: bool, app_lines: list[str]) -> Iterator[str]:
    """What is shown, line by line."""
    yield from _section("versions", _versions())
    yield from _section("config", [str(config.inipath or "no configuration file")])
    yield from _section("app", app_lines)
    yield from _section("runner", _runners(config))
    yield from _section("settings", _settings(config))
    yield from _section("not watched", _not_watched(config))
    yield from _section("docs", [config.stash[SETTINGS].docs_url or SITE or "docs/ in the source"])
    yield "No problem was found." if found else "Problem: no test can use asgi_client yet."


def _section(name: str, text: list[str]) -> Iterator[str]:
    for number, line in enumerate(text):
        yield f"{name if number == 0 else '':<{_WIDTH}}{line}"


def _versions() -> list[str]:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    first = f"pytest-asyncfastapi {_version('pytest-asyncfastapi')}, pytest {_version('pytest')}"
    there = [f"{name} {found}" for name in _LIBRARIES if (found := _version(name))]
    half = (len(there) + 1) // 2
    return [f"{first}, {python}, {sys.platform}", ", ".join(there[:half]), ", ".join(there[half:])]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _app(config: pytest.Config) -> tuple[bool, list[str]]:
    from .._app.locate import AppNotFound, AppSpec, find_app
    from .config_advice import in_syntax

    chosen = config.stash[SETTINGS]
    if (place := _fixture(config)) is not None:
        return True, [f"a fixture asgi_app in {place} gives it"]
    given = AppSpec(chosen.app, chosen.app_origin) if chosen.app else None
    try:
        app = find_app(given, config.rootpath)
    except AppNotFound as error:
        why = in_syntax(config, str(error)).replace("the traceback above shows the line; ", "")
        return False, ["not found", *why.splitlines(), *_raised_at(error.__cause__)]
    name = chosen.app or "found where FastAPI's command line looks"
    told = [f"{name}: {type(app).__name__}, {_routes(app)}"]
    told += [f"given by {chosen.app_origin}"] if chosen.app else []
    return True, told


def _raised_at(error: BaseException | None) -> Iterator[str]:
    """The line of the app's own module that failed, if it did."""
    import traceback

    if error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        if frames:
            yield f"raised at {frames[-1].filename}:{frames[-1].lineno}: {frames[-1].line}"


def _routes(app: object) -> str:
    routes = getattr(app, "routes", None)
    return "no list of routes" if routes is None else f"{len(routes)} routes"


def _fixture(config: pytest.Config) -> str | None:
    """A conftest.py at the top that defines `asgi_app`."""
    for plugin in config.pluginmanager.get_plugins():
        path = getattr(plugin, "__file__", None) or ""
        if path.endswith("conftest.py") and hasattr(plugin, "asgi_app"):
            return path
    return None


def _runners(config: pytest.Config) -> list[str]:
    chosen = config.stash[SETTINGS]
    first = (
        "async tests run without a marker, unless another runner claims them"
        if chosen.runner == "auto"
        else "async tests that no other runner claims are left alone"
    )
    there = [f"{name} {found}" for name in _PLUGINS if (found := _version(name))]
    if config.pluginmanager.has_plugin("asyncio"):
        mode = config.getoption("asyncio_mode") or config.getini("asyncio_mode")
        there.append(f"asyncio_mode = {getattr(mode, 'value', mode)}")
    return [first, ", ".join(there) or "no other plugin"]


def _settings(config: pytest.Config) -> list[str]:
    """Those that are not at their default, each with its place."""
    chosen, shown = config.stash[SETTINGS], []
    for option in OPTIONS:
        flag = config.getoption(option.ini)
        ini = config.getini(option.ini)
        places = [option.flag] if flag else []
        if ini and (option.many or not flag):
            places.append(config.inipath.name if config.inipath else "-o")
        if places:
            value = getattr(chosen, option.name)
            text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
            shown.append(f"{option.ini} = {text}  ({' and '.join(places)})")
    shown.append(f"{len(OPTIONS) - len(shown)} others have their default; markers may change them")
    return shown


def _not_watched(config: pytest.Config) -> list[str]:
    told = []
    if sentence := platforms.limitations(config.stash[SETTINGS].blocking):
        told.append(sentence.removeprefix("asyncfastapi: "))
    if sys.version_info < (3, 12):
        told.append("Python 3.11 does not show a call's arguments: fewer blocking calls are found")
    if sys.platform == "win32":
        told.append("asyncio's ProactorEventLoop has no virtual time: use SelectorEventLoop")
    if _version("uvloop"):
        told.append("where a test runs on uvloop: no virtual time, no schedules, no step times")
    return told or ["all of it is watched on this system"]
