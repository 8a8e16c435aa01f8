"""`assert_called_with` and its family: what they accept, and what they say."""

from unittest.mock import ANY

import httpx
import pytest

URL = "https://pay.example/charge"


def charge(amount, **options):
    return httpx.post(URL, json={"amount": amount, "to": {"name": "ann"}}, **options)


def test_the_parts_of_a_call(upstream):
    """json, headers, params, form data and content, on the route and on `upstream`."""
    route = upstream.post(URL).respond(200)
    charge(5, headers={"Idempotency-Key": "k"}, params={"page": 2, "tag": ["a", "b"]})
    route.assert_called_once_with(
        json={"amount": 5, "to": {"name": ANY}},
        headers={"idempotency-key": "k"},
        params={"page": 2, "tag": ["a", "b"]},
    )
    upstream.assert_called_once_with("POST", URL, json={"amount": 5, "to": {"name": "ann"}})
    httpx.post(URL, data={"a": "1", "b": ["2", "3"], "c": ""})
    route.assert_called_with(data={"b": [2, 3], "a": 1, "c": ""})
    httpx.post(URL, content="raw")
    route.assert_called_with(content="raw")
    route.assert_called_with(content=b"raw")
    upstream.assert_any_call("post", "https://pay.example/*", data={"a": 1, "b": ANY, "c": ""})
    route.assert_any_call(json={"amount": pytest.approx(5.0), "to": ANY})


def test_a_failure_shows_the_difference_the_call_and_its_line(upstream):
    """Which part differs and how, what was sent, and the line of the app that called."""
    route = upstream.post(URL).respond(200)
    charge(3, params={"page": "2", "more": "1"})
    with pytest.raises(AssertionError) as caught:
        route.assert_called_once_with(
            json={"amount": 5, "to": {"name": "ann", "iban": "x"}},
            headers={"idempotency-key": "k"},
            params={"page": 1},
        )
    assert str(caught.value).splitlines()[:7] == [
        f"POST {URL} was called, but not with what is expected (call 1 of 1)",
        "  headers['idempotency-key']: not sent, expected 'k'",
        "  params['page']: sent '2', expected '1'",
        "  params['more']: sent '1', not expected",
        "  json['amount']: sent 3, expected 5",
        "  json['to']['iban']: not sent, expected 'x'",
        "  expected: json={'amount': 5, 'to': {'name': 'ann', 'iban': 'x'}}, "
        "headers={'idempotency-key': 'k'}, params={'page': 1}",
    ]
    sent, place = str(caught.value).splitlines()[7:]
    assert sent.startswith(f"  sent:     POST {URL}?page=2&more=1 ")
    assert '"amount":3' in sent.replace(": ", ":")  # httpx 0.27 writes a space
    assert "called at tests/upstream/test_called.py:" in place
    assert "in charge: return httpx.post(" in place


def test_the_last_call_counts_and_any_is_the_nearest(upstream):
    """`assert_called_with` is about the last call; `assert_any_call` shows the nearest one."""
    route = upstream.post(URL).respond(200)
    for amount in (1, 2):
        charge(amount)
    route.assert_called_with(json={"amount": 2, "to": ANY})
    route.assert_any_call(json={"amount": 1, "to": ANY})
    with pytest.raises(AssertionError, match=r"call 2 of 2\)\n  json\['amount'\]: sent 2"):
        route.assert_called_with(json={"amount": 1, "to": ANY})
    httpx.post(URL, json=["other"])
    with pytest.raises(AssertionError, match=r"(?s)call 1 of 3\).*the other calls:\n  - POST"):
        route.assert_any_call(json={"amount": 7, "to": {"name": "ann"}})


def test_how_often(upstream):
    """Never, once, more often; the calls are listed with their lines."""
    route = upstream.post(URL).respond(200)
    route.assert_not_called()
    upstream.assert_not_called("POST", URL)
    upstream.assert_not_called()
    with pytest.raises(AssertionError, match=f"^POST {URL} was never called$"):
        route.assert_called()
    with pytest.raises(AssertionError, match=f"^POST {URL} was never called$"):
        upstream.assert_called_with("POST", URL, json=1)
    charge(1)
    route.assert_called()
    route.assert_called_once()
    upstream.assert_called_once("POST")
    charge(2)
    with pytest.raises(AssertionError, match="expected to be called once, and was called 2 times"):
        route.assert_called_once()
    with pytest.raises(AssertionError) as caught:
        route.assert_not_called()
    text = str(caught.value)
    assert "was not to be called, and was called 2 times" in text
    assert text.count("- POST") == 2
    assert text.count("called at tests/upstream/test_called.py:") == 2
    with pytest.raises(AssertionError, match=r"(?s)GET https://x/\* was never called.*- POST"):
        upstream.assert_called("GET", "https://x/*")


def test_a_call_cut_off_by_a_fault_is_told(upstream, faults):
    """A refused call never reached the route: respx does not count it, and the text says so."""
    route = upstream.post(URL).respond(200)
    faults.on(URL).refused()
    with pytest.raises(httpx.ConnectError):
        charge(1)
    assert route.call_count == 0
    with pytest.raises(AssertionError) as caught:
        route.assert_called_once_with(json={})
    assert f"ended by ConnectError (fault {URL}: refused), before a route answered" in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("sent", "expected", "difference"),
    [
        ({"content": b"{"}, {"json": 1}, "json: the body is not JSON but {"),
        ({"json": 1}, {"data": {"a": 1}}, "data: the body is not a form but application/json"),
        ({"content": b"a"}, {"content": b"b"}, "content: sent b'a', expected b'b'"),
        ({"json": [1, 2]}, {"json": [1, 3]}, "json[1]: sent 2, expected 3"),
        ({"json": [1, 2]}, {"json": [1]}, "json: sent [1, 2], expected [1]"),
        ({"content": b"null"}, {"json": {}}, "json: sent None, expected {}"),
        ({"data": {"a": "1"}}, {"data": {}}, "data['a']: sent '1', not expected"),
    ],
)
def test_each_difference_in_words(upstream, sent, expected, difference):
    """What the body is instead, and the smallest part that differs."""
    route = upstream.post(URL).respond(200)
    httpx.post(URL, **sent)
    with pytest.raises(AssertionError) as caught:
        route.assert_called_with(**expected)
    assert str(caught.value).splitlines()[1].strip() == difference


def test_a_long_body_is_cut(upstream):
    """A failure does not print a megabyte."""
    route = upstream.post(URL).respond(200)
    httpx.post(URL, content=b"x" * 1_000_000)
    with pytest.raises(AssertionError, match=r"x\.\.\. \(1000000 bytes\)") as caught:
        route.assert_called_with(params={"a": 1})
    assert len(str(caught.value)) < 1000


def test_a_respx_route_of_ones_own_is_still_taken(upstream):
    """`upstream.add()` accepts respx's plain Route."""
    import respx

    route = upstream.add(respx.Route(method="GET", url=URL)).respond(204)
    assert httpx.get(URL).status_code == 204
    assert route.called
    upstream.assert_called_once("GET", URL)


def test_the_assertions_of_calls_are_those_of_the_route(upstream):
    """`route.calls` and `upstream.calls` are lists, and no mocks that were never called."""
    route = upstream.post(URL).respond(200)
    route.calls.assert_not_called()
    charge(5)
    for calls in (route.calls, upstream.calls):
        calls.assert_called_once()
        calls.assert_called_once_with(json={"amount": 5, "to": ANY})
        with pytest.raises(AssertionError, match="sent 5, expected 6"):
            calls.assert_called_with(json={"amount": 6, "to": ANY})
        with pytest.raises(AssertionError, match="was not to be called"):
            calls.assert_not_called()
        assert (calls.called, calls.call_count) == (True, 1)
        assert calls.last is calls[-1]
    upstream.calls.assert_any_call("POST", URL)
    upstream.reset()
    assert not route.calls
    with pytest.raises(IndexError, match="no call was answered"):
        _ = route.calls.last


@pytest.mark.parametrize("name", ["call_args", "assert_has_calls", "called_once", "mock_calls"])
def test_what_a_mock_has_and_a_list_of_calls_has_not(upstream, name):
    """Refused in words, and never something that is true by itself."""
    route = upstream.post(URL).respond(200)
    charge(5)
    with pytest.raises(AttributeError, match=f"calls has no '{name}': it is a list of calls"):
        getattr(route.calls, name)


def test_a_word_that_is_unknown(upstream):
    """A part of a call that cannot be compared."""
    route = upstream.post(URL).respond(200)
    charge(5)
    with pytest.raises(TypeError, match="cannot be compared by 'jsn': write json=, headers="):
        route.assert_called_once_with(jsn={})


def test_the_fields_and_files_of_a_multipart_form(upstream):
    """Written as httpx takes them; the file name and the type count where they are given."""
    route = upstream.post(URL).respond(200)
    report = b"a\r\n--b\r\n\x00\xff"
    httpx.post(
        URL,
        data={"kind": "invoice", "tag": ["x", "y"]},
        files={"scan": ("a b.pdf", report, "application/pdf"), "note": b"n"},
    )
    route.assert_called_with(
        data={"kind": "invoice", "tag": ["x", "y"]},
        files={"scan": ("a b.pdf", report, "application/pdf"), "note": b"n"},
    )
    route.assert_called_with(files={"scan": report, "note": ANY})
    with pytest.raises(AssertionError, match=r"form kind='invoice', .*'a b.pdf' \(10 bytes\)"):
        route.assert_called_with(data={})
    route.assert_called_with(files=[("note", ("upload", ANY)), ("scan", ("a b.pdf", io(report)))])


def io(content):
    """A file that was read to its end, as httpx leaves it."""
    import io

    file = io.BytesIO(content)
    file.read()
    return file


@pytest.mark.parametrize(
    ("expected", "difference"),
    [
        ({"data": {"a": "2"}}, "data['a']: sent '1', expected '2'"),
        ({"files": {"f": b"y"}}, "files['f'] content: sent b'x', expected b'y'"),
        ({"files": {"f": ("g.txt", b"x")}}, "files['f'] filename: sent 'f.txt', expected 'g.txt'"),
        ({"files": {}}, "files['f']: sent 'f.txt', not expected"),
        ({"files": {"f": b"x", "g": b""}}, "files['g']: not sent, expected b''"),
    ],
)
def test_what_differs_in_a_multipart_form(upstream, expected, difference):
    """One line for each part."""
    route = upstream.post(URL).respond(200)
    httpx.post(URL, data={"a": "1"}, files={"f": ("f.txt", b"x")})
    with pytest.raises(AssertionError) as caught:
        route.assert_called_with(**expected)
    assert str(caught.value).splitlines()[1].strip() == difference


def test_a_body_that_is_not_multipart(upstream):
    """What it is instead."""
    route = upstream.post(URL).respond(200)
    charge(1)
    with pytest.raises(AssertionError, match="the body is not multipart but application/json"):
        route.assert_called_with(files={"f": b""})
