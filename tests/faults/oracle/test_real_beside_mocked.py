"""One client, one host: mocked calls stay in memory, the others really go out, over HTTP/2 too."""

import anyio
import pytest
from loopback import Loopback
from misbehaviour import HTTP2_OK
from test_real_sockets import Authorities


@pytest.mark.parametrize("keeps", ["one after another", "while one is open"])
def test_mocked_and_real_calls_do_not_share_a_connection(new_scope, library, mode, keeps):
    """Each call gets its own server's answer, whatever connections the pool has kept."""
    authorities = Authorities()
    scope = new_scope(passthrough=("127.0.0.1",))
    context = authorities.server("h2_fin")  # one that speaks HTTP/2
    with Loopback(context=context, serve=HTTP2_OK) as server:
        url = f"https://127.0.0.1:{server.port}"
        scope.router.get(f"{url}/mocked").respond(text="mocked")
        scope.faults.on(f"{url}/mocked").latency("1ms")
        paths = ["/mocked", "/real", "/mocked", "/mocked", "/real", "/real", "/mocked"]
        options = {"http2": True, "verify": authorities.client, "timeout": 5}
        overlap = keeps == "while one is open"
        if mode == "sync":
            found = sync_calls(library, url, paths, options, overlap)
        else:
            found = anyio.run(async_calls, library, url, paths, options, overlap, backend=mode)
    assert [text for text, _ in found] == ["mocked" if "mocked" in path else "ok" for path in paths]
    assert {version for _, version in found} == {"HTTP/2"}
    assert server.made >= 1


async def async_calls(library, url, paths, options, overlap):
    found = []
    async with library.AsyncClient(**options) as client:
        held = []
        for path in paths:
            response = await client.send(client.build_request("GET", url + path), stream=True)
            if overlap:
                held.append(response)
            else:
                await response.aread()
                found.append((response.text, response.http_version))
        for response in held:
            await response.aread()
            found.append((response.text, response.http_version))
    return found


def sync_calls(library, url, paths, options, overlap):
    found = []
    with library.Client(**options) as client:
        held = []
        for path in paths:
            response = client.send(client.build_request("GET", url + path), stream=True)
            if overlap:
                held.append(response)
            else:
                response.read()
                found.append((response.text, response.http_version))
        for response in held:
            response.read()
            found.append((response.text, response.http_version))
    return found
