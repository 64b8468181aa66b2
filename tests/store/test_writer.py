"""The writer thread: who shares a transaction, and what is told when it cannot be written."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.ports.check_store import task, unit
from treaty.engine.ports import Append, Entry, Unit
from treaty.errors import Conflict, MisuseError, UnavailableError
from treaty.store import schema
from treaty.store.writer import GROUP_UNITS_MAX, QUEUE_UNITS_MAX, Writer

Story = Callable[[Writer, sqlite3.Connection], Awaitable[None]]


def play(path: Path, story: Story) -> None:
    """Run a story with a writer on a new file; the connection is the writer's own."""

    async def run() -> None:
        db = schema.connect(path)
        schema.migrate(db)
        writer = Writer(db)
        try:
            await story(writer, db)
        finally:
            await writer.close()

    asyncio.run(run())


def rows(path: Path, question: str) -> list[Any]:
    with closing(schema.connect(path, read_only=True)) as db:
        return db.execute(question).fetchall()


def test_units_that_wait_together_share_a_transaction(tmp_path: Path) -> None:
    statements: list[str] = []

    async def story(writer: Writer, db: sqlite3.Connection) -> None:
        db.set_trace_callback(statements.append)
        await asyncio.gather(*(writer.submit(unit(f"s/{n}", 0)) for n in range(100)))
        db.set_trace_callback(None)

    play(tmp_path / "node.db", story)

    assert statements.count("COMMIT") == 1
    assert rows(tmp_path / "node.db", "SELECT count(*) FROM entry") == [(100,)]


def test_a_group_has_a_limit(tmp_path: Path) -> None:
    statements: list[str] = []

    async def story(writer: Writer, db: sqlite3.Connection) -> None:
        db.set_trace_callback(statements.append)
        units = [unit(f"s/{n}", 0) for n in range(GROUP_UNITS_MAX + 1)]
        await asyncio.gather(*map(writer.submit, units))
        db.set_trace_callback(None)

    play(tmp_path / "node.db", story)

    assert statements.count("COMMIT") == 2


def test_a_full_queue_says_so_and_keeps_what_it_took(tmp_path: Path) -> None:
    async def story(writer: Writer, _: sqlite3.Connection) -> None:
        waiting = [writer.submit(unit("s", after)) for after in range(QUEUE_UNITS_MAX)]
        with pytest.raises(UnavailableError) as over:
            writer.submit(unit("s", QUEUE_UNITS_MAX))
        assert over.value.code == "overloaded"
        assert over.value.reason.transient
        await asyncio.gather(*waiting)
        await writer.submit(unit("s", QUEUE_UNITS_MAX))

    play(tmp_path / "node.db", story)

    kept = rows(tmp_path / "node.db", "SELECT count(*), max(position) FROM entry")
    assert kept == [(QUEUE_UNITS_MAX + 1, QUEUE_UNITS_MAX + 1)]


def test_a_unit_that_no_table_can_hold_harms_only_itself(tmp_path: Path) -> None:
    text: Any = "a text where bytes belong"
    strange: Any = object()

    async def story(writer: Writer, _: sqlite3.Connection) -> None:
        results = await asyncio.gather(
            writer.submit(unit("a", 0)),
            writer.submit(Unit(appends=(Append("b", 0, (Entry("b", 1, "fact", text),)),))),
            writer.submit(unit("a", 0)),
            writer.submit(Unit(settings=(("heartbeat", strange),))),
            writer.submit(unit("a", 1)),
            return_exceptions=True,
        )
        kinds = [type(result) for result in results]
        assert kinds == [type(None), MisuseError, Conflict, MisuseError, type(None)]
        await writer.submit(unit("b", 0))

    play(tmp_path / "node.db", story)

    names = rows(tmp_path / "node.db", "SELECT name FROM stream ORDER BY name")
    assert names == [("a",), ("b",)]


def test_a_full_disk_fails_the_whole_group_and_passes(tmp_path: Path) -> None:
    async def story(writer: Writer, db: sqlite3.Connection) -> None:
        await writer.submit(unit("a", 0))
        db.execute("PRAGMA max_page_count = 30")
        large = Unit(put_tasks=(task("large", payload=bytes(200_000)),))
        results = await asyncio.gather(
            *map(writer.submit, (unit("a", 1), large, unit("b", 0))), return_exceptions=True
        )
        assert [type(result) for result in results] == [UnavailableError] * 3
        assert "full" in str(results[0])
        assert len({id(result) for result in results}) == 3
        await writer.submit(unit("a", 1))
        db.execute("PRAGMA max_page_count = 1000000")
        await writer.submit(large)

    play(tmp_path / "node.db", story)

    assert rows(tmp_path / "node.db", "SELECT position FROM entry") == [(1,), (2,)]
    assert rows(tmp_path / "node.db", "SELECT id FROM task") == [("large",)]


def test_any_other_failure_of_the_disk_ends_writing(tmp_path: Path) -> None:
    async def story(writer: Writer, db: sqlite3.Connection) -> None:
        await writer.submit(unit("a", 0))
        db.execute("PRAGMA query_only = ON")
        with pytest.raises(UnavailableError, match=r"readonly.*start the node again"):
            await writer.submit(unit("a", 1))
        db.execute("PRAGMA query_only = OFF")
        with pytest.raises(UnavailableError, match="takes nothing more"):
            await writer.submit(unit("a", 1))
        with pytest.raises(UnavailableError, match="takes nothing more"):
            await writer.purge(0)

    play(tmp_path / "node.db", story)

    assert rows(tmp_path / "node.db", "SELECT position FROM entry") == [(1,)]


def test_a_purge_that_fails_is_told(tmp_path: Path) -> None:
    async def story(writer: Writer, db: sqlite3.Connection) -> None:
        db.execute("PRAGMA query_only = ON")
        with pytest.raises(UnavailableError, match="readonly"):
            await writer.purge(0)

    play(tmp_path / "node.db", story)


def test_closing_writes_what_waits_and_takes_nothing_new(tmp_path: Path) -> None:
    async def story(writer: Writer, _: sqlite3.Connection) -> None:
        units = [unit("a", after) for after in range(GROUP_UNITS_MAX * 2)]
        waiting = [writer.submit(one) for one in units]
        ends = [asyncio.ensure_future(writer.close()) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(UnavailableError, match="closed"):
            writer.submit(unit("b", 0))
        ends[0].cancel()
        await ends[1]
        assert all(future.done() for future in waiting)

    play(tmp_path / "node.db", story)

    kept = rows(tmp_path / "node.db", "SELECT max(position) FROM entry")
    assert kept == [(GROUP_UNITS_MAX * 2,)]


class Gate:
    """Holds the writer thread at its next COMMIT until it is opened."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.commits = 0
        self.reached = threading.Event()
        self.opened = threading.Event()
        db.set_trace_callback(self._pass)

    def _pass(self, statement: str) -> None:
        if statement == "COMMIT":
            self.commits += 1
            self.reached.set()
            assert self.opened.wait(30)


def test_units_that_come_during_a_commit_form_the_next_group(tmp_path: Path) -> None:
    async def story(writer: Writer, db: sqlite3.Connection) -> None:
        gate = Gate(db)
        first = writer.submit(unit("a", 0))
        await asyncio.to_thread(gate.reached.wait)
        later = [writer.submit(unit("a", after)) for after in range(1, 40)]
        await asyncio.sleep(0)
        assert not first.done()
        gate.opened.set()
        await asyncio.gather(first, *later)
        assert gate.commits == 2

    play(tmp_path / "node.db", story)


def test_a_loop_that_ends_during_a_commit_does_not_stop_it(tmp_path: Path) -> None:
    async def run() -> tuple[Writer, Gate]:
        db = schema.connect(tmp_path / "node.db")
        schema.migrate(db)
        writer = Writer(db)
        gate = Gate(db)
        writer.submit(unit("a", 0, 2))
        await asyncio.to_thread(gate.reached.wait)
        return writer, gate

    writer, gate = asyncio.run(run())
    gate.opened.set()
    writer._jobs.put(None)
    for thread in threading.enumerate():
        if thread.name == "treaty-store-writer":
            thread.join(30)

    assert rows(tmp_path / "node.db", "SELECT position FROM entry") == [(1,), (2,)]
