import ssl

import pytest


def default(library):
    return library.AsyncHTTPTransport()._pool._ssl_context


def test_default_clients_share_one_context_while_mocked(new_scope, library):
    """While a scope is active, clients with default arguments do not read the CA bundle again."""
    scope = new_scope()
    shared = default(library)
    assert default(library) is shared
    assert library.HTTPTransport()._pool._ssl_context is shared
    scope.deactivate()
    assert default(library) is not shared


def test_the_shared_context_still_verifies(scope, library):
    """A call that is let through is as safe as before."""
    shared = default(library)
    assert shared.verify_mode is ssl.CERT_REQUIRED
    assert shared.check_hostname
    assert shared.cert_store_stats()["x509_ca"] > 0


@pytest.mark.parametrize("options", [{"verify": False}, {"verify": ssl.create_default_context()}])
def test_other_arguments_get_their_own(scope, library, options):
    """Whoever says what to verify gets just that."""
    own = library.AsyncHTTPTransport(**options)._pool._ssl_context
    assert own is not default(library)


def test_another_environment_gets_another_one(scope, library, monkeypatch):
    """`SSL_CERT_FILE` is honoured at the time when the client is made."""
    shared = default(library)
    monkeypatch.setenv("SSL_CERT_FILE", __import__("certifi").where())
    assert default(library) is not shared


def test_clients_of_the_start_up_share_it_too(pytester):
    """The app is started before `upstream` is set up, if the test names it later."""
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makepyfile(
        """
        from contextlib import asynccontextmanager
        import httpx, pytest
        from fastapi import FastAPI

        made = []

        @asynccontextmanager
        async def lifespan(app):
            async with httpx.AsyncClient() as one, httpx.AsyncClient() as two:
                made.extend(http._transport._pool._ssl_context for http in (one, two))
                yield

        @pytest.fixture
        def asgi_app():
            return FastAPI(lifespan=lifespan)

        @pytest.mark.parametrize("again", [1, 2])
        async def test_it(asgi_client, upstream, again):
            assert len(made) == 2 * again
            assert len({id(context) for context in made}) == 1
        """
    )
    pytester.runpytest_inprocess().assert_outcomes(passed=2)
