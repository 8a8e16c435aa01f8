"""Where a fault can have no effect: a proxy's on a call without one, a body's on HEAD.

Such a fault does not strike, so that a test cannot pass because nothing went wrong.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .call_properties import CallProperties
    from .effect import Effect

# The endings that only a body can show, and the delays in one.
_IN_BODY = {
    *("truncated", "bad_chunk", "bad_chunk_end", "bad_gzip", "truncated_gzip", "bad_json"),
}
_PACE = ("first_byte", "gap")


def reason(effect: Effect, setting: CallProperties) -> str:
    """Why this effect can have none on such a call, in words; empty where it can."""
    if effect == type(effect)():
        return ""
    return next((why for is_so, why in _reasons(effect, setting) if is_so), "")


def _reasons(effect: Effect, setting: CallProperties) -> Iterator[tuple[bool, str]]:
    if effect.ending == "proxy_error":
        yield not setting.proxy, "no proxy is used"
        yield effect.detail == "tls" and setting.proxy != "https", "the proxy is not https://"
    yield effect.no_http2 and setting.http2 is False, "the client does not speak HTTP/2 there"
    if not setting.uploads:
        sent = effect.at == "upload" or effect.ending == "early_answer"
        yield sent or _is_only(effect, upload_rate=0.0), "the request has no body"
    if setting.http2:
        of_http1 = {"connection_close": False, "http10": False}
        resets = (effect.ending, effect.detail) == ("early_answer", "reset")
        yield resets or _is_only(effect, **of_http1), "the client speaks HTTP/2"
    yield setting.body == "none" and _only_in_body(effect), "the answer has no body"
    yield setting.body == "empty" and _only_paces_body(effect), "the answer's body is empty"


def _is_only(effect: Effect, **unset: object) -> bool:
    """Is nothing left of it without these?"""
    return replace(effect, **unset) == type(effect)()  # type: ignore[arg-type]


def _only_paces_body(effect: Effect) -> bool:
    kept = tuple(item for item in effect.spread if item[0] not in _PACE)
    return _is_only(effect, bandwidth=0.0, dribble=None, first_byte=0.0, gap=0.0, spread=kept)


def _only_in_body(effect: Effect) -> bool:
    if effect.ending and not (effect.ending in _IN_BODY or isinstance(effect.at, int)):
        return False
    kept = tuple(item for item in effect.spread if item[0] != "tail")
    return _only_paces_body(replace(effect, ending="", at="", detail="", tail=0.0, spread=kept))
