"""Fixtures of the way out: a scope as one test has it. Both of its packages import them."""

import httpx
import httpx2
import pytest

from pytest_asyncfastapi._core.frames import UserCode
from pytest_asyncfastapi._faults import Faults
from pytest_asyncfastapi._upstream.scope import UpstreamScope


@pytest.fixture
def new_scope(request):
    scopes = []

    def make(*, router=True, seed=1, test="tests::here", **options):
        faults = Faults(seed, test)
        scope = UpstreamScope(
            user_code=UserCode(request.config.rootpath), faults=faults, test=test, **options
        )
        if router:
            scope.open_router()
        scope.activate()
        for module in (httpx, httpx2):  # the CA bundle is read once, and not on a test's loop
            module.HTTPTransport()
        scopes.append(scope)
        return scope

    yield make
    for scope in reversed(scopes):
        scope.deactivate()


@pytest.fixture
def scope(new_scope):
    return new_scope()


@pytest.fixture
def upstream(scope):
    return scope.router


@pytest.fixture
def faults(scope):
    return scope.faults


@pytest.fixture(params=["httpx", "httpx2"])
def library(request):
    return {"httpx": httpx, "httpx2": httpx2}[request.param]


@pytest.fixture(params=["asyncio", "trio", "sync"])
def mode(request):
    return request.param
