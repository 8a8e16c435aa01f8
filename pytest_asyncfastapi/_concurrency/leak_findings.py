"""Leaks as findings: what was left behind, by which line, why it matters, what to write."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._core.activity import ACTIVITY
from .._core.await_chains import user_lines
from .._core.creation_site import capture
from .._core.findings import Finding, Location

if TYPE_CHECKING:
    from types import FrameType

    from .._core.creation_site import CreationSite
    from .._core.frames import UserCode
    from .resource_tracker import TrackedResource

KINDS = ("task", "coroutine", "generator", "client", "response", "thread", "socket")
_TEXTS = {
    "task": (
        "nobody waits for it: its error is lost, and it is cut off at whatever line it stands on "
        "when the server stops",
        "await it, or give it an owner that ends it: `async with asyncio.TaskGroup() as tasks`, "
        "FastAPI's BackgroundTasks, or a task that the lifespan cancels and awaits after its "
        "`yield`",
    ),
    "coroutine": (
        "its body never ran: what it was to do did not happen",
        "write `await` before the call",
    ),
    "generator": (
        "its `finally` and `async with` blocks have not run, and will run late, in another task",
        "close it where it is used: `async with contextlib.aclosing(...) as items:`",
    ),
    "client": (
        "its connections stay open until the process ends or the garbage collector runs",
        "`async with httpx.AsyncClient() as client:`, or one client that the lifespan opens and "
        "closes",
    ),
    "response": (
        "its connection is not given back to the pool; after `max_connections` of them every "
        "call waits",
        "`async with client.stream(...) as response:`, or `await response.aclose()`",
    ),
    "thread": (
        "it outlives the request, and a thread that is not a daemon keeps the process from ending",
        "stop and join it, or `await anyio.to_thread.run_sync(...)`",
    ),
    "socket": (
        "a file descriptor is lost each time",
        "`with socket.socket(...) as sock:`, or close the writer and `await writer.wait_closed()`",
    ),
}
_RULE = re.compile(r"(?P<kind>[a-z]+)(?:@(?P<module>[\w.]+))?\Z")


@dataclass(frozen=True, slots=True)
class Leak:
    """What was left behind: `what` is one of `KINDS`, `site` where it was created."""

    what: str
    title: str
    where: Location | None
    module: str
    activity: str
    created: str = ""
    evidence: str = ""
    uncancellable: bool = False


@dataclass(frozen=True, slots=True)
class LeakRule:
    """`task` or `task@shop.mail`: leaks that are intended."""

    kind: str
    module: str

    def matches(self, leak: Leak) -> bool:
        """Does it allow this leak?"""
        inside = leak.module == self.module or leak.module.startswith(self.module + ".")
        return self.kind == leak.what and (not self.module or inside)


def parse_rule(text: str) -> LeakRule:
    """Read a rule. Raises `ValueError` with one sentence."""
    match = _RULE.match(text.strip())
    if match is None or match["kind"] not in KINDS:
        raise ValueError(
            f"{text!r} allows no leak: write one of {', '.join(KINDS)}, or with the module that "
            "makes it, such as 'task@shop.mail'"
        )
    return LeakRule(match["kind"], match["module"] or "")


def _created_at(site: CreationSite, user: UserCode, fallback: Any) -> tuple[Location | None, str]:
    where = site.where(user)
    if where is None and fallback is not None:
        where = user.location(fallback, fallback.co_firstlineno)
    return where, "" if site.parent is None else site.parent.describe(user)


def task_leak(task: Any, site: CreationSite, user: UserCode) -> Leak:
    """A task that still runs."""
    coroutine = task.get_coro() if hasattr(task, "get_coro") else task.coro
    name = getattr(coroutine, "__qualname__", None) or repr(coroutine)
    where, created = _created_at(site, user, getattr(coroutine, "cr_code", None))
    lines = user_lines(task, user)
    waits = f"it waits at {lines[-1]}: {lines[-1].source}" if lines else "it has not started yet"
    return Leak(
        what="task",
        title=f"task still running: {name}() was started and is not awaited by anybody",
        where=where,
        module=site.module,
        activity=site.activity,
        created=created,
        evidence=f"{waits}; it was cancelled after the test",
    )


def uncancellable_leak(task: Any, site: CreationSite | None, user: UserCode) -> Leak:
    """A task that goes on although it was cancelled."""
    coroutine = task.get_coro()
    code = getattr(coroutine, "cr_code", None)
    lines = user_lines(task, user)
    # The user's own function, where a library (or the closing of a generator) is the task's.
    name = lines[0].function if lines else code.co_qualname if code else repr(task)
    where = lines[-1] if lines else (site.where(user) if site is not None else None)
    return Leak(
        what="task",
        title=f"task cannot be cancelled: {name}() goes on after 3 cancellations",
        where=where,
        module=site.module if site is not None else "",
        activity=site.activity if site is not None else "",
        created=site.describe(user) if site is not None else "",
        evidence="it was ended by force after the test",
        uncancellable=True,
    )


def generator_leak(generator: Any, site: CreationSite, user: UserCode) -> Leak:
    """An async generator that was begun and not finished."""
    frame = generator.ag_frame
    at = user.location(generator.ag_code, frame.f_lineno)
    where, created = _created_at(site, user, generator.ag_code)
    return Leak(
        what="generator",
        title=f"async generator not closed: {generator.__qualname__}() is left in the middle",
        where=where,
        module=site.module,
        activity=site.activity,
        created=created,
        evidence=f"it stands at {at}: {at.source}",
    )


def resource_leak(entry: TrackedResource, user: UserCode) -> Leak:
    """A thing that was opened and not closed."""
    where, created = _created_at(entry.site, user, None)
    titles = {
        "client": f"{entry.name} not closed: it was used, and never closed",
        "response": f"response stream not closed: {entry.name} was opened, and never closed",
        "thread": f"thread still running: {entry.name!r} was started and has not ended",
        "socket": f"socket not closed: {entry.name} was opened, and never closed",
    }
    title, site = titles[entry.what], entry.site
    return Leak(
        what=entry.what,
        title=title,
        where=where,
        module=site.module,
        activity=site.activity,
        created=created,
    )


def unawaited_leak(coroutine: Any, frame: FrameType | None, user: UserCode) -> Leak | None:
    """A coroutine that was never awaited, dropped at `frame`; None where it is not the user's."""
    code = coroutine.cr_code
    origin = coroutine.cr_origin[0] if coroutine.cr_origin else None
    where: Location | None = None
    if origin is not None and user.owns(origin[0]):
        where = user.line(*origin)
    elif not user.owns(code.co_filename):
        return None
    elif frame is not None and origin is None:
        site = capture(frame, user, None)
        where = None if site is None else site.where(user)
    at = where or user.location(code, code.co_firstlineno)
    module = coroutine.cr_frame.f_globals.get("__name__", "") if coroutine.cr_frame else ""
    return Leak(
        what="coroutine",
        title=f"coroutine never awaited: {coroutine.__qualname__}() was called without `await`",
        where=at,
        module=str(module),
        activity="" if frame is None else ACTIVITY.get(),
    )


def finding(leak: Leak, mode: str, test: str) -> Finding:
    """The record that every package reports with."""
    why, remedy = _TEXTS[leak.what]
    if leak.uncancellable:
        why = "a server that stops waits for it without limit"
        remedy = "let CancelledError pass: no bare `except BaseException` around an await"
    rule = f"{leak.what}@{leak.module}" if leak.module else leak.what
    return Finding(
        kind=f"leak.{leak.what}" + (".resisting" if leak.uncancellable else ""),
        title=leak.title,
        where=leak.where,
        activity=leak.activity,
        created=leak.created,
        why=why,
        evidence=leak.evidence,
        remedy=remedy,
        allow=f"asyncfastapi_allow_leaks = {rule}",
        severity="error" if mode == "fail" else "warning",
        test=test,
        data={"what": leak.what},
    )
