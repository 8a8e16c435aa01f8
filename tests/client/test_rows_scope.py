"""Rows S: the HTTP scope is what a strict server would give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from apps import answering


@pytest.fixture
def scope_of(opened: Callable[..., Any]) -> Callable[..., Any]:
    """The scope that an app gets for one request."""

    async def scope_of(url: str, method: str = "GET", headers: Any = None, **options: Any) -> Any:
        seen: list[dict[str, Any]] = []
        async with opened(answering(200, None, b"ok", seen=seen), **options) as client:
            await client.request(method, url, headers=headers)
        return seen[0]

    return scope_of


async def test_S01_asgi_version(scope_of: Any) -> None:
    """The required key is there."""
    assert (await scope_of("/"))["asgi"]["version"] == "3.0"


@pytest.mark.parametrize("version", ["2.3", "2.4"])
async def test_S02_spec_version(scope_of: Any, version: str) -> None:
    """Present, and to be chosen: frameworks take another path from 2.4 on."""
    assert (await scope_of("/", spec_version=version))["asgi"]["spec_version"] == version


async def test_S03_http_version(scope_of: Any) -> None:
    """Present."""
    assert (await scope_of("/"))["http_version"] == "1.1"


async def test_S04_method_is_upper_cased(scope_of: Any) -> None:
    """`method="get"` arrives as GET."""
    assert (await scope_of("/", method="get"))["method"] == "GET"


async def test_S05_https_base_url(scope_of: Any) -> None:
    """The scheme follows, and the port is 443."""
    scope = await scope_of("/", base_url="https://shop.example")
    assert (scope["scheme"], scope["server"]) == ("https", ["shop.example", 443])


async def test_S06_server_has_an_int_port(scope_of: Any) -> None:
    """The default port too."""
    assert (await scope_of("/"))["server"] == ["testserver", 80]
    assert (await scope_of("/", base_url="http://h:8000"))["server"] == ["h", 8000]


async def test_S07_path_is_decoded_once(scope_of: Any) -> None:
    """An encoded percent sign stays one."""
    assert (await scope_of("/a%2520b"))["path"] == "/a%20b"


async def test_S08_path_is_utf8(scope_of: Any) -> None:
    """Percent-encoded UTF-8 is text."""
    assert (await scope_of("/caf%C3%A9"))["path"] == "/café"


async def test_S09_raw_path_is_untouched(scope_of: Any) -> None:
    """Bytes as sent, without the query."""
    assert (await scope_of("/a%2Fb?x=1"))["raw_path"] == b"/a%2Fb"


async def test_S10_query_string_is_untouched(scope_of: Any) -> None:
    """Bytes as sent."""
    assert (await scope_of("/q?a=1&b=%20+c"))["query_string"] == b"a=1&b=%20+c"


async def test_S11_headers_keep_order_and_duplicates(scope_of: Any) -> None:
    """Names are lower-cased, nothing else changes."""
    headers = [(b"X-One", b"1"), (b"X-Two", b"2"), (b"X-One", b"3")]
    mine = [p for p in (await scope_of("/", headers=headers))["headers"] if p[0][:2] == b"x-"]
    assert mine == [(b"x-one", b"1"), (b"x-two", b"2"), (b"x-one", b"3")]


async def test_S12_header_bytes_pass_through(scope_of: Any) -> None:
    """A value that is no ASCII."""
    scope = await scope_of("/", headers=[(b"x-latin", b"\xe9")])
    assert (b"x-latin", b"\xe9") in scope["headers"]


async def test_S13_client_address(scope_of: Any) -> None:
    """Present, and to be chosen."""
    assert (await scope_of("/"))["client"] == ["127.0.0.1", 50000]
    assert (await scope_of("/", client_address=("10.0.0.7", 4)))["client"] == ["10.0.0.7", 4]


async def test_S14_root_path_is_a_prefix(scope_of: Any) -> None:
    """As with uvicorn: `path` and `raw_path` include `root_path`."""
    scope = await scope_of("/users", root_path="/api")
    assert (scope["root_path"], scope["path"]) == ("/api", "/api/users")
    assert scope["raw_path"] == b"/api/users"


async def test_S15_extensions(scope_of: Any) -> None:
    """A dict; debug, early hints and trailers are always offered, others on demand."""
    always = ("debug", "early_hint", "trailers")
    offered: dict[str, Any] = {f"http.response.{name}": {} for name in always}
    assert (await scope_of("/"))["extensions"] == offered
    more = await scope_of("/", extensions=("http.response.pathsend",))
    assert more["extensions"] == {**offered, "http.response.pathsend": {}}


async def test_S16_one_host_header(scope_of: Any) -> None:
    """Exactly one."""
    hosts = [value for name, value in (await scope_of("/"))["headers"] if name == b"host"]
    assert hosts == [b"testserver"]


async def test_S17_each_request_has_its_own_scope(opened: Any) -> None:
    """What an app writes into a scope does not reach the next request."""
    seen: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append({**scope, "asgi": dict(scope["asgi"]), "extensions": dict(scope["extensions"])})
        scope["leak"] = scope["asgi"]["leak"] = scope["extensions"]["leak"] = True
        await answering(200, None, b"ok")(scope, receive, send)

    async with opened(app) as client:
        await client.get("/")
        await client.get("/")
    assert "leak" not in str(seen)


async def test_S18_an_empty_body_is_one_message(opened: Any) -> None:
    """A GET gives one http.request, with more_body False."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(await receive())
        await answering(200, None, b"ok")(scope, receive, send)
        seen.append(await receive())

    async with opened(app) as client:
        await client.get("/")
    assert seen == [
        {"type": "http.request", "body": b"", "more_body": False},
        {"type": "http.disconnect"},
    ]
