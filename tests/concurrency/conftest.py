"""Small projects, each run once for all the tests that read its report."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests import warm


class Report:
    """What a run of pytest has printed, and how it ended."""

    def __init__(self, folder: Path, output: str, code: int) -> None:
        self.folder = folder
        self.output = output
        self.code = code

    def finding(self, title: str) -> str:
        """The one finding whose first line matches, to the blank line or rule below it."""
        found = re.search(rf"^{title}.*\n(?:.*\n)*?(?=\n|=|_)", self.output, re.MULTILINE)
        assert found is not None, f"no {title!r} in:\n{self.output}"
        return found.group()

    def line(self, file: str, source: str) -> str:
        """`app.py:12` for the line with this source."""
        lines = self.folder.joinpath(file).read_text().splitlines()
        return f"{file}:{next(n for n, line in enumerate(lines, 1) if source in line)}"

    def outcome(self, **wanted: int) -> None:
        """The numbers of the last line."""
        last = re.findall(r"^(?:=+ )?(\d+ .* in [\d.:]+s.*)$", self.output, re.MULTILINE)
        assert last, self.output
        found = {name: int(n) for n, name in re.findall(r"(\d+) (\w+)", last[-1])}
        found = {("errors" if k == "error" else k): v for k, v in found.items()}
        for name, number in wanted.items():
            assert found.get(name, 0) == number, self.output


class Projects:
    """Writes projects and runs them."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory

    def run(self, *flags: str, plugins: str = "asyncio", ini: str = "", **files: str) -> Report:
        """Run the project in a process of its own, with these plugins beside ours and anyio's."""
        folder = self._factory.mktemp("project")
        for name, text in files.items():
            folder.joinpath(f"{name}.py").write_text(text)
        folder.joinpath("pytest.ini").write_text(
            "[pytest]\nasyncfastapi_app = app:app\n"
            + ("asyncio_default_fixture_loop_scope = function\n" if "asyncio" in plugins else "")
            + ini
        )
        arguments = ["-q", "-p", "no:cacheprovider", *flags]
        for name in ("asyncfastapi", "anyio", *plugins.split()):
            arguments += ["-p", name]
        arguments += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of the module asyncio
        # Loading every plugin that happens to be installed costs more than the tests do.
        alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        done = warm.run(*arguments, cwd=folder, env=alone, timeout=120)
        return Report(folder, done.stdout + done.stderr, done.returncode)


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Projects:
    return Projects(tmp_path_factory)
