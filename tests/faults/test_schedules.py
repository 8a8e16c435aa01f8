import anyio
import httpx
import pytest

from pytest_asyncfastapi._core.clock_origins import ClockOrigins
from pytest_asyncfastapi._faults import Faults, FaultSpecError, parse

URL = "https://pay.example/charge"


def request():
    return httpx.Request("GET", URL)


def struck(faults, n, *, step=1.0):
    """Which of `n` calls were struck, `step` seconds apart; none overlap."""
    began = 1000.0  # a whole number: sums with it are exact
    faults._clock_origins = ClockOrigins.at(began)
    found = []
    for number in range(n):
        asked = request()
        found.append(faults.decide(asked, began + number * step) is not None)
        faults.finished(asked)
    return "".join("x" if hit else "." for hit in found)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("first=3", "xxx......."),
        ("after=7", ".......xxx"),
        ("every=3", "..x..x..x."),
        ("nth=2", ".x........"),
        ("nth=1+4", "x..x......"),
        ("between=2s..5s", "..xxx....."),
        ("flapping=2s/3s", "xx...xx..."),
        ("quota=2/5s", "..xxx..xxx"),
        # Each schedule counts the calls that the one before it lets through.
        ("after=2, first=3", "..xxx....."),
        ("first=3, after=2", "..x......."),
        ("every=2, nth=2", "...x......"),
        ("between=3s..9s, every=2", "....x.x.x."),
    ],
)
def test_a_schedule_strikes(words, expected):
    """Ten calls, a second apart: the ones marked x get the fault."""
    faults = Faults()
    rule = faults._add_spec(f"*: refused, {words}")
    assert struck(faults, 10) == expected
    assert (rule.hits, rule.seen) == (expected.count("x"), 10)
    assert str(rule) == f"*: refused, {words}"


def test_the_verbs_are_the_words():
    """What the grammar says, the builder says too."""
    faults = Faults()
    rules = {
        "after=2, first=3": faults.on("*").refused().after(2).first(3),
        "nth=1+4": faults.on("*").refused().nth(1, 4),
        "every=3": faults.on("*").refused().every(3),
        "between=1s..3s": faults.on("*").refused().between("1s", 3),
        "flapping=2s/3s": faults.on("*").refused().flapping(2, "3s"),
        "ramp=30s": faults.on("*").refused().ramp(30),
        "concurrency=2": faults.on("*").refused().concurrency(2),
        "quota=2/5s": faults.on("*").refused().quota(2, 5),
    }
    for words, rule in rules.items():
        assert str(rule) == f"*: refused, {words}"


def test_a_ramp_strikes_more_and_more():
    """Nothing at its start, everything from its end on, and the same for the same seed."""

    def run(seed):
        faults = Faults(seed, "a")
        faults.on("*").refused().ramp("100s")
        return struck(faults, 150)

    assert run(1) == run(1) != run(2)
    early, late = run(1)[:50].count("x"), run(1)[50:100].count("x")
    assert early < late
    assert run(1)[0] == "."
    assert set(run(1)[100:]) == {"x"}


def test_concurrency_strikes_what_is_too_much():
    """With two allowed in flight, the third is struck until one has finished."""
    faults = Faults()
    faults.on("*").status(503).concurrency(2)
    calls = [request() for _ in range(4)]
    assert [faults.decide(call) is not None for call in calls[:3]] == [False, False, True]
    faults.finished(calls[2])
    faults.finished(calls[0])
    assert faults.decide(calls[3]) is None


def test_a_quota_says_when_to_come_back():
    """The 429 carries the seconds until the next window, rounded up."""
    faults = Faults()
    faults.on("*").status(429).quota(1, "10s")
    faults._clock_origins = ClockOrigins.at(1000.0)
    assert faults.decide(request(), 1000.0) is None
    plan = faults.decide(request(), 1003.5)
    assert plan is not None
    assert plan.effect.retry_after == "7"


def test_a_quota_over_the_wire(scope, faults, library, mode):
    """A client over its quota gets 429 and a Retry-After."""
    scope.router.get(URL).respond(200)
    faults.on(URL).status(429).quota(2, "60s")

    async def run():
        async with library.AsyncClient() as client:
            return [await client.get(URL) for _ in range(3)]

    if mode == "sync":
        with library.Client() as client:
            found = [client.get(URL) for _ in range(3)]
    else:
        found = anyio.run(run, backend=mode)
    assert [response.status_code for response in found] == [200, 200, 429]
    assert 0 < int(found[2].headers["retry-after"]) <= 60


@pytest.mark.parametrize(
    ("shape", "low", "high"),
    [
        ("200ms±50ms", 0.15, 0.25),
        ("200ms+-50ms", 0.15, 0.25),
        ("uniform(1s, 2s)", 1, 2),
        ("normal(200ms, 10ms)", 0.1, 0.3),
        ("lognormal(200ms, 0.1)", 0.1, 0.4),
        ("exponential(1s)", 0, 30),
    ],
)
def test_a_delay_is_drawn_for_every_call(shape, low, high):
    """Each call has its own delay, inside the shape; the same seed gives the same ones."""

    def delays(seed):
        faults = Faults(seed, "a")
        faults._add_spec(f"*: latency={shape}")
        return [faults.decide(request()).effect.delay for _ in range(30)]

    assert delays(1) == delays(1) != delays(2)
    assert len(set(delays(1))) == 30
    assert all(low <= item <= high for item in delays(1))


def test_drawing_a_delay_does_not_change_who_is_struck():
    """Who is struck and for how long come from two streams."""

    def run(latency):
        faults = Faults(1, "a")
        faults.on("*").latency(latency).probability(0.5)
        return struck(faults, 40)

    # The stream is named after the fault, so the two differ only in the shape's text.
    assert run("uniform(1s, 2s)") == run("uniform(1s, 2s)")
    assert 5 < run("uniform(1s, 2s)").count("x") < 35


@pytest.mark.parametrize(
    "words",
    [
        "latency=uniform(1s, 2s), first=1",
        "dns=1s, connect=1s, tls=1s, accept=1s, first_byte=1s, gap=1s, tail=1s",
        "bandwidth=16000B/s",
        "dribble=10/2s",
        "head_dribble=10/2s",
        "interim=10/100ms",
        "reset",
        "reset=head",
        "reset=upload",
        "close=10",
        "stall=0",
        "tls_error=expired",
        "proxy_error=407",
        "write_timeout",
        "too_long",
        "latency=1s, status=429, retry_after=3",
    ],
)
def test_a_rule_shows_the_words_that_made_it(words):
    """The text of a rule reads back as the same rule."""
    rule = Faults()._add_spec(f"https://x/*: {words}")
    again = Faults()._add_spec(str(rule))
    assert rule.effect == again.effect
    assert str(rule) == str(again) == f"https://x/*: {words}"


@pytest.mark.parametrize(
    ("marked", "problem"),
    [
        ("*: latency=^uniform(1s)", "has 1 values and needs 2: write uniform(1s, 2s)"),
        ("*: latency=^uniform(2s, 1s)", "ends before it begins"),
        ("*: latency=^gamma(1s, 2s)", "the shapes are uniform(1s, 2s), normal(200ms, 50ms)"),
        ("*: latency=^50ms±1s", "could be less than 0"),
        ("*: latency=^lognormal(1s, x)", "sigma must be a number such as 0.4"),
        ("*: bandwidth=^fast", "is not a bandwidth: write '16KB/s'"),
        ("*: dribble=^10", "is not a number in a time: write '10/2s'"),
        ("*: refused, between=^10s", "is not a time window: write '10s..20s'"),
        ("*: refused, between=^3s..2s", "the window ends before it begins"),
        ("*: refused, flapping=^1s", "is not on/off: write '5s/1s'"),
        ("*: refused, flapping=^0/1s", "is not a duration above 0"),
        ("*: refused, nth=^0", "'0' is not a count"),
        ("*: reset=^tail", "is not a place: write 'head', 'upload' or a number"),
        ("*: tls_error=^old", "'old' is not a TLS error: write untrusted, hostname,"),
        (
            "*: proxy_error=^404",
            "'404' is not a proxy error: write 407, 502, 503, 504, eof",
        ),
        ("*: proxy_error^", "'proxy_error' needs which (proxy_error=503)"),
        ("*: latency=1s, ^head=2s", "'head' is said twice"),
        ("*: ^truncate", "did you mean 'truncated'?"),
    ],
)
def test_a_bad_value_points_at_the_character(marked, problem):
    """The caret is under the value, and the sentence says what is understood."""
    at = marked.index("^")
    with pytest.raises(FaultSpecError) as caught:
        parse(marked.replace("^", "", 1))
    assert caught.value.position == at
    assert problem in str(caught.value)
