"""The one thread that writes a SQLite file, and the queue in front of it.

The event loop collects the units that are committed while the thread is busy, and hands them
over as one group when it is free; one call into the loop answers them all. While a unit waits
nothing is decided about it; when its future is done the unit is on disk or left no trace.

When the disk is full a group fails and a later one may succeed. When the disk fails in any
other way nobody can say what it kept, so from then on every unit is refused until the file is
opened again. A unit that no table can hold is our own mistake; it is found by trying the units
of its group one by one, and only its own caller hears of it.

Read next: ``group.py``, the transaction this thread runs.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final

from treaty.engine.ports import Unit
from treaty.errors import MisuseError, UnavailableError
from treaty.store.group import Heads, Verdict, commit_group, purge_some
from treaty.store.units import closed

QUEUE_UNITS_MAX: Final = 4_096
GROUP_UNITS_MAX: Final = 256
PASSING: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_NOMEM})
"""Failures SQLite rolls back by itself: the file is sound and a later attempt may succeed."""
UNIT_AT_FAULT: Final = (
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    sqlite3.DataError,
    TypeError,
    ValueError,
    OverflowError,
)
"""What is raised for a value of a type or size that cannot be bound or kept."""

Group = list[tuple[Unit, "asyncio.Future[None]"]]


class Writer:
    """Owns the writing connection from the moment it is made until ``close``."""

    __slots__ = ("_broken", "_busy", "_closed", "_db", "_jobs", "_loop", "_waiting")

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[Callable[[Heads], None] | None] = SimpleQueue()
        self._waiting: Group = []
        self._busy = False
        self._broken: str | None = None
        self._closed: asyncio.Future[None] | None = None
        # A daemon, because a process that forgets to close must still be able to end; the file
        # then looks as after a crash, which is a state it is made for.
        Thread(target=self._run, name="treaty-store-writer", daemon=True).start()

    def submit(self, unit: Unit) -> asyncio.Future[None]:
        """Queue a checked unit; the future tells what became of it.

        Raises ``UnavailableError`` when the store is closed or too many units wait.
        """
        if self._closed is not None:
            raise closed()
        if len(self._waiting) >= QUEUE_UNITS_MAX:
            raise UnavailableError(f"{QUEUE_UNITS_MAX} units wait for the disk", "overloaded")
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append((unit, future))
        if not self._busy:
            # Tasks that are ready in this turn of the loop may still join the group.
            self._busy = True
            self._loop.call_soon(self._hand_over)
        return future

    async def purge(self, now_ms: int) -> None:
        """Forget expired nonces in bounded steps, between the groups."""
        more = True
        while more:
            if self._closed is not None:
                raise closed()
            future: asyncio.Future[bool] = self._loop.create_future()
            self._jobs.put(partial(self._purge_some, now_ms, future))
            more = await future

    async def close(self) -> None:
        """Write what waits, then close the connection."""
        if self._closed is None:
            self._closed = self._loop.create_future()
            if not self._busy:
                self._jobs.put(None)
        await asyncio.shield(self._closed)

    def _hand_over(self) -> None:
        """On the loop: give the thread its next group."""
        group = self._waiting[:GROUP_UNITS_MAX]
        del self._waiting[:GROUP_UNITS_MAX]
        self._jobs.put(partial(self._write_group, group))

    def _answer(self, group: Group, verdicts: Sequence[Verdict]) -> None:
        """On the loop: keep the thread busy first, then tell those who wait."""
        if self._waiting:
            self._hand_over()
        else:
            self._busy = False
            if self._closed is not None:
                self._jobs.put(None)
        for (_, future), verdict in zip(group, verdicts, strict=True):
            _settle(future, None, verdict)

    def _run(self) -> None:
        """The thread: one job after the other until it is told that there are no more."""
        heads = Heads()
        while (job := self._jobs.get()) is not None:
            job(heads)
        self._db.close()
        self._tell(_settle, self._closed, None, None)

    def _write_group(self, group: Group, heads: Heads) -> None:
        verdicts = self._commit([unit for unit, _ in group], heads)
        self._tell(self._answer, group, verdicts)

    def _commit(self, units: list[Unit], heads: Heads) -> list[Verdict]:
        if self._broken is not None:
            return [UnavailableError(self._broken) for _ in units]
        try:
            return commit_group(self._db, heads, units)
        except UNIT_AT_FAULT as error:
            if len(units) == 1:
                return [MisuseError(f"the unit cannot be stored: {error}")]
            return [self._commit([unit], heads)[0] for unit in units]
        except BaseException as error:  # noqa: BLE001 - whatever it is, those who wait are told.
            failure = self._failure(error)
            return [UnavailableError(failure) for _ in units]

    def _purge_some(self, now_ms: int, future: asyncio.Future[bool], _: Heads) -> None:
        more, failure = False, self._broken
        if failure is None:
            try:
                more = purge_some(self._db, now_ms)
            except sqlite3.Error as error:
                failure = self._failure(error)
        verdict = None if failure is None else UnavailableError(failure)
        self._tell(_settle, future, more, verdict)

    def _failure(self, error: BaseException) -> str:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in PASSING:
            return f"the store could not write ({error}); nothing was kept"
        self._broken = (
            f"the store failed while writing ({error}) and takes nothing more; "
            "look after the disk, then start the node again"
        )
        return self._broken

    def _tell(self, callback: Callable[..., object], *arguments: object) -> None:
        # A loop that was closed has nobody left who waits for the answer.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *arguments)


def _settle(future: asyncio.Future[Any], result: object, error: Exception | None) -> None:
    """Answer a future, unless its owner stopped waiting."""
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
