"""A respx router of the test's own, beside `upstream`."""

import httpx
import httpx2
import pytest
import respx

from pytest_asyncfastapi._upstream.errors import UnroutedCall

URL = "https://mail.example/send"


@pytest.mark.parametrize("using", ["httpcore", "httpx"])
async def test_its_routes_are_asked_before_a_call_is_unrouted(scope, upstream, using):
    """Both answer their own, sync and async; what neither answers is found."""
    upstream.get("https://pay.example/").respond(201)
    with respx.mock(using=using) as mine:
        mine.post(URL).respond(202)
        async with httpx.AsyncClient() as client:
            assert (await client.post(URL)).status_code == 202
        if using == "httpcore":  # the other one stands before ours, and refuses by itself
            async with httpx.AsyncClient() as client:
                assert (await client.get("https://pay.example/")).status_code == 201
                with pytest.raises(UnroutedCall):
                    await client.get(URL)
        assert mine.calls.call_count == 1
    kinds = [finding.kind for finding in scope.findings(passed=False)]
    assert kinds == (["unrouted"] if using == "httpcore" else [])


def test_one_that_answers_all_is_asked_too(scope, upstream):
    """`assert_all_mocked=False` gives 200 to every call."""
    with respx.mock(assert_all_mocked=False):
        assert httpx.get(URL).status_code == 200
    assert scope.findings() == []


def test_a_route_of_upstream_comes_first(upstream):
    """The same URL in both."""
    upstream.post(URL).respond(201)
    with respx.mock(assert_all_called=False) as mine:
        mine.post(URL).respond(202)
        assert httpx.post(URL).status_code == 201


def test_respx_does_not_answer_for_httpx2(scope, upstream):
    """It mocks httpx only, so the call would go out."""
    with respx.mock(assert_all_called=False) as mine:
        mine.post(URL).respond(202)
        with pytest.raises(UnroutedCall):
            httpx2.post(URL)
    assert [finding.kind for finding in scope.findings()] == ["unrouted"]


def test_when_its_block_has_ended_the_call_is_unrouted(scope, upstream):
    """No router is left that answers."""
    with respx.mock() as mine:
        mine.post(URL).respond(202)
        httpx.post(URL)
    with pytest.raises(UnroutedCall):
        httpx.post(URL)
    assert len(scope.findings()) == 1
