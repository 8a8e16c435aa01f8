"""What a seen call means: does it count, how much, and how a finding says it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .._core.activity import BODY, LIFESPAN
from .._core.findings import Finding, Severity
from .._core.units import show
from .catalog import Category, Entry, by_package
from .catalog import remedies as to
from .cpu_time import COMPUTES

if TYPE_CHECKING:
    from .models import BlockingCall, BlockingPolicy, Weight
    from .stack_analysis import Scene

_AT_ONCE = frozenset(
    {"sleep", "network", "dns", "tls", "http", "subprocess", "lock", "join", "queue", "database",
     "stdin"}
)  # fmt: skip
_ABOVE_THRESHOLD = frozenset({"file_metadata", "import"})
_ONCE = frozenset({"file", "file_metadata", "import"})
_WATCHED = frozenset({"cpu", "unknown"})
# Reading sources and writing log lines, or importing: noise in these categories.
_SMALL = frozenset({"file", "file_metadata", "lock", "import"})
# Imported by C code at its first use (`strptime`, `encode`): nobody writes such an import.
_NOBODYS = frozenset({"_strptime", "codecs", "encodings"})
_SLOW_HASH = 0.02  # seconds of CPU time: a password hash that others notice
_SHORT = 0.001  # seconds: below, the time alone convinces nobody
_WEIGHTS: dict[str, Weight] = {"fail": "error", "warn": "warning", "off": "silent"}
# What a library of a known kind waits in: its kind says more than the call does.
_WAITS = frozenset({"network", "dns", "tls", "lock", "join", "queue"})


def counts(category: str, scene: Scene, judge: str = "") -> bool:
    """Is this somebody's call, and not the loop's, the tools' or the interpreter's own?"""
    if scene.blame in ("async", "tool"):
        return False
    if scene.importing and scene.imports.partition(".")[0] in _NOBODYS:
        return False
    own = scene.blame in ("", "user") and scene.wrote[:4] in ("", "ssl.")
    if judge == "certificates" and not (own or scene.blame == "library"):
        return False  # a sync client of the standard library, which is reported when it is used
    if scene.quiet and category in _SMALL:
        return False
    if category == "lock" and (scene.importing or (scene.blame == "" and scene.labels)):
        return False
    # Part of an import whose statement is recorded already, further out.
    return not (category in _SMALL and scene.imported)


def strength(category: str) -> int:
    """Which of two categories at one line says more: waiting for others, computing, or files."""
    if category in _AT_ONCE:
        return 2
    return 1 if category in _WATCHED else 0


def weigh(
    category: str,
    held: float | None,
    policy: BlockingPolicy,
    scene: Scene,
    activity: str,
    *,
    preparing: bool = False,
    seen: bool = True,
    judge: str = "",
) -> Weight:
    """How much a call of this category matters; `held` is free of time pushed aside.

    What was not `seen`, but only concluded from figures, fails a test in profile "strict" alone.

    What a library imports or reads by itself cannot be changed in the user's code, and mostly
    happens once, and so does an import in the test's own body: each is a warning when it takes
    long, in every profile. Start-up is where a client is built and a file is read, and a fixture
    is where the app is built (`preparing`), or the test's own body is: while nobody is served
    only waiting for others counts. What the lifespan asks of a database (to make its tables,
    say) keeps nobody waiting yet.

    What the catalog's `judge` finds by its name, and measures, counts from less on than
    computing that only the step watch sees.
    """
    starting = activity == LIFESPAN or preparing or (activity == BODY and scene.builds)
    if starting and category not in _AT_ONCE:
        return "silent"
    own = scene.user is not None
    if category == "import" and (scene.lazily or activity == BODY):
        own = False
    if not own and category in _ABOVE_THRESHOLD:
        policy = replace(policy, profile="default")
    weight = _weigh(category, held, policy)
    default = policy.profile != "strict" and category not in dict(policy.categories)
    if category == "cpu" and judge in COMPUTES and default:
        weight = _computed(judge, held, policy, activity)
    only_warns = (
        policy.mode == "warn"
        or (not own and category in _ONCE)
        or (category == "database" and activity == LIFESPAN and default)
        or (not seen and policy.profile != "strict")
    )
    return "warning" if only_warns and weight == "error" else weight


def _weigh(category: str, held: float | None, policy: BlockingPolicy) -> Weight:
    word = dict(policy.categories).get(category)
    if word is not None:
        return _WEIGHTS[word]
    if policy.profile == "strict" or category in _AT_ONCE or category in _WATCHED:
        return "error"
    above = held is not None and held >= policy.step_threshold
    if category in _ABOVE_THRESHOLD:
        return "error" if above else "silent"
    return "error" if above else "warning"


def _computed(judge: str, held: float | None, policy: BlockingPolicy, activity: str) -> Weight:
    """A password hash, or reading the certificates of authorities, in the default profile."""
    hashes = judge == "hashes"
    if activity == BODY:
        limit = policy.cpu_threshold if hashes else policy.step_threshold
        return "warning" if held is not None and held >= limit else "silent"
    if hashes:
        return "error" if held is None or held >= _SLOW_HASH else "warning"
    return "error" if held is not None and held >= policy.step_threshold else "silent"


def classify(entry: Entry, scene: Scene) -> tuple[str, Category, str]:
    """The name the user wrote, the category and the remedy of a call in its place."""
    category, remedy = entry.category, entry.remedy
    wrote = scene.wrote
    if scene.importing and category in ("file", "file_metadata", "import"):
        return "import", "import", scene.import_remedy
    named = scene.named
    if named is not None:
        category, remedy = named.entry.category, named.entry.remedy
    if category in _WAITS or entry.judge == "certificates":
        category, remedy = by_package(wrote.partition(".")[0]) or (category, remedy)
    if remedy == to.CONTEXT_ONCE and wrote and "context" not in wrote and wrote[:4] != "ssl.":
        remedy = to.BUILD_ONCE  # a client builds a context of its own
    if not wrote or wrote == entry.name:
        return entry.name, category, remedy
    return wrote, category, remedy


def allow_line(category: str, scene: Scene) -> str:
    """The narrowest rule that people would still write by hand."""
    if scene.user is not None:
        return f"{category}@{scene.user.module}"
    return f"{category}@{scene.labels[-1].partition(':')[0]}" if scene.labels else category


def title(call: BlockingCall) -> str:
    """One line that needs no context."""
    took = "" if call.duration is None else show(call.duration)
    if call.category == "cpu":
        what = f"blocking computation: {call.name} held the event loop for {took}"
        return f"{what} of CPU time" if call.witness.startswith("step watch") else what
    # Without arguments it had none, or they were not seen (3.11's profile events have none).
    shown = f"{call.name}({call.args})" if call.args else call.name
    if took:
        return f"blocking call: {shown} held the event loop for {took}"
    return f"blocking call: {shown} was made on the event loop"


def finding(call: BlockingCall) -> Finding:
    """The record that every package reports with."""
    severity: Severity = "error" if call.severity == "error" else "warning"
    return Finding(
        kind="blocking",
        title=title(call),
        where=call.where,
        activity=call.activity,
        chain=call.chain,
        why=_why(call),
        remedy=call.remedy,
        evidence=call.witness,
        allow=f"asyncfastapi_allow_blocking = {call.allow}",
        created=call.created,
        severity=severity,
        test=call.test,
        data={
            "category": call.category,
            "name": call.name,
            "duration": call.duration,
            "strength": strength(call.category),
        },
    )


def _why(call: BlockingCall) -> str:
    if call.duration is not None and call.duration < _SHORT and call.category in _AT_ONCE:
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
