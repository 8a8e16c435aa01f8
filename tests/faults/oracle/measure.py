"""`cd tests/faults/oracle && python measure.py NAME ...`: play rows on real sockets, keep them.

Three times each; rows on which they do not agree are shown. Title, family and method of a new row
are written by hand.
"""

import asyncio
import json
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import test_real_sockets as oracle
import trio

REFERENCE = Path(__file__).parents[2] / "data" / "httpx_faults.json"


def account(found, client, began, error, response, plain=oracle.account):
    plain(found, client, began, error, response)
    found["inner"] = [] if error is None else below(error)


def below(error):
    names = []
    while (error := error.__cause__ or error.__context__) is not None:
        names.append(oracle.name_of(error))
    return names


oracle.account = account


def played(name, library, mode):
    module = oracle.LIBRARIES[library]
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        row = oracle.Row(name, oracle.Authorities(), stack)
        if name.startswith("dns_"):
            oracle.no_such_name(patch, name)
        if mode == "sync":
            found = oracle.over_sync(row, module)
        elif mode == "trio":
            found = trio.run(oracle.over_async, row, module)
        else:
            found = asyncio.run(oracle.over_async(row, module))
    return found


def measured(name):
    rows = {}
    for library in oracle.LIBRARIES:
        for mode in ("asyncio", "trio", "sync"):
            three = [played(name, library, mode) for _ in range(3)]
            at = round(statistics.median(item.pop("at_s") for item in three), 3)
            if not three[0] == three[1] == three[2]:
                print("not the same each time:", name, library, mode, *three, sep="\n  ")
            rows.setdefault(library, {})[mode] = {"at_s": at, **three[0]}
    return rows


def main(names):
    reference = json.loads(REFERENCE.read_text())
    for name in names:
        rows = measured(name)
        for library in rows:
            for mode, row in rows[library].items():
                print(name, library, mode, row)
        known = reference["faults"].get(name, {})
        known |= {"results": rows}
        reference["faults"][name] = known
    REFERENCE.write_text(json.dumps(reference, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
