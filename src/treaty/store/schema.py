"""The tables of the embedded store, and the way from one version of them to the next.

A migration is a function. It runs once, in the same transaction that records it in the
table ``migration``, so a file is at one version or the next and never between. Migrations
are only ever added; a file from a newer program is refused, not guessed at.

Entries lie in the order of arrival, which makes every append a write at the end of the
table; the unique index over (stream, position) is the lock of law 3. Keying the table itself
by (stream, position) was measured at half the rate: bodies over a quarter page leave an index
tree for pages of their own.

Every tree that is written at a random place costs a page a row, in the journal and in the file.
So a name stands in one tree, tasks lie in the order of arrival too and have no index by kind
(kinds are listed when a node starts), and nothing is referenced by the engine's own check: ids
are given out by ``group`` alone. Together that was measured at two thirds of the time of a group.

Read next: ``group.py``, which writes these tables.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from treaty.errors import UnavailableError

APPLICATION_ID: Final = 0x74726561
"""The bytes "trea" in the header of the file; another program's file is not touched."""
BUSY_TIMEOUT_MS: Final = 5_000
JOURNAL_BYTES_MAX: Final = 64 * 1024 * 1024
STATEMENTS_CACHED_MAX: Final = 256

Migration = Callable[[sqlite3.Connection], None]


def _first_tables(db: sqlite3.Connection) -> None:
    for statement in (
        """CREATE TABLE stream (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE
        ) STRICT""",
        """CREATE TABLE entry (
            arrival INTEGER PRIMARY KEY,
            stream INTEGER NOT NULL REFERENCES stream (id),
            position INTEGER NOT NULL,
            kind TEXT NOT NULL,
            body BLOB NOT NULL,
            raw BLOB,
            UNIQUE (stream, position)
        ) STRICT""",
        """CREATE TABLE nonce (
            scope TEXT NOT NULL,
            key TEXT NOT NULL,
            expires_ms INTEGER NOT NULL,
            value BLOB NOT NULL,
            PRIMARY KEY (scope, key)
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX nonce_by_expiry ON nonce (expires_ms)",
        """CREATE TABLE task (
            id TEXT PRIMARY KEY,
            kind TEXT NOT NULL,
            due_ms INTEGER NOT NULL,
            payload BLOB NOT NULL
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX task_by_due ON task (due_ms, id)",
        "CREATE INDEX task_by_kind ON task (kind, id)",
        """CREATE TABLE setting (
            name TEXT PRIMARY KEY,
            value BLOB NOT NULL
        ) STRICT, WITHOUT ROWID""",
    ):
        db.execute(statement)


def _fewer_trees(db: sqlite3.Connection) -> None:
    for statement in (
        """CREATE TABLE entry_2 (
            arrival INTEGER PRIMARY KEY,
            stream INTEGER NOT NULL,
            position INTEGER NOT NULL,
            kind TEXT NOT NULL,
            body BLOB NOT NULL,
            raw BLOB,
            UNIQUE (stream, position)
        ) STRICT""",
        "INSERT INTO entry_2 SELECT * FROM entry ORDER BY arrival",
        "DROP TABLE entry",
        "ALTER TABLE entry_2 RENAME TO entry",
        """CREATE TABLE stream_2 (
            name TEXT PRIMARY KEY,
            id INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID""",
        "INSERT INTO stream_2 SELECT name, id FROM stream ORDER BY name",
        "DROP TABLE stream",
        "ALTER TABLE stream_2 RENAME TO stream",
        """CREATE TABLE task_2 (
            arrival INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            kind TEXT NOT NULL,
            due_ms INTEGER NOT NULL,
            payload BLOB NOT NULL
        ) STRICT""",
        """INSERT INTO task_2 (id, kind, due_ms, payload)
            SELECT id, kind, due_ms, payload FROM task ORDER BY due_ms, id""",
        "DROP TABLE task",
        "ALTER TABLE task_2 RENAME TO task",
        "CREATE INDEX task_by_due ON task (due_ms, id)",
    ):
        db.execute(statement)


MIGRATIONS: Final[tuple[Migration, ...]] = (_first_tables, _fewer_trees)
"""Version n of the schema is what the first n functions made."""


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open a connection in autocommit mode, set up as PLATFORM asks: WAL, synchronous FULL.

    The connection may be used by one thread at a time, not only by the one that made it.
    Raises ``sqlite3.Error`` as it comes.
    """
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}",
        uri=True,
        timeout=BUSY_TIMEOUT_MS / 1000,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=STATEMENTS_CACHED_MAX,
    )
    try:
        if not read_only:
            db.execute("PRAGMA synchronous = FULL")
            db.execute(f"PRAGMA journal_size_limit = {JOURNAL_BYTES_MAX}")
    except sqlite3.Error:
        db.close()
        raise
    return db


def version(db: sqlite3.Connection) -> int:
    """Return the version of the file's tables; 0 for an empty file.

    Raises ``UnavailableError`` when the file belongs to another program.
    """
    owner = db.execute("PRAGMA application_id").fetchone()[0]
    tables = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if owner != APPLICATION_ID:
        if owner or tables:
            raise UnavailableError("the file is a database of another program")
        return 0
    found = db.execute("SELECT coalesce(max(version), 0) FROM migration").fetchone()[0]
    return int(found)


def check_version(found: int, known: int = len(MIGRATIONS)) -> None:
    """Raise ``UnavailableError`` unless the file has exactly the version this program reads."""
    if found > known:
        raise UnavailableError(
            f"the file has schema {found} and this program knows {known}; "
            "open it with the newer treaty that wrote it"
        )
    if found < known:
        raise UnavailableError(
            f"the file has schema {found} and this program reads {known}; "
            "start the node on it once, which brings it up to date"
        )


def migrate(db: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the file to the newest version, one recorded migration per transaction.

    Raises ``UnavailableError`` when the file is newer than this program or not treaty's.
    """
    found = version(db)
    if found > len(migrations):
        check_version(found, len(migrations))
    mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise UnavailableError(f"the file system keeps no write-ahead log (journal mode {mode})")
    for number, migration in enumerate(migrations[found:], start=found + 1):
        _apply(db, number, migration)


def _apply(db: sqlite3.Connection, number: int, migration: Migration) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        if number == 1:
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(
                "CREATE TABLE migration (version INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT"
            )
        migration(db)
        name = migration.__name__.strip("_")
        db.execute("INSERT INTO migration (version, name) VALUES (?, ?)", (number, name))
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise
