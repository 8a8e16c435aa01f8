"""Everything that can be chosen, in one table: flags, ini keys and marker arguments.

`settings.py` reads what was chosen, `option_parsers.py` says what a value may be.
"""

from __future__ import annotations

from .._core.units import seconds
from .option import Option
from .option_parsers import allow as _allow
from .option_parsers import app as _app
from .option_parsers import category as _category
from .option_parsers import check as _check
from .option_parsers import check_rule as _check_rule
from .option_parsers import fault as _fault
from .option_parsers import hosts as _hosts
from .option_parsers import integer as _whole
from .option_parsers import leak as _leak
from .option_parsers import non_empty_str as _text
from .option_parsers import non_negative_int as _count
from .option_parsers import one_of as _one_of
from .option_parsers import positive_int as _some
from .option_parsers import shard as _share
from .option_parsers import token as _token
from .report_options import REPORT_OPTIONS

OPTIONS = (
    Option("app", "the app under test: 'pkg.mod:app', or a factory 'pkg.mod:create_app'", _app),
    Option(
        "app_scope",
        "how long one run of the app lives: function (default), module or session; `asgi_client` "
        "is each test's own all the same",
        _one_of("function", "module", "session"),
        marker=False,
    ),
    Option(
        "client",
        "the library that `asgi_client` is a client of: httpx (default) or httpx2",
        _one_of("httpx", "httpx2"),
    ),
    Option(
        "runner",
        "auto: run async tests that no other runner claims (default); off: leave them alone",
        _one_of("auto", "off"),
    ),
    Option(
        "blocking",
        "what a blocking call on the event loop does: auto (default: fail, in tests that use our "
        "fixtures), fail, raise, warn or off (in every test)",
        _one_of("auto", "fail", "raise", "warn", "off"),
    ),
    Option(
        "blocking_profile",
        "default: what stalls a server; strict: every blocking call, however short",
        _one_of("default", "strict"),
    ),
    Option(
        "blocking_threshold",
        "how long a step of the loop may be held by a call that is not always reported, such as "
        "a file read (default 50ms)",
        seconds,
        metavar="DURATION",
    ),
    Option(
        "cpu_threshold",
        "how long a step of the loop may compute (default 250ms)",
        seconds,
        metavar="DURATION",
    ),
    Option(
        "allow_blocking",
        "a blocking call that is intended: 'module:function', 'category@module' or a name",
        _allow,
        many=True,
        metavar="RULE",
    ),
    Option(
        "blocking_category",
        "what one category of blocking calls does, whatever the profile says: 'file=fail', "
        "'import=warn', 'cpu=off'",
        _category,
        many=True,
        metavar="CATEGORY=WORD",
    ),
    Option(
        "blocking_baseline",
        "a file of today's blocking calls, which fail no test any more: written if it does not "
        "exist; 'update:FILE' writes it anew",
        _text,
        metavar="FILE",
        marker=False,
    ),
    Option(
        "clock",
        "virtual time: auto (default: where a test asks for `clock` or injects a delay), freeze or "
        "flow (in every async test; while real work is pending) or off (only for the fixture)",
        _one_of("auto", "freeze", "flow", "off"),
    ),
    Option(
        "freeze_bound",
        "how long virtual time stands still for real work before it flows (default 10s)",
        seconds,
        metavar="DURATION",
    ),
    Option(
        "leaks",
        "what a test leaves behind (a running task, an open client, ...): auto (default: warn, in "
        "tests that use our fixtures), fail, warn or off (in every async test)",
        _one_of("auto", "fail", "warn", "off"),
    ),
    Option(
        "allow_leaks",
        "a leak that is intended: 'task', or 'task@module' with the module that makes it",
        _leak,
        many=True,
        metavar="RULE",
    ),
    Option(
        "threads",
        "what calls that wait because every thread of the pool is taken do: auto (default: warn, "
        "in tests that use our fixtures), fail, warn or off (in every async test)",
        _one_of("auto", "fail", "warn", "off"),
    ),
    Option(
        "checks",
        "habits that break under load or trouble (a call without a timeout, a connection that is "
        "not given back, ...): auto (default: warn), fail, warn or off, in tests that use our "
        "fixtures",
        _one_of("auto", "fail", "warn", "off"),
    ),
    Option(
        "check",
        "what one of the checks does: 'no-timeout=fail', 'swallowed=off'",
        _check,
        many=True,
        metavar="CHECK=WORD",
    ),
    Option(
        "allow_checks",
        "a finding of a check that is intended: 'no-timeout', or 'no-timeout@shop.payments' with "
        "the module of the line",
        _check_rule,
        many=True,
        metavar="RULE",
    ),
    Option(
        "fan_out",
        "how many calls to one host a line may have in flight at one time (default 50)",
        _some,
        metavar="N",
    ),
    Option(
        "equal_statements",
        "how often a loop may send the same SQL statement in one request (default 10)",
        _some,
        metavar="N",
    ),
    Option(
        "timeout",
        "how long the body of an async test may take, in real time (default 0: as long as it "
        "likes); then it fails with who waits for what",
        seconds,
        metavar="DURATION",
    ),
    Option(
        "loop_lag",
        "show the N tests in which the event loop was held longest (default 0: none)",
        _count,
        metavar="N",
        marker=False,
    ),
    Option(
        "fault",
        "a fault on the app's outgoing calls in every test: 'https://pay.example/*: latency=3s'",
        _fault,
        many=True,
        metavar="SPEC",
    ),
    Option("seed", "seed of everything that is drawn at random (default 0)", _whole, metavar="N"),
    Option(
        "sweep",
        "run every test of `asgi_client` again: for each upstream call and fault (faults), or for "
        "each await of each request, cut there (disconnect)",
        _one_of("off", "faults", "disconnect"),
        marker=False,
    ),
    Option(
        "schedules",
        "run every async test again in N other orders of its tasks, each chosen by a seed (default "
        "0: none)",
        _count,
        metavar="N",
        marker=False,
    ),
    Option(
        "replay",
        "run this one point of a sweep: 'faults:3:reset', as the report names it",
        _token,
        metavar="TOKEN",
        marker=False,
    ),
    Option(
        "shards",
        "split each sweep into N tests, which pytest-xdist spreads over its workers",
        _some,
        metavar="N",
        marker=False,
    ),
    Option(
        "shard",
        "run only this share of each sweep, such as 2/4 on the second of four machines",
        _share,
        metavar="I/N",
        marker=False,
    ),
    Option(
        "sweep_budget",
        "how long the sweep of one test may take, in real time (default 0: without a limit)",
        seconds,
        metavar="DURATION",
        marker=False,
    ),
    Option(
        "network",
        "connections to the public network: refuse (default), warn or allow",
        _one_of("refuse", "warn", "allow"),
    ),
    Option(
        "unrouted",
        "what a call that no route of `upstream` matches does: fail (default), warn or pass",
        _one_of("fail", "warn", "pass"),
    ),
    Option(
        "passthrough",
        "hosts that the app may really call or connect to, separated by commas",
        _hosts,
        metavar="HOSTS",
    ),
    Option(
        "tapes",
        "what `upstream.replay(path)` does: replay (default) or record, with real calls",
        _one_of("replay", "record"),
    ),
    Option(
        "client_timeout",
        "how long `asgi_client` waits for the app to send something (default 30s)",
        seconds,
        metavar="DURATION",
    ),
    Option(
        "startup_timeout",
        "how long the app's lifespan may take to start (default 10s)",
        seconds,
        metavar="DURATION",
    ),
    Option(
        "shutdown_timeout",
        "how long the app's lifespan may take to shut down (default 10s)",
        seconds,
        metavar="DURATION",
    ),
    *REPORT_OPTIONS,
)
