"""What the network does to one request, and how a connection finds it out.

The client's own code lies between the call and the connection, so the script goes by a context
variable, and for HTTP/2, where one task writes the requests of others, by a number.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from .._faults import Effect

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context


@dataclass(slots=True, weakref_slot=True, eq=False)
class Script:
    """What the network does to one request. Not changed once made, and not frozen: that costs.

    `answer()` gives the response, or an awaitable of it for an async client;
    `ready()` gives it without running anybody's code, or nothing where it
    cannot. `effect` is what is done to it on the way. `http2` is what a TLS handshake
    agrees on; `number` is what an HTTP/2 request carries, and `context` where
    its answer is made. `again()` gives the script of the next attempt to
    connect, or nothing where that one goes to the real network; `attempted`, which all
    scripts of a call share, is filled once it has got that far. With `proxy_tls` the first
    TLS handshake of a connection is the one with an https:// proxy.
    """

    answer: Callable[[], Any]
    effect: Effect = field(default_factory=Effect)
    http2: bool = False
    number: int = 0
    context: Context | None = None
    again: Callable[[], Script | None] | None = None
    attempted: list[bool] = field(default_factory=list)
    ready: Callable[[], Any] | None = None
    proxy_tls: bool = False


# Which script applies to the call that is being sent in this context.
SCRIPT: ContextVar[Script | None] = ContextVar("asyncfastapi_script", default=None)

# The calls on their way, by the number that their HTTP/2 request carries in `NUMBER`: whoever
# writes may write the requests of other calls too. Weak: a call that is over is gone.
SCRIPTS: WeakValueDictionary[int, Script] = WeakValueDictionary()
NUMBER = b"x-asyncfastapi-call"

# Is a call of this context on its way to the real network?
REAL: ContextVar[bool] = ContextVar("asyncfastapi_real", default=False)
