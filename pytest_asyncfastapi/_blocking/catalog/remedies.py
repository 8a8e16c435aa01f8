"""What to write instead, by kind of call: one short line each."""

from __future__ import annotations

THREAD = "await anyio.to_thread.run_sync(...)"
SLEEP = "await anyio.sleep(...)"
NET = "await anyio.connect_tcp(...), or asyncio streams"
MAIL = "aiosmtplib or another async client, or " + THREAD
DNS = "await anyio.getaddrinfo(...) or loop.getaddrinfo(...)"
TLS = "await anyio.connect_tcp(..., tls=True)"
PROC = "await anyio.run_process(...) or asyncio.create_subprocess_exec(...)"
PIPE = "the stream of asyncio.create_subprocess_exec(...)"
LOCK = "an anyio.Lock, Event or Condition; for a lock shared with threads, " + THREAD
JOIN = THREAD + " for the work, and await its result"
AWAIT = "await the coroutine; code that is not async is called in " + THREAD.removeprefix("await ")
FUTURE = "await asyncio.wrap_future(future), or " + THREAD
QUEUE = "an asyncio.Queue or anyio.create_memory_object_stream(...)"
SQL = "aiosqlite or SQLAlchemy's async engine, or " + THREAD
DB = "an async driver (asyncpg, psycopg.AsyncConnection, ...), or " + THREAD
RPC = "grpc.aio, or " + THREAD
FILE = "await anyio.Path(...).read_text() / anyio.open_file(...), or " + THREAD
FILE_WORK = THREAD + "; one call in a thread for all of it"
META = "await anyio.Path(...).stat(), .exists(), ..., or " + THREAD
HTTP = "async with httpx.AsyncClient() as client: await client.get(...)"
STDIN = THREAD
SIGNAL = "anyio.open_signal_receiver(...)"
IMPORT = "import it at the top of the module"
IMPORT_BEFORE = "import that module where the app starts; a library does it at its first use"
IMPORT_LAZY = (
    "a `lazy import` loads its module at the first use: make it eager, or use it in the lifespan"
)
CPU = THREAD + ", or a process pool for pure Python"
CONTEXT_ONCE = "build the SSL context once, in the lifespan, and share it between requests"
BUILD_ONCE = "build the client once, in the lifespan, and share it between requests"
