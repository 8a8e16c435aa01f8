"""What a kind of fault is: one entry says what the rest of the package has to know of it.

The grammar, the builder, the tables of the docs, the network in memory, the served socket, the
connections of databases and the sweep read the entry; none of them asks for a kind by its name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Budget = Literal["connect", "read", "write", "pool"]
# A move of the server: ("say", bytes), ("wait", seconds), ("end", how), ("status", a status that
# is answered without a body); over HTTP/2 also ("head", ...), ("frame", ...) and ("raw", bytes).
WireEvent = tuple[str, Any]
# Where a sweep can place it: a call over HTTP, an exchange with a database, its connection.
Swept = Literal["call", "exchange", "connect"]


class Struck(Protocol):
    """What a behaviour may ask of the effect: the values that the test has given."""

    @property
    def status(self) -> int:
        """An HTTP status; 0 where none is given."""
        ...

    @property
    def detail(self) -> str:
        """Which one of several."""
        ...


@dataclass(frozen=True, slots=True)
class Keyword:
    """How the value of a word is read, and which field of `Effect` it sets.

    A reader of more than one field gives them as a mapping. `bare` words may stand without a
    value; `default` is their value then.
    """

    read: Callable[[str], Any]
    what: str
    example: str
    field: str = ""
    bare: bool = False
    default: str = ""

    @property
    def needs(self) -> str:
        """What has to follow the word, for people."""
        return f"{self.what} ({self.example})"


@dataclass(frozen=True, kw_only=True)
class FaultKind:
    """One kind of fault.

    For people:
        `what` is what happens, as the table of the docs has it: kinds with the same text share a
        row, with `builder` and `grammar` as they are written. A kind with a `method`, which is the
        first line of its docstring, has a method without arguments in the builder; one that is the
        `same_as` another is its other name.

    In the grammar:
        `words` are its words that have a value; without them its `name` is its only word.

    When it strikes:
        `stage` is how far a call gets; `budget` is the limit of the client that has to end it,
        `detail_budgets` the same by `detail`. With `counts_attempts` each attempt to connect
        counts. With `needs_upload` and `needs_body` it has no effect without a body in the request
        or the answer.

    On the wire, where the connection stands:
        `end` is how the connection ends, after the answer has begun if `cut` says so (`"at"` its
        place, or `"half"` of the body), else instead of the answer. `instead` gives the events in
        place of the answer, `http2` the same over HTTP/2; or the kind is an answer of its own
        (`is_answer`), delivered as one of a route. `answered` says that the route's answer
        is sent, and changed: `content` makes another body of it, with one header; `headers` are
        added; `framing` is how the body is framed; `without_length`: an empty one is not given a
        length of 0; `rest` follows the whole body; `closes` closes the connection then.
        `http2_end` and `http2_frame` stand for `end` and for the end of the body over HTTP/2.

    Elsewhere:
        `not_served` is why `upstream.serve()` cannot do it, in words: what to write instead;
        `not_served_details`: only these. `connection` says that it is a fault of any connection,
        of its opening or of an exchange. `swept` is what a sweep tries it on.
    """

    name: str
    what: str
    category: Literal["delay", "pace", "change", "ending"] = "ending"
    builder: str = ""
    grammar: str = ""
    method: str = ""
    same_as: str = ""
    words: Mapping[str, Keyword] = field(default_factory=dict)

    stage: Literal["pool", "resolve", "connect", "tls", "proxy", "upload", "answer"] = "answer"
    budget: Budget | None = None
    detail_budgets: Mapping[str, Budget] = field(default_factory=dict)
    counts_attempts: bool = False
    needs_upload: bool = False
    needs_body: bool = False

    end: Literal["", "close", "reset", "stall", "alert"] = ""
    cut: Literal["", "at", "half"] = ""
    instead: Callable[[Struck], list[WireEvent]] | None = None
    http2: Callable[[Struck], list[WireEvent]] | None = None
    is_answer: bool = False
    answered: bool = False
    content: Callable[[bytes], tuple[bytes, tuple[bytes, bytes]]] | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    framing: Literal["", "plain", "bad size", "bad end"] = ""
    without_length: bool = False
    rest: bytes = b""
    closes: bool = False
    http2_end: str = ""
    http2_frame: tuple[bytes, int, int] | None = None

    not_served: str = ""
    not_served_details: tuple[str, ...] = ()
    connection: Literal["", "opening", "exchange"] = ""
    swept: tuple[Swept, ...] = ()

    @property
    def is_placed(self) -> bool:
        """Can it come at a place: before the head, in it, in the body?"""
        return self.cut == "at"

    def __repr__(self) -> str:
        return f"<FaultKind {self.name}>"


def says(data: bytes) -> Callable[[Struck], list[WireEvent]]:
    """These bytes instead of the answer, and the end of the connection."""
    return lambda effect: [("say", data), ("end", "close")]


def always(*events: WireEvent) -> Callable[[Struck], list[WireEvent]]:
    """The same events whatever the values are."""
    return lambda effect: list(events)
