"""What a proxy says before a tunnel stands: to CONNECT (HTTP), and to the handshake of SOCKS5.

Turns what the client wrote into moves; knows no connection. A plain `http://` call through an
HTTP proxy has no tunnel: the proxy gets the request itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._faults import Effect

if TYPE_CHECKING:
    from .._faults.kinds import WireEvent

# RFC 1928, section 6: general failure, host unreachable, TTL expired.
_CODES = {"502": 4, "503": 1, "504": 6}
_VERSION = 5
_NO_METHOD = 0xFF
_PASSWORD = 2
_GRANTED = b"HTTP/1.1 200 Connection established\r\n\r\n"

NO_EFFECT = Effect()


def at_proxy(effect: Effect) -> Effect:
    """What of it is done to the TLS handshake with an https:// proxy."""
    if effect.kind.stage == "proxy" and effect.detail == "tls":
        return Effect(ending="tls_error", detail="untrusted")
    return NO_EFFECT


def refusal(effect: Effect) -> list[WireEvent]:
    """What an HTTP proxy does instead of what the client requests."""
    instead = effect.kind.instead
    return [] if instead is None else instead(effect)


def connected(effect: Effect) -> list[WireEvent]:
    """The answer to a CONNECT."""
    if effect.kind.stage == "proxy":
        return refusal(effect)
    return [("say", _GRANTED)]


class Socks:
    """The server's side of a SOCKS5 handshake (RFC 1928, 1929); `done` once the tunnel stands."""

    def __init__(self) -> None:
        self.done = False
        self._phase = "greeting"

    @staticmethod
    def begins(data: bytes) -> bool:
        """Is this the first message of one?"""
        return data[:1] == b"\x05"

    def receive_data(self, data: bytes, effect: Effect) -> list[WireEvent]:
        """The next message of the client, each of which comes in one piece; what it gets."""
        fails = effect.detail if effect.kind.stage == "proxy" else ""
        if fails in ("eof", "stall"):
            return refusal(effect)
        if self._phase == "greeting":
            method = data[2] if len(data) > 2 else _NO_METHOD
            self._phase = "password" if method == _PASSWORD else "request"
            if fails == "407" and method != _PASSWORD:
                method = _NO_METHOD
            return [("say", bytes((_VERSION, method)))]
        if self._phase == "password":
            self._phase = "request"
            return [("say", b"\x01\x01" if fails == "407" else b"\x01\x00")]
        code = _CODES.get(fails, 0)
        self.done = not code
        moves: list[WireEvent] = [("say", bytes((_VERSION, code, 0, 1, 0, 0, 0, 0, 0, 0)))]
        return [*moves, ("end", "close")] if code else moves

    def __repr__(self) -> str:
        return f"<Socks {self._phase}>"
