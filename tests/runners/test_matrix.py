"""The same tests, the same fixtures, under every runner and configuration."""

from __future__ import annotations

import pytest

APP = """
from contextlib import asynccontextmanager
import sniffio
from fastapi import FastAPI

@asynccontextmanager
async def lifespan(app):
    app.state.library = sniffio.current_async_library()
    yield
    assert sniffio.current_async_library() == app.state.library

app = FastAPI(lifespan=lifespan)

@app.get("/")
async def root():
    return {"lifespan": app.state.library, "request": sniffio.current_async_library()}
"""

TESTS = """
import pytest
from contextvars import ContextVar
VAR = ContextVar("VAR", default="unset")

@pytest.fixture
def upstream_url(upstream):
    upstream.get("https://up.example/").respond(json=[])
    return "https://up.example/"

{mark}
async def test_client(asgi_client):
    answer = (await asgi_client.get("/")).json()
    assert answer["lifespan"] == answer["request"] == {library!r}

{mark}
@pytest.mark.parametrize("number", [1, 2])
async def test_parametrized(asgi_client, number):
    VAR.set("leak")
    assert (await asgi_client.get("/")).status_code == 200

class TestInClass:
    {mark}
    async def test_method(self, asgi_client, blocking, overrides):
        assert (await asgi_client.get("/")).status_code == 200
        assert blocking.calls == []

{mark}
async def test_upstream(asgi_client, upstream_url):
    import httpx
    async with httpx.AsyncClient() as client:
        assert (await client.get(upstream_url)).json() == []
"""

# name: ini lines, mark, plugins to switch off, async library, how often each test runs
CONFIGURATIONS = {
    "no marker": ("", "", ("asyncio", "trio"), "asyncio", 1),
    "no marker, pytest-asyncio there": ("", "", ("trio",), "asyncio", 1),
    "no marker, all there": ("", "", (), "asyncio", 1),
    "anyio mark, own backend": ("", "@pytest.mark.anyio", (), "asyncio", 1),
    "anyio mark on trio": ("", "@pytest.mark.anyio", (), "trio", 1),
    "anyio_mode auto": ("anyio_mode = auto", "", ("asyncio", "trio"), "asyncio", 1),
    "asyncio strict": ("asyncio_mode = strict", "@pytest.mark.asyncio", ("trio",), "asyncio", 1),
    "asyncio strict, no anyio": (
        "asyncio_mode = strict",
        "@pytest.mark.asyncio",
        ("anyio",),
        "asyncio",
        1,
    ),
    "asyncio auto": ("asyncio_mode = auto", "", (), "asyncio", 1),
    "asyncio auto, session loop": (
        "asyncio_mode = auto\nasyncio_default_test_loop_scope = session",
        "",
        (),
        "asyncio",
        1,
    ),
    "asyncio mark, module loop": (
        "",
        '@pytest.mark.asyncio(loop_scope="module")',
        (),
        "asyncio",
        1,
    ),
    "trio mark": ("", "@pytest.mark.trio", (), "trio", 1),
    "trio_mode": ("trio_mode = true", "", (), "trio", 1),
}


def write_project(pytester: pytest.Pytester, ini: str, mark: str, library: str) -> None:
    pytester.makeini(
        "[pytest]\nasyncfastapi_app = myapp:app\nfilterwarnings = error\n"
        f"asyncio_default_fixture_loop_scope = function\n{ini}\n"
    )
    pytester.makepyfile(myapp=APP, test_it=TESTS.format(mark=mark, library=library))


@pytest.mark.usefixtures("every_plugin")
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_same_fixtures_under_every_runner(pytester: pytest.Pytester, name: str) -> None:
    """Five tests pass, each run once, whoever runs them."""
    ini, mark, without, library, times = CONFIGURATIONS[name]
    write_project(pytester, ini, mark, library)
    if mark == "@pytest.mark.anyio" or "anyio_mode" in ini:
        pytester.makeconftest(
            f"import pytest\n@pytest.fixture\ndef anyio_backend(): return {library!r}\n"
        )
    if "asyncio" in without:
        remove_ini(pytester, "asyncio_")
    flags = [flag for plugin in without for flag in ("-p", f"no:{plugin}")]
    result = pytester.runpytest_subprocess(*flags, "-p", "no:randomly", "-q")
    result.assert_outcomes(passed=5 * times)


def remove_ini(pytester: pytest.Pytester, prefix: str) -> None:
    path = pytester.path / "tox.ini"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line for line in lines if not line.startswith(prefix)))


def test_an_orphan_has_no_suffix_and_runs_once(pytester: pytest.Pytester) -> None:
    """No `[asyncio]` in its name, no surprise run on trio."""
    pytester.makepyfile(
        "async def test_plain(): pass\nclass TestA:\n    async def test_b(self): pass"
    )
    result = pytester.runpytest("-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*::test_plain PASSED*", "*::TestA::test_b PASSED*"])


def test_orphans_keep_their_own_async_fixtures(pytester: pytest.Pytester) -> None:
    """A plain async fixture of the user's works in an orphan."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        async def thing():
            yield 7

        @pytest.fixture(scope="module")
        async def wide():
            return 8

        async def test_both(thing, wide):
            assert (thing, wide) == (7, 8)
        """
    )
    pytester.runpytest().assert_outcomes(passed=1)


def test_runner_off_leaves_orphans_alone(pytester: pytest.Pytester) -> None:
    """`asyncfastapi_runner = off`: a plain orphan fails as in plain pytest; ours says why."""
    pytester.makeini("[pytest]\nasyncfastapi_runner = off")
    pytester.makepyfile("async def test_a(blocking): pass")
    result = pytester.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no runner claims it, and asyncfastapi_runner = off*"])


@pytest.mark.parametrize(
    ("ini", "mark", "words"),
    [
        (
            "asyncio_mode = auto",
            "@pytest.mark.anyio",
            "claimed by two runners, pytest-asyncio (asyncio_mode = auto) and @pytest.mark.anyio",
        ),
        (
            "",
            "@pytest.mark.anyio\n@pytest.mark.asyncio",
            "claimed by two runners, @pytest.mark.asyncio and @pytest.mark.anyio",
        ),
    ],
)
def test_a_doubly_claimed_test_fails_with_one_sentence(
    pytester: pytest.Pytester, ini: str, mark: str, words: str
) -> None:
    """Both claims are named, and the fix."""
    pytester.makeini(f"[pytest]\nasyncio_default_fixture_loop_scope = function\n{ini}")
    pytester.makepyfile(
        f"import pytest\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'\n"
        f"{mark}\nasync def test_a(blocking): pass"
    )
    result = pytester.runpytest("-p", "no:randomly")
    result.assert_outcomes(errors=1)
    text = result.stdout.str()
    assert words in text
    assert "Fix: keep one of them" in text


def test_a_plain_def_with_an_async_fixture(pytester: pytest.Pytester) -> None:
    """One sentence: make it async."""
    pytester.makepyfile(main=APP, test_a="def test_a(asgi_client): pass")
    result = pytester.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*test_a is a plain `def` but uses the async fixture `asgi_client`*make the test*"]
    )


def test_a_fixture_may_be_shadowed(pytester: pytest.Pytester) -> None:
    """A conftest may wrap `asgi_client`, and give it another name."""
    pytester.makepyfile(main=APP)
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture
        def asgi_client(asgi_client):
            asgi_client.headers["x-me"] = "1"
            return asgi_client

        @pytest.fixture
        def client(asgi_client):
            return asgi_client
        """
    )
    pytester.makepyfile(
        "async def test_a(client):\n"
        "    assert client.headers['x-me'] == '1'\n"
        "    assert (await client.get('/')).status_code == 200"
    )
    pytester.runpytest().assert_outcomes(passed=1)


def test_hypothesis_inner_tests_are_adopted_and_guarded(pytester: pytest.Pytester) -> None:
    """`@given` on an async test works, with open_app() inside it."""
    pytester.makepyfile(main=APP)
    pytester.makepyfile(
        """
        from hypothesis import given, settings, strategies as st
        from pytest_asyncfastapi import open_app
        from main import app

        @settings(max_examples=5, deadline=None, database=None)
        @given(st.integers(0, 9))
        async def test_numbers(number):
            async with open_app(app) as client:
                assert (await client.get("/", params={"n": number})).status_code == 200
        """
    )
    pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_rerunfailures_gets_a_fresh_state(pytester: pytest.Pytester) -> None:
    """A test that is run again has new fixtures and no findings of its first run."""
    pytester.makepyfile(main=APP)
    pytester.makepyfile(
        """
        runs = []

        async def test_flaky(asgi_client):
            runs.append(1)
            assert (await asgi_client.get("/")).status_code == 200
            assert len(runs) > 1
        """
    )
    result = pytester.runpytest("--reruns", "1")
    assert "1 passed, 1 rerun" in result.stdout.str()
