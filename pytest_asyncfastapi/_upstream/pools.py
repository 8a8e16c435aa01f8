"""Which connections of a client's pool may carry a call: in-memory ones or real ones.

A pool picks a connection by its origin alone. Whatever leads elsewhere than
the call is to go is closed before, or takes no more calls where others still
use it: nothing scripted is ever sent to the real network, nor the reverse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .network import MemoryNetworkStream

if TYPE_CHECKING:
    from .intercept import Call


def connections_to_close(call: Call, *, scripted: bool, fresh: bool = False) -> list[Any]:
    """The idle connections to close before this call; busy ones take no more streams.

    `fresh` says that the call needs a connection of its own making.
    """
    found = []
    origin: Any = None
    for connection in getattr(getattr(call.transport, "_pool", None), "connections", ()):
        inner: Any = getattr(connection, "_connection", None)
        # Behind a proxy there is one more layer.
        inner = getattr(inner, "_connection", inner)
        stream = getattr(inner, "_network_stream", None)
        if stream is None:
            continue
        in_memory = isinstance(stream, MemoryNetworkStream)
        multiplexed = hasattr(inner, "_used_all_stream_ids")
        if in_memory == scripted and not (multiplexed and (fresh or not _current(stream))):
            continue
        origin = core_origin(call) if origin is None else origin
        if not connection.can_handle_request(origin):
            continue
        if connection.is_idle():
            found.append(connection)
        elif multiplexed:
            inner._used_all_stream_ids = True  # as if it had: the last stream closes it
    return found


def _current(stream: Any) -> bool:
    return not isinstance(stream, MemoryNetworkStream) or stream.is_current


def core_origin(call: Call) -> Any:
    """Where the call goes, in the core's words."""
    url = call.request.url
    core_url = call.library.core.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
    )
    return core_url.origin
