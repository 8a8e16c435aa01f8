"""What the real server does in each row: the same faults, on real sockets."""

import gzip
import time
from contextlib import suppress

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import RequestReceived
from loopback import OK, ask, drain, finish, reset, serve_ok

HEAD_100 = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"


def says(*pieces, then=finish, first_ask=True):
    """Bytes to send, and seconds to wait, in turn; then an end."""

    def handle(sock):
        if first_ask:
            ask(sock)
        for piece in pieces:
            if isinstance(piece, bytes):
                sock.sendall(piece)
            else:
                time.sleep(piece)
        then(sock)

    return handle


def half_of_it(body=b"0123456789abcdef" * 2):
    packed = gzip.compress(body, mtime=0)
    half = packed[: len(packed) // 2]
    return b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (
        len(half),
        half,
    )


def status(code):
    return says(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % code, then=serve_ok)


def wait_and(then, seconds=1.2):
    def handle(sock):
        time.sleep(seconds)
        then(sock)

    return handle


def redirects(sock):
    port = sock.getsockname()[1]
    head = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n"
    for _ in range(100):
        if not ask(sock):
            return
        sock.sendall(head % port)


def nothing_read(sock):
    time.sleep(1.5)


def upload_reset(sock):
    sock.recv(1000)
    reset(sock)


def resets_handshake(sock):
    sock.recv(10)
    reset(sock)


def idle_close(sock):
    ask(sock)
    sock.sendall(OK)
    finish(sock)


def closes_as_it_arrives(sock):
    ask(sock)
    sock.sendall(OK)
    ask(sock)
    finish(sock)


def early(code, then):
    """Answer once the head is there; `then` decides what becomes of the rest of the body."""

    def handle(sock):
        ask(sock)
        sock.sendall(b"HTTP/1.1 %d X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" % code)
        then(sock)

    return handle


def late_reset(sock):
    time.sleep(0.05)
    reset(sock)


def reads_slowly(sock):
    """2 MiB each 20 ms: 64 MiB in more than the write budget."""
    left = 64 * 2**20
    data = sock.recv(65536)
    left -= len(data) - data.index(b"\r\n\r\n") - 4
    while left > 0:
        time.sleep(0.02)
        quick = 2**21
        while quick > 0 and left > 0:
            piece = sock.recv(65536)
            if not piece:
                return
            quick -= len(piece)
            left -= len(piece)
    sock.sendall(OK)
    serve_ok(sock)


def socks(*replies, then=serve_ok):
    """One reply to each message of the handshake, then what comes in the tunnel."""

    def handle(sock):
        for reply in replies:
            sock.recv(1000)
            sock.sendall(reply)
        then(sock)

    return handle


def refusal(code, reason):
    return says(b"HTTP/1.1 %d %s\r\nContent-Length: 0\r\n\r\n" % (code, reason), then=serve_ok)


# HTTP/2, over TLS.


def http2(fault):
    """An HTTP/2 server: `fault(connection, stream, sock)` for its first request, then answers."""

    def handle(sock):
        connection = H2Connection(H2Configuration(client_side=False))
        connection.initiate_connection()
        sock.sendall(connection.data_to_send())
        first = True
        while data := sock.recv(65536):
            for event in connection.receive_data(data):
                if not isinstance(event, RequestReceived):
                    continue
                if first and fault is not None:
                    if fault(connection, event.stream_id, sock) == "end":
                        return
                else:
                    connection.send_headers(event.stream_id, [(":status", "200")])
                    connection.send_data(event.stream_id, b"ok", end_stream=True)
                first = False
            sock.sendall(connection.data_to_send())

    return handle


def h2_reset(code):
    def fault(connection, stream, sock):
        connection.reset_stream(stream, code)

    return fault


def h2_goaway(connection, stream, sock):
    connection.close_connection(last_stream_id=0)
    sock.sendall(connection.data_to_send())
    finish(sock)
    return "end"


def h2_goaway_calm(connection, stream, sock):
    connection.close_connection(ErrorCodes.ENHANCE_YOUR_CALM, last_stream_id=0)
    sock.sendall(connection.data_to_send())
    finish(sock)
    return "end"


def h2_no_window(connection, stream, sock):
    """Read, and never open the window."""
    sock.sendall(connection.data_to_send())
    with suppress(OSError):
        drain(sock)
    return "end"


def goes_away_gracefully(sock):
    """Take one request, name it as the last at the second one, serve it, and close."""
    connection = H2Connection(H2Configuration(client_side=False))
    connection.initiate_connection()
    sock.sendall(connection.data_to_send())
    streams = []
    while data := sock.recv(65536):
        for event in connection.receive_data(data):
            if isinstance(event, RequestReceived):
                streams.append(event.stream_id)
        sock.sendall(connection.data_to_send())
        if len(streams) == 2:
            # By hand: h2 sends nothing more after a GOAWAY of its own.
            sock.sendall(b"\0\0\x08\x07\0\0\0\0\0" + streams[0].to_bytes(4, "big") + b"\0" * 4)
            time.sleep(0.05)
            connection.send_headers(streams[0], [(":status", "200")])
            connection.send_data(streams[0], b"ok", end_stream=True)
            with suppress(OSError):
                sock.sendall(connection.data_to_send())
            return


def h2_interim(connection, stream, sock):
    for _ in range(3):
        time.sleep(0.05)
        connection.send_headers(stream, [(":status", "100")])
        sock.sendall(connection.data_to_send())
    connection.send_headers(stream, [(":status", "200")])
    connection.send_data(stream, b"ok", end_stream=True)


def h2_fin(connection, stream, sock):
    finish(sock)
    return "end"


def h2_part(then):
    def fault(connection, stream, sock):
        connection.send_headers(stream, [(":status", "200"), ("content-length", "100")])
        connection.send_data(stream, b"x" * 10)
        sock.sendall(connection.data_to_send())
        time.sleep(0.05)
        return then(connection, stream, sock)

    return fault


def h2_stall(connection, stream, sock):
    time.sleep(1.2)


def h2_garbage(connection, stream, sock):
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    time.sleep(0.05)
    finish(sock)
    return "end"


def h2_bad_status(connection, stream, sock):
    connection.send_headers(stream, [(":status", "abc")], end_stream=True)


PLAIN = {
    "control_ok": serve_ok,
    "connect_rst_after_accept": wait_and(reset, 0.05),
    "connect_fin_after_accept": finish,
    "head_empty_reply_retries2": says(),
    "upload_stall": nothing_read,
    "upload_rst": upload_reset,
    "head_slow_ok": says(0.15, OK, then=serve_ok),
    "head_slow": says(1.2, OK),
    "head_dribble": says(
        *[item for byte in OK[:22] for item in (bytes([byte]), 0.05)], OK[22:], then=serve_ok
    ),
    "read_not_cumulative": says(0.35, OK[:-2], 0.35, OK[-2:], then=serve_ok),
    "head_stall_midway": says(OK[:9], 1.2),
    "head_empty_reply": says(),
    "head_empty_reply_late": says(0.15),
    "head_rst": says(then=reset),
    "head_fin_midway": says(OK[:25]),
    "head_rst_midway": says(OK[:25], 0.05, then=reset),
    "head_garbage": says(b"\x00\x01\x02garbage\xff\xfe\r\n\r\n"),
    "head_bad_status_line": says(b"HTTP/1.1 abc WAT\r\n\r\n"),
    "head_bad_header": says(b"HTTP/1.1 200 OK\r\nnocolon\r\n\r\n"),
    "head_too_long": says(b"HTTP/1.1 200 OK\r\nX-Pad: " + b"a" * 200 * 1024 + b"\r\n\r\n"),
    "head_tls_alert_on_plain": says(b"\x15\x03\x03\x00\x02\x02\x0a"),
    "head_endless_100": says(*[0.1, b"HTTP/1.1 100 Continue\r\n\r\n"] * 10, OK, then=serve_ok),
    "body_slow_first_byte": says(OK[:-2], 1.2, OK[-2:]),
    "body_slow_between": says(HEAD_100 + b"x" * 10, 1.2, b"x" * 90),
    "body_dribble": says(HEAD_100, *[b"x" * 10, 0.12] * 9, b"x" * 10, then=serve_ok),
    "body_rst": says(HEAD_100 + b"x" * 10, 0.05, then=reset),
    "body_fin_content_length": says(HEAD_100 + b"x" * 10),
    "body_fin_zero_bytes": says(HEAD_100),
    "body_fin_chunked": says(CHUNKED),
    "body_bad_chunk_size": says(CHUNKED + b"zz\r\n"),
    "body_bad_chunk_end": says(CHUNKED[:-2] + b"XX"),
    "body_until_close": says(b"HTTP/1.1 200 OK\r\n\r\nfirst"),
    "body_too_long": says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n0123456789", then=serve_ok),
    "body_bad_gzip": says(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 15\r\n\r\nthis is no gzip",
        then=serve_ok,
    ),
    "body_truncated_gzip": says(half_of_it(), then=serve_ok),
    "status_429": status(429),
    "status_500": status(500),
    "status_503": status(503),
    "keepalive_closed_while_idle": idle_close,
    "keepalive_race_fin": closes_as_it_arrives,
    "redirect_loop": redirects,
    "no_timeout_head_slow": says(1.2, OK, then=serve_ok),
    "proxy_connect_503": says(
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", then=serve_ok
    ),
    "proxy_connect_407": says(
        b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", then=serve_ok
    ),
    "proxy_eof": says(),
}
SOCKS_OK = b"\x05\x00\x00\x01\0\0\0\0\0\0"
PLAIN |= {
    "early_answer": early(413, drain),
    "early_answer_reset": early(413, late_reset),
    "upload_slow_steady": reads_slowly,
    "http10": says(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    "http10_no_length": says(b"HTTP/1.0 200 OK\r\n\r\nok"),
    "head_two_lengths": says(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nok"
    ),
    "status_503_close": says(b"HTTP/1.1 503 X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
    "interim_then_rst": says(*[0.05, b"HTTP/1.1 100 Continue\r\n\r\n"] * 3, then=late_reset),
    "head_status_101": says(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    "proxy_connect_502": refusal(502, b"Bad Gateway"),
    "proxy_connect_504": refusal(504, b"Gateway Timeout"),
    "proxy_stall": says(1.2),
    "proxy_plain_407": refusal(407, b"Proxy Authentication Required"),
    "proxy_plain_502": refusal(502, b"Bad Gateway"),
    "proxy_plain_eof": says(),
    "proxy_plain_stall": says(1.2),
    "proxy_socks_ok": socks(b"\x05\x00", SOCKS_OK),
    "proxy_socks_503": socks(b"\x05\x00", b"\x05\x01" + SOCKS_OK[2:], then=finish),
    "proxy_socks_502": socks(b"\x05\x00", b"\x05\x04" + SOCKS_OK[2:], then=finish),
    "proxy_socks_407": socks(b"\x05\xff", then=finish),
    "proxy_socks_eof": says(then=finish, first_ask=False),
}
# On the raw connection, where the client expects a TLS handshake.
NO_TLS = {
    "tls_plain_http_server": says(b"HTTP/1.1 400 Bad Request\r\n\r\n", 0.05, first_ask=False),
    "tls_eof_in_handshake": finish,
    "tls_handshake_stall": wait_and(drain, 0.0),
    "tls_reset_in_handshake": resets_handshake,
}
HTTP2 = {
    "h2_rst_stream_refused": http2(h2_reset(ErrorCodes.REFUSED_STREAM)),
    "h2_rst_stream_internal": http2(h2_reset(ErrorCodes.INTERNAL_ERROR)),
    "h2_goaway_close": http2(h2_goaway),
    "h2_fin": http2(h2_fin),
    "h2_body_rst_stream": http2(h2_part(h2_reset(ErrorCodes.INTERNAL_ERROR))),
    "h2_body_fin": http2(h2_part(h2_fin)),
    "h2_head_stall": http2(h2_stall),
    "h2_garbage": http2(h2_garbage),
    "h2_rst_stream_cancel": http2(h2_reset(ErrorCodes.CANCEL)),
    "h2_rst_stream_calm": http2(h2_reset(ErrorCodes.ENHANCE_YOUR_CALM)),
    "h2_goaway_calm": http2(h2_goaway_calm),
    "h2_upload_stall": http2(h2_no_window),
    "h2_interim": http2(h2_interim),
}
HTTP2_OK = http2(None)
