"""Lines of configuration in messages, in the syntax of the file that is in use.

The rest of the plugin writes `asyncfastapi_NAME = value`; here this becomes TOML where
the project's configuration is TOML, and names what to add where the key stands there
already.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from .options import OPTIONS

if TYPE_CHECKING:
    import pytest

# One value in a sentence: `asyncio_mode = strict).`
_SETTING = re.compile(r"\b((?:asyncfastapi|asyncio|anyio)_\w+) = ([\w@:*/\[\]-]+(?:\.[\w@:*-]+)*)")
_LINE = re.compile(r"(asyncfastapi_\w+) = (.*)")
_LISTS = frozenset(option.ini for option in OPTIONS if option.many)
_JOINED = frozenset({"asyncfastapi_passthrough"})  # values in one text, with commas


def in_syntax(config: pytest.Config, text: str) -> str:
    """This text, with each setting as the configuration file in use has to have it."""
    whole = _LINE.fullmatch(text)
    if whole is not None:
        return _line(config, whole[1], whole[2])
    return _SETTING.sub(lambda match: _written(config, match[1], match[2]), text)


def _line(config: pytest.Config, key: str, value: str) -> str:
    if key in _LISTS | _JOINED and config.getini(key):
        return f"add {json.dumps(value) if _is_toml(config) else value} to {key}"
    return _written(config, key, value)


def _written(config: pytest.Config, key: str, value: str) -> str:
    if not _is_toml(config):
        return f"{key} = {value}"
    quoted = json.dumps(value, ensure_ascii=False)
    return f"{key} = [{quoted}]" if key in _LISTS else f"{key} = {quoted}"


def _is_toml(config: pytest.Config) -> bool:
    """Is it pyproject.toml or pytest.toml? Without any, the files of the project decide."""
    if config.inipath is not None:
        return config.inipath.suffix == ".toml"
    return (config.rootpath / "pyproject.toml").is_file()
