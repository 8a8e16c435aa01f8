import re

import pytest

from pytest_asyncfastapi._faults import Effect, Faults, FaultSpecError, parse
from pytest_asyncfastapi._faults.keywords import vocabulary

ALWAYS = (None, None, False)


@pytest.mark.parametrize(
    ("text", "pattern", "effect", "when"),
    [
        (
            "https://pay.example/*: read_timeout, first=2",
            "https://pay.example/*",
            Effect(ending="read_timeout"),
            (2, None, False),
        ),
        ("*: latency=3s, probability=0.5", "*", Effect(delay=3.0), (None, 0.5, False)),
        ("*: latency=50ms, p=1", "*", Effect(delay=0.05), (None, 1.0, False)),
        (
            "https://x/*: status=503, retry_after=1",
            "https://x/*",
            Effect(ending="status", status=503, retry_after="1"),
            (None, None, False),
        ),
        (
            "https://x:8443/a:refused",
            "https://x:8443/a",
            Effect(ending="refused"),
            (None, None, False),
        ),
        ("http://x:80/:reset,optional", "http://x:80/", Effect(ending="reset"), (None, None, True)),
        (
            "https://x/a:b: dns_error",
            "https://x/a:b",
            Effect(ending="dns_error"),
            (None, None, False),
        ),
        ("* : latency=1s, empty_reply", "*", Effect(1.0, "empty_reply"), (None, None, False)),
        ("*: connect_timeout", "*", Effect(ending="connect_timeout"), (None, None, False)),
        ("*: pool_timeout", "*", Effect(ending="pool_timeout"), (None, None, False)),
    ],
)
def test_specs_that_are_understood(text, pattern, effect, when):
    """Each spec gives its pattern, what goes wrong, and when; ports need no quoting."""
    spec = parse(text)
    assert (spec.pattern, spec.effect) == (pattern, effect)
    assert (spec.first, spec.probability, spec.optional) == when


@pytest.mark.parametrize(
    ("marked", "problem"),
    [
        # `^` stands before the character that the caret must point at.
        (
            "https://x/*: ^red_timeout",
            "did you mean 'read_timeout'?",
        ),
        ("*:^refusd", "did you mean 'refused'?"),
        ("*: refused, ^frist=2", "did you mean 'first'?"),
        ("*: ^bananas", "'bananas' is not a word that is known"),
        ("*: latency=^soon", "'soon' is not a duration"),
        ("*: latency^", "'latency' needs a duration"),
        ("*: status=^99", "'99' is not an HTTP status"),
        ("*: refused, first=^0", "'0' is not a count"),
        ("*: refused, p=^2", "'2' is not a probability"),
        ("*: refused, p=^nan", "'nan' is not a probability"),
        ("*: refused=^yes", "'refused' takes no value"),
        ("*: refused, ^reset", "'refused' already ends it"),
        ("*: refused, first=1, ^first=2", "'first' is said twice"),
        ("*: refused, p=1, ^probability=1", "'probability' is said twice"),
        ("*: refused, ^retry_after=1", "'retry_after' goes with 'status='"),
        ("*: ^first=2", "this says when, but not what goes wrong"),
        ("*: refused,^", "a word is missing here"),
        ("*: refused, ^, first=1", "a word is missing here"),
        ("https://pay.example/*^", "a colon and a fault are missing"),
        ("https://pay.example/*:^", "a fault is missing after the colon"),
        ("^: refused", "the URL pattern before the colon is missing"),
        ("^", "a colon and a fault are missing"),
    ],
)
def test_a_bad_spec_points_at_the_character(marked, problem):
    """The error shows the spec, a caret under the character, and what is wrong there."""
    at = marked.index("^")
    text = marked.replace("^", "", 1)
    with pytest.raises(FaultSpecError) as caught:
        parse(text)
    assert problem in str(caught.value)
    assert (caught.value.spec, caught.value.position) == (text, at)
    lines = str(caught.value).splitlines()
    assert lines[1:3] == [f"  {text}", f"  {' ' * at}^"]


def test_an_unknown_word_lists_the_known_ones():
    """Somebody who does not know the words is told all of them."""
    with pytest.raises(FaultSpecError) as caught:
        parse("*: bananas")
    for word in vocabulary():
        assert word in str(caught.value)


def test_the_error_is_a_value_error():
    """Option parsers treat it as bad input."""
    assert issubclass(FaultSpecError, ValueError)


@pytest.mark.parametrize(
    ("word", "verb"),
    [
        ("early_answer=413", lambda p: p.early_answer()),
        ("early_answer=503/reset", lambda p: p.early_answer(503, reset=True)),
        ("upload_rate=16000B/s", lambda p: p.upload_rate("16KB/s")),
        ("dns_error", lambda p: p.dns_error()),
        ("dns_error=temporary", lambda p: p.dns_error("temporary")),
        ("tls_error=not_yet_valid", lambda p: p.tls_error("not_yet_valid")),
        ("proxy_error=stall", lambda p: p.proxy_error("stall")),
        ("proxy_error=504", lambda p: p.proxy_error(504)),
        ("two_lengths", lambda p: p.two_lengths()),
        ("connection_close", lambda p: p.connection_close()),
        ("http10", lambda p: p.http10()),
        ("no_http2", lambda p: p.no_http2()),
        ("goaway", lambda p: p.goaway()),
        ("goaway=graceful", lambda p: p.goaway(graceful=True)),
        ("goaway=enhance_your_calm", lambda p: p.goaway(code="ENHANCE_YOUR_CALM")),
        ("reset_stream=cancel", lambda p: p.reset_stream(code="cancel")),
        ("reset_stream=10/cancel", lambda p: p.reset_stream(after_bytes=10, code="cancel")),
        ("reset_stream=10", lambda p: p.reset_stream(after_bytes=10)),
    ],
)
def test_a_word_and_its_verb_say_the_same(word, verb):
    """And the text of a fault can be read again."""
    rule = verb(Faults(1, "here").on("*"))
    assert parse(f"*: {word}").effect == rule.effect
    assert str(rule.effect) == word


@pytest.mark.parametrize(
    ("verb", "problem"),
    [
        (lambda p: p.early_answer(99), "'99' is not an HTTP status"),
        (lambda p: p.dns_error("slow"), "'slow' is not a DNS error: write unknown or temporary"),
        (lambda p: p.goaway(code="soon"), "'soon' is not a GOAWAY: write graceful, no_error"),
        (lambda p: p.goaway(graceful=True, code="cancel"), "graceful or has an error code"),
        (lambda p: p.reset_stream(code="x"), "'x' is not a code of HTTP/2: write no_error"),
        (lambda p: p.upload_rate("fast"), "'fast' is not a bandwidth"),
    ],
)
def test_a_bad_value_of_a_verb(verb, problem):
    """One sentence, with what may be written."""
    with pytest.raises(ValueError, match=re.escape(problem)):
        verb(Faults(1, "here").on("*"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("*: early_answer=413/close", "is not an early answer: write 413 or 413/reset"),
        ("*: early_answer", "'early_answer' needs a status"),
        ("*: http10=1", "'http10' takes no value"),
        ("*: reset_stream=0/cancel", "'0' is not a count"),
        ("*: goaway=now", "'now' is not a GOAWAY"),
    ],
)
def test_a_bad_value_of_a_word(text, problem):
    """The same in the grammar."""
    with pytest.raises(FaultSpecError, match=re.escape(problem)):
        parse(text)
