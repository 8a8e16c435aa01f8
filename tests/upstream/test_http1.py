"""The short way of the in-memory server says what h11 says."""

import h11
import pytest

from pytest_asyncfastapi._upstream.http1 import BodyMismatch, Http1

GET = b"GET /a?b=1 HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"
HEAD = GET.replace(b"GET", b"HEAD")
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

REQUESTS = {
    "get": [GET],
    "get in two pieces": [GET[:20], GET[20:]],
    "head": [HEAD],
    "post": [POST, b"hello"],
    "post at once": [POST + b"hello"],
    "post in pieces": [POST, b"he", b"llo"],
    "chunked": [CHUNKED, b"5\r\nhello\r\n", b"0\r\n\r\n"],
    "close": [GET.replace(b"keep-alive", b"close")],
}
ANSWERS = {
    "length": (200, b"OK", [(b"Content-Length", b"5"), (b"X-A", b"b")], [b"he", b"llo"]),
    "empty": (200, b"OK", [(b"content-length", b"0")], []),
    "no reason": (299, b"", [(b"content-length", b"1")], [b"x"]),
    "no content": (204, b"No Content", [], []),
    "no length": (200, b"OK", [(b"X-A", b"b")], [b"hello"]),
    "chunked": (200, b"OK", [(b"Transfer-Encoding", b"chunked")], [b"hello"]),
    "close": (200, b"OK", [(b"Connection", b"close"), (b"Content-Length", b"1")], [b"x"]),
    "latin-1": (200, b"OK", [(b"X-A", b"\xe9"), (b"Content-Length", b"1")], [b"x"]),
    "an empty value": (200, b"OK", [(b"X-A", b""), (b"Content-Length", b"1")], [b"x"]),
    "spaces": (200, b"OK", [(b"X-A", b"a  b"), (b"Content-Length", b"1")], [b"x"]),
    "two lengths": (200, b"OK", [(b"Content-Length", b"1")] * 2, [b"x"]),
}


def exchange(server, request, answer):
    """One request and its answer; gives the bytes said and whether the connection is kept."""
    heard = [server.receive_data(data) for data in request]
    assert [ended for _, ended in heard] == [False] * (len(request) - 1) + [True]
    assert sum(began for began, _ in heard) == 1
    assert not server.in_request
    status, reason, headers, body = answer
    said = server.head(status, reason, headers)
    if server.method != b"HEAD":
        said += b"".join(server.frame(data) for data in body)
    said += server.frame(None)
    return said, server.start_next()


class Parsed(Http1):
    """The same without its short way."""

    def _is_plain(self, data):
        return False


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_the_short_way_writes_what_h11_writes(request_, answer):
    """Byte for byte, and the connection is kept or not."""
    assert exchange(Http1(), request_, answer) == exchange(Parsed(), request_, answer)


@pytest.mark.parametrize("second", REQUESTS.values(), ids=REQUESTS)
def test_a_second_exchange_on_the_same_connection(second):
    """The short way may be left at any message."""
    server = Http1()
    assert exchange(server, [GET], ANSWERS["length"])[1]
    assert exchange(server, second, ANSWERS["length"]) == exchange(
        Parsed(), second, ANSWERS["length"]
    )


def test_plain_messages_are_not_parsed():
    """The short way is taken."""
    server = Http1()
    for request_ in ("get", "post", "post in pieces"):
        exchange(server, REQUESTS[request_], ANSWERS["length"])
    assert repr(server) == "<Http1 plain>"


@pytest.mark.parametrize("kind", [Http1, Parsed])
@pytest.mark.parametrize("body", [[b"too long"], [b"x", None]], ids=["long", "short"])
def test_a_body_that_breaks_the_promise(kind, body):
    """More, or less, than the head has promised."""
    server = kind()
    server.receive_data(GET)
    server.head(200, b"OK", [(b"Content-Length", b"5")])
    with pytest.raises(BodyMismatch):
        for data in body:
            server.frame(data)


@pytest.mark.parametrize("header", [(b"X-A", b"b\r\nX-B: c"), (b"X A", b"b"), (b"X-A", b" b")])
def test_a_bad_header_is_left_to_h11(header):
    """What h11 refuses or strips is not said in its place."""
    outcomes = []
    for kind in (Http1, Parsed):
        server = kind()
        server.receive_data(GET)
        try:
            outcomes.append(server.head(200, b"OK", [header, (b"Content-Length", b"0")]))
        except h11.LocalProtocolError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]
