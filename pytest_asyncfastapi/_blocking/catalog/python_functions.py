"""The Python functions that people write above what blocks: by qualified name and module.

They name a finding and give it its category and remedy. Those marked with `!` are findings
by themselves: production waits there even where a mock answers at once.
"""

from __future__ import annotations

from . import remedies as to
from .kinds import Category, Entry, NamedFunction

_VERBS = "get! post! put! patch! delete! head! options! request!"
_METHODS = "get post put patch delete head options request"

# shown before the name, class (or ""), names, category, remedy, modules
_Row = tuple[str, str, str, Category, str, str]

_HTTP_ROWS: tuple[_Row, ...] = (
    ("httpx.", "", _VERBS + " stream!", "http", to.HTTP, "httpx._api"),
    ("httpx.", "Client.", _METHODS + " send! stream!", "http", to.HTTP, "httpx._client"),
    ("httpx2.", "", _VERBS + " stream!", "http", to.HTTP, "httpx2._api"),
    ("httpx2.", "Client.", _METHODS + " send! stream!", "http", to.HTTP, "httpx2._client"),
    ("requests.", "", _VERBS, "http", to.HTTP, "requests.api"),
    ("requests.", "Session.", _METHODS.replace("request", "request! send!"), "http", to.HTTP,
     "requests.sessions"),
    ("urllib.request.", "", "urlopen! urlretrieve!", "http", to.HTTP, "urllib.request"),
    ("urllib.request.", "OpenerDirector.", "open!", "http", to.HTTP, "urllib.request"),
    ("urllib3.", "", "request!", "http", to.HTTP, "urllib3"),
    ("urllib3.", "RequestMethods.", "request!", "http", to.HTTP, "urllib3._request_methods"),
    ("urllib3.", "PoolManager.", "urlopen!", "http", to.HTTP, "urllib3.poolmanager"),
    ("urllib3.", "HTTPConnectionPool.", "urlopen!", "http", to.HTTP, "urllib3.connectionpool"),
    ("http.client.", "HTTPConnection.", "request connect getresponse endheaders send", "http",
     to.HTTP, "http.client"),
    ("http.client.", "HTTPSConnection.", "connect", "http", to.HTTP, "http.client"),
    ("http.client.", "HTTPResponse.", "read readinto readline read1 peek", "http", to.HTTP,
     "http.client"),
    ("logging.handlers.", "HTTPHandler.", "emit", "http", to.HTTP, "logging.handlers"),
    ("xmlrpc.client.", "_Method.", "__call__", "http", to.HTTP, "xmlrpc.client"),
    ("xmlrpc.client.", "Transport.", "request", "http", to.HTTP, "xmlrpc.client"),
)  # fmt: skip

_ROWS: tuple[_Row, ...] = (
    *_HTTP_ROWS,
    ("socket.", "", "create_connection", "network", to.NET, "socket"),
    ("socket.", "socket.", "sendfile accept", "network", to.NET, "socket"),
    ("socket.", "", "getfqdn", "dns", to.DNS, "socket"),
    ("socketserver.", "BaseServer.", "handle_request serve_forever", "network", to.NET,
     "socketserver"),
    ("ssl.", "", "get_server_certificate", "tls", to.TLS, "ssl"),
    ("ssl.", "SSLSocket.", "do_handshake read write recv recv_into send sendall unwrap", "tls",
     to.TLS, "ssl"),
    ("ssl.", "SSLSocket.", "connect", "network", to.TLS, "ssl"),
    ("ssl.", "SSLContext.", "wrap_socket", "tls", to.TLS, "ssl"),
    ("smtplib.", "SMTP.", "__init__ connect sendmail send_message login quit", "network", to.MAIL,
     "smtplib"),
    ("smtplib.", "SMTP_SSL.", "__init__", "network", to.MAIL, "smtplib"),
    ("imaplib.", "IMAP4.", "__init__ login select search fetch logout", "network", to.MAIL,
     "imaplib"),
    ("poplib.", "POP3.", "__init__", "network", to.MAIL, "poplib"),
    ("ftplib.", "FTP.", "__init__ connect login retrbinary storbinary quit", "network", to.NET,
     "ftplib"),
    ("logging.handlers.", "SocketHandler.", "emit", "network", to.THREAD, "logging.handlers"),
    ("logging.handlers.", "SysLogHandler.", "emit", "network", to.THREAD, "logging.handlers"),
    ("logging.handlers.", "SMTPHandler.", "emit", "network", to.MAIL, "logging.handlers"),
    ("subprocess.", "", "run call check_call check_output getoutput getstatusoutput",
     "subprocess", to.PROC, "subprocess"),
    ("subprocess.", "Popen.", "__init__ wait communicate __exit__", "subprocess", to.PROC,
     "subprocess"),
    ("os.", "", "popen spawnv spawnve spawnvp spawnvpe spawnl spawnle spawnlp spawnlpe",
     "subprocess", to.PROC, "os"),
    ("multiprocessing.", "BaseProcess.", "start", "subprocess", to.PROC,
     "multiprocessing.process"),
    ("queue.", "Queue.", "get put join", "queue", to.QUEUE, "queue"),
    ("multiprocessing.", "Queue.", "get put", "queue", to.QUEUE, "multiprocessing.queues"),
    ("multiprocessing.", "SimpleQueue.", "get put", "queue", to.QUEUE, "multiprocessing.queues"),
    ("multiprocessing.", "JoinableQueue.", "join", "queue", to.QUEUE, "multiprocessing.queues"),
    ("multiprocessing.", "_ConnectionBase.", "recv send poll recv_bytes send_bytes", "queue",
     to.QUEUE, "multiprocessing.connection"),
    ("threading.", "Thread.", "join", "join", to.JOIN, "threading"),
    ("threading.", "Event.", "wait", "lock", to.LOCK, "threading"),
    ("threading.", "Condition.", "wait wait_for", "lock", to.LOCK, "threading"),
    ("threading.", "Semaphore.", "acquire", "lock", to.LOCK, "threading"),
    ("threading.", "Barrier.", "wait", "lock", to.LOCK, "threading"),
    ("multiprocessing.", "BaseProcess.", "join", "join", to.JOIN, "multiprocessing.process"),
    ("multiprocessing.", "Pool.", "map starmap apply join", "join", to.JOIN,
     "multiprocessing.pool"),
    ("multiprocessing.", "ApplyResult.", "get wait", "join", to.JOIN, "multiprocessing.pool"),
    ("concurrent.futures.", "Future.", "result exception", "join", to.FUTURE,
     "concurrent.futures._base"),
    ("concurrent.futures.", "", "wait as_completed", "join", to.FUTURE,
     "concurrent.futures._base"),
    ("concurrent.futures.", "Executor.map.<locals>.", "result_iterator", "join", to.FUTURE,
     "concurrent.futures._base"),
    ("concurrent.futures.", "Executor.", "__exit__", "join", to.JOIN, "concurrent.futures._base"),
    ("concurrent.futures.", "ThreadPoolExecutor.", "shutdown", "join", to.JOIN,
     "concurrent.futures.thread"),
    ("concurrent.futures.", "ProcessPoolExecutor.", "shutdown", "join", to.JOIN,
     "concurrent.futures.process"),
    # A loop that is run inside a step of another one.
    ("asyncio.", "BaseEventLoop.", "run_until_complete run_forever", "join", to.AWAIT,
     "asyncio.base_events"),
    ("asyncio.", "Runner.", "run", "join", to.AWAIT, "asyncio.runners"),
    ("asyncio.", "", "run", "join", to.AWAIT, "asyncio.runners"),
    ("shutil.", "", "copyfile copy copy2 copytree move copyfileobj make_archive unpack_archive",
     "file", to.FILE_WORK, "shutil"),
    ("zipfile.", "ZipFile.", "extractall extract write writestr read testzip", "file",
     to.FILE_WORK, "zipfile"),
    ("tarfile.", "TarFile.", "add addfile extractall extract", "file", to.FILE_WORK, "tarfile"),
    ("openpyxl.", "Workbook.", "save", "file", to.FILE_WORK, "openpyxl.workbook.workbook"),
    ("openpyxl.", "", "load_workbook", "file", to.FILE_WORK, "openpyxl.reader.excel"),
    ("ssl.", "", "create_default_context", "cpu", to.CONTEXT_ONCE, "ssl"),
    ("ssl.", "SSLContext.", "load_default_certs", "cpu", to.CONTEXT_ONCE, "ssl"),
    ("argon2.", "PasswordHasher.", "hash verify", "cpu", to.THREAD, "argon2._password_hasher"),
    ("argon2.low_level.", "", "hash_secret hash_secret_raw verify_secret core", "cpu", to.THREAD,
     "argon2.low_level"),
    ("passlib.", "CryptContext.", "hash verify verify_and_update", "cpu", to.THREAD,
     "passlib.context"),
    ("pwdlib.", "PasswordHash.", "hash verify verify_and_update", "cpu", to.THREAD,
     "pwdlib._hash"),
    ("redis.", "Redis.", "execute_command!", "database", to.DB, "redis.client"),
    ("redis.", "Pipeline.", "execute!", "database", to.DB, "redis.client"),
    ("pymysql.", "Connection.", "query!", "database", to.DB, "pymysql.connections"),
    ("psycopg.", "Connection.", "connect!", "database", to.DB, "psycopg.connection"),
    ("psycopg.", "Cursor.", "execute!", "database", to.DB, "psycopg.cursor"),
    ("grpc.", "_UnaryUnaryMultiCallable.", "__call__!", "network", to.RPC, "grpc._channel"),
)  # fmt: skip


def _build() -> dict[str, tuple[NamedFunction, ...]]:
    table: dict[str, tuple[NamedFunction, ...]] = {}
    for prefix, owner, names, category, remedy, modules in _ROWS:
        for word in names.split():
            name = f"{owner}{word.removesuffix('!')}"
            # What is inside of a function is known by the function's name.
            entry = Entry(prefix + name.partition(".<locals>")[0], category, "always", remedy)
            named = NamedFunction(entry, tuple(modules.split()), always=word.endswith("!"))
            table[name] = (*table.get(name, ()), named)
    return table


NAMED: dict[str, tuple[NamedFunction, ...]] = _build()

# What waits below these packages is their database traffic.
DATABASE_PACKAGES = frozenset(
    {"pymysql", "psycopg", "psycopg2", "psycopg_pool", "mysql", "MySQLdb", "redis", "pymongo",
     "pymssql", "pg8000", "clickhouse_driver", "cassandra", "ldap3", "pymemcache", "valkey"}
)  # fmt: skip
RPC_PACKAGES = frozenset({"grpc"})


def find_named(qualname: str, module: str) -> NamedFunction | None:
    """The entry of a Python function by its qualified name and its module."""
    for named in NAMED.get(qualname, ()):
        if module in named.modules:
            return named
    return None


def by_package(package: str) -> tuple[Category, str] | None:
    """Category and remedy of whatever waits inside a library of this name."""
    if package in DATABASE_PACKAGES:
        return "database", to.DB
    return ("network", to.RPC) if package in RPC_PACKAGES else None
