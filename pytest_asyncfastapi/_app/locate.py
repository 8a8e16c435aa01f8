"""Find the app under test: an import string, or FastAPI's own conventions.

Order: marker, flag, ini (the caller gives those as one string with its
origin), then `[tool.fastapi] entrypoint` in pyproject.toml, then the files
where FastAPI's command line looks. The import happens when a test first needs
the app, so that a fixture may set the environment before.
"""

from __future__ import annotations

import importlib
import sys
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._core.base_error import AsyncFastAPIError
from .factory import NotAnApp, app_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# FastAPI CLI's discovery, in its order.
_FILES = ("main.py", "app.py", "api.py", "app/main.py", "app/app.py", "app/api.py")
_NAMES = ("app", "api")


class AppNotFound(AsyncFastAPIError):
    """No app under test could be found or imported; the text says where we looked."""


@dataclass(frozen=True, slots=True)
class AppSpec:
    """An import string, `pkg.mod:app` or `pkg.mod:create_app()`, and who gave it.

    Or the app itself, or its factory.
    """

    text: Any
    origin: str


def find_app(given: AppSpec | None, root: Path) -> Callable[..., Any]:
    """The ASGI app that `given` names, or the one that the conventions find below `root`.

    Raises `AppNotFound`; an exception inside the app's own module stays itself,
    as the cause.
    """
    if given is not None and not isinstance(given.text, str):
        return _made(given.text, f"app={_named(given.text)} (from {given.origin})")
    if given is not None:
        return load(given, root)
    looked: list[str] = []
    pyproject = root / "pyproject.toml"
    entrypoint = _entrypoint(pyproject, looked)
    if entrypoint is not None:
        return load(entrypoint, root)
    for name in _FILES:
        path = root / name
        if path.is_file():
            found = _in_module(path, root, looked)
            if found is not None:
                return found
        else:
            looked.append(f"{name}: no such file")
    places = "\n".join(f"  - {place}" for place in looked)
    raise AppNotFound(
        f"no app to test was found. Looked below {root} at:\n"
        '  - the marker @pytest.mark.asyncfastapi(app="..."), --asyncfastapi-app and '
        "asyncfastapi_app: not given\n"
        f"{places}\n"
        "Fix: write asyncfastapi_app = yourpackage.main:app in your pytest configuration, or "
        "define a fixture `asgi_app` in conftest.py that returns the app."
    )


def _entrypoint(pyproject: Path, looked: list[str]) -> AppSpec | None:
    place = "pyproject.toml, [tool.fastapi] entrypoint"
    if not pyproject.is_file():
        looked.append(f"{place}: no pyproject.toml")
        return None
    try:
        table = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        looked.append(f"{place}: the file is not valid TOML ({error})")
        return None
    value = table.get("tool", {}).get("fastapi", {}).get("entrypoint")
    if value is None:
        looked.append(f"{place}: not set")
        return None
    if not isinstance(value, str):
        raise AppNotFound(f"{place} is {value!r}; write a string such as 'pkg.main:app'")
    return AppSpec(value, place)


def _in_module(path: Path, root: Path, looked: list[str]) -> Callable[..., Any] | None:
    relative = path.relative_to(root)
    in_package = (path.parent / "__init__.py").is_file() or path.parent == root
    base, module = (root, ".".join(relative.with_suffix("").parts))
    if not in_package:
        base, module = path.parent, path.stem
    imported = _import(AppSpec(module, f"the file {relative.as_posix()}"), module, base)
    for name in _NAMES:
        app = getattr(imported, name, None)
        if callable(app):
            return _made(app, f"'{module}:{name}'")
    looked.append(f"{relative.as_posix()}: has no `app` and no `api`")
    return None


def load(spec: AppSpec, root: Path) -> Callable[..., Any]:
    """Import what `spec` names. Raises `AppNotFound` that says which half failed."""
    module, colon, attribute = spec.text.partition(":")
    is_factory = attribute.endswith("()")
    path = attribute[:-2] if is_factory else attribute
    parts = path.split(".")
    if not (colon and module and all(part.isidentifier() for part in parts)):
        raise AppNotFound(
            f"{spec.text!r} (from {spec.origin}) does not name an app. Fix: write "
            "'package.module:app', or 'package.module:create_app()' for a factory."
        )
    target: Any = _import(spec, module, root)
    for part in parts:
        if not hasattr(target, part):
            raise AppNotFound(
                f"{spec.text!r} (from {spec.origin}): the module {module!r} was imported, but it "
                f"has no {path!r}. {_suggestion(target)}"
            )
        target = getattr(target, part)
    return _made(target, f"{spec.text!r} (from {spec.origin})", is_factory=is_factory)


def _import(spec: AppSpec, module: str, base: Path) -> Any:
    # As with `python -m` and uvicorn's --app-dir: the project's own root is importable.
    if str(base) not in sys.path:
        sys.path.insert(0, str(base))
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if module == missing or module.startswith(missing + "."):
            raise AppNotFound(
                f"{spec.text!r} (from {spec.origin}): there is no module {missing!r}. Looked in "
                f"{base} and on sys.path. Fix: correct the name, or add the folder that "
                "holds it to pytest's `pythonpath`."
            ) from None
        raise AppNotFound(
            f"{spec.text!r} (from {spec.origin}): the module {module!r} needs {missing!r}, which "
            f"is not installed. Fix: install it in the environment that runs pytest."
        ) from error
    except Exception as error:
        raise AppNotFound(
            f"{spec.text!r} (from {spec.origin}): importing {module!r} failed with "
            f"{type(error).__name__}: {error}. Fix: the traceback above shows the line; if it "
            "needs an environment variable, set it in a fixture that `asgi_app` depends on."
        ) from error


def _suggestion(target: Any) -> str:
    names = [
        name
        for name, value in vars(target).items()
        if not name.startswith("_") and not isinstance(value, type) and _looks_like_app(value)
    ]
    if not names:
        return "Fix: name the variable that holds the app, or a factory such as 'create_app()'."
    return f"It has: {', '.join(names)}. Fix: name one of them."


def _looks_like_app(value: Any) -> bool:
    return callable(value) and hasattr(value, "routes")


def _made(target: Any, name: str, *, is_factory: bool = False) -> Callable[..., Any]:
    try:
        return app_of(target, name, is_factory=is_factory)
    except NotAnApp as error:
        text = str(error)
        advice = "" if "Fix: " in text else " Fix: name the FastAPI (or other ASGI) object."
        raise AppNotFound(f"{text}.{advice}") from None


def _named(target: Any) -> str:
    return getattr(target, "__qualname__", None) or repr(target)
