"""Runs the plugin on the shop: the sound suite, then the buggy one, made to fail."""

import importlib.util
import subprocess
import sys
from pathlib import Path

SHOP = Path(__file__).parent / "shop"
FLAGS = ["-p", "no:cacheprovider", "--tb=short"]
# It has nothing to do here, and would print a warning of its own.
if importlib.util.find_spec("pytest_asyncio"):
    FLAGS += ["-p", "no:asyncio"]


def run(*arguments: str) -> int:
    command = [sys.executable, "-m", "pytest", *FLAGS, *arguments]
    return subprocess.run(command, cwd=SHOP, check=False).returncode


def say(text: str) -> None:
    print(f"\n{text}\n", flush=True)


def main() -> int:
    say("1. The sound shop. Slow, refused and silent upstreams, in virtual time; no findings.")
    if run("-q") != 0:
        return 1
    say(
        "2. The buggy shop. Ordinary tests: what they assert of its answers holds. The plugin\n"
        "   fails them, and says which line to change."
    )
    if run("-q", "tests_buggy") != 1:
        print("The buggy suite should have failed with findings, and did not.")
        return 1
    say(
        "Those nine failures are the point: without the plugin every answer is as expected, and\n"
        "each of these bugs goes to production. See them beside their cure:\n"
        "   diff examples/shop/shop/stock.py examples/shop/shop_buggy/stock.py"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
