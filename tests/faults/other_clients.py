"""One call by aiohttp or requests and what came of it, on real sockets and in memory alike."""

import time

import aiohttp
import requests

from tests.faults.reference import BUDGETS

# Not here: what needs another client (HTTP/2), a proxy, a pool or a connection that was kept.
NAMES = (
    *("control_ok", "connect_refused", "connect_never_accepted", "connect_rst_after_accept"),
    *("connect_fin_after_accept", "dns_nxdomain", "dns_temporary"),
    *("tls_untrusted", "tls_hostname_mismatch", "tls_self_signed", "tls_not_yet_valid"),
    *("tls_plain_http_server", "tls_eof_in_handshake", "tls_reset_in_handshake"),
    *("tls_handshake_stall", "tls_truncated_body", "tls_unknown_name"),
    *("head_slow_ok", "head_slow", "head_stall_midway", "head_empty_reply"),
    *("head_empty_reply_late", "head_rst", "head_fin_midway", "head_rst_midway", "head_garbage"),
    *("head_bad_status_line", "head_bad_header", "head_too_long", "head_tls_alert_on_plain"),
    *("head_two_lengths", "body_slow_first_byte", "body_slow_between", "body_dribble", "body_rst"),
    *("body_fin_content_length", "body_fin_zero_bytes", "body_fin_chunked"),
    *("body_bad_chunk_size", "body_bad_chunk_end", "body_until_close", "body_too_long"),
    *("body_bad_gzip", "body_truncated_gzip", "status_429", "status_500", "status_503"),
    *("status_503_close", "http10", "http10_no_length", "interim_then_rst", "head_endless_100"),
)


def name_of(error):
    return f"{type(error).__module__}.{type(error).__qualname__}"


def outcome(phase, status, size, error, seconds):
    return {
        "type": None if error is None else name_of(error),
        "phase": phase if error is not None else None,
        "status": status,
        "bytes": size,
        "at_s": round(seconds, 3),
    }


async def by_aiohttp(url, now, *, ssl=True):
    """`ssl` as aiohttp takes it; `now` is the clock in force."""
    timeout = aiohttp.ClientTimeout(
        sock_connect=BUDGETS["connect"], sock_read=BUDGETS["read"], total=None
    )
    phase, status, size, error = "send", None, 0, None
    connector = aiohttp.TCPConnector(ssl=ssl)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        began = now()
        try:
            # Not GET: aiohttp sends that once more over a connection that was closed.
            async with session.post(url) as response:
                phase, status = "body", response.status
                async for piece in response.content.iter_any():
                    size += len(piece)
        except Exception as raised:
            error = raised
        return outcome(phase, status, size, error, now() - began)


def by_requests(url, *, verify=True):
    """`verify` as requests takes it."""
    phase, status, size, error = "send", None, 0, None
    limits = (BUDGETS["connect"], BUDGETS["read"])
    with requests.Session() as session:
        session.trust_env = False
        began = time.monotonic()
        try:
            with session.get(url, stream=True, timeout=limits, verify=verify) as response:
                phase, status = "body", response.status_code
                for piece in response.iter_content(None):
                    size += len(piece)
        except Exception as raised:
            error = raised
        return outcome(phase, status, size, error, time.monotonic() - began)
