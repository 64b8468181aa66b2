"""One transaction for many units: each has its own verdict, and none disturbs another."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ports.check_store import append, task, unit
from treaty.engine.ports import Nonce, Unit
from treaty.errors import Conflict, Refused
from treaty.store import group, schema
from treaty.store.group import Heads, commit_group, purge_some


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(schema.connect(tmp_path / "node.db")) as opened:
        schema.migrate(opened)
        yield opened


def lasts(db: sqlite3.Connection) -> dict[str, int]:
    return dict(
        db.execute(
            "SELECT name, max(position) FROM stream JOIN entry ON stream = stream.id GROUP BY name"
        ).fetchall()
    )


def count(db: sqlite3.Connection, table: str) -> int:
    return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_each_unit_has_its_own_verdict(db: sqlite3.Connection) -> None:
    verdicts = commit_group(
        db,
        Heads(),
        [
            unit("a", 0, nonces=(Nonce("dpop", "1", 9),)),
            unit("a", 0, put_tasks=(task("lost"),)),
            unit("b", 0, nonces=(Nonce("dpop", "1", 9),)),
            unit("a", 1, 2),
        ],
    )

    assert [type(verdict) for verdict in verdicts] == [type(None), Conflict, Refused, type(None)]
    assert lasts(db) == {"a": 3}
    assert count(db, "task") == 0


def test_what_was_committed_before_is_known_to_a_new_process(db: sqlite3.Connection) -> None:
    commit_group(db, Heads(), [unit("a", 0, 3, nonces=(Nonce("dpop", "1", 9),)), unit("b", 0)])
    verdicts = commit_group(
        db,
        Heads(),
        [unit("a", 2), unit("a", 3), unit("c", 0), Unit(nonces=(Nonce("dpop", "1", 9),))],
    )

    assert [type(verdict) for verdict in verdicts] == [Conflict, type(None), type(None), Refused]
    assert lasts(db) == {"a": 4, "b": 1, "c": 1}


def test_forgotten_ends_are_looked_up_again(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "HEADS_MAX", 2)
    monkeypatch.setattr(group, "HEADS_SPARE", 1)
    heads = Heads()
    commit_group(db, heads, [unit(name, 0) for name in "abcd"])
    assert list(heads.known) == ["c", "d"]
    commit_group(db, heads, [unit("c", 1)])
    assert list(heads.known) == ["d", "c"]
    verdicts = commit_group(db, heads, [unit("a", 0), unit("a", 1), unit("e", 0), unit("c", 2)])

    assert [type(verdict) for verdict in verdicts] == [Conflict] + [type(None)] * 3
    assert lasts(db) == {"a": 2, "b": 1, "c": 3, "d": 1, "e": 1}


def test_a_stream_that_was_only_asked_about_is_not_made(db: sqlite3.Connection) -> None:
    heads = Heads()
    assert isinstance(commit_group(db, heads, [unit("a", 1)])[0], Conflict)
    commit_group(db, heads, [Unit(appends=(append("a", 0, 0),))])

    assert count(db, "stream") == 0


def test_a_full_disk_keeps_nothing_of_the_group(db: sqlite3.Connection) -> None:
    heads = Heads()
    commit_group(db, heads, [unit("a", 0)])
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count = {pages + 4}")
    large = Unit(appends=(append("b", 0),), put_tasks=(task("big", payload=bytes(100_000)),))
    with pytest.raises(sqlite3.OperationalError, match="full"):
        commit_group(db, heads, [unit("a", 1), unit("new", 0), large])

    assert not db.in_transaction
    assert lasts(db) == {"a": 1}
    db.execute("PRAGMA max_page_count = 1000000")
    assert commit_group(db, heads, [unit("a", 1), unit("new", 0), large]) == [None] * 3
    assert lasts(db) == {"a": 2, "b": 1, "new": 1}


def test_a_group_costs_a_few_statements_not_one_a_row(db: sqlite3.Connection) -> None:
    heads = Heads()
    commit_group(db, heads, [unit(f"s/{n}", 0) for n in range(16)])
    statements: list[str] = []
    db.set_trace_callback(statements.append)
    units = [
        unit(f"s/{n}", 1, 2, put_tasks=(task(f"t{n}"),), nonces=(Nonce("dpop", f"{n}", 9),))
        for n in range(16)
    ]
    assert commit_group(db, heads, units) == [None] * 16

    starts = [statement.split(" (")[0] for statement in statements]
    assert starts.count("INSERT INTO entry") == 1
    assert len(statements) <= 6


def test_many_rows_of_every_kind_arrive(db: sqlite3.Connection) -> None:
    units = [
        Unit(
            appends=(append(f"s/{n}", 0, 3),),
            nonces=(Nonce("dpop", f"{n}", n),),
            put_tasks=(task(f"t{n}"),),
            settings=((f"name{n}", b"x"),),
        )
        for n in range(200)
    ]
    commit_group(db, Heads(), units)
    sizes = {table: count(db, table) for table in ("stream", "entry", "nonce", "task", "setting")}
    assert sizes == {"stream": 200, "entry": 600, "nonce": 200, "task": 200, "setting": 200}

    commit_group(db, Heads(), [Unit(drop_tasks=(f"t{n}",)) for n in range(199)])
    assert db.execute("SELECT id FROM task").fetchall() == [("t199",)]


def test_names_are_values_and_never_code(db: sqlite3.Connection) -> None:
    name = "'); DROP TABLE entry; --\\\"\u2028é\U0001f600"
    heads = Heads()
    commit_group(db, heads, [unit(name, 0, nonces=(Nonce(name, name, 9),))])
    again = commit_group(
        db, Heads(), [unit(name, 1, put_tasks=(task(name),)), Unit(nonces=(Nonce(name, name, 9),))]
    )
    commit_group(db, heads, [Unit(drop_tasks=(name,))])

    assert [type(verdict) for verdict in again] == [type(None), Refused]
    assert lasts(db) == {name: 2}
    assert count(db, "task") == 0


def test_purging_goes_in_bounded_steps(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "PURGE_ROWS_MAX", 4)
    nonces = tuple(Nonce("dpop", f"{n}", n) for n in range(10))
    commit_group(db, Heads(), [Unit(nonces=nonces)])

    assert purge_some(db, 6)
    assert count(db, "nonce") == 6
    assert not purge_some(db, 6)
    assert count(db, "nonce") == 4


@given(st.integers(0, 5_000))
def test_batches_are_few_sizes_that_add_up(rows: int) -> None:
    batches = list(group._batches(rows))

    assert sum(batches) == rows
    assert all(batch.bit_count() == 1 and batch <= group.BATCH_ROWS_MAX for batch in batches)
