"""The Python blocks of docs/connections.md are run, against an app with a cache."""

import re

import pytest

from tests import pages
from tests.connections.peer import running
from tests.connections.test_plugin import APP

pytest.importorskip("redis")


def test_every_python_block_runs(pytester, monkeypatch):
    """Each holds what it asserts, and has no finding."""
    app = APP.replace("Retry(NoBackoff(), 1)", "Retry(NoBackoff(), 0)")
    with running() as peer:
        monkeypatch.setenv("PEER_PORT", str(peer.port))
        pytester.makepyfile(shop=app)
        pytester.syspathinsert()
        tests = pages.write(pytester.path, "docs/connections.md", prelude="")
        pytester.makeini(pages.INI + "asyncfastapi_app = shop:app\nfilterwarnings = error\n")
        result = pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=tests)
    assert tests == 3


def test_the_matrix_of_the_page(pytester, monkeypatch):
    """As it is printed for the careless endpoint, but for the port and the time."""
    with running() as peer:
        monkeypatch.setenv("PEER_PORT", str(peer.port))
        pytester.makepyfile(
            shop=APP.replace("Retry(NoBackoff(), 1)", "Retry(NoBackoff(), 0)"),
            test_visits="""
            import pytest

            @pytest.mark.fault_sweep
            async def test_careless(asgi_client):
                await asgi_client.get("/careless")
            """,
        )
        pytester.syspathinsert()
        pytester.makeini("[pytest]\nasyncfastapi_app = shop:app")
        result = pytester.runpytest("-v", "-p", "no:cacheprovider")
    block, _ = pages.blocks("docs/connections.md", "text")
    shown = re.sub(r", [\d.]+ s$|:\d+  ", "", block.text, flags=re.MULTILINE)
    printed = re.sub(r", [\d.]+ s$|:\d+  ", "", result.stdout.str(), flags=re.MULTILINE)
    assert shown.strip() in printed
