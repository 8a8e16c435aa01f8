"""An https:// proxy with an unknown certificate: a real one, and the fault, end the same way."""

import re
import socket
import ssl
import threading
from contextlib import suppress

import pytest
import trustme

from tests.faults.test_proxies import fetch


@pytest.fixture(scope="module")
def proxy():
    """The URL of a TLS server whose authority the client does not know."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))

    def greet(connection):
        with suppress(OSError), connection, context.wrap_socket(connection, server_side=True):
            pass

    def serve():
        with suppress(OSError):
            while True:
                threading.Thread(target=greet, args=listener.accept()[:1], daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()


def chain_of(library, mode, url, proxy):
    with pytest.raises(library.ConnectError) as caught:
        fetch(library, mode, url, proxy)
    error, found = caught.value, []
    while error is not None:
        found.append(f"{type(error).__name__}: {re.sub('_ssl.c:[0-9]+', '_ssl.c', str(error))}")
        error = error.__cause__ or error.__context__
    return found


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_same_chain_of_errors(new_scope, library, mode, proxy, scheme):
    """With `proxy_error=tls` and on a socket."""
    url = f"{scheme}://up.example/"
    real = chain_of(library, mode, url, proxy)
    new_scope().faults.on("*").proxy_error("tls")
    assert chain_of(library, mode, url, proxy) == real
