"""The file's tables, and how they come from one version to the next."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from treaty.errors import UnavailableError
from treaty.store import schema


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node.db"


@pytest.fixture
def db(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(schema.connect(path)) as opened:
        yield opened


def pragma(db: sqlite3.Connection, name: str) -> object:
    return db.execute(f"PRAGMA {name}").fetchone()[0]


def tables(db: sqlite3.Connection) -> set[str]:
    return {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def add_colour(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE setting ADD COLUMN colour TEXT")


def break_off(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE half (id INTEGER)")
    raise sqlite3.OperationalError("the disk went away")


def test_an_empty_file_gets_every_version(db: sqlite3.Connection) -> None:
    assert schema.version(db) == 0
    schema.migrate(db)

    assert schema.version(db) == len(schema.MIGRATIONS)
    assert tables(db) >= {"stream", "entry", "nonce", "task", "setting", "migration"}
    assert db.execute("SELECT version, name FROM migration").fetchall() == [
        (1, "first_tables"),
        (2, "fewer_trees"),
    ]


def test_it_is_durable_by_its_settings(db: sqlite3.Connection) -> None:
    schema.migrate(db)

    assert pragma(db, "journal_mode") == "wal"
    assert pragma(db, "synchronous") == 2
    assert pragma(db, "busy_timeout") == schema.BUSY_TIMEOUT_MS
    assert pragma(db, "application_id") == int.from_bytes(b"trea", "big")


def test_migrating_again_changes_nothing(db: sqlite3.Connection) -> None:
    schema.migrate(db)
    db.execute("INSERT INTO setting VALUES ('heartbeat', x'01')")
    schema.migrate(db)

    assert db.execute("SELECT * FROM setting").fetchall() == [("heartbeat", b"\x01")]
    assert schema.version(db) == len(schema.MIGRATIONS)


def test_an_older_file_is_brought_up_to_date(db: sqlite3.Connection) -> None:
    schema.migrate(db)
    db.execute("INSERT INTO setting VALUES ('heartbeat', x'01')")
    schema.migrate(db, (*schema.MIGRATIONS, add_colour))

    assert schema.version(db) == len(schema.MIGRATIONS) + 1
    assert db.execute("SELECT * FROM setting").fetchall() == [("heartbeat", b"\x01", None)]


@pytest.mark.parametrize("before", [(), schema.MIGRATIONS])
def test_a_migration_that_breaks_off_leaves_the_version_before(
    db: sqlite3.Connection, before: tuple[schema.Migration, ...]
) -> None:
    schema.migrate(db, before)
    with pytest.raises(sqlite3.OperationalError):
        schema.migrate(db, (*before, break_off))

    assert "half" not in tables(db)
    assert schema.version(db) == len(before)
    schema.migrate(db, (*schema.MIGRATIONS, add_colour))
    assert schema.version(db) == len(schema.MIGRATIONS) + 1


def test_a_newer_file_is_refused_and_says_what_to_do(db: sqlite3.Connection) -> None:
    schema.migrate(db, (*schema.MIGRATIONS, add_colour))
    with pytest.raises(UnavailableError, match=r"schema 3 and this program knows 2.*newer treaty"):
        schema.migrate(db)

    assert schema.version(db) == len(schema.MIGRATIONS) + 1


def test_a_reader_needs_exactly_its_version() -> None:
    schema.check_version(3, 3)
    with pytest.raises(UnavailableError, match="newer treaty"):
        schema.check_version(4, 3)
    with pytest.raises(UnavailableError, match="start the node on it once"):
        schema.check_version(2, 3)


def of_another_program(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA application_id = 77")


def with_tables_of_its_own(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE photo (id INTEGER)")


@pytest.mark.parametrize("claim", [of_another_program, with_tables_of_its_own])
def test_the_file_of_another_program_is_not_touched(
    path: Path, claim: Callable[[sqlite3.Connection], None]
) -> None:
    with closing(sqlite3.connect(path)) as theirs:
        claim(theirs)
        theirs.commit()
    before = path.read_bytes()
    with closing(schema.connect(path)) as db, pytest.raises(UnavailableError, match="another"):
        schema.migrate(db)

    assert path.read_bytes() == before


def test_a_position_and_a_name_are_taken_once(db: sqlite3.Connection) -> None:
    schema.migrate(db)
    entry = "INSERT INTO entry (stream, position, kind, body) VALUES (1, 1, 'fact', x'00')"
    name = "INSERT INTO stream (name, id) VALUES ('session/1', 1)"
    task = "INSERT INTO task (id, kind, due_ms, payload) VALUES ('t', 'timer', 1, x'00')"
    for row in (entry, name, task):
        db.execute(row)
        with pytest.raises(sqlite3.IntegrityError):
            db.execute(row)


def test_the_second_version_keeps_every_row_of_the_first(db: sqlite3.Connection) -> None:
    schema.migrate(db, schema.MIGRATIONS[:1])
    db.executemany("INSERT INTO stream VALUES (?, ?)", [(1, "session/b"), (2, "session/a")])
    entries = [
        (1, 2, 1, "fact", b"a1", None),
        (2, 1, 1, "card", b"b1", b"raw"),
        (3, 1, 2, "k", b"", b""),
    ]
    db.executemany("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)", entries)
    tasks = [("z", "quote", 5, b"1"), ("a", "timer", 5, b"2"), ("m", "quote", 1, b"")]
    db.executemany("INSERT INTO task VALUES (?, ?, ?, ?)", tasks)
    schema.migrate(db)

    assert db.execute("SELECT name, id FROM stream").fetchall() == [
        ("session/a", 2),
        ("session/b", 1),
    ]
    assert db.execute("SELECT * FROM entry ORDER BY arrival").fetchall() == entries
    kept = db.execute("SELECT id, kind, due_ms, payload FROM task ORDER BY id").fetchall()
    assert kept == sorted(tasks)


def test_a_connection_to_read_cannot_write(db: sqlite3.Connection, path: Path) -> None:
    schema.migrate(db)
    with (
        closing(schema.connect(path, read_only=True)) as reader,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        reader.execute("INSERT INTO setting VALUES ('heartbeat', x'01')")


def test_a_path_is_not_a_query(tmp_path: Path) -> None:
    odd = tmp_path / "a?mode=memory#b %41.db"
    with closing(schema.connect(odd)) as db:
        schema.migrate(db)

    assert odd.is_file()
