"""aiohttp and requests on real loopback sockets, TLS included: is what was recorded still true?

`cd tests/faults/oracle && python test_other_clients_on_sockets.py` records it anew.
"""

import asyncio
import json
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))

import test_real_sockets as oracle

from tests.faults import other_clients

REFERENCE = Path(__file__).parents[2] / "data" / "other_clients_faults.json"
EARLY, LATE = 0.05, 3.0


@pytest.fixture(scope="session")
def authorities():
    return oracle.Authorities()


def played(name, library, authorities, folder):
    """The row on a real socket."""
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        row = oracle.Row(name, authorities, stack)
        if name.startswith("dns_"):
            oracle.no_such_name(patch, name)
        if library == "requests":
            trusted = Path(folder) / "authority.pem"
            authorities._trusted.cert_pem.write_to_path(trusted)
            return other_clients.by_requests(row.url, verify=str(trusted))
        return asyncio.run(
            other_clients.by_aiohttp(row.url, time.monotonic, ssl=authorities.client)
        )


@pytest.mark.parametrize("library", ["aiohttp", "requests"])
@pytest.mark.parametrize("name", other_clients.NAMES)
def test_the_row_is_still_true(name, library, authorities, tmp_path):
    """Its outcome exactly, its time as a lower bound: a machine may be busy."""
    recorded = json.loads(REFERENCE.read_text())["faults"][name][library]
    found = played(name, library, authorities, tmp_path)
    at, expected = found.pop("at_s"), recorded.pop("at_s")
    assert found == recorded
    assert expected - EARLY <= at <= expected + LATE


def record(folder):
    """Three times each; a row on which they do not agree is shown."""
    authorities, rows = oracle.Authorities(), {}
    for name in other_clients.NAMES:
        for library in ("aiohttp", "requests"):
            three = [played(name, library, authorities, folder) for _ in range(3)]
            at = min(item.pop("at_s") for item in three)
            if not three[0] == three[1] == three[2]:
                print("not the same each time:", name, library, *three, sep="\n  ")
            rows.setdefault(name, {})[library] = {**three[0], "at_s": at}
    meta = {
        "what": "What aiohttp and requests raise, measured on real loopback sockets, three times.",
        "python": sys.version.split()[0],
        "versions": {
            package: __import__(package).__version__
            for package in ("aiohttp", "requests", "urllib3")
        },
        "timeouts_s": {"connect": 0.3, "read": 0.4},
    }
    REFERENCE.write_text(json.dumps({"meta": meta, "faults": rows}, indent=1) + "\n")


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        record(folder)
