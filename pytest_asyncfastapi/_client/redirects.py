"""A redirect to another origin than the client's: it does not lead to the app, as a rule.

Where somebody else answers it (a route of `upstream`) it goes there, through the library's own
transport. Else the app gets it, as it may serve several hosts; its 404 is then reported as what
it is. Knows no routes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import RedirectedAway

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class ClientRequestInfo(NamedTuple):
    """What our client says of a request, in its extensions.

    `ready` is the exchange, where it has run already, else whether the caller streams;
    `first` is the URL of the request that redirects have led on from.
    """

    ready: Any
    first: Any


def is_cross_origin(request: Any, first: Any) -> bool:
    """Is this request for another origin than the first one?"""
    url = request.url
    return url is not first and (url.scheme, url.netloc) != (first.scheme, first.netloc)


def is_other_host(request: Any, first: Any) -> bool:
    """Is it for another host, and not only for https or for `www.` of the same?"""
    there, here = (url.host.removeprefix("www.") for url in (request.url, first))
    return bool(there != here)


async def send_outside(
    request: Any, outside: Callable[[Any], bool] | None, transport: Callable[[], Any]
) -> Any:
    """The answer of somebody else; None where the app answers.

    `outside` says whether there is one; it gets the request with its body.
    """
    if outside is None:
        return None
    await request.aread()
    if not outside(request):
        return None
    answer: Awaitable[Any] = transport().handle_async_request(request)
    return await answer


def redirected_away(request: Any, first: Any) -> RedirectedAway:
    """The app does not know the path that it has redirected to: in words."""
    target = request.url.copy_with(query=None, fragment=None)
    return RedirectedAway(
        f"a redirect leads to {target}, which is another origin than the client's "
        f"({first.scheme}://{first.netloc.decode()}): no route of `upstream` answers it, and the "
        f'app answers 404. Fix: upstream.{request.method.lower()}("{target}").respond(...), or '
        'follow_redirects=False and look at response.headers["location"].'
    )
