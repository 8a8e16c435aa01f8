"""Category "import": only what really loads a module, and whose line could change it."""

from __future__ import annotations

import datetime
import importlib
import importlib.metadata
import importlib.util
import sys
import time
from contextvars import copy_context

import pytest

from pytest_asyncfastapi._blocking import BlockingPolicy
from pytest_asyncfastapi._blocking.call_stack import read_stack
from pytest_asyncfastapi._blocking.slow_steps import Sample, Stall
from pytest_asyncfastapi._blocking.stalls import find_causes
from pytest_asyncfastapi._core.activity import ACTIVITY, BODY
from pytest_asyncfastapi._core.frames import UserCode
from tests.blocking.conftest import ROOT

SLOW = """
import time
end = time.thread_time() + 0.12
while time.thread_time() < end:
    sum(range(10_000))
value = 1
"""
# What a library does when it is used, and how it is used.
FORMS = {
    "statement": ("def use():\n    import slow_part\n", "lazy_library.use()"),
    "from": ("def use():\n    from slow_part import value\n", "lazy_library.use()"),
    "import_module": (
        "import importlib\ndef use():\n    importlib.import_module('slow_part')\n",
        "lazy_library.use()",
    ),
    "module_getattr": (
        "import importlib\ndef __getattr__(name):\n    return importlib.import_module(name)\n",
        "lazy_library.slow_part",
    ),
    "module_getattr_by_from": (
        "def __getattr__(name):\n"
        "    if name != 'value':\n        raise AttributeError(name)\n"
        "    import slow_part\n    return slow_part.value\n",
        "exec('from lazy_library import value')",
    ),
    "pkgutil": (
        "import pkgutil\ndef use():\n    pkgutil.resolve_name('slow_part:value')\n",
        "lazy_library.use()",
    ),
    "entry_point": (
        "from importlib.metadata import EntryPoint\n"
        "def use():\n    EntryPoint('x', 'slow_part:value', 'group').load()\n",
        "lazy_library.use()",
    ),
}


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A library that imports `slow_part` by itself, made of a text."""
    packages = tmp_path / "site-packages"
    packages.mkdir()
    (packages / "slow_part.py").write_text(SLOW)
    monkeypatch.syspath_prepend(packages)

    def make(text: str):
        (packages / "lazy_library.py").write_text(text)
        importlib.invalidate_caches()
        return importlib.import_module("lazy_library")

    yield make
    for name in ("slow_part", "lazy_library"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("profile", ["default", "strict"])
@pytest.mark.parametrize("form", FORMS)
def test_a_librarys_lazy_import_only_warns(watch, library, form, profile):
    """In a request, too: the user has no import statement to move."""
    text, use = FORMS[form]
    lazy_library = library(text)

    async def endpoint():
        ACTIVITY.set("GET /")
        eval(use, {"lazy_library": lazy_library})

    found = watch(endpoint, profile=profile).findings()
    assert [(item.data["category"], item.severity) for item in found] == [("import", "warning")]
    assert "slow_part" in found[0].title


@pytest.mark.parametrize("form", ["statement", "import_module", "entry_point"])
def test_the_users_slow_import_fails_in_a_request_and_warns_in_the_body(watch, library, form):
    """The same forms in the user's own code."""

    def statement():
        import slow_part  # noqa: F401

    def import_module():
        importlib.import_module("slow_part")

    def entry_point():
        importlib.metadata.EntryPoint("x", "slow_part:value", "group").load()

    library("")
    weights = []
    for activity in ("GET /", BODY):

        async def run():
            ACTIVITY.set(activity)
            {"statement": statement, "import_module": import_module, "entry_point": entry_point}[
                form
            ]()

        for profile in ("default", "strict"):
            (found,) = watch(run, profile=profile).findings()
            weights.append((found.data["category"], found.severity))
            sys.modules.pop("slow_part")
    assert weights == [("import", "error")] * 2 + [("import", "warning")] * 2


@pytest.mark.parametrize("profile", ["default", "strict"])
def test_names_of_imported_modules_are_not_reported(watch, profile):
    """`from package import module` runs a part of the import machinery each time."""

    def helper():
        from email import message

        return message

    async def endpoint():
        ACTIVITY.set("GET /")
        end = time.thread_time() + 0.12
        while time.thread_time() < end:
            helper()

    assert watch(endpoint, profile=profile).findings() == []


@pytest.mark.parametrize(("profile", "codec"), [("default", "cp1006"), ("strict", "cp1125")])
def test_what_c_code_imports_is_not_reported(watch, profile, codec, monkeypatch):
    """Parsing a date and encoding a text import a module at their first use in the process."""
    monkeypatch.delitem(sys.modules, "_strptime", raising=False)

    async def endpoint():
        ACTIVITY.set("GET /")
        datetime.datetime.strptime("2020", "%Y")
        "x".encode(codec)  # looked up once in a process

    assert watch(endpoint, profile=profile).calls == []
    assert f"encodings.{codec}" in sys.modules
    if sys.version_info >= (3, 13):  # before, the C code keeps the module for the process
        assert "_strptime" in sys.modules


def stall(user: UserCode, loading: int, computing: int) -> Stall:
    """200 ms of computing, seen so often in an import and so often elsewhere."""
    here = read_stack(sys._getframe())
    found = {}

    class Loader:
        def create_module(self, spec):
            return None

        def exec_module(self, module):
            found["stack"] = read_stack(sys._getframe())

    spec = importlib.util.spec_from_loader("pretended_module", Loader())

    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            return spec if name == "pretended_module" else None

    sys.meta_path.insert(0, Finder)
    try:
        importlib.import_module("pretended_module")
    finally:
        sys.meta_path.remove(Finder)
        sys.modules.pop("pretended_module", None)
    stack = found["stack"][1:]  # without this test's own loader
    samples = [Sample(stack, "")] * loading + [Sample(here, "")] * computing
    return Stall(0.2, 0.2, 0.0, True, tuple(samples), copy_context(), "", "", 0.0)


@pytest.mark.parametrize(
    ("loading", "computing", "said"),
    [
        (4, 0, ["import"]),
        (3, 1, ["import"]),
        (1, 7, ["cpu"]),  # 25 ms of an import: too short to tell
        (0, 4, ["cpu"]),
        (2, 2, ["import", "cpu"]),
    ],
)
def test_a_step_is_divided_between_imports_and_the_rest(loading, computing, said):
    """By the share of samples; one sample in the import machinery is not enough."""
    user = UserCode(ROOT)
    policy = BlockingPolicy(step_threshold=0.06, cpu_threshold=0.1)
    causes = find_causes(stall(user, loading, computing), policy, user)
    assert [entry.category for _, entry, _, _ in causes] == said


# PEP 810: imports that are carried out at the first use of their name

DEFERRED = """
{form}

async def endpoint():
    {use}
"""
USES = {
    "by attribute": ("lazy import slow_part", "slow_part.value"),
    "by name": ("lazy from slow_part import value", "value"),
    "under another name": ("lazy import slow_part as other", "print(other)"),
    "in a call": ("lazy from slow_part import value", "str(value).join('')"),
}


since_315 = pytest.mark.skipif(
    sys.version_info < (3, 15), reason="`lazy import` is new in Python 3.15"
)


@since_315
@pytest.mark.parametrize("use", USES)
def test_a_lazy_import_at_its_first_use(watch, library, tmp_path, monkeypatch, use):
    """Named as one, with a remedy that helps; used again it is nothing."""
    form, line = USES[use]
    (tmp_path / "deferring.py").write_text(DEFERRED.format(form=form, use=line))
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("deferring")
    try:
        guard = watch(module.endpoint)
        (found,) = guard.findings()
        assert found.title.startswith("blocking call: lazy import slow_part held the event loop")
        assert found.severity == "error"
        assert found.remedy.endswith("make it eager, or use it in the lifespan")
        assert (found.where.line, found.where.source) == (5, line)
        assert watch(module.endpoint).findings() == []
    finally:
        del sys.modules["deferring"]


@since_315
def test_other_unused_lazy_imports_are_listed(watch, library, tmp_path, monkeypatch):
    """As long as they are unused; listing them does not load them."""
    others = [f"slow_{letter}" for letter in "abcdef"]
    form = f"lazy import {', '.join(['slow_part', *others])}; lazy from slow_g import value"
    (tmp_path / "deferring.py").write_text(DEFERRED.format(form=form, use="slow_part.value"))
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("deferring")
    try:
        (found,) = watch(module.endpoint).findings()
    finally:
        del sys.modules["deferring"]
    names = "slow_a, slow_b, slow_c, slow_d, slow_e and 2 more"
    assert found.remedy.endswith(f"; imported lazily too, and not used yet: {names}")
    assert not {*others, "slow_g"} & set(sys.modules)


def test_an_import_statement_is_not_lazy(watch, library, tmp_path, monkeypatch):
    """In contrast: the remedy for it is another."""
    (tmp_path / "eager.py").write_text(DEFERRED.format(form="", use="import slow_part"))
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("eager")
    try:
        (found,) = watch(module.endpoint).findings()
    finally:
        del sys.modules["eager"]
    assert found.title.startswith("blocking call: import slow_part held the event loop")
    assert found.remedy == "import it at the top of the module"
