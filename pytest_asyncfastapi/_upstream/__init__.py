"""The way out: every call that the app makes with httpx or httpx2.

Routes are respx's; a call without a fault is answered at transport level, a
call with a wire or timing fault runs through the client's real pool over an
in-memory network. This package does not know the app, nor how pytest runs.

The connector's door is `scope.UpstreamScope`. Nothing is imported here, so
that a test which makes no upstream call does not pay for httpx and respx.
"""
