"""The scope that an app is given is what a strict server would give it."""

from __future__ import annotations

from typing import Any

import pytest
from apps import answering

from pytest_asyncfastapi import open_app


async def scope_of(url: str, *, method: str = "GET", headers: Any = None, **options: Any) -> Any:
    seen: list[dict[str, Any]] = []
    app = answering(200, None, b"ok", seen=seen)
    async with open_app(app, lifespan=False, **options) as client:
        await client.request(method, url, headers=headers)
    return seen[0]


async def test_keys_that_the_specification_requires() -> None:
    """Version, spec version, http version, an int port and an extensions dict are there."""
    scope = await scope_of("/")
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.3"}
    assert scope["http_version"] == "1.1"
    assert scope["server"] == ["testserver", 80]
    assert scope["client"] == ["127.0.0.1", 50000]
    assert isinstance(scope["extensions"], dict)


async def test_https_base_url() -> None:
    """An https base URL gives the scheme and port 443."""
    scope = await scope_of("/", base_url="https://shop.example")
    assert (scope["scheme"], scope["server"]) == ("https", ["shop.example", 443])


@pytest.mark.parametrize(
    ("url", "path", "raw_path", "query"),
    [
        ("/a%2520b", "/a%20b", b"/a%2520b", b""),
        ("/caf%C3%A9", "/café", b"/caf%C3%A9", b""),
        ("/a%2Fb?x=1", "/a/b", b"/a%2Fb", b"x=1"),
        ("/q?a=1&b=%20+c", "/q", b"/q", b"a=1&b=%20+c"),
    ],
)
async def test_paths(url: str, path: str, raw_path: bytes, query: bytes) -> None:
    """`path` is decoded once, `raw_path` and `query_string` not at all."""
    scope = await scope_of(url)
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (path, raw_path, query)


async def test_root_path_is_a_prefix() -> None:
    """As with uvicorn: `path` and `raw_path` include `root_path`."""
    scope = await scope_of("/users", root_path="/api")
    assert (scope["root_path"], scope["path"]) == ("/api", "/api/users")
    assert scope["raw_path"] == b"/api/users"


async def test_method_is_upper_cased() -> None:
    """`method="get"` arrives as GET."""
    assert (await scope_of("/", method="get"))["method"] == "GET"


async def test_headers_keep_order_duplicates_and_bytes() -> None:
    """Names are lower-cased, nothing else changes; there is one host."""
    headers = [(b"X-One", b"1"), (b"X-Two", b"\xe9"), (b"X-One", b"2")]
    scope = await scope_of("/", headers=headers)
    mine = [pair for pair in scope["headers"] if pair[0].startswith(b"x-")]
    assert mine == [(b"x-one", b"1"), (b"x-two", b"\xe9"), (b"x-one", b"2")]
    assert [name for name, _ in scope["headers"]].count(b"host") == 1


async def test_each_request_has_its_own_scope() -> None:
    """What an app writes into a scope does not reach the next request."""
    seen: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(dict(scope))
        scope["leak"] = True
        await answering(200, None, b"ok")(scope, receive, send)

    async with open_app(app, lifespan=False) as client:
        await client.get("/")
        await client.get("/")
    assert all("leak" not in scope for scope in seen)
