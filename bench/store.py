"""What a durable unit costs in the embedded store, with plain SQLite's rate as the floor.

Run ``python bench/store.py``. A unit is one append of two entries and one task. The floor
writes the same rows into the same tables in a plain loop, grouped beforehand by 1, 16, 64 and
100 units, with nobody who waits and nothing checked. Each figure is the best of several rounds,
in units a second; both sides sync every transaction to the disk of the temporary directory.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from pathlib import Path

import uvloop

from treaty.engine.ports import Append, Entry, Task, Unit
from treaty.store import schema
from treaty.store.memory import MemoryStore
from treaty.store.sqlite import SqliteStore

ROUNDS = 3
STREAM_UNITS = 8
BODY = b'{"performative":"PROPOSE","proof":"' + b"Zm9vYmFy" * 70 + b'"}'
PAYLOAD = (
    b'{"to":"agent://cloudprime.io/gpu/beta","session":"019526a1-8e1a-7000-8000-000000000001"}'
)


def units_of(writer: int) -> Iterator[Unit]:
    """Units of one writer without end; a session is left for the next after eight of them."""
    made = 0
    while True:
        stream = f"session/0195{made:08x}-7000-{writer:08x}"
        for after in range(0, 2 * STREAM_UNITS, 2):
            made += 1
            entries = (
                Entry(stream, after + 1, "message", BODY, BODY),
                Entry(stream, after + 2, "fact", BODY),
            )
            task = Task(f"{made:012x}-{writer:04x}", "deliver", made, PAYLOAD)
            yield Unit(appends=(Append(stream, after, entries),), put_tasks=(task,))


def interleaved(writers: int, count: int) -> Iterator[Unit]:
    """The same units in the order in which equal writers would take turns."""
    sources = [units_of(writer) for writer in range(writers)]
    for _ in range(count // writers):
        yield from (next(source) for source in sources)


def plain_rate(group: int, count: int, writers: int) -> float:
    """Units a second of a loop over ``executemany`` and one commit for each group."""
    with tempfile.TemporaryDirectory() as home:
        db = schema.connect(Path(home) / "floor.db")
        schema.migrate(db)
        streams: dict[str, int] = {}
        source = interleaved(writers, count)
        start = time.perf_counter()
        while units := list(islice(source, group)):
            appends = [append for unit in units for append in unit.appends]
            new = [append.stream for append in appends if append.after == 0]
            added = {name: len(streams) + place for place, name in enumerate(new, start=1)}
            streams |= added
            db.execute("BEGIN IMMEDIATE")
            db.executemany("INSERT INTO stream (name, id) VALUES (?, ?)", added.items())
            db.executemany(
                "INSERT INTO entry (stream, position, kind, body, raw) VALUES (?, ?, ?, ?, ?)",
                [
                    (streams[one.stream], one.position, one.kind, one.body, one.raw)
                    for append in appends
                    for one in append.entries
                ],
            )
            db.executemany(
                "INSERT INTO task (id, kind, due_ms, payload) VALUES (?, ?, ?, ?)",
                [(t.id, t.kind, t.due_ms, t.payload) for unit in units for t in unit.put_tasks],
            )
            db.execute("COMMIT")
        seconds = time.perf_counter() - start
        db.close()
    return count / seconds


async def store_rate(store: SqliteStore | MemoryStore, writers: int, count: int) -> float:
    """Units a second of writers that each wait for their unit before they make the next."""

    async def write(writer: int) -> None:
        for unit in islice(units_of(writer), count // writers):
            await store.commit(unit)

    start = time.perf_counter()
    await asyncio.gather(*(write(writer) for writer in range(writers)))
    return count / (time.perf_counter() - start)


async def sqlite_rate(writers: int, count: int) -> float:
    """The rate of a new embedded store."""
    with tempfile.TemporaryDirectory() as home:
        store = await SqliteStore.open(Path(home) / "node.db")
        try:
            return await store_rate(store, writers, count)
        finally:
            await store.close()


async def read_us(reads: int = 500) -> float:
    """Microseconds to read a stream of sixteen entries."""
    with tempfile.TemporaryDirectory() as home:
        store = await SqliteStore.open(Path(home) / "node.db")
        await store_rate(store, 16, reads * STREAM_UNITS)
        names = await store.streams("session/", limit=reads)
        start = time.perf_counter()
        for name in names:
            await store.read(name)
        seconds = time.perf_counter() - start
        await store.close()
    return seconds / len(names) * 1e6


def best(measure: Callable[[], float]) -> float:
    """The best round."""
    return max(measure() for _ in range(ROUNDS))


def main() -> None:
    """Print the table."""
    runners: tuple[tuple[str, Callable[[Awaitable[float]], float]], ...] = (
        ("asyncio", asyncio.run),
        ("uvloop", uvloop.run),
    )
    print(f"units a second, 2 entries and 1 task each, best of {ROUNDS} rounds")
    floors = {}
    for group, count, writers in ((1, 2_000, 1), (16, 16_000, 16), (64, 16_000, 64)):
        floors[group] = best(lambda g=group, c=count, w=writers: plain_rate(g, c, w))
        print(f"plain sqlite3, groups of {group:<3}         {floors[group]:9,.0f}")
    hundred = best(lambda: plain_rate(100, 16_000, 16))
    print(f"plain sqlite3, groups of 100         {hundred:9,.0f}")
    for name, run in runners:
        for writers, count in ((1, 2_000), (16, 16_000), (64, 16_000)):
            rate = best(lambda r=run, w=writers, c=count: r(sqlite_rate(w, c)))
            label = f"SqliteStore, {writers} at once, {name}"
            print(f"{label:<37}{rate:9,.0f}   {rate / floors[writers]:5.0%} of its floor")
    memory = best(lambda: asyncio.run(store_rate(MemoryStore(), 16, 16_000)))
    print(f"MemoryStore, 16 at once              {memory:9,.0f}")
    print(f"reading a stream of 16 entries       {asyncio.run(read_us()):9.0f} us")


if __name__ == "__main__":
    main()
