"""From a recorded call to a finding: is it reported, with which severity and text?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .._core.activity import BODY, LIFESPAN
from .._core.findings import Finding, Severity
from .._core.units import show
from .catalog import Category, Entry, by_package
from .catalog import remedies as to
from .cpu_time import CPU_JUDGES
from .stack_analysis import NEVER_RESPONSIBLE, NOISY_CATEGORIES

if TYPE_CHECKING:
    from .models import BlockingCall, BlockingPolicy, CallSeverity
    from .stack_analysis import CallSite

_FAIL_AT_ONCE = frozenset(
    {"sleep", "network", "dns", "tls", "http", "subprocess", "lock", "join", "queue", "database",
     "stdin"}
)  # fmt: skip
_ABOVE_THRESHOLD = frozenset({"file_metadata", "import"})
_ONCE = frozenset({"file", "file_metadata", "import"})
_MEASURED = frozenset({"cpu", "unknown"})
# Imported by C code at its first use (`strptime`, `encode`), not by an import statement.
_IMPORTED_BY_C = frozenset({"_strptime", "codecs", "encodings"})
_SLOW_HASH = 0.02  # seconds of CPU time: a password hash that delays other requests
_SHORT_CALL = 0.001  # seconds: a shorter call needs a reason why it matters
_THREAD_WAITS = frozenset({"lock", "join", "queue"})  # for other threads of this process, mostly
_CONTENDED = 0.005  # seconds: a busy machine alone makes threads wait so long for each other
_SEVERITY_BY_WORD: dict[str, CallSeverity] = {"fail": "error", "warn": "warning", "off": "silent"}
# Below a database or RPC library, these get the category of the library.
_WAITS = frozenset({"network", "dns", "tls", "lock", "join", "queue"})


def is_reportable(category: str, call_site: CallSite, judge: str = "") -> bool:
    """Is this a call of the app or a library, and not of the loop, pytest or the interpreter?"""
    if call_site.responsible in NEVER_RESPONSIBLE:
        return False
    if call_site.importing and call_site.imported_module.partition(".")[0] in _IMPORTED_BY_C:
        return False
    own = call_site.responsible in ("", "user") and call_site.written_name[:4] in ("", "ssl.")
    if judge == "certificates" and not (own or call_site.responsible == "library"):
        return False  # a sync client of the standard library, which is reported when it is used
    if call_site.is_noise and category in NOISY_CATEGORIES:
        return False
    if category == "lock" and (
        call_site.importing or (call_site.responsible == "" and call_site.labels)
    ):
        return False
    # Part of an import whose statement, further out, is already recorded.
    return not (category in NOISY_CATEGORIES and call_site.inside_import)


def category_rank(category: str) -> int:
    """Rank for two categories at one line: waiting (2), computing (1), files (0)."""
    if category in _FAIL_AT_ONCE:
        return 2
    return 1 if category in _MEASURED else 0


def severity_of(
    category: str,
    held: float | None,
    policy: BlockingPolicy,
    call_site: CallSite,
    activity: str,
    *,
    preparing: bool = False,
    observed: bool = True,
    judge: str = "",
) -> CallSeverity:
    """The severity of a call; `held` does not include scheduling delays.

    What was not `observed`, but inferred from statistics, fails only in profile "strict".

    What a library imports or reads by itself cannot be changed in the user's code, and mostly
    happens once; so does an import in the test's own body. Each is a warning when it takes
    long, in every profile. During start-up, in fixtures (`preparing`) and where the test's body
    builds an app, only waiting for others is reported: no request is served meanwhile. What the
    lifespan or a fixture asks of a database (to make its tables, say) delays no request yet, and
    is a warning. So is a short wait of a library for its own threads, and in the test's body, where
    no request is served, one below the threshold of steps.

    What the catalog's `judge` measures has lower thresholds than computing that only the
    step timer sees.
    """
    starting = activity == LIFESPAN or preparing or (activity == BODY and call_site.calls_framework)
    if starting and category not in _FAIL_AT_ONCE:
        return "silent"
    own = call_site.user_frame is not None
    if category == "import" and (call_site.imported_by_library or activity == BODY):
        own = False
    if not own and category in _ABOVE_THRESHOLD:
        policy = replace(policy, profile="default")
    weight = _severity_by_profile(category, held, policy)
    # A library waits for its own threads: so shortly that it depends on how busy the machine is.
    limit = policy.step_threshold if activity == BODY else _CONTENDED
    library_waits = category in _THREAD_WAITS and call_site.responsible == "library"
    shortly = library_waits and held is not None and held < limit
    default = policy.profile != "strict" and category not in dict(policy.categories)
    if category == "cpu" and judge in CPU_JUDGES and default:
        weight = _computed(judge, held, policy, activity)
    only_warns = (
        policy.mode == "warn"
        or (not own and category in _ONCE)
        or (shortly and default)
        or (category == "database" and (activity == LIFESPAN or preparing) and default)
        or (not observed and policy.profile != "strict")
    )
    return "warning" if only_warns and weight == "error" else weight


def _severity_by_profile(category: str, held: float | None, policy: BlockingPolicy) -> CallSeverity:
    word = dict(policy.categories).get(category)
    if word is not None:
        return _SEVERITY_BY_WORD[word]
    if policy.profile == "strict" or category in _FAIL_AT_ONCE or category in _MEASURED:
        return "error"
    above = held is not None and held >= policy.step_threshold
    if category in _ABOVE_THRESHOLD:
        return "error" if above else "silent"
    return "error" if above else "warning"


def _computed(
    judge: str, held: float | None, policy: BlockingPolicy, activity: str
) -> CallSeverity:
    """A password hash, or reading the certificates of authorities, in the default profile."""
    hashes = judge == "hashes"
    if activity == BODY:
        limit = policy.cpu_threshold if hashes else policy.step_threshold
        return "warning" if held is not None and held >= limit else "silent"
    if hashes:
        return "error" if held is None or held >= _SLOW_HASH else "warning"
    if held is None or held < policy.step_threshold:
        return "silent"
    # The same certificates take 10 ms on one machine and 60 on another.
    return "error" if held >= policy.cpu_threshold else "warning"


def classify(entry: Entry, call_site: CallSite) -> tuple[str, Category, str]:
    """The name the user wrote, the category and the remedy of a call in its place."""
    category, remedy = entry.category, entry.remedy
    written_name = call_site.written_name
    if call_site.importing and category in ("file", "file_metadata", "import"):
        return "import", "import", call_site.import_remedy
    named = call_site.named
    if named is not None:
        category, remedy = named.entry.category, named.entry.remedy
    if category in _WAITS or entry.judge == "certificates":
        category, remedy = by_package(written_name.partition(".")[0]) or (category, remedy)
    if (
        remedy == to.CONTEXT_ONCE
        and written_name
        and "context" not in written_name
        and written_name[:4] != "ssl."
    ):
        remedy = to.BUILD_ONCE  # a client builds a context of its own
    if not written_name or written_name == entry.name:
        return entry.name, category, remedy
    return written_name, category, remedy


def narrowest_rule(category: str, call_site: CallSite) -> str:
    """The narrowest allow rule that a user would write by hand."""
    frame = call_site.user_frame or call_site.library_frame
    if frame is not None:
        return f"{category}@{frame.module}"
    return f"{category}@{call_site.labels[0].partition(':')[0]}" if call_site.labels else category


def title(call: BlockingCall) -> str:
    """The title of the finding."""
    took = "" if call.duration is None else show(call.duration)
    if call.category == "cpu":
        what = f"blocking computation: {call.name} held the event loop for {took}"
        return f"{what} of CPU time" if call.evidence.startswith("step timer") else what
    # Without arguments it had none, or they were not seen (3.11's profile events have none).
    shown = f"{call.name}({call.args})" if call.args else call.name
    if took:
        return f"blocking call: {shown} held the event loop for {took}"
    return f"blocking call: {shown} was made on the event loop"


def finding(call: BlockingCall) -> Finding:
    """The `Finding` of a call."""
    severity: Severity = "error" if call.severity == "error" else "warning"
    return Finding(
        kind="blocking",
        title=title(call),
        where=call.where,
        activity=call.activity,
        chain=call.chain,
        why=_why(call),
        remedy=call.remedy,
        evidence=call.evidence,
        allow=f"asyncfastapi_allow_blocking = {call.allow}",
        created=call.created,
        severity=severity,
        test=call.test,
        data={
            "category": call.category,
            "name": call.name,
            "duration": call.duration,
            "strength": category_rank(call.category),
        },
    )


def _why(call: BlockingCall) -> str:
    if call.duration is not None and call.duration < _SHORT_CALL and call.category in _FAIL_AT_ONCE:
        return "short here, but the whole loop waits whenever the other side is slow or locked"
    return "nothing else runs on the loop meanwhile"


def text(found: Finding) -> str:
    """A finding in the lines of an assertion's message."""
    lines = [found.title]
    if found.where is not None:
        lines.append(f"  at {found.where}: {found.where.source}")
    if found.activity:
        lines.append(f"  in {found.activity}")
    setting, _, rule = found.allow.partition(" = ")
    lines += [
        f"  {found.why}; instead: {found.remedy}",
        f"  if it is intended: --{setting.replace('_', '-')}={rule}",
    ]
    return "\n".join(lines)
