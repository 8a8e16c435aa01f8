"""A client of a Unix socket is mocked like any other: no file is ever opened."""

import gc
import socket
import threading

import anyio
import pytest

URL = "http://docker/info"


def fetch(library, mode, path, url=URL, *, retries=0, **options):
    if mode == "sync":
        transport = library.HTTPTransport(uds=path, retries=retries)
        with library.Client(transport=transport, **options) as client:
            return client.get(url)

    async def call():
        transport = library.AsyncHTTPTransport(uds=path, retries=retries)
        async with library.AsyncClient(transport=transport, **options) as client:
            return await client.get(url)

    return anyio.run(call, backend=mode)


@pytest.fixture
def listening(tmp_path):
    """A real Unix socket that answers; a call that arrives there is a call too many."""
    path = str(tmp_path / "s")
    arrived = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        server.settimeout(5)

        def serve():
            try:
                taken, _ = server.accept()
            except OSError:
                return
            with taken:
                request = taken.recv(1000)
                if not request:
                    return
                arrived.append(request)
                taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nreal")

        thread = threading.Thread(target=serve)
        thread.start()
        yield path, arrived
        try:
            with socket.socket(socket.AF_UNIX) as last:
                last.connect(path)
        except OSError:
            pass
        thread.join()


def test_a_fault_on_a_unix_socket_reaches_no_socket(scope, faults, library, mode, listening):
    """Latency is played in memory, and the route answers by its URL."""
    path, arrived = listening
    scope.router.get(URL).respond(text="mocked")
    rule = faults.on("http://docker/*").latency("1ms")
    assert fetch(library, mode, path).text == "mocked"
    assert rule.hits == 1
    assert arrived == []


def test_without_a_socket_file_too(scope, faults, library, mode):
    """The path need not exist."""
    scope.router.get(URL).respond(text="mocked")
    faults.on("*").latency("1ms")
    assert fetch(library, mode, "/nowhere/at/all").text == "mocked"


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        ("refused", "ConnectError", "[Errno 111] Connection refused"),
        ("dns_error", "ConnectError", "[Errno 2] No such file or directory"),
        ("connect_timeout", "ConnectTimeout", None),
        ("read_timeout", "ReadTimeout", None),
        ("reset", "ReadError", None),
        ("empty_reply", "RemoteProtocolError", "Server disconnected without sending a response."),
    ],
)
def test_the_errors_are_those_of_a_unix_socket(scope, faults, library, mode, fault, error, message):
    """Refused and missing have the messages of the system: there is no host, and no port."""
    faults._add_spec(f"*: {fault}")
    with pytest.raises(getattr(library, error)) as caught:
        fetch(library, mode, "/nowhere/at/all", timeout=0.05 if "timeout" in fault else 5)
    if message is not None:
        assert str(caught.value) == message
    assert str(caught.value.request.url) == URL


# httpcore leaves the socket open that could not be connected.
@pytest.mark.filterwarnings("ignore:.*socket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", ["missing", "nobody listens"])
def test_they_are_the_errors_of_a_real_unix_socket(new_scope, library, mode, kind, tmp_path):
    """Against the system itself: same class, same message."""
    path = str(tmp_path / "s")
    if kind == "nobody listens":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
    with pytest.raises(library.ConnectError) as real:
        fetch(library, mode, path)
    message = str(real.value)
    del real
    gc.collect()
    scope = new_scope()
    scope.faults._add_spec("*: refused" if kind == "nobody listens" else "*: dns_error")
    with pytest.raises(library.ConnectError) as played:
        fetch(library, mode, path)
    assert str(played.value) == message


def test_name_resolution_takes_no_time_where_there_is_no_name(scope, faults, library):
    """`dns` does not delay a Unix socket; trio would wait for it without a limit."""
    scope.router.get(URL).respond(text="mocked")
    faults.on("*").timeline(dns="1h")
    for mode in ("asyncio", "trio", "sync"):
        assert fetch(library, mode, "/nowhere", timeout=2).text == "mocked"


def test_a_retry_goes_to_the_real_unix_socket(new_scope, library, mode, listening):
    """Refused once, in a suite without routes: the second attempt is the client's own."""
    path, arrived = listening
    scope = new_scope(router=False)
    scope.faults.on("*").refused().first(1)
    assert fetch(library, mode, path, retries=1).text == "real"
    assert len(arrived) == 1
