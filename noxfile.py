"""The matrix: the whole suite on every supported Python, and with fewer packages around."""

import os
import re
import shutil
from contextlib import ExitStack
from pathlib import Path

import nox

from tests import brokers as broker_servers
from tests import packaged, redis_server
from tests import postgres as server

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = [
    "tests",
    "newest",
    "portable",
    "oldest",
    "oldest_httpx",
    "old_runners",
    "alone",
    "coverage",
    "oracle",
    "one_client",
    "examples",
    "postgres",
    "brokers",
    "package",
    "browser",
    "docs",
]

NEWEST = ["3.14", "3.15"]
PYTHONS = ["3.11", "3.12", "3.13", *NEWEST]
PACKAGE = ".[httpx2,trio,fastapi]"
# To read those of all authorities takes up to 60 ms, which the guard would report. `tests/` has
# this in its conftest.
ONE_CERTIFICATE = {"SSL_CERT_FILE": str(Path("tests/data/one_certificate.pem").absolute())}


def install(session: nox.Session, *extras: str, group: str | None = "test") -> None:
    """Install the plugin with extras, and the tools of its suite."""
    session.install("--quiet", "--upgrade", "pip")
    package = f".[{','.join(extras)}]" if extras else "."
    groups = ("--group", group) if group else ()
    session.install("--quiet", "--editable", package, *groups)
    # Many tests start a Python of their own: compiled once, it starts in half the time.
    session.env["PYTHONDONTWRITEBYTECODE"] = ""


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Everything, on each Python; not where `make test` has just run it, as in CI."""
    if session.python == os.environ.get("TESTED"):
        session.skip("the suite has just run on this Python")
    install(session, "httpx2", "trio", "fastapi")
    session.run("pytest", "-n", "3", "--dist", "worksteal", "-q", *session.posargs)


@nox.session(python=False)
@nox.parametrize("version", NEWEST)
def newest(session: nox.Session, version: str) -> None:
    """Everything, on Pythons that this system has no package of, where they can be had."""
    if shutil.which(f"python{version}"):
        session.skip(f"python{version} is here: see tests-{version}")
    pythons = ("sh", ".ci/pythons", ".nox/sid")
    wheels = ("--editable", PACKAGE, "--group", "test")
    codes = range(256)  # whatever goes wrong before the first test is no fault of the suite
    made = session.run(*pythons, "venv", version, *wheels, silent=True, success_codes=codes)
    python = str(made).strip().rpartition("\n")[2]
    if not python.startswith("/venv/"):
        session.skip(python)
    every = ("-n", "3", "--dist", "worksteal", "-q", "--timeout", "120", *session.posargs)
    env = {"PYTHONDONTWRITEBYTECODE": ""}
    session.run(*pythons, "run", python, "-m", "pytest", *every, env=env)


@nox.session(python="3.13")
def portable(session: nox.Session) -> None:
    """As on macOS: without what Linux alone tells of threads and sockets; a simulation."""
    install(session, "httpx2", "trio", "fastapi")
    env = {"PORTABLE": "darwin", "PYTHONPATH": ".", "PYTEST_ADDOPTS": "-p tests.portable"}
    rooms = [f"tests/{name}" for name in ("blocking", "clock", "concurrency", "plugin")]
    session.run(
        "pytest", "-n", "3", "--dist", "worksteal", "-q", *(session.posargs or rooms), env=env
    )


@nox.session(python="3.13")
def oldest(session: nox.Session) -> None:
    """The oldest pytest that is promised."""
    install(session, "httpx2", "trio", "fastapi")
    session.install("--quiet", "pytest==8.4.*")
    session.run("pytest", "-n", "3", "--dist", "worksteal", "-q", "tests/plugin", "tests/runners")


@nox.session(python="3.13")
def oldest_httpx(session: nox.Session) -> None:
    """The oldest httpx that is promised."""
    install(session, "httpx2", "trio", "fastapi")
    session.install("--quiet", "httpx==0.27.0")
    session.run("pytest", "-n", "3", "--dist", "worksteal", "-q", "tests/client", "tests/upstream")


@nox.session(python="3.13")
def coverage(session: nox.Session) -> None:
    """How much of the package its own tests run; the floor is in pyproject.toml.

    By `sys.monitoring`, where coverage and the guard have a tool each. What the guard runs as a
    callback of its own tool is not shown to coverage, with either core: there it is more than said.
    """
    install(session, "httpx2", "trio", "fastapi")
    session.env["COVERAGE_CORE"] = "sysmon"
    # Not in `create_tmp()`: that is where the tests, too, would have their projects then.
    data = Path(session.virtualenv.location, "coverage")
    data.mkdir(exist_ok=True)
    session.env["COVERAGE_FILE"] = str(data.absolute() / "data")
    session.run("coverage", "erase")
    tests = ("-n", "3", "--dist", "worksteal", "-q", *session.posargs)
    session.run("coverage", "run", "-m", "pytest", *tests)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


@nox.session(python="3.13")
@nox.parametrize("version", ["0.21.2", "0.23.8", "1.0.0", "1.1.0"])
def old_runners(session: nox.Session, version: str) -> None:
    """The fixtures under pytest-asyncio of each kind that there was."""
    install(session, "fastapi", group=None)
    session.install("--quiet", f"pytest-asyncio=={version}", "pytest==8.4.*")
    session.run(
        "pytest",
        "-q",
        "-c",
        "tests/runners/old.ini",
        "tests/runners/test_asyncio_versions.py",
        env=ONE_CERTIFICATE,
    )


@nox.session(python="3.13")
def alone(session: nox.Session) -> None:
    """With its own dependencies and FastAPI only: no httpx2, no trio, no other plugin."""
    install(session, "fastapi", group=None)
    session.run(
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        "tests/alone/pytest.ini",
        "tests/alone",
        env=ONE_CERTIFICATE,
    )


@nox.session(python="3.13")
def oracle(session: nox.Session) -> None:
    """The recorded faults again, on real loopback sockets, with the libraries of today."""
    install(session, "httpx2", "trio", "fastapi")
    session.run("pytest", "-n", "2", "-q", "tests/faults/oracle", *session.posargs)


@nox.session(python="3.13")
@nox.parametrize("library", ["httpx", "httpx2"])
def one_client(session: nox.Session, library: str) -> None:
    """The rows of the client with one library to choose, and no trio."""
    install(session, "fastapi", *([library] if library == "httpx2" else []), group=None)
    session.install("--quiet", "pytest-asyncio>=1.3", "sse-starlette>=2.1", "wsproto>=1.2")
    chosen = "httpx2 or not httpx" if library == "httpx2" else "not httpx2"
    # These need a server, or every runner there is.
    others = (
        "oracle",
        "test_beside_others.py",
        "test_docs_of_client.py",
        "test_rows_runners.py",
        "test_rows_under_pytest.py",
    )
    ignored = [f"--ignore=tests/client/{name}" for name in others]
    session.run("pytest", "-q", "tests/client", *ignored, "-k", chosen)


@nox.session(python="3.13")
def examples(session: nox.Session) -> None:
    """Every example, with what it needs."""
    install(session, "httpx2", "trio", "fastapi")
    session.install("--quiet", "--group", "examples")
    session.run(
        "pytest", "-n", "3", "--dist", "worksteal", "-q", "tests/examples", *session.posargs
    )


@nox.session(python="3.13")
def postgres(session: nox.Session) -> None:
    """On a real PostgreSQL, and a Redis where there is one, started for it on loopback ports."""
    if server.programs() is None:
        session.skip(server.MISSING)
    install(session, "httpx2", "trio", "fastapi")
    session.install("--quiet", "--group", "examples")
    with ExitStack() as running:
        url, names = running.enter_context(server.postgresql()), ("SHOP_", "NOTES_", "")
        env = {f"{name}POSTGRESQL_URL": url for name in names}
        env["RATES_POSTGRESQL_URL"] = url
        if redis_server.program() is None:
            session.warn(redis_server.MISSING)
        else:
            env["REDIS_PORT"] = port = str(running.enter_context(redis_server.redis()))
            env["RATES_REDIS_URL"] = f"redis://127.0.0.1:{port}"
        tests = (
            "tests/examples/test_postgresql.py",
            "tests/examples/test_exchange_office.py",
            "tests/examples/test_slow_postgresql.py",
            "tests/connections/test_postgresql_connections.py",
            "tests/checks/test_docs_of_checks.py",
            "tests/connections/test_redis.py",
            "tests/connections/test_sweep_of_round_trips.py",
            "tests/connections/test_sweep_on_real_servers.py",
        )
        session.run("pytest", "-q", *tests, env=env)


@nox.session(python="3.13")
def brokers(session: nox.Session) -> None:
    """On a real NATS, RabbitMQ and MariaDB, those that are here; the tests start them."""
    missing = [text for name in broker_servers.PACKAGES if (text := broker_servers.missing(name))]
    if len(missing) == len(broker_servers.PACKAGES):
        session.skip("; ".join(missing))
    for text in missing:
        session.warn(text)
    install(session, "httpx2", "trio", "fastapi")
    session.install("--quiet", "--group", "brokers")
    tests = ("tests/connections/test_brokers.py", "tests/connections/test_mysql_drivers.py")
    session.run("pytest", "-q", "-rs", *(session.posargs or tests))


@nox.session(python="3.13")
def package(session: nox.Session) -> None:
    """Wheel and sdist, looked through; then the wheel in an environment that fills up."""
    session.install("--quiet", "--upgrade", "pip")
    session.install("--quiet", "--group", "package")
    folder = Path(session.create_tmp()).absolute()
    for old in (*folder.glob("*.whl"), *folder.glob("*.tar.gz")):
        old.unlink()
    session.run("python", "-m", "build", "--outdir", str(folder), silent=True)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    session.run("twine", "check", "--strict", str(wheel), str(sdist))
    session.run("check-wheel-contents", str(wheel))
    if missing := packaged.not_in(wheel):
        session.error(f"not in the wheel: {missing}")
    if packaged.version(wheel) != packaged.version(sdist):
        session.error(f"two versions: {wheel.name}, {sdist.name}")
    session.install("--quiet", *packaged.BUILT_WITH)
    for copy, wanted in packaged.write_copies(folder / "copies").items():
        with session.chdir(copy):
            found = str(session.run("python", "-m", "hatchling", "version", silent=True)).strip()
        if not re.fullmatch(wanted, found):
            session.error(f"the version of {copy} is {found}, which is not {wanted}")
    packaged.write_smallest(folder / "project")
    session.run("python", "-m", "venv", "--clear", str(folder / "empty"))
    python = str(folder / "empty" / "bin" / "python")
    session.run(python, "-m", "pip", "install", "--quiet", str(wheel), external=True)
    session.chdir(folder / "project")
    for more in packaged.STEPS:
        session.run(python, "-m", "pip", "install", "--quiet", *more, external=True)
        clients = ["httpx", "httpx2"] if "httpx2" in more or "fastapi" in more else ["httpx"]
        for client in clients:
            flags = ("-q", "-p", "no:cacheprovider", f"--asyncfastapi-client={client}")
            session.run(python, "-m", "pytest", *flags, external=True)


@nox.session(python="3.13")
def docs(session: nox.Session) -> None:
    """The site, from docs/ and the docstrings, into build/site; a warning is an error."""
    session.install("--quiet", "--upgrade", "pip")
    session.install("--quiet", "--group", "docs", "ruff")
    env = {"NO_MKDOCS_2_WARNING": "1"}
    session.run("mkdocs", "build", "--strict", "--quiet", env=env)


@nox.session(python="3.13")
def browser(session: nox.Session) -> None:
    """The HTML report in a real Chromium; with axe-core's rules too, where there is npm."""
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        session.skip("no Chromium is here: apt-get install chromium")
    install(session, "httpx2", "trio", "fastapi")
    session.install("--quiet", "--group", "browser")
    tools = session.create_tmp()
    axe = Path(tools, "node_modules", "axe-core", "axe.min.js").resolve()
    if shutil.which("npm") and not axe.exists():
        npm = ("npm", "install", "--silent", "--no-save", "--no-audit", "--no-fund")
        # Without it the checks of our own, of names and contrast, are what there is.
        codes = range(256)
        session.run(*npm, "--prefix", tools, "axe-core@4", external=True, success_codes=codes)
    found = {"AXE_CORE": str(axe)} if axe.exists() else {}
    session.run(
        "pytest", "-n", "2", "-q", "-rs", "tests/report/browser", *session.posargs, env=found
    )


@nox.session(python="3.13")
def soak(session: nox.Session) -> None:
    """5,000 tests in one process: neither memory nor CPU time may grow with them; on demand."""
    install(session, "httpx2", "trio", "fastapi")
    session.run("python", "-m", "benchmarks.soak", *session.posargs)


@nox.session(python="3.13")
def hangs(session: nox.Session) -> None:
    """Each test of `_client` under each runner, killed after 4 s; on demand."""
    install(session, "httpx2", "trio", "fastapi")
    session.run("python", "tests/client/hangs.py", *session.posargs)
