"""The embedded store: one SQLite file, one process that writes, any number that read.

``commit`` checks a unit and hands it to the writer thread (``writer.py``), which makes one
transaction of all the units that wait; it returns when that transaction is on disk (law 11).

The file belongs to the process that holds the lock on ``<path>.lock``. Anybody else may open
it to read: readers see the last commit, block nobody and wait for nobody. A read therefore
runs where it is called, on the event loop, a few rows at a time; handing it to a thread was
measured to cost more than the read.

Read next: ``writer.py``, then ``schema.py`` for the tables.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

from treaty.engine.ports import Entry, Task, Unit
from treaty.errors import MisuseError, TreatyError, UnavailableError
from treaty.store import schema
from treaty.store.names import Names
from treaty.store.units import check_integer, check_question, check_unit, closed
from treaty.store.writer import Writer

ROWS_AT_ONCE: Final = 32
"""Rows read before the event loop gets a turn."""
BEHIND_ALL_TEXT: Final = b""
"""SQLite orders every blob behind every text, so this bounds nothing."""
LAST_CODE_POINT: Final = 0x10FFFF


class InUseError(UnavailableError):
    """Another process holds the file."""


class SqliteStore:
    """Implements ``engine.ports.Store`` in a file. Make one with ``await SqliteStore.open``."""

    __slots__ = ("_lock", "_names", "_path", "_reader", "_writer")

    def __init__(
        self,
        path: Path,
        reader: sqlite3.Connection,
        writer: Writer | None = None,
        lock: int | None = None,
        names: Names | None = None,
    ) -> None:
        self._path = path
        self._reader: sqlite3.Connection | None = reader
        self._writer = writer
        self._lock = lock
        self._names = names
        """None where another process may write."""

    @classmethod
    async def open(cls, path: Path | str, *, read_only: bool = False) -> Self:
        """Open the store at ``path``, making the file (0600) and its directory when missing.

        Blocks while it opens, as nothing is served yet. With ``read_only`` nothing is made and
        nothing locked, so it works beside a running node. Raises ``UnavailableError`` when the
        file is in use by another process, newer than this program, or not a store.
        """
        try:
            return cls(*_open_to_read(path) if read_only else _open_to_write(path))
        except (OSError, sqlite3.Error) as error:
            raise UnavailableError(f"cannot open the store {path}: {error}") from error

    def commit(self, unit: Unit) -> asyncio.Future[None]:
        """See ``Store.commit``. Queued at once: whoever has to shield it needs no task for it."""
        try:
            writer = self._writing()
            check_unit(unit)
            committing = writer.submit(unit)
        except TreatyError as error:
            refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            refused.set_exception(error)
            return refused
        if self._names is not None:
            for append in unit.appends:
                if not append.after:
                    self._names.add(append.stream)
        return committing

    async def read(self, stream: str, after: int = 0, limit: int = 1000) -> list[Entry]:
        """See ``Store.read``."""
        check_question(limit, after)
        if self._names is not None and self._reader and not self._names.may_have(stream):
            return []
        rows = await self._rows(
            "SELECT position, kind, body, raw FROM entry "
            "WHERE stream = (SELECT id FROM stream WHERE name = ?) AND position > ? "
            "ORDER BY position LIMIT ?",
            (stream, after, limit),
        )
        return [Entry(stream, *row) for row in rows]

    async def last(self, stream: str) -> int:
        """See ``Store.last``."""
        found = await self._value(
            "SELECT max(position) FROM entry WHERE stream = (SELECT id FROM stream WHERE name = ?)",
            (stream,),
        )
        return found or 0

    async def streams(self, prefix: str, after: str = "", limit: int = 1000) -> list[str]:
        """See ``Store.streams``."""
        check_question(limit, after)
        # The plus keeps the planner from starting at the cursor when the prefix is behind it.
        rows = await self._rows(
            "SELECT name FROM stream WHERE name >= max(?, ?) AND name < ? AND +name > ? "
            "ORDER BY name LIMIT ?",
            (prefix, after, _behind_prefix(prefix), after, limit),
        )
        return [name for (name,) in rows]

    async def due_tasks(self, now_ms: int, limit: int = 100) -> list[Task]:
        """See ``Store.due_tasks``."""
        check_question(limit, now_ms)
        rows = await self._rows(
            "SELECT id, kind, due_ms, payload FROM task WHERE due_ms <= ? "
            "ORDER BY due_ms, id LIMIT ?",
            (now_ms, limit),
        )
        return [Task(*row) for row in rows]

    async def tasks(self, kind: str, limit: int = 1000, after: str = "") -> list[Task]:
        """See ``Store.tasks``."""
        check_question(limit, after)
        rows = await self._rows(
            "SELECT id, kind, due_ms, payload FROM task WHERE kind = ? AND id > ? "
            "ORDER BY id LIMIT ?",
            (kind, after, limit),
        )
        return [Task(*row) for row in rows]

    async def next_due_ms(self) -> int | None:
        """See ``Store.next_due_ms``."""
        due_ms: int | None = await self._value("SELECT min(due_ms) FROM task", ())
        return due_ms

    async def setting(self, name: str) -> bytes | None:
        """See ``Store.setting``."""
        value: bytes | None = await self._value("SELECT value FROM setting WHERE name = ?", (name,))
        return value

    async def nonce(self, scope: str, key: str) -> bytes | None:
        """See ``Store.nonce``."""
        value: bytes | None = await self._value(
            "SELECT value FROM nonce WHERE scope = ? AND key = ?", (scope, key)
        )
        return value

    async def purge(self, now_ms: int) -> None:
        """See ``Store.purge``."""
        writer = self._writing()
        check_integer(now_ms)
        await writer.purge(now_ms)

    async def close(self) -> None:
        """See ``Store.close``. The writer closes last, so that it can empty the journal."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        if self._writer is not None:
            await self._writer.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _writing(self) -> Writer:
        if self._reader is None:
            raise closed()
        if self._writer is None:
            raise MisuseError(f"{self._path} was opened to read only")
        return self._writer

    async def _value(self, question: str, arguments: Sequence[Any]) -> Any:
        rows = await self._rows(question, arguments)
        return rows[0][0] if rows else None

    async def _rows(self, question: str, arguments: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return all rows, giving the loop a turn after every few; one snapshot throughout."""
        if self._reader is None:
            raise closed()
        try:
            cursor = self._reader.execute(question, arguments)
            rows = some = cursor.fetchmany(ROWS_AT_ONCE)
            while len(some) == ROWS_AT_ONCE:
                await asyncio.sleep(0)
                some = cursor.fetchmany(ROWS_AT_ONCE)
                rows += some
        except UnicodeEncodeError:
            return []  # Text that cannot be stored names nothing that is here.
        except sqlite3.Error as error:
            raise UnavailableError(f"cannot read the store {self._path}: {error}") from error
        return rows


def _open_to_read(path: Path | str) -> tuple[Path, sqlite3.Connection]:
    place = Path(path).resolve()
    if not place.is_file():
        raise UnavailableError(f"there is no store at {place}")
    return place, _reading(place)


def _open_to_write(path: Path | str) -> tuple[Path, sqlite3.Connection, Writer, int, Names]:
    # One file has one lock, whatever links lead to it.
    place = Path(path).resolve()
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as undo:
        lock = _own(place)
        undo.callback(os.close, lock)
        if not place.exists():
            os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        db = schema.connect(place)
        undo.callback(db.close)
        schema.migrate(db)
        reader = _reading(place)
        undo.callback(reader.close)
        names = Names()
        for (name,) in reader.execute("SELECT name FROM stream"):
            names.add(name)
        undo.pop_all()
        return place, reader, Writer(db), lock, names


def _reading(path: Path) -> sqlite3.Connection:
    with ExitStack() as undo:
        db = schema.connect(path, read_only=True)
        undo.callback(db.close)
        schema.check_version(schema.version(db))
        undo.pop_all()
        return db


def _own(path: Path) -> int:
    """Take the lock that says who writes the file; it ends with the descriptor or the process."""
    lock = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(lock)
        raise InUseError(
            f"{path} is in use by process {owner}; stop it first, or open the store to read only"
        ) from None
    except OSError:
        os.close(lock)
        raise
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode("ascii"), 0)
    return lock


def _behind_prefix(prefix: str) -> str | bytes:
    """Return the first text behind all texts with the prefix, skipping the surrogates."""
    stem = prefix.rstrip(chr(LAST_CODE_POINT))
    if not stem:
        return BEHIND_ALL_TEXT
    code_point = ord(stem[-1]) + 1
    return stem[:-1] + chr(0xE000 if code_point == 0xD800 else code_point)
