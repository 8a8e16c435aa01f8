"""import: a new module is found, read, compiled and run on the loop."""

from __future__ import annotations

import importlib
import importlib.util

from .case import blocks, harmless


@blocks("import")
async def a_statement(module):
    import never_imported  # noqa: F401  # <- here


@blocks("import")
async def one_name(module):
    from never_imported import value  # noqa: F401  # <- here


@blocks("import")
async def by_a_string(module):
    importlib.import_module(module)  # <- here


@blocks("import")
async def by_the_builtin(module):
    __import__(module)  # <- here


@blocks("import")
async def in_a_helper(module):
    def render():
        import never_imported  # <- here

        return never_imported.value

    render()


@blocks("import")
async def again(module):
    loaded = importlib.import_module(module)  # <- here
    importlib.reload(loaded)  # <- here


@blocks("import")
async def a_module_that_reads_a_file(library):
    (library / "reader.py").write_text("with open(__file__) as f: text = f.read()")  # <- here: file
    import reader  # noqa: F401  # <- here


@blocks("import")
async def a_slow_module(library):
    code = "import time\nend = time.thread_time() + 0.08\nwhile time.thread_time() < end: pass\n"
    (library / "slow_module.py").write_text(code)  # <- here: file
    import slow_module  # noqa: F401  # <- here


@harmless
async def what_is_imported_already():
    import asyncio  # noqa: F401
    import json  # noqa: F401
    from pathlib import Path  # noqa: F401

    importlib.import_module("json")
