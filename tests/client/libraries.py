"""The same test on each client library that is installed."""

from __future__ import annotations

import inspect
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from pytest_asyncfastapi import open_app

_CHOOSES = "client" in inspect.signature(open_app).parameters
NAMES = [name for name in ("httpx", "httpx2") if find_spec(name) and (name == "httpx" or _CHOOSES)]


class Library:
    """`opened(app)` gives a client of this library; `errors` is the library's module."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.errors: Any = import_module(name)

    def opened(self, app: Any, **options: Any) -> AbstractAsyncContextManager[Any]:
        options.setdefault("lifespan", False)
        if _CHOOSES:
            options["client"] = self.name
        return open_app(app, **options)
