"""Redirects to another origin: to whom they lead, and what is said where that is nobody."""

from __future__ import annotations

from typing import Any

import pytest
from apps import answering
from test_rows_exceptions import Boom

from pytest_asyncfastapi._client.errors import RedirectedAway


def redirecting(location: bytes, beyond: Any) -> Any:
    """An app whose `/login` redirects there; `beyond` is what it is on other paths."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        start = answering(307, [(b"location", location)])
        await (start if scope["path"] == "/login" else beyond)(scope, receive, send)

    return app


NOT_FOUND = answering(404, None, b"Not Found")
FOUND = answering(200, None, b"the app's")


async def test_a_redirect_that_nobody_answers_is_named(opened: Any) -> None:
    """Instead of the app's 404; streamed or not, and where the test follows it by itself."""
    async with opened(redirecting(b"https://accounts.example/form?state=s", NOT_FOUND)) as client:
        with pytest.raises(RedirectedAway) as caught:
            await client.post("/login", content=b"x", follow_redirects=True)
        assert str(caught.value) == (
            "a redirect leads to https://accounts.example/form, which is another origin than the "
            "client's (http://testserver): no route of `upstream` answers it, and the app answers "
            '404. Fix: upstream.post("https://accounts.example/form").respond(...), or '
            'follow_redirects=False and look at response.headers["location"].'
        )
        with pytest.raises(RedirectedAway):
            async with client.stream("GET", "/login", follow_redirects=True):
                raise Boom
        response = await client.get("/login")
        assert response.status_code == 307
        with pytest.raises(RedirectedAway):
            await client.send(response.next_request)


@pytest.mark.parametrize(
    ("location", "beyond", "status"),
    [
        (b"https://testserver/here", NOT_FOUND, 404),
        (b"http://www.testserver/here", NOT_FOUND, 404),
        (b"http://api.testserver/here", FOUND, 200),
        (b"/here", NOT_FOUND, 404),
    ],
    ids=["https", "www", "another host of the app", "a path"],
)
async def test_other_redirects_lead_to_the_app(
    opened: Any, location: bytes, beyond: Any, status: int
) -> None:
    """Its own 404 is its own; and an app may serve several hosts."""
    async with opened(redirecting(location, beyond), follow_redirects=True) as client:
        assert (await client.get("/login")).status_code == status


async def test_an_absolute_url_of_the_test_is_the_apps(opened: Any) -> None:
    """Only redirects lead away."""
    async with opened(NOT_FOUND) as client:
        assert (await client.get("https://accounts.example/form")).status_code == 404


ROUTED = """
    import pytest
    from fastapi import FastAPI, Request
    from fastapi.responses import RedirectResponse

    app = FastAPI()

    @app.get("/login")
    async def login():
        return RedirectResponse("https://accounts.example/form?state=s")

    @app.get("/back")
    async def back(request: Request):
        return {"code": request.query_params["code"], "host": request.url.hostname}

    @pytest.fixture
    def asgi_app():
        return app

    async def test_there_and_back(asgi_client, upstream):
        form = upstream.get("https://accounts.example/form", params={"state": "s"})
        form.respond(302, headers={"Location": "http://testserver/back?code=7"})
        response = await asgi_client.get("/login", follow_redirects=True)
        assert response.json() == {"code": "7", "host": "testserver"}
        assert [item.status_code for item in response.history] == [307, 302]
        form.assert_called_once()

    async def test_streamed(asgi_client, upstream, faults):
        upstream.get("https://accounts.example/form").respond(text="form")
        faults.on("https://accounts.example/*").latency("2s")
        async with asgi_client.stream("GET", "/login", follow_redirects=True) as response:
            assert await response.aread() == b"form"
"""


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_a_route_of_upstream_answers(pytester: pytest.Pytester, library: str) -> None:
    """As the identity provider of a login does, with faults; the way back is the app's again."""
    pytest.importorskip(library)
    pytester.makepyfile(ROUTED)
    result = pytester.runpytest_subprocess(f"--asyncfastapi-client={library}")
    result.assert_outcomes(passed=2)
