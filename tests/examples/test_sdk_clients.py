"""docs/how_to/sdk_clients.md, with the clients themselves; `nox -s examples` installs them."""

from __future__ import annotations

import pytest

from tests import pages


@pytest.mark.parametrize("client", ["openai", "anthropic", "stripe"])
def test_the_page_of_sdk_clients(pytester: pytest.Pytester, client: str) -> None:
    """Each client's half of the page, without a finding."""
    pytest.importorskip(client, reason="nox -s examples installs it")
    pages.write(pytester.path, "docs/how_to/sdk_clients.md")
    # On a busy machine the first call's imports, and a TLS context, take longer than they may.
    pytester.makeini(f"{pages.INI}asyncfastapi_allow_blocking =\n    import\n    cpu\n")
    # Not in this process: an import of these takes seconds, and leaves hundreds of modules.
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider", f"test_{client}.py")
    # stripe's own use of httpx warns.
    assert set(result.parseoutcomes()) - {"warnings"} == {"passed"}
    result.stdout.no_fnmatch_line("*pytest-asyncfastapi =*")
