"""The rows of the reference as calls: what is injected, how the client calls, how long it takes.

A row's time is exact on a virtual clock: a name is that budget of the client.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

ROWS = json.loads((Path(__file__).parent.parent / "data" / "httpx_faults.json").read_text())
BUDGETS = ROWS["meta"]["timeouts_s"]
URL = "http://127.0.0.1:8765/"
TLS_URL = "https://127.0.0.1:8765/"
PROXY = "http://127.0.0.1:8765"
HUNDRED = b"x" * 100


@dataclass(frozen=True)
class Case:
    """`fault(point)` on the first call of `url`; `seconds` until the outcome."""

    fault: object = None
    seconds: object = 0.0
    url: str = URL
    method: str = "GET"
    body: bytes = b"ok"
    pieces: tuple = ()
    chunked: bool = False
    client: dict = field(default_factory=dict)
    send: dict = field(default_factory=dict)
    retries: int = 0
    once: bool = True
    warm: bool = False
    route: dict = field(default_factory=dict)
    skip: tuple = ()
    special: str = ""

    def time(self, mode):
        """Seconds until the outcome."""
        value = self.seconds[mode] if isinstance(self.seconds, dict) else self.seconds
        return BUDGETS.get(value, value)


# A server's own view that a simulation does not have: connections which were never accepted.
UNSEEN = ("connections",)
SOCKS = "socks5://127.0.0.1:8765"
UPLOAD = {"method": "POST", "send": {"content": b"u" * 2**20}}
TLS = {"url": TLS_URL}
# Recorded without TLS: the client knows beforehand that the server speaks HTTP/2.
H2 = {"client": {"http1": False, "http2": True}}


def tls(kind, **options):
    return Case(lambda p: p.tls_error(kind), **TLS, **options)


CASES = {
    "control_ok": Case(),
    "connect_syn_dropped": Case(lambda p: p.connect_timeout(), "connect"),
    "connect_never_accepted": Case(lambda p: p.read_timeout(), "read", skip=UNSEEN),
    "connect_refused": Case(lambda p: p.refused()),
    "dns_nxdomain": Case(lambda p: p.dns_error()),
    "dns_slow": Case(
        lambda p: p.timeline(dns=1.2), {"asyncio": "connect", "trio": 1.2, "sync": 1.2}
    ),
    "connect_rst_after_accept": Case(lambda p: p.reset()),
    "connect_fin_after_accept": Case(lambda p: p.empty_reply()),
    "connect_close_after_accept": Case(lambda p: p.reset()),
    "connect_refused_retries2": Case(lambda p: p.refused(), 0.5, retries=2, once=False),
    "connect_syn_dropped_retries1": Case(lambda p: p.connect_timeout(), 0.6, retries=1, once=False),
    "head_empty_reply_retries2": Case(lambda p: p.empty_reply(), retries=2),
    "tls_after_slow_dns": Case(lambda p: [p.tls_error("stall"), p.timeline(dns=0.2)], 0.5, **TLS),
    "tls_untrusted": tls("untrusted"),
    "tls_hostname_mismatch": tls("hostname"),
    "tls_expired": tls("expired"),
    "tls_plain_http_server": tls("plain_http"),
    "tls_eof_in_handshake": tls("eof"),
    "tls_handshake_stall": tls("stall", seconds="connect"),
    "tls_version_alert": tls("version"),
    "tls_truncated_body": Case(lambda p: p.close_after(10), body=HUNDRED, **TLS),
    "upload_stall": Case(
        lambda p: p.write_timeout(), "write", method="POST", send={"content": b"u" * 2**20}
    ),
    "upload_rst": Case(
        lambda p: p.reset(in_upload=True), method="POST", send={"content": b"u" * 2**20}
    ),
    "upload_slow_generator": Case(None, 1.2, method="POST", special="slow generator"),
    "head_slow_ok": Case(lambda p: p.latency(0.15), 0.15),
    "head_slow": Case(lambda p: p.latency(1.2), "read"),
    "head_dribble": Case(lambda p: p.dribble(22, 1.07, head=True), 1.07),
    "read_not_cumulative": Case(lambda p: p.timeline(head=0.35, first_byte=0.35), 0.7),
    "head_stall_midway": Case(lambda p: p.stall(in_head=True), "read"),
    "head_empty_reply": Case(lambda p: p.empty_reply()),
    "head_rst": Case(lambda p: p.reset()),
    "head_empty_reply_late": Case(lambda p: [p.empty_reply(), p.latency(0.15)], 0.15),
    "head_fin_midway": Case(lambda p: p.close(in_head=True)),
    "head_rst_midway": Case(lambda p: p.reset(in_head=True)),
    "head_garbage": Case(lambda p: p.garbage()),
    "head_bad_status_line": Case(lambda p: p.bad_status_line()),
    "head_bad_header": Case(lambda p: p.bad_header()),
    "head_too_long": Case(lambda p: p.head_too_long()),
    "head_tls_alert_on_plain": Case(lambda p: p.tls_on_plain()),
    "head_endless_100": Case(lambda p: p.interim(10, 0.1), 1.0),
    "body_slow_first_byte": Case(lambda p: p.timeline(first_byte=1.2), "read"),
    "body_slow_between": Case(
        lambda p: p.timeline(gap=1.2), "read", pieces=(HUNDRED[:10], HUNDRED[10:])
    ),
    "body_dribble": Case(lambda p: p.dribble(10, 1.08), 1.08, body=HUNDRED),
    "body_rst": Case(lambda p: p.reset(after_bytes=10), body=HUNDRED),
    "body_fin_content_length": Case(lambda p: p.close_after(10), body=HUNDRED),
    "body_fin_zero_bytes": Case(lambda p: p.close(after_bytes=0), body=HUNDRED),
    "body_fin_chunked": Case(lambda p: p.truncated(), pieces=(b"first",), chunked=True),
    "body_bad_chunk_size": Case(lambda p: p.bad_chunk(), body=b"first"),
    "body_bad_chunk_end": Case(lambda p: p.bad_chunk(in_end=True), body=b"first"),
    "body_until_close": Case(lambda p: p.until_close(), body=b"first"),
    "body_too_long": Case(lambda p: p.too_long(), body=b"01"),
    "body_bad_gzip": Case(lambda p: p.bad_gzip()),
    "body_truncated_gzip": Case(lambda p: p.bad_gzip(half=True), body=b"0123456789abcdef" * 2),
    "status_429": Case(lambda p: p.status(429)),
    "status_503": Case(lambda p: p.status(503)),
    "status_500": Case(lambda p: p.status(500)),
    "pool_exhausted": Case(None, "pool", special="busy"),
    "pool_wait_ok": Case(None, 0.2, special="busy for a while"),
    "keepalive_closed_while_idle": Case(None, warm=True, special="closed while idle"),
    "keepalive_race_fin": Case(lambda p: p.stale_keepalive(), warm=True),
    "no_timeout_head_slow": Case(lambda p: p.latency(1.2), 1.2, send={"timeout": None}),
    "proxy_connect_503": Case(lambda p: p.proxy_error(503), client={"proxy": PROXY}, **TLS),
    "proxy_connect_407": Case(lambda p: p.proxy_error(407), client={"proxy": PROXY}, **TLS),
    "proxy_eof": Case(lambda p: p.proxy_error("eof"), client={"proxy": PROXY}, **TLS),
    "proxy_refused": Case(lambda p: p.proxy_error("refused"), client={"proxy": PROXY}, **TLS),
    "unsupported_scheme": Case(url="ftp://127.0.0.1:8765/"),
    "redirect_loop": Case(
        route={"status_code": 302, "headers": {"Location": URL}},
        send={"follow_redirects": True},
    ),
    "cancelled_head": Case(lambda p: p.latency(1.2), 0.2, special="deadline"),
    "h2_rst_stream_refused": Case(lambda p: p.refused_stream(), **H2),
    "h2_rst_stream_internal": Case(lambda p: p.reset_stream(), **H2),
    "h2_goaway_close": Case(lambda p: p.goaway(), **H2),
    "h2_fin": Case(lambda p: p.empty_reply(), **H2),
    "h2_body_rst_stream": Case(lambda p: p.reset_stream(after_bytes=10), body=HUNDRED, **H2),
    "h2_body_fin": Case(lambda p: p.close_after(10), body=HUNDRED, **H2),
    "h2_head_stall": Case(lambda p: p.read_timeout(), "read", **H2),
    "h2_garbage": Case(lambda p: p.garbage(), **H2),
    "early_answer": Case(lambda p: p.early_answer(413), **UPLOAD),
    "early_answer_reset": Case(lambda p: p.early_answer(413, reset=True), **UPLOAD),
    "upload_slow_steady": Case(
        lambda p: p.upload_rate(2**20 / 0.7),
        {"asyncio": "write", "trio": "write", "sync": 0.7},
        **UPLOAD,
    ),
    "http10": Case(lambda p: p.http10()),
    "http10_no_length": Case(lambda p: p.http10(), pieces=(b"ok",), chunked=True),
    "head_two_lengths": Case(lambda p: p.two_lengths()),
    "head_status_101": Case(route={"status_code": 101}, skip=("next",)),
    "status_503_close": Case(lambda p: [p.status(503), p.connection_close()]),
    "interim_then_rst": Case(lambda p: [p.interim(3, 0.05), p.reset()], 0.15),
    "dns_temporary": Case(lambda p: p.dns_error("temporary")),
    "tls_reset_in_handshake": tls("reset"),
    "tls_not_yet_valid": tls("not_yet_valid"),
    "tls_self_signed": tls("self_signed"),
    "tls_client_certificate": tls("client_certificate"),
    "tls_unknown_name": tls("unknown_name"),
    "proxy_connect_502": Case(lambda p: p.proxy_error(502), client={"proxy": PROXY}, **TLS),
    "proxy_connect_504": Case(lambda p: p.proxy_error(504), client={"proxy": PROXY}, **TLS),
    "proxy_stall": Case(lambda p: p.proxy_error("stall"), "read", client={"proxy": PROXY}, **TLS),
    "proxy_plain_407": Case(lambda p: p.proxy_error(407), client={"proxy": PROXY}),
    "proxy_plain_502": Case(lambda p: p.proxy_error(502), client={"proxy": PROXY}),
    "proxy_plain_eof": Case(lambda p: p.proxy_error("eof"), client={"proxy": PROXY}),
    "proxy_plain_stall": Case(lambda p: p.proxy_error("stall"), "read", client={"proxy": PROXY}),
    "proxy_socks_ok": Case(client={"proxy": SOCKS}),
    "proxy_socks_502": Case(lambda p: p.proxy_error(502), client={"proxy": SOCKS}),
    "proxy_socks_503": Case(lambda p: p.proxy_error(503), client={"proxy": SOCKS}),
    "proxy_socks_407": Case(lambda p: p.proxy_error(407), client={"proxy": SOCKS}),
    "proxy_socks_eof": Case(lambda p: p.proxy_error("eof"), client={"proxy": SOCKS}),
    "h2_not_offered": Case(
        lambda p: p.no_http2(), url=TLS_URL, client={"http2": True}, skip=("next",)
    ),
    "h2_rst_stream_cancel": Case(lambda p: p.reset_stream(code="cancel"), **H2),
    "h2_rst_stream_calm": Case(lambda p: p.reset_stream(code="enhance_your_calm"), **H2),
    "h2_goaway_calm": Case(lambda p: p.goaway(code="enhance_your_calm"), **H2),
    "h2_interim": Case(lambda p: p.interim(3, 0.05), 0.15, **H2),
    "h2_upload_stall": Case(
        lambda p: p.write_timeout(), "read", client={"http2": True}, **{**UPLOAD, **TLS}
    ),
}
