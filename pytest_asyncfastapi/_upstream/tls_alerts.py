"""The errors of TLS that OpenSSL gives, in its words."""

from __future__ import annotations

import errno
import ipaddress
import os
import ssl

# Which codes OpenSSL's verification gives, and its words.
_VERIFICATION = {
    "untrusted": (20, "unable to get local issuer certificate"),
    "self_signed": (18, "self-signed certificate"),
    "not_yet_valid": (9, "certificate is not yet valid"),
    "expired": (10, "certificate has expired"),
    "hostname": (62, ""),
}
_ALERTS = {
    "version": "TLSV1_ALERT_PROTOCOL_VERSION",
    "unknown_name": "TLSV1_UNRECOGNIZED_NAME",
    "client_certificate": "TLSV13_ALERT_CERTIFICATE_REQUIRED",
}
# The line in OpenSSL's wrapper that a message ends with; it differs between Pythons.
LINE = "(_ssl.c:1020)"
_READ_LINE = "(_ssl.c:2580)"


def connection_reset() -> ConnectionResetError:
    """The error that the operating system gives for an RST."""
    return ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))


def certificate_required() -> ssl.SSLError:
    """What a client reads that has shown no certificate, with TLS 1.3 after its handshake."""
    return _named_alert("client_certificate", _READ_LINE)


def tls_error(kind: str, host: str | None) -> OSError:
    """The error that OpenSSL, or the system, gives for this kind."""
    if kind in _VERIFICATION:
        return _unverified(kind, host or "")
    if kind == "reset":
        return ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
    if kind == "eof":
        text = f"[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol {LINE}"
        return _named(ssl.SSLEOFError(8, text), "UNEXPECTED_EOF_WHILE_READING")
    if kind == "plain_http":
        text = f"[SSL: WRONG_VERSION_NUMBER] wrong version number {LINE}"
        return _named(ssl.SSLError(1, text), "WRONG_VERSION_NUMBER")
    return _named_alert(kind)


def _named_alert(kind: str, line: str = LINE) -> ssl.SSLError:
    name = _ALERTS[kind]
    words = name.lower().replace("_", " ")
    return _named(ssl.SSLError(1, f"[SSL: {name}] {words} {line}"), name)


def _unverified(kind: str, host: str) -> ssl.SSLError:
    code, why = _VERIFICATION[kind]
    if kind == "hostname":
        why = f"Hostname mismatch, certificate is not valid for '{host}'."
        if _is_address(host):
            code, why = 64, f"IP address mismatch, certificate is not valid for '{host}'."
    text = f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {why} {LINE}"
    error = ssl.SSLCertVerificationError(1, text)
    error.verify_code = code
    error.verify_message = why
    return _named(error, "CERTIFICATE_VERIFY_FAILED")


def _named(error: ssl.SSLError, reason: str) -> ssl.SSLError:
    error.library = "SSL"
    error.reason = reason
    return error


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
