"""What blocks below a template is reported at a line of the user's code."""

from __future__ import annotations

import sys
import time
import types

import jinja2
import mako.lookup
import mako.template
import pytest

from pytest_asyncfastapi._core.activity import ACTIVITY

if sys.version_info >= (3, 12):
    from pytest_asyncfastapi._blocking.monitor_calls import CallEventMonitor

PART = "part\n"
JINJA = (
    "line 1\n{% if clock %}\n{{ clock.wait(0.001) }}\n"
    "{% else %}\n{% include 'part.html' %}\n{% endif %}\n"
)
MAKO = "line 1\n% if clock:\n${clock.wait(0.001)}\n% else:\n<%include file='part.html'/>\n% endif\n"
LINES = "line\n" * 30


class Clock:
    """The user's own code, called by a template."""

    def wait(self, seconds):
        time.sleep(seconds)  # the user's own line


# C code that the template calls itself.
SLEEPER = types.SimpleNamespace(wait=time.sleep)


@pytest.fixture(params=["jinja", "jinja_text", "mako", "mako_modules"])
def page(request, tmp_path):
    """A page that includes another one and may wait, as a function of its variables."""
    kind = request.param
    (tmp_path / "part.html").write_text(PART)
    (tmp_path / "page.html").write_text((JINJA if kind.startswith("jinja") else MAKO) + LINES)
    if kind == "jinja":
        found = jinja2.Environment(loader=jinja2.FileSystemLoader(tmp_path))
        return found.get_template("page.html").render
    if kind == "jinja_text":
        parts = jinja2.DictLoader({"part.html": PART, "page.html": JINJA + LINES})
        return jinja2.Environment(loader=parts).get_template("page.html").render
    modules = str(tmp_path / "modules") if kind == "mako_modules" else None
    lookup = mako.lookup.TemplateLookup([str(tmp_path)], module_directory=modules)
    return lookup.get_template("page.html").render


def test_c_code_called_by_a_template_is_reported_at_the_line_that_renders(watch, page):
    async def endpoint():
        ACTIVITY.set("GET /")
        page(clock=SLEEPER)  # this line

    (found,) = [f for f in watch(endpoint).findings() if f.data["category"] == "sleep"]
    assert found.where.source.endswith("# this line")
    assert found.where.path.endswith("test_blocking_templates.py")
    assert found.allow == "asyncfastapi_allow_blocking = sleep@test_blocking_templates"


def test_what_a_template_reads_is_reported_at_the_line_that_renders(watch, page, request):
    """An included file; of templates made from text there is none."""

    async def endpoint():
        ACTIVITY.set("GET /")
        page(clock=None)  # this line

    found = watch(endpoint, profile="strict").findings()
    assert {item.where.source for item in found} <= {"page(clock=None)  # this line"}
    assert {item.where.function.rpartition(".")[2] for item in found} <= {"endpoint"}
    assert bool(found) == ("jinja_text" not in request.node.name)


def test_the_users_code_below_a_template_is_reported_at_its_own_line(watch, page):
    async def endpoint():
        ACTIVITY.set("GET /")
        page(clock=Clock())

    (found,) = [f for f in watch(endpoint).findings() if f.data["category"] == "sleep"]
    assert found.where.source.endswith("# the user's own line")
    assert [place.function.rpartition(".")[2] for place in found.chain] == ["endpoint", "wait"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="3.11 has no events that can be disabled")
def test_the_code_of_a_template_is_not_monitored_as_the_users_own(watch, tmp_path, monkeypatch):
    """It is compiled anew for each app, and calls what the engine has written."""
    monitored = []
    monkeypatch.setattr(
        CallEventMonitor, "_monitor_function", lambda self, code: monitored.append(code.co_filename)
    )
    (tmp_path / "page.html").write_text(JINJA)
    page = jinja2.Environment(loader=jinja2.FileSystemLoader(tmp_path)).get_template("page.html")

    async def endpoint():
        page.render(clock=Clock())

    watch(endpoint)
    assert __file__ in monitored
    assert str(tmp_path / "page.html") not in monitored
