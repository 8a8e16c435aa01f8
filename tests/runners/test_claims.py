"""Which runner has a test: methods of every kind, marks without a plugin, unittest classes."""

from __future__ import annotations

import pytest

APP = """
import asyncio, anyio, signal
from fastapi import FastAPI

app = FastAPI()

@app.get("/")
async def root():
    return 1

async def stuck():
    def expired(*_):
        pytest.fail("Timeout")
    import pytest
    signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    await anyio.sleep(3600)

@app.get("/hang")
async def hang():
    await stuck()
"""
ASKS = 'assert (await asgi_client.get("/")).json() == 1'


def run(pytester: pytest.Pytester, test: str, *flags: str, ini: str = "") -> pytest.RunResult:
    """One file of tests for the app above."""
    pytester.makeini(f"[pytest]\nasyncfastapi_app = shop:app\n{ini}")
    pytester.makepyfile(shop=APP, test_it=test)
    return pytester.runpytest_inprocess("-q", *flags)


def test_methods_of_every_kind(pytester: pytest.Pytester) -> None:
    """Static, of the class, of the instance; with and without our fixtures; inherited."""
    run(
        pytester,
        f"""
        class TestIt:
            @staticmethod
            async def test_static(asgi_client):
                {ASKS}

            @staticmethod
            async def test_static_alone():
                pass

            @classmethod
            async def test_of_the_class(cls, asgi_client):
                assert issubclass(cls, TestIt)
                {ASKS}

            async def test_method(self, asgi_client):
                {ASKS}

        class TestBelow(TestIt):
            pass
        """,
    ).assert_outcomes(passed=8)


def test_a_proxy_beside_tests(pytester: pytest.Pytester) -> None:
    """Its attributes raise outside of a request; it is not a test, and nothing of it is read."""
    run(
        pytester,
        """
        import functools

        class Proxy:
            def __getattribute__(self, name):
                raise RuntimeError("outside of a request: " + name)

        request = Proxy()

        async def test_alone():
            pass

        @functools.cache
        def known():
            return 1

        def test_plain():
            assert known() == 1
        """,
    ).assert_outcomes(passed=2)


def test_a_static_method_that_fails(pytester: pytest.Pytester) -> None:
    """It is run, not passed over; and guarded as any other."""
    result = run(
        pytester,
        """
        import time

        class TestIt:
            @staticmethod
            async def test_asserts(asgi_client):
                assert (await asgi_client.get("/")).json() == 2

            @staticmethod
            async def test_blocks(asgi_client):
                time.sleep(0.01)
        """,
    )
    result.assert_outcomes(failed=2)
    assert "blocking call: time.sleep" in result.stdout.str()


def test_a_mark_whose_plugin_is_gone(pytester: pytest.Pytester) -> None:
    """The plugin was removed, its marks were left: the tests are run all the same."""
    tests = [
        f"""
@pytest.mark.{name}
async def test_{name}(asgi_client):
    assert sniffio.current_async_library() == "{name}"
    {ASKS}

@pytest.mark.{name}
async def test_{name}_alone():
    assert sniffio.current_async_library() == "{name}"
"""
        for name in ("asyncio", "trio")
    ]
    flags = ("-p", "no:asyncio", "-p", "no:trio", "-W", "ignore::pytest.PytestUnknownMarkWarning")
    run(pytester, "import pytest, sniffio\n" + "".join(tests), *flags).assert_outcomes(passed=4)


def test_why_a_test_is_not_run(pytester: pytest.Pytester) -> None:
    """One true sentence, and what to do."""
    result = run(
        pytester,
        """
        import pytest, unittest

        def test_plain(asgi_client): pass

        class TestPlain(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def client(self, asgi_client): pass

            def test_it(self): pass

        class TestIsolated(unittest.IsolatedAsyncioTestCase):
            @pytest.fixture(autouse=True)
            def client(self, asgi_client): pass

            async def test_it(self): pass

        class TestCoroutine(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def mock(self, upstream): pass

            async def test_it(self): pass
        """,
    )
    result.assert_outcomes(errors=4)
    lines = [line for line in result.outlines if "Fix: " in line]
    for line, told in zip(
        lines,
        [
            "test_it.py::test_plain is a plain `def` but uses the async fixture `asgi_client`",
            "test_it.py::TestPlain::test_it is a method of a unittest class, for which no runner",
            "test_it.py::TestIsolated::test_it is a method of a unittest class",
            "nothing runs it: unittest.TestCase runs no coroutines.",
        ],
        strict=True,
    ):
        assert told in line


@pytest.mark.parametrize(
    ("mark", "flags", "ini", "told"),
    [
        (
            "",
            ("-p", "no:anyio"),
            "",
            "nothing runs it: anyio's pytest plugin, which would, is disabled (-p no:anyio).",
        ),
        (
            "@pytest.mark.asyncio",
            ("-p", "no:asyncio", "-W", "ignore::pytest.PytestUnknownMarkWarning"),
            "asyncfastapi_runner = off",
            "it is marked asyncio, but the plugin of that mark is not there",
        ),
    ],
)
def test_why_nothing_runs_a_test(
    pytester: pytest.Pytester, mark: str, flags: tuple[str, ...], ini: str, told: str
) -> None:
    """By a flag, by a setting (test_matrix has it without a mark), by both."""
    test = f"import pytest\n{mark}\nasync def test_it(asgi_client): pass"
    result = run(pytester, test, *flags, ini=ini)
    result.assert_outcomes(errors=1)
    assert told in result.stdout.str()


def test_unittest_runs_its_own_coroutines(pytester: pytest.Pytester) -> None:
    """With what is no async fixture, and with a client of its own."""
    result = run(
        pytester,
        """
        import unittest, httpx, pytest
        from pytest_asyncfastapi import open_app
        import shop

        class TestIt(unittest.IsolatedAsyncioTestCase):
            @pytest.fixture(autouse=True)
            def mock(self, upstream, faults):
                self.upstream, self.faults = upstream, faults

            async def asyncSetUp(self):
                self.client = await self.enterAsyncContext(open_app(shop.app))

            async def test_client(self):
                self.assertEqual((await self.client.get("/")).json(), 1)

            async def test_upstream(self):
                self.upstream.get("https://a.example/").respond(json=3)
                self.faults.on("https://a.example/*").latency("2s")
                async with httpx.AsyncClient() as client:
                    self.assertEqual((await client.get("https://a.example/")).json(), 3)

            async def test_unrouted(self):
                async with httpx.AsyncClient() as client:
                    with self.assertRaises(AssertionError):
                        await client.get("https://b.example/")
        """,
    )
    result.assert_outcomes(passed=2, failed=1)
    assert "no route answers GET https://b.example/" in result.stdout.str()


@pytest.mark.parametrize(
    ("backend", "outcome"),
    [("asyncio", {"passed": 4, "failed": 1, "errors": 2}), ("trio", {"passed": 1, "failed": 1})],
)
def test_what_a_signal_raises_ends_the_test_and_not_the_run(
    pytester: pytest.Pytester, backend: str, outcome: dict[str, int]
) -> None:
    """As pytest-timeout does: the loop is left with the body inside, and fixtures end in it.

    On asyncio a fixture that hangs is ended, too.
    """
    pytester.makeini("[pytest]\nasyncfastapi_app = shop:app\n")
    pytester.makeconftest(
        f"import pytest\n@pytest.fixture\ndef anyio_backend(): return '{backend}'"
    )
    body = f"""
import asyncio, pytest, shop

async def test_hang(asgi_client):
    await asgi_client.get("/hang", timeout=None)

async def test_after(asgi_client):
    {ASKS}
"""
    fixtures = f"""
@pytest.fixture
async def begins(asgi_client):
    await asyncio.create_task(shop.stuck())

@pytest.fixture
async def ends(asgi_client):
    yield
    await shop.stuck()

async def test_begins(begins): pass

async def test_after_begins(asgi_client):
    {ASKS}

async def test_ends(ends): pass

async def test_after_ends(asgi_client):
    {ASKS}
"""
    pytester.makepyfile(shop=APP, test_it=body + (fixtures if backend == "asyncio" else ""))
    result = pytester.runpytest_subprocess("-q", "-p", "no:randomly", timeout=60)
    result.assert_outcomes(**outcome)
    assert "Timeout" in result.stdout.str()
    assert "never retrieved" not in result.stdout.str() + result.stderr.str()
