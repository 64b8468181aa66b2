"""The store port: what the engine asks of whatever keeps its facts.

A stream is a named, dense, append-only list of entries; (stream, position) is the lock
(law 3). A unit is one transaction: the desk puts facts, received bytes, consumed nonces,
outbox rows and timers into one unit, and answers only after ``commit`` returned (law 11).

Laws of every implementation, judged by ``tests/ports/check_store.py``:

* all of a unit or nothing of it, and durable when ``commit`` returns;
* a unit that was refused left no trace and did not disturb the units beside it;
* a unit is checked in the order appends, then nonces: a repeated message that lost the
  race for its position is told ``Conflict`` first, and finds its answer when it loads again;
* inside a unit tasks are dropped before tasks are put, and the last put of an id stands;
* units that one caller starts in an order take effect in that order;
* a name is 1 to 1,024 characters without NUL, a number fits 63 bits, a unit has at most 4,096
  rows and 16 MiB, a reader asks for at most 10,000 rows (``treaty/store/units.py``).

Read next: ``treaty/store/memory.py``, the shortest implementation.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """One immutable fact in a stream."""

    stream: str
    """Name of the stream: ``session/<uuid>``, ``account/<uri>/USD``, ``trust/log`` ..."""
    position: int
    """Place in the stream: the first is 1, and there are no gaps."""
    kind: str
    """What the body is: ``message``, ``fact``, ``card``, ``movement`` ..."""
    body: bytes
    """Canonical JSON of the signed record or fact."""
    raw: bytes | None = None
    """The received bytes as received, when the entry was received."""


@dataclass(frozen=True, slots=True)
class Append:
    """Entries for the end of one stream; a lost race is ``Conflict`` for the whole unit.

    Without entries it is a plain condition: the stream still ends where the writer believes.
    """

    stream: str
    after: int
    """Position the writer believes is the last one; 0 for an empty stream."""
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Nonce:
    """A value that is consumed once; using (scope, key) again refuses the whole unit."""

    scope: str
    key: str
    expires_ms: int
    """Last instant at which it must still be known; ``purge`` removes it after that."""
    value: bytes = b""


@dataclass(frozen=True, slots=True)
class Task:
    """An outbox row or a timer. Its id makes repeats harmless: put again, it is replaced."""

    id: str
    kind: str
    due_ms: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Unit:
    """One transaction: all or nothing, durable when ``Store.commit`` returns."""

    appends: tuple[Append, ...] = ()
    nonces: tuple[Nonce, ...] = ()
    put_tasks: tuple[Task, ...] = ()
    drop_tasks: tuple[str, ...] = ()
    settings: tuple[tuple[str, bytes], ...] = ()
    """Small named values that are overwritten, such as the node's heartbeat."""


class Store(Protocol):
    """Where the facts are. Orders are by code point, cursors (``after``) are exclusive."""

    def commit(self, unit: Unit) -> Awaitable[None]:
        """Make the unit durable, whole.

        Raises ``Conflict`` when a stream does not end at ``after`` (``data``: ``stream`` and
        its ``last``), ``Refused("proof_replayed")`` when a nonce is known, ``MisuseError`` when the
        unit contradicts itself, and ``UnavailableError`` when the store cannot write
        (``overloaded`` when too many units wait). A caller that is cancelled while it waits
        does not know whether the unit was kept, and has to read.
        """
        ...

    async def read(self, stream: str, after: int = 0, limit: int = 1000) -> list[Entry]:
        """Return the entries behind position ``after``, in order, at most ``limit``."""
        ...

    async def last(self, stream: str) -> int:
        """Return the last position of the stream; 0 when there is nothing in it."""
        ...

    async def streams(self, prefix: str, after: str = "", limit: int = 1000) -> list[str]:
        """Return the names that begin with ``prefix`` and come behind ``after``, in order."""
        ...

    async def due_tasks(self, now_ms: int, limit: int = 100) -> list[Task]:
        """Return tasks with ``due_ms <= now_ms``, in the order of (due_ms, id)."""
        ...

    async def tasks(self, kind: str, limit: int = 1000, after: str = "") -> list[Task]:
        """Return the tasks of one kind with an id behind ``after``, in the order of id."""
        ...

    async def next_due_ms(self) -> int | None:
        """Return when the earliest task is due; None when there is no task."""
        ...

    async def setting(self, name: str) -> bytes | None:
        """Return a named value; None when it was never set."""
        ...

    async def nonce(self, scope: str, key: str) -> bytes | None:
        """Return the value kept with a consumed nonce; None when it is not known."""
        ...

    async def purge(self, now_ms: int) -> None:
        """Forget the nonces with ``expires_ms < now_ms``."""
        ...

    async def close(self) -> None:
        """Finish what waits, then let go. Repeating it is harmless; using the store is not."""
        ...
