"""Which statuses an endpoint declares: what its callers are to expect.

Read from the route that FastAPI has put into the request's scope; other frameworks
declare nothing. Imports no framework.
"""

from __future__ import annotations

from typing import Any


def declares(scope: dict[str, Any], status: int) -> bool:
    """Has the endpoint of this request declared this status in its OpenAPI responses?"""
    route = scope.get("route")
    if status == (getattr(route, "status_code", None) or 200):
        return True
    responses = getattr(route, "responses", None) or {}
    for declared in responses:
        text = str(declared).upper()
        if text == str(status) or text == "DEFAULT" or text == f"{status // 100}XX":
            return True
    return False
