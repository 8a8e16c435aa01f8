"""The one place that knows httpx from httpx2, and httpcore from httpcore2.

Both have the same shape and unrelated classes. Routes and patterns speak
httpx; a request of the other library is translated for them, and the answer
and the errors are translated back, so that the app meets its own library's.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import httpx

from .bodies import AsyncStreamAdapter, StreamAdapter
from .response_copy import PreloadedResponse, copy_response


@dataclass(frozen=True)
class Library:
    """One HTTP client library and the core below it, by their import names."""

    name: str
    core_name: str

    @property
    def module(self) -> Any:
        """The library's top-level module."""
        return sys.modules[self.name]

    @cached_property
    def core(self) -> Any:
        """The core's top-level module."""
        return importlib.import_module(self.core_name)

    @cached_property
    def transports(self) -> Any:
        """The module with the two network transports."""
        return importlib.import_module(f"{self.name}._transports.default")

    def core_part(self, name: str) -> Any:
        """A module inside the core, such as `_backends.auto`."""
        return _module(f"{self.core_name}.{name}")

    def as_httpx(self, request: Any) -> httpx.Request:
        """The request as routes see it; its body must have been read."""
        if isinstance(request, httpx.Request):
            return request
        seen = httpx.Request(
            request.method,
            str(request.url),
            headers=request.headers.raw,
            stream=httpx.ByteStream(request.content),
            extensions=request.extensions,
        )
        seen.read()
        return seen

    def as_own(self, response: Any, request: Any, *, sync: bool, http2: bool = False) -> Any:
        """A fresh response of this library, so that recorded ones stay as they are."""
        stream = response.stream
        if isinstance(stream, httpx.ByteStream):
            if self.name == "httpx":
                ready = copy_response(response, request, PreloadedResponse)
                ready.extensions = _extensions(response, http2)
                if not stream._stream:
                    _give_length(ready)
                return ready
            stream = self.module.ByteStream(b"".join(stream))
        elif sync and not isinstance(stream, self.module.SyncByteStream):
            stream = _bridge(self, "SyncByteStream", StreamAdapter)(stream)
        elif not sync and not isinstance(stream, self.module.AsyncByteStream):
            stream = _bridge(self, "AsyncByteStream", AsyncStreamAdapter)(stream)
        # Its own kind of headers is copied at less cost than raw ones are read.
        own = isinstance(response.headers, self.module.Headers)
        made = self.module.Response(
            response.status_code,
            headers=response.headers if own else response.headers.raw,
            stream=stream,
            request=request,
            extensions=_extensions(response, http2),
        )
        if isinstance(stream, self.module.ByteStream) and not any(stream):
            _give_length(made)
        return made

    def own_error(self, error: BaseException, request: Any) -> BaseException:
        """An error of the other library, as this library's class of the same name."""
        kind = type(error)
        if kind.__module__.partition(".")[0] == self.name:
            return error
        own = getattr(self.module, kind.__name__, None)
        theirs = kind.__module__.partition(".")[0] in {item.name for item in LIBRARIES}
        if not theirs or not isinstance(own, type) or not issubclass(own, self.module.RequestError):
            return error
        translated = own(str(error), request=request)
        translated.__cause__ = error
        return translated  # type: ignore[no-any-return]


class NoStream:
    """In place of the network stream of a response that did not come over one."""

    def get_extra_info(self, info: str) -> Any:
        """There is nothing to say of it."""
        return None

    def __repr__(self) -> str:
        return "<NoStream: a mocked answer>"


_NO_STREAM = NoStream()


def _extensions(response: Any, http2: bool) -> dict[str, Any]:
    version = b"HTTP/2" if http2 else b"HTTP/1.1"
    return {"http_version": version, "network_stream": _NO_STREAM, **response.extensions}


def _give_length(response: Any) -> None:
    """An answer without a body has a length of 0, as one of a server."""
    known = "content-length" in response.headers or "transfer-encoding" in response.headers
    if not known and response.status_code not in (204, 304):
        response.headers["Content-Length"] = "0"


def library_of(request: Any) -> Library:
    """Whose request this is."""
    return HTTPX2 if type(request).__module__.startswith("httpx2") else HTTPX


@cache
def _module(name: str) -> Any:
    # Called several times a call, and importlib looks for the parents every time.
    return importlib.import_module(name)


def _bridge(library: Library, base: str, body: type) -> Any:
    """A body class that the library accepts as a stream of its own."""
    return type(body.__name__, (body, getattr(library.module, base)), {})


HTTPX = Library("httpx", "httpcore")
HTTPX2 = Library("httpx2", "httpcore2")
LIBRARIES = (HTTPX, HTTPX2)
