"""The embedded store keeps the contract, and keeps it when its process is killed."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import uvloop
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.ports.check_store import CHECKS, Check, entry, task, unit
from treaty.engine.ports import Append, Nonce, Store, Task, Unit
from treaty.errors import Conflict, MisuseError, UnavailableError
from treaty.store import schema
from treaty.store.memory import MemoryStore
from treaty.store.sqlite import SqliteStore

COMMITTER = Path(__file__).with_name("committer.py")
WRITERS = 4

Run = Callable[[Coroutine[Any, Any, None]], None]


def play(
    path: Path, story: Callable[[SqliteStore], Awaitable[None]], run: Run = asyncio.run
) -> None:
    """Open the store, run the story with it, close it."""

    async def whole() -> None:
        store = await SqliteStore.open(path)
        try:
            await story(store)
        finally:
            await store.close()

    run(whole())


@contextmanager
def committing(path: Path, bytes_max: int = 0) -> Iterator[subprocess.Popen[str]]:
    """Run ``committer.py`` on the file; it is killed in the end."""
    command = [sys.executable, str(COMMITTER), str(path), str(WRITERS), str(bytes_max)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    return iter(process.stdout.readline, "")


def acknowledged(printed: list[str]) -> dict[int, int]:
    """The last unit of each writer that was acknowledged; a line cut by the kill is none."""
    last: dict[int, int] = {}
    for line in printed:
        if line.endswith("\n") and not line.startswith("!"):
            writer, n = line.split()
            last[int(writer)] = int(n)
    return last


async def check_only_whole_units(store: SqliteStore, at_least: dict[int, int]) -> None:
    for writer in range(WRITERS):
        n = await store.last(f"right/{writer}")
        assert at_least.get(writer, 0) <= n <= at_least.get(writer, 0) + 1
        assert await store.last(f"left/{writer}") == 2 * n
        assert await store.nonce("dpop", f"{writer}/{n + 1}") is None
        if n:
            assert await store.nonce("dpop", f"{writer}/{n}") == b"%d" % n
            assert await store.setting(f"count/{writer}") == b"%d" % n
    kept = [(one.id.split("/")[0], one.due_ms) for one in await store.tasks("deliver")]
    counts = [(f"{w}", await store.last(f"right/{w}")) for w in range(WRITERS)]
    assert kept == [one for one in counts if one[1]]


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("check_promise", CHECKS)
def test_it_keeps_the_contract(check_promise: Check, run: Run, tmp_path: Path) -> None:
    play(tmp_path / "node.db", check_promise, run)


@pytest.mark.slow
def test_a_killed_process_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    chance = random.Random(8)
    last: dict[int, int] = {}
    for _ in range(8):
        wanted = chance.randrange(1, 400)
        with committing(path) as process:
            printed = [line for _, line in zip(range(wanted), lines(process), strict=False)]
            process.send_signal(signal.SIGKILL)
            printed += lines(process)
        last |= acknowledged(printed)
        play(path, partial(check_only_whole_units, at_least=dict(last)))
        with closing(schema.connect(path, read_only=True)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            last = dict(
                db.execute(
                    "SELECT CAST(substr(name, 7) AS INTEGER), max(position) FROM stream "
                    "JOIN entry ON stream = stream.id WHERE name LIKE 'right/%' GROUP BY name"
                )
            )
    assert min(last.values()) > 10


def test_a_disk_that_fails_in_the_middle_keeps_whole_units(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    with committing(path, bytes_max=600_000) as process:
        printed = list(lines(process))

    assert printed[-1].startswith("!")
    assert "start the node again" in printed[-1]
    last = acknowledged(printed)
    assert sum(last.values()) > 20
    play(path, partial(check_only_whole_units, at_least=last))


def test_a_second_process_is_told_who_has_the_file(tmp_path: Path) -> None:
    path = tmp_path / "node.db"

    async def run() -> None:
        with pytest.raises(UnavailableError, match=f"process {process.pid}.*read only"):
            await SqliteStore.open(path)

    with committing(path) as process:
        next(lines(process))
        asyncio.run(run())


def test_a_second_store_in_one_process_is_refused_too(tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "node.db")

    async def story(store: SqliteStore) -> None:
        for name in ("node.db", "link.db"):
            with pytest.raises(UnavailableError, match="in use"):
                await SqliteStore.open(tmp_path / name)
        await store.commit(unit("a", 0))

    play(tmp_path / "node.db", story)
    play(tmp_path / "node.db", lambda store: store.commit(unit("a", 1)))


def test_a_reader_sees_what_a_running_node_commits(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        reader = await SqliteStore.open(tmp_path / "node.db", read_only=True)
        for position in range(3):
            await store.commit(unit("a", position, settings=(("heartbeat", b"%d" % position),)))
            assert await reader.last("a") == position + 1
            assert await reader.setting("heartbeat") == b"%d" % position
        await reader.close()
        await store.commit(unit("a", 3))

    play(tmp_path / "node.db", story)


def test_a_reader_beside_another_process_sees_its_commits(tmp_path: Path) -> None:
    path = tmp_path / "node.db"

    async def run() -> None:
        reader = await SqliteStore.open(path, read_only=True)
        for line in (next(printed) for _ in range(50)):
            writer, n = line.split()
            assert await reader.last(f"right/{writer}") >= int(n)
        await reader.close()

    with committing(path) as process:
        printed = lines(process)
        next(printed)
        asyncio.run(run())


def test_a_reader_writes_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        reader = await SqliteStore.open(tmp_path / "node.db", read_only=True)
        with pytest.raises(MisuseError, match="read only"):
            await reader.commit(unit("a", 0))
        with pytest.raises(MisuseError, match="read only"):
            await reader.purge(0)
        await reader.close()
        with pytest.raises(UnavailableError, match="closed"):
            await reader.commit(unit("a", 0))

    play(tmp_path / "node.db", lambda store: store.commit(unit("a", 0)))
    asyncio.run(story())


def test_a_reader_makes_no_file(tmp_path: Path) -> None:
    async def story() -> None:
        with pytest.raises(UnavailableError, match="there is no store at"):
            await SqliteStore.open(tmp_path / "none" / "node.db", read_only=True)

    asyncio.run(story())
    assert list(tmp_path.iterdir()) == []


def test_only_the_owner_may_look_into_the_files(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "home"

    async def story(store: SqliteStore) -> None:
        await store.commit(unit("a", 0))
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in home.iterdir()}
        assert set(modes) == {"node.db", "node.db-wal", "node.db-shm", "node.db.lock"}
        assert set(modes.values()) == {0o600}

    play(home / "node.db", story)


def test_closing_leaves_one_file_that_is_whole(tmp_path: Path) -> None:
    play(tmp_path / "node.db", lambda store: store.commit(unit("a", 0)))

    assert {one.name for one in tmp_path.iterdir()} == {"node.db", "node.db.lock"}


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_file_is_refused(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "node.db"
    play(path, lambda store: store.commit(unit("a", 0)))
    with closing(schema.connect(path)) as db:
        db.execute("INSERT INTO migration VALUES (99, 'from the future')")

    async def story() -> None:
        for _ in range(2):
            with pytest.raises(UnavailableError, match=r"schema 99.*newer treaty"):
                await SqliteStore.open(path, read_only=read_only)

    asyncio.run(story())


@pytest.mark.parametrize("read_only", [False, True])
def test_what_is_no_database_is_refused_and_kept(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "node.db"
    path.write_bytes(b"a letter, not a database\n" * 100)

    async def story() -> None:
        with pytest.raises(UnavailableError, match="not a database"):
            await SqliteStore.open(path, read_only=read_only)
        with pytest.raises(UnavailableError, match="cannot open the store"):
            await SqliteStore.open(path / "node.db")
        with pytest.raises(UnavailableError):
            await SqliteStore.open(tmp_path, read_only=read_only)

    asyncio.run(story())
    assert path.read_bytes() == b"a letter, not a database\n" * 100


def test_a_long_read_gives_way_and_sees_one_moment(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.commit(unit("a", 0, 4000, put_tasks=tuple(task(f"{n}") for n in range(90))))
        reading = asyncio.ensure_future(store.read("a", limit=10_000))
        turns = 0
        while not reading.done():
            turns += 1
            await asyncio.sleep(0)
            if turns == 5:
                writing = asyncio.ensure_future(store.commit(unit("a", 4000)))
        assert turns > 100
        assert len(await reading) == 4000
        await writing
        assert await store.last("a") == 4001
        assert len(await store.due_tasks(10)) == 90

    play(tmp_path / "node.db", story)


def test_a_read_that_is_cut_off_by_closing_says_so(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.commit(unit("a", 0, 4000))
        reading = asyncio.ensure_future(store.read("a", limit=10_000))
        await asyncio.sleep(0)
        await store.close()
        with pytest.raises(UnavailableError):
            await reading

    play(tmp_path / "node.db", story)


def test_hundreds_of_committers_on_shared_streams_all_succeed(tmp_path: Path) -> None:
    """Losers load again and decide again; nothing is lost or done twice."""
    overtaken: list[int] = []

    async def add_one(store: SqliteStore, name: str) -> None:
        while True:
            last = await store.last(name)
            try:
                one = Append(name, last, (entry(name, last + 1),))
                put = Task(f"{name}/{last + 1:04d}", "deliver", last, b"")
                return await store.commit(Unit(appends=(one,), put_tasks=(put,)))
            except Conflict as lost:
                overtaken.append(lost.data["last"] - last)

    async def story(store: SqliteStore) -> None:
        await asyncio.gather(*(add_one(store, f"s{n % 20}") for n in range(300)))
        assert [await store.last(f"s{n}") for n in range(20)] == [15] * 20
        assert len(await store.tasks("deliver")) == 300
        assert overtaken
        assert min(overtaken) > 0

    play(tmp_path / "node.db", story)


NAMES = st.sampled_from(["a", "a/1", "b", "é", "\U0001f600"])
SMALL = st.integers(0, 3)
VALUE = st.binary(max_size=3)


@st.composite
def units(draw: st.DrawFn) -> Unit:
    """Units on few names, so that they meet; half of the beliefs are wrong."""

    def some(part: st.SearchStrategy[Any], most: int = 2) -> tuple[Any, ...]:
        return tuple(draw(st.lists(part, max_size=most)))

    def an_append(name: str, after: int, bodies: list[bytes]) -> Append:
        places = enumerate(bodies, start=after + 1)
        return Append(name, after, tuple(entry(name, place, body) for place, body in places))

    return Unit(
        appends=some(st.builds(an_append, NAMES, SMALL, st.lists(VALUE, max_size=2))),
        nonces=some(st.builds(Nonce, NAMES, NAMES, SMALL, VALUE), 1),
        put_tasks=some(st.builds(Task, NAMES, NAMES, SMALL, VALUE)),
        drop_tasks=some(NAMES),
        settings=some(st.tuples(NAMES, VALUE)),
    )


class SameAsMemory(RuleBasedStateMachine):
    """Whatever is done to both stores, they say the same."""

    def __init__(self) -> None:
        super().__init__()
        self.home = TemporaryDirectory()
        self.path = Path(self.home.name) / "node.db"
        self.runner = asyncio.Runner()
        self.memory = MemoryStore()
        self.sqlite = self.runner.run(SqliteStore.open(self.path))

    @rule(group=st.lists(units(), min_size=1, max_size=4))
    def commit(self, group: list[Unit]) -> None:
        async def told(store: Store) -> list[Any]:
            waiting = map(store.commit, group)
            results = await asyncio.gather(*waiting, return_exceptions=True)
            return [(type(one), str(one), getattr(one, "data", None)) for one in results]

        assert self.runner.run(told(self.sqlite)) == self.runner.run(told(self.memory))

    @rule(now_ms=SMALL)
    def purge(self, now_ms: int) -> None:
        for store in (self.memory, self.sqlite):
            self.runner.run(store.purge(now_ms))

    @rule()
    def open_again(self) -> None:
        self.runner.run(self.sqlite.close())
        self.sqlite = self.runner.run(SqliteStore.open(self.path))

    @rule(name=NAMES, other=NAMES, number=SMALL, limit=st.integers(1, 3))
    def ask(self, name: str, other: str, number: int, limit: int) -> None:
        async def answers(store: Store) -> list[Any]:
            return [
                await store.read(name, number, limit),
                await store.last(name),
                await store.streams(name, other, limit),
                await store.streams("", other, limit),
                await store.due_tasks(number, limit),
                await store.tasks(name, limit, other),
                await store.next_due_ms(),
                await store.setting(name),
                await store.nonce(name, other),
            ]

        assert self.runner.run(answers(self.sqlite)) == self.runner.run(answers(self.memory))

    def teardown(self) -> None:
        self.runner.run(self.sqlite.close())
        self.runner.close()
        self.home.cleanup()


TestSameAsMemory = SameAsMemory.TestCase
TestSameAsMemory.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
