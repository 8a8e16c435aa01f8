"""A mocked answer on its way to a client, where no fault strikes: as it is, if that is possible.

Nearly every answer takes the short way; one that a network would change is sent over one in
memory (`prepared_answers.py` says which).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .dispatch import send_over_memory, send_over_memory_sync
from .prepared_answers import changed
from .script import Script

if TYPE_CHECKING:
    from collections.abc import Callable

    from .call_log import OpenExchange
    from .outgoing_call import Call

    # Is called with an answer that no server could send, and what is wrong with it, if anything.
    Report = Callable[[OpenExchange, str], None]


async def deliver(call: Call, out: OpenExchange, response: Any, report: Report) -> Any:
    """Give an async client its answer; what is wrong with it is logged."""
    why = changed(out.request, response)
    if why is None:
        return call.library.as_own(response, call.request, sync=False, http2=call.http2)
    report(out, why)

    async def answer() -> Any:
        return response

    return await send_over_memory(call, Script(answer))


def deliver_sync(call: Call, out: OpenExchange, response: Any, report: Report) -> Any:
    """Give a sync client its answer."""
    why = changed(out.request, response)
    if why is None:
        return call.library.as_own(response, call.request, sync=True, http2=call.http2)
    report(out, why)
    return send_over_memory_sync(call, Script(lambda: response))
