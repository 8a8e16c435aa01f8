"""The Python blocks of docs/connections.md are run, against an app with a cache."""

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
