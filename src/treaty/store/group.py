"""One group commit: the units that wait at the same moment, in one transaction.

``commit_group`` judges every unit against the file and against the units before it in the
group, writes the rows of those that hold in a few statements, and commits once. A refused
unit contributes no row, so it needs no savepoint and cannot disturb its neighbours.

Few statements are the point. Each step of SQLite gives the interpreter's lock away and has to
win it back from the event loop; a statement per row made a group of 16 wait 305 ms beside a
busy loop, a statement per table 27 ms.

One process writes the file, so what it wrote is what is there: the ends of the streams in use
are remembered in ``Heads`` and looked up only once.

Read next: ``sqlite.py``, the thread that runs this.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from treaty.engine.ports import Task, Unit
from treaty.errors import Refused, TreatyError
from treaty.store.units import lost_race, replayed

HEADS_MAX: Final = 16_384
"""Streams whose end is remembered; a few hundred bytes each."""
HEADS_SPARE: Final = 1_024
"""How many more are remembered for a while, so that they are dropped many at once."""
BATCH_ROWS_MAX: Final = 128
PURGE_ROWS_MAX: Final = 1_000

Verdict = TreatyError | None
"""What a unit is told: nothing when it is durable, or why it left no trace."""


@dataclass(slots=True)
class Heads:
    """The ends of streams as (id, last position), most recently written ones last."""

    known: dict[str, tuple[int, int]] = field(default_factory=dict)
    next_id: int = 0
    """The id of the next new stream; 0 when it has to be looked up."""

    def forget(self) -> None:
        """Drop everything, because a transaction was rolled back."""
        self.known.clear()
        self.next_id = 0

    def shrink(self) -> None:
        """Drop the streams that were not written for longest, once there are too many."""
        if len(self.known) > HEADS_MAX + HEADS_SPARE:
            for name in list(self.known)[: len(self.known) - HEADS_MAX]:
                del self.known[name]


@dataclass(slots=True)
class _Rows:
    """What the accepted units add, as flat columns for ``_insert``, and last wishes by id."""

    streams: list[Any] = field(default_factory=list)
    entries: list[Any] = field(default_factory=list)
    nonces: list[Any] = field(default_factory=list)
    tasks: dict[str, Task | None] = field(default_factory=dict)
    settings: dict[str, bytes] = field(default_factory=dict)


class _DoubtError(Exception):
    """A verdict rests on a stream that was taken for new."""


def commit_group(db: sqlite3.Connection, heads: Heads, units: Sequence[Unit]) -> list[Verdict]:
    """Write the units in order and return a verdict for each; they passed ``check_unit``.

    Raises ``sqlite3.Error`` when the file could not be written; then no unit is in it.
    """
    try:
        return _commit(db, heads, units, trusting=True)
    except (sqlite3.IntegrityError, _DoubtError):
        # Somebody believed that a stream is new, and it is not: now everything is looked up.
        return _commit(db, heads, units, trusting=False)


def _commit(
    db: sqlite3.Connection, heads: Heads, units: Sequence[Unit], *, trusting: bool
) -> list[Verdict]:
    """Run the transaction. ``trusting`` takes a new stream for new, which its name's key checks."""
    try:
        db.execute("BEGIN IMMEDIATE")
        _load_heads(db, heads, units, trusting=trusting)
        taken = _taken_nonces(db, units)
        rows = _Rows()
        verdicts = [_accept(unit, heads, taken, rows) for unit in units]
        if trusting and any(isinstance(verdict, Refused) for verdict in verdicts):
            # A lost race is told before a replay.
            raise _DoubtError
        _write(db, rows)
        db.execute("COMMIT")
    except BaseException:
        heads.forget()
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    heads.shrink()
    return verdicts


def purge_some(db: sqlite3.Connection, now_ms: int) -> bool:
    """Forget some of the nonces that expired before ``now_ms``; tell whether any may be left."""
    gone = db.execute(
        "DELETE FROM nonce WHERE (scope, key) IN "
        "(SELECT scope, key FROM nonce WHERE expires_ms < ? LIMIT ?)",
        (now_ms, PURGE_ROWS_MAX),
    )
    return gone.rowcount == PURGE_ROWS_MAX


def _load_heads(
    db: sqlite3.Connection, heads: Heads, units: Sequence[Unit], *, trusting: bool
) -> None:
    known = heads.known
    if not heads.next_id:
        heads.next_id = db.execute("SELECT coalesce(max(stream), 0) + 1 FROM entry").fetchone()[0]
    unknown = {
        append.stream
        for unit in units
        for append in unit.appends
        if append.stream not in known and not (trusting and append.entries and not append.after)
    }
    if not unknown:
        return
    found = db.execute(
        "SELECT s.name, s.id, (SELECT max(position) FROM entry WHERE stream = s.id) "
        "FROM json_each(?) AS asked CROSS JOIN stream AS s ON s.name = asked.value",
        (json.dumps(list(unknown)),),
    )
    known.update((name, (stream, last)) for name, stream, last in found)


def _taken_nonces(db: sqlite3.Connection, units: Sequence[Unit]) -> set[tuple[str, str]]:
    asked = [(nonce.scope, nonce.key) for unit in units for nonce in unit.nonces]
    if not asked:
        return set()
    found = db.execute(
        "SELECT n.scope, n.key FROM json_each(?) AS asked CROSS JOIN nonce AS n "
        "ON n.scope = json_extract(asked.value, '$[0]') "
        "AND n.key = json_extract(asked.value, '$[1]')",
        (json.dumps(asked),),
    )
    return set(found.fetchall())


def _accept(unit: Unit, heads: Heads, taken: set[tuple[str, str]], rows: _Rows) -> Verdict:
    refusal = _refusal(unit, heads.known, taken)
    if refusal is not None:
        return refusal
    for append in unit.appends:
        if append.entries:
            stream = _stream_id(append.stream, append.after, heads, rows.streams)
            for entry in append.entries:
                rows.entries += (stream, entry.position, entry.kind, entry.body, entry.raw)
            heads.known[append.stream] = (stream, append.after + len(append.entries))
    for nonce in unit.nonces:
        taken.add((nonce.scope, nonce.key))
        rows.nonces += (nonce.scope, nonce.key, nonce.expires_ms, nonce.value)
    for task_id in unit.drop_tasks:
        rows.tasks[task_id] = None
    for task in unit.put_tasks:
        rows.tasks[task.id] = task
    rows.settings.update(unit.settings)
    return None


def _refusal(unit: Unit, known: dict[str, tuple[int, int]], taken: set[tuple[str, str]]) -> Verdict:
    moved: dict[str, int] = {}
    for append in unit.appends:
        name = append.stream
        last = moved[name] if name in moved else known.get(name, (0, 0))[1]
        if append.after != last:
            return lost_race(name, append.after, last)
        moved[name] = last + len(append.entries)
    own: set[tuple[str, str]] = set()
    for nonce in unit.nonces:
        place = (nonce.scope, nonce.key)
        if place in taken or place in own:
            return replayed(*place)
        own.add(place)
    return None


def _stream_id(name: str, after: int, heads: Heads, streams: list[Any]) -> int:
    """Return the stream's id, a new one for a new stream; the name becomes the newest known."""
    if after:
        return heads.known.pop(name)[0]
    stream = heads.next_id
    heads.next_id += 1
    streams += (name, stream)
    return stream


def _write(db: sqlite3.Connection, rows: _Rows) -> None:
    _insert(db, "INSERT INTO stream (name, id)", 2, rows.streams)
    _insert(db, "INSERT INTO entry (stream, position, kind, body, raw)", 5, rows.entries)
    _insert(db, "INSERT INTO nonce (scope, key, expires_ms, value)", 4, rows.nonces)
    dropped = [task_id for task_id, task in rows.tasks.items() if task is None]
    if dropped:
        gone = "DELETE FROM task WHERE id IN (SELECT value FROM json_each(?))"
        db.execute(gone, (json.dumps(dropped),))
    put: list[Any] = []
    for task in rows.tasks.values():
        if task is not None:
            put += (task.id, task.kind, task.due_ms, task.payload)
    _insert(db, "REPLACE INTO task (id, kind, due_ms, payload)", 4, put)
    settings = [column for row in rows.settings.items() for column in row]
    _insert(db, "REPLACE INTO setting (name, value)", 2, settings)


def _insert(db: sqlite3.Connection, into: str, width: int, columns: list[Any]) -> None:
    """Insert flat columns, ``width`` to a row, in statements of 128, 64, ... 2, 1 rows."""
    start = 0
    for rows in _batches(len(columns) // width):
        end = start + rows * width
        db.execute(_insertion(into, width, rows), columns[start:end])
        start = end


def _batches(rows: int) -> Iterable[int]:
    """Split a count into powers of two, so that few different statements are ever prepared."""
    while rows:
        batch = min(BATCH_ROWS_MAX, 1 << (rows.bit_length() - 1))
        yield batch
        rows -= batch


@cache
def _insertion(into: str, width: int, rows: int) -> str:
    row = f"({', '.join('?' * width)})"
    return f"{into} VALUES {', '.join([row] * rows)}"
