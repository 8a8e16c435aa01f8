import subprocess
import sys
import textwrap
import threading

import httpcore
import httpcore2
import httpx
import httpx2
import pytest
import respx

URL = "https://pay.example/charge"


def patched_attributes():
    places = []
    for library, core in ((httpx, httpcore), (httpx2, httpcore2)):
        places += [
            (library.AsyncHTTPTransport, "handle_async_request"),
            (library.HTTPTransport, "handle_request"),
            (core._backends.auto.AutoBackend, "connect_tcp"),
            (core._backends.sync.SyncBackend, "connect_tcp"),
        ]
    return {(owner, name): owner.__dict__[name] for owner, name in places}


def test_the_last_scope_restores_everything(new_scope):
    """Every patched attribute is the original object again, whatever the order of leaving."""
    before, finders = patched_attributes(), list(sys.meta_path)
    one, two = new_scope(), new_scope()
    two.faults.on("*").refused()
    for library in (httpx, httpx2):
        with pytest.raises(library.ConnectError):
            library.get(URL)
    assert all(
        now is not before[place]
        for place, now in patched_attributes().items()
        if place[1] != "connect_tcp"
    )
    one.deactivate()
    assert patched_attributes() != before
    two.deactivate()
    two.deactivate()
    assert patched_attributes() == before
    assert sys.meta_path == finders


@pytest.fixture
def untouched():
    original = httpx.HTTPTransport.handle_request
    yield original
    httpx.HTTPTransport.handle_request = original


def test_a_patch_over_ours_is_left_alone(new_scope, untouched):
    """Who patched over us keeps the patch; ours, put back too late, strikes only once."""
    scope = new_scope()
    scope.router.get(URL).respond(text="ours")
    ours = httpx.HTTPTransport.handle_request

    def theirs(self, request):
        return ours(self, request)

    httpx.HTTPTransport.handle_request = theirs
    assert httpx.get(URL).text == "ours"
    scope.deactivate()
    assert httpx.HTTPTransport.handle_request is theirs
    with pytest.raises(httpx.ConnectError):
        httpx.get("http://127.0.0.1:9/")
    for leftover in (theirs, ours):
        httpx.HTTPTransport.handle_request = leftover
        later = new_scope()
        rule = later.faults.on(URL).status(503)
        assert httpx.get(URL).status_code == 503
        assert rule.hits == 1
        passed = later.router.get("http://127.0.0.1:9/").pass_through()
        with pytest.raises(httpx.ConnectError):
            httpx.get("http://127.0.0.1:9/")
        assert passed.call_count == 1
        later.deactivate()
    assert httpx.HTTPTransport.handle_request is untouched


def test_two_threads_do_not_see_each_other(new_scope):
    """Two tests at once, each in its thread, get their own routes for the same URL."""
    barrier = threading.Barrier(2)
    seen = {}

    def test(name):
        scope = new_scope()
        scope.router.get(URL).respond(text=name)
        barrier.wait()
        seen[name] = httpx.get(URL).text
        barrier.wait()
        scope.deactivate()

    threads = [threading.Thread(target=test, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"a": "a", "b": "b"}


def test_nested_scopes_see_the_innermost(new_scope):
    """A scope inside another answers alone, and the outer one answers again after it."""
    outer = new_scope()
    outer.router.get(URL).respond(text="outer")
    inner = new_scope()
    inner.router.get(URL).respond(text="inner")
    assert httpx.get(URL).text == "inner"
    inner.deactivate()
    assert httpx.get(URL).text == "outer"


def test_respx_mock_works_beside_an_active_scope(new_scope):
    """A suite that uses respx's own mock is not disturbed by a scope without a router."""
    new_scope(router=False)
    with respx.mock() as mock:
        route = mock.get(URL).respond(text="respx")
        assert httpx.get(URL).text == "respx"
        assert route.call_count == 1


def test_a_library_imported_later_is_covered():
    """httpx2 imported for the first time inside the test is intercepted too."""
    script = """
        import sys
        from pytest_asyncfastapi._faults import Faults
        from pytest_asyncfastapi._core.frames import UserCode
        from pytest_asyncfastapi._upstream.scope import UpstreamScope
        scope = UpstreamScope(user_code=UserCode("."), faults=Faults())
        scope.open_router().get("https://a.example/").respond(text="late")
        scope.activate()
        assert "httpx2" not in sys.modules
        import httpx2
        print(httpx2.get("https://a.example/").text)
        scope.deactivate()
        assert httpx2.HTTPTransport.handle_request.__module__.startswith("httpx2")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True
    )
    assert done.stdout == "late\n", done.stderr


def test_the_rooms_import_no_http_library():
    """Importing both packages, and validating a fault spec, costs no httpx and no respx."""
    script = """
        import sys
        import pytest_asyncfastapi._upstream
        from pytest_asyncfastapi._faults import parse
        parse("*: refused")
        heavy = {"httpx", "respx", "anyio", "h11", "httpcore"}
        print(sorted(heavy & set(sys.modules)))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True
    )
    assert done.stdout == "[]\n", done.stderr
