import re
from types import SimpleNamespace

import httpx
import pytest
import respx

from pytest_asyncfastapi._faults import Faults

URL = "https://pay.example/charge"


def get(url=URL):
    return httpx.Request("GET", url)


def struck(faults, n, request=None):
    request = request or get()
    return [faults.decide(request) is not None for _ in range(n)]


@pytest.mark.parametrize(
    ("pattern", "url", "covered"),
    [
        ("*", URL, True),
        ("https://pay.example/*", URL, True),
        ("https://pay.example/charge", URL, True),
        ("https://pay.example/charge", URL + "?id=1", True),
        ("https://pay.example/charge?id=*", URL + "?id=1", True),
        ("https://pay.example/charge?id=2", URL + "?id=1", False),
        ("https://*.example/*", URL, True),
        ("http://pay.example/*", URL, False),
        ("https://pay.example/char", URL, False),
        ("https://payXexample/*", URL, False),
        ("https://x:8000/*", "https://x:8000/a", True),
        ("pay.example", URL, True),
        ("pay.example", "http://pay.example:8080/", True),
        ("pay.example", "https://pay.example.evil/", False),
        ("pay.example", "https://mail.example/?to=pay.example", False),
        ("pay.example:443", URL, False),
        ("pay.example:8080", "http://pay.example:8080/x", True),
        ("*.example", URL, True),
        ("pay.*/char*", URL, True),
        ("pay.example/c", URL, False),
        ("/charge", URL, True),
        ("https*", URL, True),
    ],
)
def test_a_glob_covers(pattern, url, covered):
    """Only `*` is special in a glob, and a glob without a query covers any query."""
    faults = Faults()
    faults.on(pattern).refused()
    assert struck(faults, 1, get(url)) == [covered]


def test_a_route_or_a_pattern_says_where():
    """A respx route and a respx pattern are places for faults, as a glob is."""
    faults = Faults()
    router = respx.Router()
    faults.on(router.post(URL)).refused()
    faults.on(respx.patterns.M(host="mail.example")).reset()
    assert struck(faults, 1) == [False]
    plan = faults.decide(httpx.Request("POST", URL))
    assert plan is not None
    assert plan.effect.ending == "refused"
    plan = faults.decide(get("https://mail.example/"))
    assert plan is not None
    assert plan.effect.ending == "reset"


@pytest.mark.parametrize("pattern", [3, None, re.compile("x")])
def test_a_place_that_is_none_is_refused(pattern):
    """What is neither a glob nor a route is refused in words."""
    with pytest.raises(TypeError, match="does not say where: give a URL glob"):
        Faults().on(pattern)


def test_first_strikes_the_first_n():
    """first(2) strikes two calls, then lets them through, and counts its hits."""
    faults = Faults()
    rule = faults.on("*").refused().first(2)
    assert struck(faults, 4) == [True, True, False, False]
    assert (rule.hits, rule.seen) == (2, 4)


def test_probability_is_a_function_of_the_seed():
    """The same seed gives the same draws; another seed or another test gives others."""

    def draws(seed, test):
        faults = Faults(seed, test)
        faults.on("*").refused().probability(0.5)
        return struck(faults, 40)

    assert draws(1, "a") == draws(1, "a")
    assert draws(1, "a") != draws(2, "a")
    assert draws(1, "a") != draws(1, "b")
    assert 5 < sum(draws(1, "a")) < 35


def test_a_rule_draws_from_its_own_stream():
    """A second rule does not change what the first one draws, and twins differ."""

    def first_of(others):
        faults = Faults(1, "a")
        rule = faults.on("*").latency("1s").probability(0.5)
        twin = faults.on("*").latency("1s").probability(0.5) if others else None
        hits = []
        for _ in range(40):
            plan = faults.decide(get())
            rules = plan.rules if plan else ()
            hits.append((rule in rules, twin in rules))
        return hits

    alone, beside = first_of(False), first_of(True)
    assert [a for a, _ in alone] == [a for a, _ in beside]
    assert any(a != b for a, b in beside)


def test_delays_add_up_and_the_first_ending_wins():
    """Several rules strike one call; a later ending is not used up by it."""
    faults = Faults()
    faults.on("*").latency("1s")
    faults.on("*").latency(0.5)
    faults.on("*").status(503, retry_after=2)
    late = faults.on("*").refused()
    plan = faults.decide(get())
    assert plan is not None
    assert (plan.effect.delay, plan.effect.status, plan.effect.retry_after) == (1.5, 503, "2")
    assert (late.hits, late.seen) == (0, 0)


def test_the_tests_own_rules_come_first():
    """A rule of the test wins over one from the command line that was added before it."""
    faults = Faults()
    faults._add_spec("*: reset", optional=True, origin="--asyncfastapi-fault")
    faults.on("*").refused()
    plan = faults.decide(get())
    assert plan is not None
    assert plan.effect.ending == "refused"


def test_a_rule_that_never_hit_is_found():
    """Faults are expectations: an unused one is a finding, unless it is optional."""
    faults = Faults(test="tests::here")
    faults.on("https://nobody/*").read_timeout().first(3)
    faults.on("https://nobody/*").refused().optional()
    faults.on("https://nobody/*").reset(optional=True)
    faults._add_spec("https://nobody/*: refused, optional")
    faults._add_spec("https://nobody/*: refused", optional=True, origin="--asyncfastapi-fault")
    used = faults.on(URL).dns_error()
    struck(faults, 1)
    assert used.hits == 1
    (finding,) = faults.findings()
    assert finding.kind == "unused-fault"
    assert finding.title == "fault never hit: https://nobody/*: read_timeout, first=3"
    assert "no call to it was made" in finding.evidence
    assert finding.test == "tests::here"


def test_waiting_rules_ask_for_the_clock():
    """A rule that waits asks for virtual time when it is added and when it strikes."""
    faults = Faults()
    asked = []
    faults.on("*").latency("1s")
    faults.needs_clock = lambda: asked.append("now")
    faults.on("*").refused()
    assert asked == []
    faults.on("*").read_timeout()
    assert asked == ["now"]
    struck(faults, 1)
    assert asked == ["now", "now"]


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (lambda point: point.latency("soon"), "'soon' is not a duration"),
        (lambda point: point.latency(-1), "must be 0 or more"),
        (lambda point: point.status(42), "42 is not an HTTP status"),
        (lambda point: point.refused().first(0), "0 is not a count"),
        (lambda point: point.refused().probability(0), "0 is not a probability"),
    ],
)
def test_bad_values_are_refused_in_a_sentence(add, message):
    """A verb with a bad value says what it understands."""
    with pytest.raises(ValueError, match=message):
        add(Faults().on("*"))


def test_any_request_will_do():
    """A rule needs no HTTP library: anything with a method and a URL is a request."""
    faults = Faults()
    faults.on("*").refused()
    assert faults.decide(SimpleNamespace(method="GET", url=URL)) is not None
