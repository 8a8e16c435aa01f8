"""From a step that was too long to its cause: whose line, and was it computing or blocked?"""

from __future__ import annotations

import gc
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from .catalog import Entry, Named, by_package
from .catalog import remedies as to
from .stack_analysis import Scene, Spot, at_with_statement, import_statement, read_scene
from .step_watch import Sample, Stall

if TYPE_CHECKING:
    from .._core.frames import UserCode
    from .models import BlockingPolicy

# Nobody saw it asleep, and its figures say that it was.
CONCLUDED = "step watch: the thread slept in the kernel"

_Cause = tuple[Scene, Entry, float, str]


def explain(stall: Stall, policy: BlockingPolicy, user: UserCode) -> list[_Cause]:
    """What held the loop: where, what, for how many seconds, and how that is known.

    One step may have slept in one place, computed in another, and imported in a third: what it
    spent in imports is estimated by the share of its samples that were taken there.
    """
    scenes = [(sample, _scene(sample, user, stall.label)) for sample in stall.samples]
    causes: list[_Cause] = []
    importing = [pair for pair in scenes if pair[1].importing]
    share = len(importing) / max(1, len(scenes))
    if (cost := (stall.cpu + stall.blocked) * share) and cost >= policy.step_threshold:
        _, scene = _most_common(importing, stall, user)
        entry = Entry("import", "import", "always", scene.import_remedy)
        causes.append((scene, entry, cost, "step watch"))
    if importing:
        rest = 1 - share
        scenes = [pair for pair in scenes if not pair[1].importing]
        stall = replace(stall, cpu=stall.cpu * rest, blocked=stall.blocked * rest)
    if stall.wall >= policy.step_threshold <= stall.blocked and stall.proven:
        asleep = [pair for pair in scenes if pair[0].asleep] or scenes
        sample, scene = _most_common(asleep, stall, user)
        causes.append((scene, _blocked_in(sample, scene), stall.blocked, _evidence(scenes)))
    awake = [pair for pair in scenes if not pair[0].asleep] or scenes
    sample, scene = _most_common(awake, stall, user)
    if scene.named is not None and scene.named.entry.category == "file":
        # An archive that is read or written computes, too: it is one call, of one kind.
        causes.append((scene, _as_named(scene.named), stall.cpu, "step watch"))
    elif stall.cpu >= policy.cpu_threshold and stall.wall >= policy.step_threshold:
        name = scene.wrote or (sample.stack[0].code.co_qualname if sample.stack else stall.callback)
        entry = Entry(name or "a step of the loop", "cpu", "always", to.CPU)
        causes.append((scene, entry, stall.cpu, "step watch: the thread was computing"))
    return causes


def _scene(sample: Sample, user: UserCode, activity: str) -> Scene:
    scene = read_scene(_without_collector(sample.stack), user, activity)
    if scene.imported:
        # A module of the user's is being loaded: the line that imports it has to change.
        return read_scene(import_statement(sample.stack), user, activity)
    return scene


def _without_collector(stack: list[Spot]) -> list[Spot]:
    """The stack below the callbacks of the garbage collector, which others have put there."""
    callbacks = [getattr(callback, "__code__", None) for callback in gc.callbacks]
    for depth in range(len(stack) - 1, -1, -1):
        if any(stack[depth].code is code for code in callbacks):
            return stack[depth + 1 :]
    return stack


def _most_common(
    scenes: list[tuple[Sample, Scene]], stall: Stall, user: UserCode
) -> tuple[Sample, Scene]:
    """The sample that speaks for the step: most often seen function, then line."""
    if not scenes:
        empty = Sample([], "")
        return empty, read_scene([], user, stall.label)
    by_function = Counter(_function(scene) for _, scene in scenes)
    function = by_function.most_common(1)[0][0]
    inside = [pair for pair in scenes if _function(pair[1]) == function]
    # With who is to blame: one sample may have hit a finaliser that the collector ran there.
    places = [(pair[1].where, pair[1].blame) for pair in inside]
    return inside[places.index(Counter(places).most_common(1)[0][0])]


def _function(scene: Scene) -> tuple[str, str]:
    if scene.where is None:
        return ("", "")
    return (scene.where.path, scene.where.function)


def _blocked_in(sample: Sample, scene: Scene) -> Entry:
    call = sample.asleep
    if sample.stack and call in ("futex", "") and at_with_statement(sample.stack[0]):
        return Entry("with lock", "lock", "always", to.LOCK)
    if scene.named is not None:
        return _as_named(scene.named)
    where = f" in {scene.wrote}" if scene.wrote else ""
    category, remedy = by_package(scene.wrote.partition(".")[0]) or ("unknown", to.THREAD)
    return Entry(f"sleep in the kernel{where}", category, "always", remedy)


def _as_named(named: Named) -> Entry:
    return Entry(named.entry.name, named.entry.category, "always", named.entry.remedy)


def _evidence(scenes: list[tuple[Sample, Scene]]) -> str:
    calls = Counter(sample.asleep for sample, _ in scenes if sample.asleep)
    if not calls:
        return CONCLUDED
    return f"step watch; kernel: sleeping in {calls.most_common(1)[0][0]}"
