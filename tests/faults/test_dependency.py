"""Faults in dependencies: every kind of dependency, the schedules, and what is put back."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import anyio
import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException, Request

from pytest_asyncfastapi import open_app
from pytest_asyncfastapi._app.dependency_faults import DependencyFaultInjector
from pytest_asyncfastapi._app.overrides import Overrides
from pytest_asyncfastapi._faults import Faults, FaultSpecError, parse
from pytest_asyncfastapi._faults.grammar import load_exception

EVENTS: list[str] = []


def get_prefix(request: Request) -> str:
    return request.headers.get("x-prefix", "plain")


Prefix = Annotated[str, Depends(get_prefix)]


def plain(prefix: Prefix, q: int = 1) -> str:
    return f"{prefix}{q}"


async def coroutine(prefix: Prefix, q: int = 1) -> str:
    return f"{prefix}{q}"


def generator(prefix: Prefix, q: int = 1) -> Iterator[str]:
    EVENTS.append("enter")
    try:
        yield f"{prefix}{q}"
    except LookupError:
        EVENTS.append("caught")
        raise
    finally:
        EVENTS.append("exit")


async def async_generator(prefix: Prefix, q: int = 1) -> AsyncIterator[str]:
    EVENTS.append("enter")
    try:
        yield f"{prefix}{q}"
    except LookupError:
        EVENTS.append("caught")
        raise
    finally:
        EVENTS.append("exit")


class AsClass:
    def __init__(self, prefix: Prefix, q: int = 1) -> None:
        self.text = f"{prefix}{q}"

    def __str__(self) -> str:
        return self.text


class Callee:
    def __call__(self, prefix: Prefix, q: int = 1) -> str:
        return f"{prefix}{q}"

    async def method(self, prefix: Prefix, q: int = 1) -> str:
        return f"{prefix}{q}"


callee = Callee()
KINDS: list[Any] = [
    plain, coroutine, generator, async_generator, AsClass, callee, callee.method, lambda: "plain3",
]  # fmt: skip


def app_with(dependency: Any) -> FastAPI:
    app = FastAPI()

    @app.get("/")
    async def index(value: Annotated[Any, Depends(dependency)]) -> str:
        return str(value)

    @app.get("/fails")
    async def fails(value: Annotated[Any, Depends(dependency)]) -> str:
        raise LookupError(value)

    return app


@pytest.fixture
def gated() -> Iterator[Callable[..., Faults]]:
    """Faults of an app, as the plugin puts them in its way."""
    EVENTS.clear()
    made = []

    def make(app: Any) -> Faults:
        faults = Faults(seed=1, test="here")
        gates = DependencyFaultInjector(app, faults.dependencies)
        faults.dependencies._on_change = gates.install
        made.append(gates)
        return faults

    yield make
    for gates in made:
        gates.restore()


def serve(app: Any, call: Callable[[Any], Any], backend: str) -> Any:
    async def run() -> Any:
        async with open_app(app) as client:
            return await call(client)

    return anyio.run(run, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("dependency", KINDS, ids=lambda kind: getattr(kind, "__qualname__", "obj"))
def test_every_kind_fails_waits_and_still_gets_its_parameters(gated, dependency, backend) -> None:
    """The first use fails, the second one waits; both are injected as without a fault."""
    app = app_with(dependency)
    faults = gated(app)
    fails = faults.dependency(dependency).raises(HTTPException(503)).first(1)
    waits = faults.dependency(dependency).latency(0.02).nth(2)

    async def call(client: Any) -> list[Any]:
        options = {"params": {"q": 3}, "headers": {"x-prefix": "plain"}}
        one = await client.get("/", **options)
        begin = anyio.current_time()
        two = await client.get("/", **options)
        waited = anyio.current_time() - begin
        three = await client.get("/", **options)
        return [one.status_code, two.json(), three.json(), waited >= 0.02]

    assert serve(app, call, backend) == [503, "plain3", "plain3", True]
    assert (fails.hits, waits.hits) == (1, 1)
    assert faults.findings() == []


@pytest.mark.parametrize("dependency", [generator, async_generator])
def test_yield_dependencies_see_the_endpoints_error_and_their_exit(gated, dependency) -> None:
    """What is wrapped is thrown into as before, and fails at its exit if told to."""
    app = app_with(dependency)
    faults = gated(app)
    faults.dependency(dependency).raises(OSError("commit failed"), at="exit").nth(1)

    async def call(client: Any) -> None:
        with pytest.raises(OSError, match="commit failed"):
            await client.get("/")
        assert EVENTS == ["enter", "exit"]
        EVENTS.clear()
        with pytest.raises(LookupError):
            await client.get("/fails")
        assert EVENTS == ["enter", "caught", "exit"]

    serve(app, call, "asyncio")


def test_an_error_at_enter_keeps_the_dependency_from_beginning(gated) -> None:
    """Nothing of a dependency that fails at its enter runs."""
    app = app_with(async_generator)
    gated(app).dependency(async_generator).raises(OSError)

    async def call(client: Any) -> None:
        with pytest.raises(OSError):
            await client.get("/")

    serve(app, call, "trio")
    assert EVENTS == []


def test_an_override_is_wrapped_and_everything_is_put_back(gated) -> None:
    """Overrides made before and after, in the app and in a mounted one, by hand or by ours."""
    outer, inner = app_with(plain), app_with(plain)
    outer.mount("/inner", inner)
    inner.dependency_overrides[plain] = before = lambda: "before"  # noqa: E731
    faults = gated(outer)
    rule = faults.dependency(plain).latency(0.001)
    gates = faults.dependencies._on_change.__self__  # type: ignore[union-attr]
    overrides = Overrides(outer)

    async def call(client: Any) -> list[str]:
        found = [
            (await client.get("/", params={"q": 2})).json(),
            (await client.get("/inner/")).json(),
        ]
        overrides[plain] = "after"
        gates.install()
        return [*found, (await client.get("/")).json(), (await client.get("/inner/")).json()]

    assert serve(outer, call, "asyncio") == ["plain2", "before", "after", "after"]
    assert rule.hits == 4
    overrides.restore()
    gates.restore()
    assert outer.dependency_overrides == {}
    assert inner.dependency_overrides == {plain: before}


@pytest.mark.parametrize("ours_first", [True, False])
def test_the_order_of_putting_back_does_not_matter(gated, ours_first) -> None:
    """`overrides` may be restored before or after the gates: nothing of either stays."""
    app = app_with(plain)
    faults = gated(app)
    faults.dependency(plain).latency(1)
    gates = faults.dependencies._on_change.__self__  # type: ignore[union-attr]
    overrides = Overrides(app)
    overrides[plain] = "after"
    gates.install()
    for restore in [gates.restore, overrides.restore][:: 1 if ours_first else -1]:
        restore()
    gates.restore()
    assert app.dependency_overrides == {}


def test_two_uses_in_one_request_share_what_is_cached(gated) -> None:
    """FastAPI's cache holds: one request meets the fault once."""
    app = FastAPI()

    @app.get("/")
    async def index(
        one: Annotated[str, Depends(coroutine)], two: Annotated[str, Depends(coroutine)]
    ) -> str:
        return one + two

    rule = gated(app).dependency(coroutine).latency(0.001)
    assert serve(app, lambda client: client.get("/"), "asyncio").json() == "plain1plain1"
    assert rule.hits == 1


class Session:
    async def execute(self, text: str) -> str:
        return f"did {text}"

    def close(self) -> str:
        return "closed"


async def get_session() -> AsyncIterator[Session]:
    yield Session()


SHARED = Session()


@pytest.mark.parametrize("dependency", [get_session, lambda: SHARED])
def test_a_method_of_what_a_dependency_gives(gated, dependency) -> None:
    """`.on("execute")`: each call of the method meets the schedule; the object is put back."""
    app = FastAPI()

    @app.get("/")
    async def index(session: Annotated[Session, Depends(dependency)]) -> list[str]:
        found = [session.close()]
        for text in ("one", "two", "three"):
            try:
                found.append(await session.execute(text))
            except OSError as error:
                found.append(str(error))
        return found

    faults = gated(app)
    faults.dependency(dependency).on("execute").raises(OSError("gone")).nth(2)
    slow = faults.dependency(dependency).on("execute").latency(0.001)
    expected = ["closed", "did one", "gone", "did three"]
    assert serve(app, lambda client: client.get("/"), "asyncio").json() == expected
    assert serve(app, lambda client: client.get("/"), "trio").json()[2] == "did two"
    assert slow.hits == 6
    faults.dependencies._on_change.__self__.restore()  # type: ignore[union-attr]
    assert vars(SHARED) == {}


def test_no_such_method_is_a_sentence(gated) -> None:
    """The name of the class helps to find the right one."""
    app = app_with(get_session)
    gated(app).dependency(get_session).on("exekute").raises(OSError)
    with pytest.raises(AttributeError, match=r"\.on\('exekute'\): .*a Session, has no method"):
        serve(app, lambda client: client.get("/"), "asyncio")


@pytest.mark.parametrize(
    ("use", "sentence"),
    [
        (lambda f: f.dependency("get_db"), "give the dependency itself, the callable"),
        (lambda f: f.dependency(Depends(plain)), "itself, .* here dependency:.*:plain"),
        (lambda f: f.dependency(Prefix), "give the dependency itself"),
        (lambda f: f.dependency(plain).latency("soon"), "'soon' is not a duration"),
        (lambda f: f.dependency(plain).raises("boom"), "'boom' cannot be raised: give an"),
        (lambda f: f.dependency(plain).raises(OSError, at="end"), "at='end' must be one of enter"),
        (lambda f: f.dependency(plain).on("a b"), r"must have the name of a method, as in \.on"),
        (lambda f: f.dependency(plain).on("x").raises(OSError, at="exit"), "a method has no exit"),
    ],
)  # fmt: skip
def test_bad_arguments_are_a_sentence_each(use, sentence) -> None:
    """What is wrong and what to write."""
    with pytest.raises((TypeError, ValueError), match=sentence):
        use(Faults())


def test_an_app_that_is_no_fastapi_is_a_sentence(gated) -> None:
    """A bare ASGI app has no dependencies."""

    async def bare(scope: Any, receive: Any, send: Any) -> None: ...

    with pytest.raises(TypeError, match=r"faults\.dependency\(\) needs a FastAPI app, and <func"):
        gated(bare).dependency(plain).latency(1)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("dependency:shop: latency=1s", "does not say which dependency"),
        ("dependency:shop:db: reset", "'reset' is not a fault of a dependency"),
        ("dependency:shop:db: first=2", "says when, but not what"),
        ("dependency:shop:db: raises=Nonsense", "'Nonsense' is not an exception class"),
        ("dependency:shop:db: raises=nowhere:Error", "there is no module 'nowhere'"),
        ("dependency:shop:db: raises=UnicodeDecodeError", "cannot be made without arguments"),
        ("https://pay.example/*: raises=OSError", "'raises' goes with a dependency"),
        ("dependency:shop:db: raises=", "'raises' needs an exception"),
    ],
)
def test_the_grammar_points_at_what_is_wrong(spec, sentence) -> None:
    """One grammar, with the words that a dependency has."""
    with pytest.raises(FaultSpecError, match=sentence):
        load_exception(parse(spec))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nowhere.at:all", "there is no module 'nowhere'"),
        ("tests.faults.test_dependency:plein", "has no 'plein'"),
    ],
)
def test_a_name_that_leads_nowhere_is_a_sentence(gated, name, sentence) -> None:
    """The names of markers and flags are looked up when the app is known."""
    faults = gated(app_with(plain))
    with pytest.raises(ValueError, match=sentence):
        faults._add_spec(f"dependency:{name}: latency=1s")


def test_a_name_in_the_grammar(gated) -> None:
    """`dependency:pkg.mod:name` with a delay, an exception and a schedule."""
    app = app_with(plain)
    faults = gated(app)
    rule = faults._add_spec(f"dependency:{__name__}:plain: raises=ConnectionError, first=1")
    assert str(rule) == f"dependency:{__name__}:plain: raises=ConnectionError, first=1"

    async def call(client: Any) -> int:
        with pytest.raises(ConnectionError):
            await client.get("/")
        return (await client.get("/")).status_code

    assert serve(app, call, "asyncio") == httpx.codes.OK
