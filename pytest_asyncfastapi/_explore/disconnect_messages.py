"""The texts of a disconnect sweep for each verdict: why it matters, and what to write."""

from __future__ import annotations

IN_WORDS = {
    "leave": "the client leaves",
    "cancel": "the handler is cancelled",
    "cancel_always": "the handler is cancelled for good",
}
WHY = {
    "side effect": "a client that goes away at the wrong moment leaves something half done",
    "leak": "each client that leaves uses up one more, until none is left",
    "cleanup not run": "each client that leaves uses up one more, until none is left",
    "lock held": "every request that needs it waits without limit",
    "not given back": "each client that goes away takes one out of the pool, until it is empty",
    "stuck": "one client that goes away stops the app for everybody",
    "broken afterwards": "what it held (a connection, a transaction) blocks others",
    "hung": "the server cannot get rid of this request",
    "failed": "a client that leaves is normal, and the cleanup must not fail",
    "cleanup cut off": "the rest of the cleanup did not run",
    "lost background task": "the work that it was to do is not done, and there is no error",
    "cancel swallowed": "a timeout, or a server that shuts down, cannot stop it",
    "database gone": "so the state of the app after this cut is not known",
}
ASYNC_WITH = "`async with lock:`, so that it is given back whatever happens"
SHIELD = (
    "shield cleanup that awaits: `with anyio.CancelScope(shield=True):` (or "
    "`with anyio.move_on_after(5, shield=True):`) around it"
)
# What to write, where the problem has no remedy of its own.
REMEDIES = {
    "side effect": "make it one step (a single transaction), or undo what is done so far: "
    "`try: ... except BaseException: undo it; raise`; what awaits there needs a shield "
    "(`with anyio.CancelScope(shield=True):`)",
    "failed": "what is raised while it cleans up hides the cancellation: let it pass, and shield "
    "cleanup that awaits (`with anyio.CancelScope(shield=True):`)",
    "not given back": "put it back whatever happens: `try: ... finally: pool.put_nowait(it)`",
    "broken afterwards": "give back what it holds in `async with` or `finally:`, shielded where "
    "that awaits (`with anyio.CancelScope(shield=True):`)",
    "cancel swallowed": "catch `Exception`, which a cancellation is not; or raise it again after "
    "the cleanup: `except asyncio.CancelledError: ...; raise`",
    "database gone": "test with a database in a file (`tmp_path`), or with one shared connection: "
    "`poolclass=StaticPool`",
    "hung": "do not catch the cancellation; bound what must run after it with "
    "`anyio.move_on_after(5, shield=True)`",
}
