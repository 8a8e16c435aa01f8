"""The one interception of the process, installed while a scope is active.

Four methods are replaced: `handle_async_request` and `handle_request` of the
network transports of httpx and httpx2; and, once a fault needs the wire,
`connect_tcp` of the two backends below them. What a call gets is decided by
its scope: this module only finds the scope, and knows no routes.

The state is process-wide because the patched classes are. It is a list of
scopes and what to restore; routes and faults live in the scopes.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from .._core.active_scopes import ActiveScopes
from .._core.import_hook import PostImportHook
from .httpx_libraries import LIBRARIES, Library
from .network import MemoryNetworkStream, patched_connect
from .outgoing_call import Call
from .shared_tls import SharedSSLContexts

if TYPE_CHECKING:
    from collections.abc import Callable


class Handler(Protocol):
    """What answers calls: a scope."""

    async def handle_async(self, call: Call) -> Any:
        """Answer an async client."""

    def handle_sync(self, call: Call) -> Any:
        """Answer a sync client."""


# The request that a scope is handling in this context: where two of our methods
# lie on the way of one request, the second only forwards.
_HANDLED: ContextVar[Any] = ContextVar("asyncfastapi_upstream_handled", default=None)

_MARK = "_asyncfastapi_original"
# Other clients: what is imported when they are used, and our module about it.
_FOREIGN = {"aiohttp.connector": "aiohttp_calls", "urllib3.connectionpool": "urllib3_calls"}


class Interception(ActiveScopes[Handler]):
    """Who is active, and what has been replaced; one object for the process."""

    def __init__(self) -> None:
        super().__init__("asyncfastapi_upstream_scope")
        # Kept between scopes: a suite pays for the CA bundle once.
        self._contexts = SharedSSLContexts()
        self._watches: list[PostImportHook] = []
        self._networks: set[str] = set()

    def _install(self) -> None:
        for library in LIBRARIES:
            module = f"{library.name}._transports.default"
            self._once_imported(module, partial(self._patch_transports, library))
        for module, ours in _FOREIGN.items():
            self._once_imported(module, partial(self._patch_foreign, ours))

    def _once_imported(self, module: str, patch: Callable[[], None]) -> None:
        if module in sys.modules:
            patch()
        else:
            watch = PostImportHook(module, patch)
            watch.install()
            self._watches.append(watch)

    def _patch_foreign(self, ours: str) -> None:
        module = import_module(f"{__package__}.{ours}")
        with self._lock:
            for owner, name, make in module.methods(self.current):
                original = getattr(owner.__dict__[name], _MARK, owner.__dict__[name])
                replacement = make(original)
                setattr(replacement, _MARK, original)
                self._patches.replace(owner, name, replacement)

    def _patch_transports(self, library: Library) -> None:
        with self._lock:
            for owner, name, make in (
                (library.transports.AsyncHTTPTransport, "handle_async_request", _async_method),
                (library.transports.HTTPTransport, "handle_request", _sync_method),
            ):
                # Ours may still be there, put back by somebody who patched over it.
                original = getattr(owner.__dict__[name], _MARK, owner.__dict__[name])
                ours = make(self, library, original)
                setattr(ours, _MARK, original)
                self._patches.replace(owner, name, ours)
            original = library.transports.create_ssl_context
            ours = self._contexts.sharing(library.name, original)
            self._patches.replace(library.transports, "create_ssl_context", ours)

    def open_network(self, library: Library) -> None:
        """Put the in-memory network below this library, until the last scope leaves."""
        with self._lock:
            if library.name in self._networks:
                return
            self._networks.add(library.name)
            for part, owner_name in (("auto", "AutoBackend"), ("sync", "SyncBackend")):
                owner = getattr(library.core_part(f"_backends.{part}"), owner_name)
                for name in ("connect_tcp", "connect_unix_socket"):
                    original = owner.__dict__[name]
                    self._patches.replace(owner, name, patched_connect(library, original))

    def _restore(self) -> None:
        super()._restore()
        while self._watches:
            self._watches.pop().remove()
        self._networks.clear()
        MemoryNetworkStream.forget_all()

    def __repr__(self) -> str:
        return f"<Interception scopes={len(self._active)} patches={len(self._patches)}>"


def _async_method(found: Interception, library: Library, original: Any) -> Any:
    async def handle_async_request(self: Any, request: Any) -> Any:
        __tracebackhide__ = True
        scope = found.current()
        if scope is None or _HANDLED.get() is request:
            return await original(self, request)
        token = _HANDLED.set(request)
        try:
            return await scope.handle_async(Call(library, self, request, original))
        finally:
            _HANDLED.reset(token)

    return handle_async_request


def _sync_method(found: Interception, library: Library, original: Any) -> Any:
    def handle_request(self: Any, request: Any) -> Any:
        scope = found.current()
        if scope is None or _HANDLED.get() is request:
            return original(self, request)
        token = _HANDLED.set(request)
        try:
            return scope.handle_sync(Call(library, self, request, original))
        finally:
            _HANDLED.reset(token)

    return handle_request


INTERCEPTION = Interception()
