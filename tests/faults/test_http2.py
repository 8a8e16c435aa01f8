"""An app whose client speaks HTTP/2 meets its routes and its faults over HTTP/2."""

import asyncio
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import anyio
import h2.config
import h2.connection
import httpx
import pytest

from pytest_asyncfastapi._clock import VirtualClock
from pytest_asyncfastapi._faults import Effect
from pytest_asyncfastapi._upstream.memory_socket import MemorySocket
from pytest_asyncfastapi._upstream.peer import Peer
from pytest_asyncfastapi._upstream.script import SCRIPT, Script

URL = "https://pay.example/charge"
GOAWAY_AFTER_1 = b"\0\0\x08\x07\0\0\0\0\0" + b"\0\0\0\x01" + b"\0" * 4


def fetch(library, mode, *paths, body=None, **options):
    """One client, one call after another; gives responses and errors."""
    paths = paths or ("",)
    method = "GET" if body is None else "POST"

    def outcome(call):
        try:
            return call()
        except library.HTTPError as error:
            return error

    if mode == "sync":
        with library.Client(http2=True, **options) as client:
            return [
                outcome(lambda path=path: client.request(method, URL + path, content=body))
                for path in paths
            ]

    async def run():
        found = []
        async with library.AsyncClient(http2=True, **options) as client:
            for path in paths:
                try:
                    found.append(await client.request(method, URL + path, content=body))
                except library.HTTPError as error:
                    found.append(error)
        return found

    return anyio.run(run, backend=mode)


def virtually(run):
    async def main():
        clock = VirtualClock()
        clock.install()
        try:
            return await run(clock)
        finally:
            clock.uninstall()

    return asyncio.run(main())


def test_a_faulty_call_is_answered_over_http2(scope, faults, library, mode):
    """Latency and a status over HTTP/2, on one connection."""
    scope.router.get(URL).respond(json={"a": 1}, headers={"Connection": "close", "X-Own": "1"})
    faults.on(URL).latency("20ms")
    faults.on(URL).status(503, retry_after=3).nth(2)
    began = time.monotonic()
    first, second, third = fetch(library, mode, "", "", "", timeout=30)
    assert time.monotonic() - began > 0.05
    assert {item.http_version for item in (first, second, third)} == {"HTTP/2"}
    assert first.json() == third.json() == {"a": 1}
    assert (second.status_code, second.headers["retry-after"]) == (503, "3")
    assert first.headers["x-own"] == "1"
    assert "connection" not in first.headers
    assert "x-asyncfastapi-call" not in first.request.headers
    assert "x-asyncfastapi-call" not in scope.router.calls[0].request.headers
    assert scope.findings() == []


def test_a_read_timeout_comes_at_the_budget_and_costs_the_connection(scope, faults, library):
    """ReadTimeout at 5.0 virtual seconds; the next call opens a new connection and is served."""
    scope.router.get(URL).respond(text="done")
    faults.on(URL).read_timeout().first(1)
    faults.on(URL).latency("1s")

    async def run(clock):
        async with library.AsyncClient(http2=True, timeout=5) as client:
            with pytest.raises(library.ReadTimeout):
                await client.get(URL)
            at = clock.elapsed
            response = await client.get(URL)
            return at, clock.elapsed, response.text, response.http_version

    assert virtually(run) == (5.0, 6.0, "done", "HTTP/2")


def test_a_reset_ends_the_connection_and_a_reset_stream_only_its_stream(
    scope, faults, library, mode
):
    """RST on TCP is a ReadError; RST_STREAM leaves the connection to the next call."""
    scope.router.get(URL).respond(text="done")
    faults.on(URL).latency("1ms").nth(4)
    faults.on(URL).reset().first(1)
    faults.on(URL).reset_stream().first(1)
    faults.on(URL).goaway().first(1)
    found = fetch(library, mode, "", "", "", "", timeout=30)
    assert [type(item).__name__ for item in found] == [
        "ReadError",
        "RemoteProtocolError",
        "RemoteProtocolError",
        "Response",
    ]
    assert "StreamReset" in str(found[1])
    assert "ConnectionTerminated" in str(found[2])
    assert found[3].text == "done"


def test_over_http1_the_stream_is_the_connection(scope, faults, library):
    """The same rules over a suite whose clients speak HTTP/1.1: a reset, a close."""
    faults.on("*").reset_stream().first(1)
    faults.on("*").refused_stream().first(1)
    faults.on("*").goaway()
    with library.Client() as client:
        for error in (library.ReadError, library.ReadError, library.RemoteProtocolError):
            with pytest.raises(error):
                client.get(URL)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_concurrent_streams_each_get_their_own_answer(scope, faults, library, backend):
    """50 calls at once on one connection: own body, own delay, own fault."""

    def answer(request):
        return httpx.Response(200, text=request.url.path)

    scope.router.route(host="pay.example").mock(side_effect=answer)
    faults.on(f"{URL}/*0").reset_stream()
    faults.on(f"{URL}/*").latency("uniform(1ms, 20ms)")
    found = {}

    async def run():
        async with library.AsyncClient(http2=True, timeout=30) as client:

            async def one(number):
                try:
                    found[number] = (await client.get(f"{URL}/{number}")).text
                except library.RemoteProtocolError as error:
                    found[number] = type(error).__name__

            async with anyio.create_task_group() as tasks:
                for number in range(50):
                    tasks.start_soon(one, number)
            return len(client._transport._pool.connections)

    assert anyio.run(run, backend=backend) == 1
    assert found == {
        number: f"/charge/{number}" if number % 10 else "RemoteProtocolError"
        for number in range(50)
    }


class OneAtATime(h2.connection.H2Connection):
    """h2 is not made for threads, and httpcore's sync client takes no lock around it.

    Two threads may be given the same stream, or send their headers at one time; a real server
    ends the connection too.
    """

    def __init__(self, *args, **kwargs):
        self.turn = threading.RLock()
        super().__init__(*args, **kwargs)

    def get_next_available_stream_id(self):
        self.turn.acquire()  # until the headers are sent: that is what takes the number
        return super().get_next_available_stream_id()

    def send_headers(self, *args, **kwargs):
        try:
            super().send_headers(*args, **kwargs)
        finally:
            self.turn.release()

    def receive_data(self, data):
        with self.turn:
            return super().receive_data(data)

    def data_to_send(self, amount=None):
        with self.turn:
            return super().data_to_send(amount)

    def increment_flow_control_window(self, increment, stream_id=None):
        with self.turn:
            super().increment_flow_control_window(increment, stream_id)

    def acknowledge_received_data(self, size, stream_id):
        with self.turn:
            super().acknowledge_received_data(size, stream_id)


def test_threads_share_a_connection_and_each_gets_its_own_answer(
    scope, faults, library, monkeypatch
):
    """A sync client in many threads: one connection, no answer in the wrong hands."""
    monkeypatch.setattr(h2.connection, "H2Connection", OneAtATime)
    scope.router.route(host="pay.example").mock(
        side_effect=lambda request: httpx.Response(200, text=request.url.path)
    )
    faults.on(f"{URL}/*").latency("uniform(1ms, 10ms)")
    with library.Client(http2=True, timeout=30) as client, ThreadPoolExecutor(8) as threads:
        client.get(f"{URL}/warm")
        texts = list(threads.map(lambda n: client.get(f"{URL}/{n}").text, range(24)))
    assert texts == [f"/charge/{number}" for number in range(24)]


def test_slow_answers_are_made_at_the_same_time(scope, library):
    """Side effects of 3, 1 and 2 s on one connection are done at 3, 1 and 2 s.

    When each call gets to read its answer is the client's matter: httpcore lets one call read
    for all, and hands that over in the order in which they began to wait.
    """
    made, got = {}, {}

    async def run(clock):
        async def slow(request):
            seconds = int(request.url.params["s"])
            await anyio.sleep(seconds)
            made[seconds] = clock.elapsed
            return httpx.Response(200)

        scope.router.get(URL).mock(side_effect=slow)
        async with library.AsyncClient(http2=True, timeout=30) as client:

            async def one(seconds):
                await client.get(f"{URL}?s={seconds}")
                got[seconds] = clock.elapsed

            async with anyio.create_task_group() as tasks:
                for seconds in (3, 1, 2):
                    tasks.start_soon(one, seconds)

    virtually(run)
    assert made == {1: 1.0, 2: 2.0, 3: 3.0}
    assert all(seconds <= at <= 3.0 for seconds, at in got.items())


def test_each_call_raises_what_its_own_answer_raised(scope, library):
    """A side effect's error, and a call without a route, reach their own callers."""
    from pytest_asyncfastapi._upstream.errors import UnroutedCall

    scope.router.through_network = True
    scope.router.get(f"{URL}/bad").mock(side_effect=library.ConnectTimeout("slow"))
    scope.router.get(f"{URL}/wrong").mock(side_effect=ZeroDivisionError("mine"))
    scope.router.get(f"{URL}/good").respond(text="good")
    found = {}

    async def run():
        async with library.AsyncClient(http2=True) as client:

            async def one(name):
                try:
                    found[name] = (await client.get(f"{URL}/{name}")).text
                except Exception as error:
                    found[name] = type(error)

            async with anyio.create_task_group() as tasks:
                for name in ("bad", "good", "wrong", "none"):
                    tasks.start_soon(one, name)

    asyncio.run(run())
    assert found == {
        "bad": library.ConnectTimeout,
        "good": "good",
        "wrong": ZeroDivisionError,
        "none": UnroutedCall,
    }


@pytest.mark.asyncfastapi(blocking="off")  # 20 MiB through h2 are half a second of computing
def test_large_bodies_pass_the_flow_control_windows(scope, faults, library, mode):
    """1 MiB up and 20 MiB down: more than every window, byte for byte.

    The window of the connection, of 16 MiB, once with each library and each mode.
    """
    windows = {"httpx": ("sync", "trio"), "httpx2": ("asyncio",)}[library.__name__]
    down = (20 if mode in windows else 2) * 2**20
    got = []

    def answer(request):
        got.append(request.content)
        return httpx.Response(200, content=b"d" * down)

    scope.router.post(URL).mock(side_effect=answer)
    faults.on(URL).latency("1ms")
    up = b"u" * 2**20
    if mode == "sync":
        with library.Client(http2=True, timeout=60) as client:
            size = len(client.post(URL, content=up).content)
    else:

        async def run():
            async with library.AsyncClient(http2=True, timeout=60) as client:
                return len((await client.post(URL, content=up)).content)

        size = anyio.run(run, backend=mode)
    assert (size, got) == (down, [up])


def test_a_kept_connection_does_not_save_a_call_from_refused(scope, faults, library, mode):
    """HTTP/2 connections are kept, and a fault of the connection strikes all the same."""
    scope.router.get(URL).respond(text="done")
    faults.on(URL).latency("1ms")
    faults.on(URL).refused().nth(2)
    faults.on(URL).tls_error("expired").nth(2)
    found = fetch(library, mode, "", "", "", "", timeout=30)
    assert [type(item).__name__ for item in found] == [
        "Response",
        "ConnectError",
        "ConnectError",
        "Response",
    ]


def test_a_client_that_outlives_its_test_gets_no_old_connection(new_scope, library):
    """The next test's calls, and those after the tests, do not meet a connection of before."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"

    def call(client):
        scope = new_scope()
        scope.router.get(url).respond(text="done")
        scope.faults.on(url).latency("1ms")
        try:
            return client.get(url)
        finally:
            scope.deactivate()

    with library.Client(http1=False, http2=True, timeout=2) as client:
        assert [call(client).http_version, call(client).text] == ["HTTP/2", "done"]
        with pytest.raises(library.ConnectError):  # the real network's answer: nobody listens
            client.get(url)


def test_pool_limits_hold_over_http2(scope, faults, library):
    """One connection carries 30 slow calls at once; the recorder sees them all in flight."""
    scope.router.get(URL).respond(200)
    faults.on(URL).latency("1s")

    async def run(clock):
        limits = library.Limits(max_connections=1)
        async with library.AsyncClient(http2=True, limits=limits, timeout=5) as client:
            async with anyio.create_task_group() as tasks:
                for _ in range(30):
                    tasks.start_soon(client.get, URL)
            return clock.elapsed

    assert virtually(run) == 1.0
    assert scope.router.peak_in_flight == 30


# httpx leaves its body's generator unfinished when decoding fails; trio reports such generators.
@pytest.mark.filterwarnings(
    "ignore:Exception ignored .*async_generator:pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ("goaway", "RemoteProtocolError"),
        ("goaway=enhance_your_calm", "RemoteProtocolError"),
        ("refused_stream", "RemoteProtocolError"),
        ("reset_stream=3/cancel", "RemoteProtocolError"),
        ("reset_stream=cancel", "RemoteProtocolError"),
        ("reset_stream=3", "RemoteProtocolError"),
        ("too_long", "LocalProtocolError"),
        ("bad_chunk", "LocalProtocolError"),
        ("reset=upload", "WriteError"),
        ("bad_header", "LocalProtocolError"),
        ("head_too_long", "LocalProtocolError"),
        ("garbage", "RemoteProtocolError"),
        ("tls_on_plain", "RemoteProtocolError"),
        ("empty_reply", "RemoteProtocolError"),
        ("stale_keepalive", "RemoteProtocolError"),
        ("close=head", "RemoteProtocolError"),
        ("truncated", "RemoteProtocolError"),
        ("reset=2", "ReadError"),
        ("stall=2", "ReadTimeout"),
        ("bad_gzip", "DecodingError"),
        ("write_timeout", "ReadTimeout"),
        ("idle_close", "Response"),
        ("until_close", "Response"),
        ("interim=3/1ms", "Response"),
        ("head_dribble=4/20ms", "Response"),
        ("dribble=4/20ms", "Response"),
        ("bandwidth=1KB/s", "Response"),
        ("tail=1ms, gap=1ms, first_byte=1ms", "Response"),
        ("connect=1ms, tls=1ms, dns=1ms, accept=1ms", "Response"),
        ("truncated_gzip", "Response"),
        ("bad_json", "Response"),
    ],
)
def test_every_other_word_has_its_meaning_over_http2(scope, faults, library, mode, spec, error):
    """Each ending is the client's own error, each delay only a delay."""
    scope.router.route(url=URL).respond(text="0123456789")
    faults._add_spec(f"*: {spec}")
    body = b"u" if spec == "reset=upload" else None
    patience = 0.2 if error == "ReadTimeout" else 30  # the machine may be busy
    timeout = library.Timeout(30, read=patience, write=patience)
    (found,) = fetch(library, mode, body=body, timeout=timeout)
    assert type(found).__name__ == error
    if error == "Response":
        assert found.http_version == "HTTP/2"


def test_without_h2_httpx_says_what_is_missing(scope, library, monkeypatch):
    """The sentence is the library's own; we import h2 only for a client that speaks it."""
    monkeypatch.setitem(__import__("sys").modules, "h2", None)
    with pytest.raises(ImportError, match=r"http2.*h2|h2.*http2"):
        library.AsyncClient(http2=True)


def test_a_status_that_is_no_number_leaks_a_bare_error(scope, faults, library, mode):
    """httpcore does not check it: `except httpx.HTTPError` misses it, on the real wire too."""
    faults.on("*").bad_status_line()
    with pytest.raises(ValueError, match="abc"):
        fetch(library, mode)


@pytest.mark.parametrize("how", ["goaway", "goaway=graceful"])
def test_a_stream_beyond_a_goaway_is_sent_again(scope, faults, library, how):
    """On a new connection, by the library; the one before it fails in both, as on real sockets."""
    scope.router.route(host="pay.example").respond(text="ok")
    faults.on(URL).latency("1s")
    rule = faults._add_spec(f"{URL}/b: {how}, first=1")

    async def call(client, path, after):
        await anyio.sleep(after)
        try:
            return (await client.get(URL + path)).status_code
        except library.RemoteProtocolError as error:
            return str(error)

    async def run(clock):
        async with library.AsyncClient(http2=True, timeout=30) as client:
            return await asyncio.gather(call(client, "", 0), call(client, "/b", 0.1))

    terminated = "<ConnectionTerminated error_code:0, last_stream_id:1, additional_data:None>"
    assert virtually(run) == [terminated, 200]
    assert rule.hits == 1


def test_without_a_schedule_it_goes_away_each_time(scope, faults, library):
    """And so does the new connection."""
    scope.router.route(host="pay.example").respond(text="ok")
    faults.on(URL).latency("1s")
    faults.on(f"{URL}/b").goaway(graceful=True)

    async def run(clock):
        async with library.AsyncClient(http2=True, timeout=30) as client, anyio.create_task_group():
            first = asyncio.ensure_future(client.get(URL))
            await anyio.sleep(0.1)
            with pytest.raises(library.RemoteProtocolError, match="last_stream_id:0"):
                await client.get(URL + "/b")
            with pytest.raises(library.RemoteProtocolError, match="last_stream_id:1"):
                await first

    virtually(run)


def test_a_graceful_goaway_serves_what_it_took(scope, faults):
    """The server's side: the stream below has its answer, then the connection ends."""
    peer = Peer()
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    client.initiate_connection()

    def ask(number, script):
        token = SCRIPT.set(script)
        head = [(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/")]
        client.send_headers(number, head, end_stream=True)
        peer.receive_data(client.data_to_send())
        SCRIPT.reset(token)

    ask(1, Script(lambda: httpx.Response(200, text="ok"), Effect(delay=0.02)))
    ask(3, Script(lambda: httpx.Response(200), Effect(ending="goaway", detail="graceful")))
    end = MemorySocket(peer)
    end._on_data(peer.http2)
    said = b""
    while data := end.recv(65536):
        said += data
    assert said.index(GOAWAY_AFTER_1) < said.index(b"ok")


def chain_of(error):
    """The texts of an error and of what caused it."""
    while error is not None:
        yield str(error)
        error = error.__cause__ or error.__context__


def test_a_client_certificate_is_required_here_too(faults, library, mode):
    """The alert of TLS 1.3 comes when the answer is read, as over HTTP/1.1."""
    faults.on("*").tls_error("client_certificate").first(1)
    if mode == "asyncio":  # an error of OpenSSL's, which httpx does not translate
        with pytest.raises(OSError, match="CERTIFICATE_REQUIRED"):
            fetch(library, mode)
        return
    (error,) = fetch(library, mode)
    assert isinstance(error, library.ReadError)
    assert any("CERTIFICATE_REQUIRED" in text for text in chain_of(error))


def test_an_early_answer_here_is_read_after_the_upload(faults, library, mode):
    """The body goes out whole, and the answer is the server's."""
    faults.on("*").early_answer(413)
    (response,) = fetch(library, mode, body=b"x" * 40_000)
    assert (response.status_code, response.http_version) == (413, "HTTP/2")


def test_an_early_reset_has_no_effect_here(scope, faults, library, mode):
    """It is not counted, and the finding says why."""
    scope.router.post(URL).respond(text="ok")
    faults.on("*").early_answer(413, reset=True)
    (response,) = fetch(library, mode, body=b"x")
    assert response.text == "ok"
    (finding,) = (item for item in scope.findings() if item.kind == "unused-fault")
    assert "the client speaks HTTP/2" in finding.evidence


@pytest.mark.parametrize("write", [1.0, 5.0])
def test_a_slow_upload_here_is_held_frame_by_frame(scope, faults, library, write):
    """40 kB at 10 kB/s take 4 s; each frame of 16 kB has the write budget."""
    scope.router.post(URL).respond(text="ok")
    faults.on("*").upload_rate("10KB/s")

    async def run(clock):
        timeout = library.Timeout(5, write=write)
        async with library.AsyncClient(http2=True, timeout=timeout) as client:
            outcome = await run_one(client, library)
        return outcome, clock.elapsed

    async def run_one(client, library):
        try:
            return (await client.post(URL, content=b"x" * 40_000)).text
        except library.WriteTimeout:
            return "timed out"

    outcome, elapsed = virtually(run)
    assert outcome == ("ok" if write == 5.0 else "timed out")
    assert 4.0 <= elapsed < 4.1 if write == 5.0 else elapsed < 2


def test_http2_that_is_not_offered_counts_as_struck(scope, faults, library, mode):
    """The client speaks HTTP/1.1, on each call."""
    scope.router.get(URL).respond(text="ok")
    rule = faults.on("*").no_http2()
    found = fetch(library, mode, "", "")
    assert [response.http_version for response in found] == ["HTTP/1.1"] * 2
    assert rule.hits == 2
    assert scope.findings() == []
