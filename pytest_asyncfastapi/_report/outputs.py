"""The reports that are written: where they go, checked at the start, written at the end.

One table of formats; each has a file of its own, imported when its report is written.
On the controller only. A report that cannot be written does not change what the run says.
"""

from __future__ import annotations

import gc
import os
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from . import github
from .aggregate import Aggregate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _pytest.terminal import TerminalReporter

    from .._plugin.chosen import Settings
    from .aggregate import Run

# The option, the module of this folder whose `render(run)` gives the text, the word for people.
FORMATS = (
    ("json", "json_file", "JSON"),
    ("html", "html", "HTML"),
    ("trace", "trace", "trace"),
    ("sarif", "sarif", "SARIF"),
)


def install(config: pytest.Config, settings: Settings) -> None:
    """Collect the reports, if one is to be written. Raises `pytest.UsageError` for a bad path."""
    if hasattr(config, "workerinput"):
        return
    wanted = [(name, module, word) for name, module, word in FORMATS if getattr(settings, name)]
    annotate = settings.github == "auto" and github.is_here()
    if not wanted and not annotate:
        return
    here = config.invocation_params.dir
    files = [
        (_checked(f"--asyncfastapi-{name}", here, getattr(settings, name)), module, word)
        for name, module, word in wanted
    ]
    outputs = Outputs(config, settings, files, annotate=annotate)
    config.pluginmanager.register(outputs, "asyncfastapi-outputs")


class Outputs(Aggregate):
    """Writes every report once the run is over; says so in the summary."""

    def __init__(
        self,
        config: pytest.Config,
        settings: Settings,
        files: Iterable[tuple[Path, str, str]],
        *,
        annotate: bool,
    ) -> None:
        before = _before(config.invocation_params.dir, settings.compare)
        super().__init__(str(config.rootpath), settings.seed, settings.docs_url, before)
        self._files = tuple(files)
        self._annotate = annotate
        self._told: list[tuple[str, bool]] = []
        self._done: Run | None = None

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Write the files, before the summary names them."""
        with _without_collector():
            self._write(int(exitstatus))

    def _write(self, exitstatus: int) -> None:
        run = self.finished(exitstatus)
        if self._annotate:
            self._done = run
        for path, module, word in self._files:
            try:
                text = import_module(f"{__package__}.{module}").render(run)
                path.write_text(text, encoding="utf-8")
            except Exception as error:
                told = f"{type(error).__name__}: {error}"
                self._told.append((f"{word} report not written: {told}", True))
            else:
                self._told.append((f"{word} report: {path}", False))
        if self._annotate and (problem := github.summarise(run)):
            self._told.append((f"GitHub step summary not written: {problem}", True))

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Where the reports are; the annotations, which GitHub reads from the output."""
        terminalreporter.ensure_newline()
        for text, bad in self._told:
            terminalreporter.write_line(f"pytest-asyncfastapi: {text}", red=bad)
        if self._annotate and self._done is not None:
            for line in github.commands(self._done):
                terminalreporter.write_line(line)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Much plain data is made, and none of it in cycles: looking through it all is for nothing."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.collect(1)  # or else a full one is due at once, which takes longer than all of this
            gc.enable()


def _before(here: Path, given: str) -> dict[str, Any] | None:
    """The report of an earlier run that this one is compared with."""
    if not given:
        return None
    from .merge import MergeError, read

    try:
        return read(str(here / Path(os.path.expandvars(given)).expanduser()))
    except MergeError as error:
        raise pytest.UsageError(f"--asyncfastapi-compare: {error}") from None


def _checked(flag: str, here: Path, given: str) -> Path:
    """The file of this option, which can be written: found out now, not after the tests."""
    path = Path(os.path.expandvars(given)).expanduser()
    path = path if path.is_absolute() else here / path
    fresh = not path.exists()
    try:
        if path.is_dir():
            raise IsADirectoryError("it is a folder")
        if path.parent.exists() and not path.parent.is_dir():
            raise NotADirectoryError(f"{path.parent.name} is not a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a", encoding="utf-8").close()
        if fresh:
            path.unlink()
    except OSError as error:
        why = error.strerror or str(error)
        raise pytest.UsageError(
            f"{flag}: {given!r} cannot be written: {why}. Fix: name a file in a folder where you "
            f"may write, such as {flag}=report.{_ending(flag)}"
        ) from None
    return path


def _ending(flag: str) -> str:
    name = flag.rpartition("-")[2]
    return {"trace": "trace.json"}.get(name, name)
