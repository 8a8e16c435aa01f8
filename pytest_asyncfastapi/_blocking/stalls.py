"""From a step that was too long to its cause: whose line, and was it computing or blocked?"""

from __future__ import annotations

import gc
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from .catalog import Entry, NamedFunction, by_package
from .catalog import remedies as to
from .slow_steps import Sample, Stall
from .stack_analysis import (
    NEVER_RESPONSIBLE,
    CallSite,
    analyze_stack,
    at_with_statement,
    common_stack,
    import_statement,
)

if TYPE_CHECKING:
    from .._core.frames import UserCode
    from .call_stack import FrameInfo
    from .models import BlockingPolicy

# Not sampled while it slept, but inferred from its statistics.
INFERRED = "step timer: the thread slept in the kernel"

_Cause = tuple[CallSite, Entry, float, str]


def find_causes(stall: Stall, policy: BlockingPolicy, user: UserCode) -> list[_Cause]:
    """What held the loop: where, what, for how many seconds, and how that is known.

    One step may have slept in one place, computed in another, and imported in a third: what it
    spent in imports is estimated by the share of its samples that were taken there.
    """
    call_sites = [(sample, _call_site_of(sample, user, stall.label)) for sample in stall.samples]
    causes: list[_Cause] = []
    importing = [pair for pair in call_sites if pair[1].importing]
    share = len(importing) / max(1, len(call_sites))
    if (cost := (stall.cpu + stall.blocked) * share) and cost >= policy.step_threshold:
        _, call_site = _most_common(importing, stall, user)
        entry = Entry("import", "import", "always", call_site.import_remedy)
        causes.append((call_site, entry, cost, "step timer"))
    if importing:
        rest = 1 - share
        call_sites = [pair for pair in call_sites if not pair[1].importing]
        stall = replace(stall, cpu=stall.cpu * rest, blocked=stall.blocked * rest)
    if stall.wall >= policy.step_threshold <= stall.blocked and stall.from_scheduler:
        sleeping = [pair for pair in call_sites if pair[0].sleeping_in] or call_sites
        sample, call_site = _most_common(sleeping, stall, user)
        causes.append(
            (call_site, _blocked_in(sample, call_site), stall.blocked, _evidence(call_sites))
        )
    computing = [pair for pair in call_sites if not pair[0].sleeping_in] or call_sites
    sample, call_site = _most_common(computing, stall, user)
    if call_site.named is not None and call_site.named.entry.category == "file":
        # An archive that is read or written computes, too: it is one call, of one kind.
        causes.append((call_site, _as_named(call_site.named), stall.cpu, "step timer"))
    elif stall.cpu >= policy.cpu_threshold and stall.wall >= policy.step_threshold:
        name = call_site.written_name or _innermost(sample, call_site) or stall.callback
        entry = Entry(name or "a step of the loop", "cpu", "always", to.CPU)
        causes.append((call_site, entry, stall.cpu, "step timer: the thread was computing"))
    return causes


def _call_site_of(sample: Sample, user: UserCode, activity: str) -> CallSite:
    call_site = analyze_stack(_without_gc_callbacks(sample.stack), user, activity)
    if call_site.inside_import:
        # A module of the user's is being loaded: the line that imports it has to change.
        return analyze_stack(import_statement(sample.stack), user, activity)
    return call_site


def _without_gc_callbacks(stack: list[FrameInfo]) -> list[FrameInfo]:
    """The stack without callbacks of the garbage collector, which other tools have added."""
    callbacks = [getattr(callback, "__code__", None) for callback in gc.callbacks]
    for depth in range(len(stack) - 1, -1, -1):
        if any(stack[depth].code is code for code in callbacks):
            return stack[depth + 1 :]
    return stack


def _most_common(
    call_sites: list[tuple[Sample, CallSite]], stall: Stall, user: UserCode
) -> tuple[Sample, CallSite]:
    """The most representative sample: of the most frequent function, then line.

    What has no line of the user's counts as one function, whatever part of a library it was in:
    it is named by what its samples have in common.
    """
    if not call_sites:
        empty = Sample([], "")
        return empty, analyze_stack([], user, stall.label)
    # Samples of the loop, a tool or this plugin decide only if they are the most.
    reported = [pair for pair in call_sites if pair[1].responsible not in NEVER_RESPONSIBLE]
    if len(reported) > len(call_sites) / 2:
        call_sites = reported
    by_function = Counter(_function(call_site) for _, call_site in call_sites)
    function = by_function.most_common(1)[0][0]
    inside = [pair for pair in call_sites if _function(pair[1]) == function]
    if inside[0][1].user_frame is None:
        found = _in_common(inside, stall, user)
        if found is not None:
            return found
    # With what is responsible: a sample may be of a finaliser that the collector ran there.
    places = [(pair[1].where, pair[1].responsible) for pair in inside]
    return inside[places.index(Counter(places).most_common(1)[0][0])]


def _in_common(
    inside: list[tuple[Sample, CallSite]], stall: Stall, user: UserCode
) -> tuple[Sample, CallSite] | None:
    """What samples without a line of the user's are named by; None where they are of one place."""
    for pair in inside:
        if pair[1].responsible in NEVER_RESPONSIBLE:
            return pair
    sample, call_site = inside[0]
    if call_site.importing or sample.sleeping_in:
        return None
    stack = common_stack([sample.stack for sample, _ in inside])
    call_site = analyze_stack(stack, user, stall.label)
    if call_site.where is None or call_site.responsible in NEVER_RESPONSIBLE:
        return None
    return replace(sample, stack=stack), call_site


def _function(call_site: CallSite) -> tuple[str, str]:
    if call_site.where is None or call_site.user_frame is None:
        return ("", "")
    return (call_site.where.path, call_site.where.function)


def _innermost(sample: Sample, call_site: CallSite) -> str:
    """The function that was computing, with its module where that is not the user's."""
    if not sample.stack:
        return ""
    info = sample.stack[0]
    name = info.code.co_qualname
    return name if call_site.user_frame is not None else f"{info.module}.{name}"


def _blocked_in(sample: Sample, call_site: CallSite) -> Entry:
    call = sample.sleeping_in
    if sample.stack and call in ("futex", "") and at_with_statement(sample.stack[0]):
        return Entry("with lock", "lock", "always", to.LOCK)
    if call_site.named is not None:
        return _as_named(call_site.named)
    where = f" in {call_site.written_name}" if call_site.written_name else ""
    category, remedy = by_package(call_site.written_name.partition(".")[0]) or (
        "unknown",
        to.THREAD,
    )
    return Entry(f"sleep in the kernel{where}", category, "always", remedy)


def _as_named(named: NamedFunction) -> Entry:
    return Entry(named.entry.name, named.entry.category, "always", named.entry.remedy)


def _evidence(call_sites: list[tuple[Sample, CallSite]]) -> str:
    calls = Counter(sample.sleeping_in for sample, _ in call_sites if sample.sleeping_in)
    if not calls:
        return INFERRED
    return f"step timer; kernel: sleeping in {calls.most_common(1)[0][0]}"
