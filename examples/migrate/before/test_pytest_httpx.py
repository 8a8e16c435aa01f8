"""pytest-httpx: what is asked is compared, what becomes of the answer is not."""

import httpx
import pytest
from pytest_httpx import HTTPXMock


@pytest.mark.asyncio
# Or the mock would answer the test's own client too.
@pytest.mark.httpx_mock(should_mock=lambda request: request.url.host == "customs.example")
@pytest.mark.parametrize(("status", "is_cleared"), [(200, True), (404, False)])
async def test_a_parcel_is_cleared(
    client: httpx.AsyncClient, httpx_mock: HTTPXMock, status: int, is_cleared: bool
) -> None:
    httpx_mock.add_response(url="https://customs.example/papers/1", status_code=status)

    response = await client.get("/parcels/1/cleared")

    assert response.json() == {"cleared": is_cleared}
