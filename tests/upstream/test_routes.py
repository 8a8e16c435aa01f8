import random
import time

import httpx
import pytest
import respx

from pytest_asyncfastapi._upstream.router import Upstream


def described(router):
    return [
        (route.name, repr(route.pattern), route.return_value.status_code, route.is_pass_through)
        for route in router.routes
    ]


@pytest.mark.parametrize("seed", range(20))
def test_adding_means_what_it_means_in_respx(seed):
    """Any sequence of named and unnamed routes, pops and roll-backs leaves respx's own list."""
    chance = random.Random(seed)
    ours, theirs = Upstream(), respx.Router()
    for step in range(60):
        url, code = f"https://x/{chance.randrange(6)}", 200 + step
        name = chance.choice([None, "a", "b", "c"])
        verb = chance.choice(["add", "add", "add", "add", "pop", "snapshot", "rollback", "clear"])
        for router in (ours, theirs):
            if verb == "add":
                router.get(url, name=name).respond(code)
            elif verb == "pop":
                router.pop(name or "none", None)
            elif verb == "clear" and step % 9 == 0:
                router.clear()
            elif verb in ("snapshot", "rollback"):
                getattr(router, verb)()
        assert described(ours) == described(theirs)
        names = ("a", "b", "c")
        assert [name in ours.routes for name in names] == [name in theirs.routes for name in names]


def test_a_name_that_is_unknown_is_a_key_error():
    """As in respx, unless a default is given."""
    router = Upstream()
    with pytest.raises(KeyError):
        router.pop("nobody")
    assert router.pop("nobody", None) is None


def test_ten_thousand_routes_are_added_and_found():
    """Adding is linear; each of them answers."""
    router = Upstream()
    began = time.process_time()
    for number in range(10_000):
        router.get(f"https://x/{number}").respond(200)
    assert time.process_time() - began < 10
    found = router._first_match(httpx.Request("GET", "https://x/9999"))
    assert found is router.routes[9999]
