"""The desk: one decision at a time per stream, an answer only after the store has it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.simulation.clock import later, now_ms, simulated
from treaty.engine import desk as desk_module
from treaty.engine import states
from treaty.engine.desk import TRIES_MAX, Desk, Kind, Transaction
from treaty.engine.ports import Entry, Nonce, Store, Task, Unit
from treaty.errors import Conflict, MisuseError, Refused, UnavailableError
from treaty.store.memory import MemoryStore


def listing() -> Kind:
    """Streams whose state is the tuple of their bodies."""

    def fold(state: tuple[bytes, ...], entry: Entry, _parsed: object) -> tuple[bytes, ...]:
        return (*state, entry.body)

    return Kind(lambda _stream: (), fold)


def desk_on(store: Any) -> Desk:
    desk = Desk(store, clock=now_ms, entropy=random.Random(1).randbytes)
    desk.register("list", listing())
    return desk


def add(stream: str, body: bytes) -> Callable[[Transaction], int]:
    """Append one body; answers how many there were before."""

    def decide(transaction: Transaction) -> int:
        before = len(transaction.state(stream))
        transaction.append(stream, "item", body)
        return before

    return decide


class Slow:
    """A memory store whose commits can be held up, fail, or fail after they were kept."""

    def __init__(self, inner: Store | None = None) -> None:
        self.inner = inner or MemoryStore()
        self.gate = asyncio.Event()
        self.gate.set()
        self.commits = 0
        self.failing: Exception | None = None
        self.keeps_and_fails = False
        self.delay_ms: Callable[[], float] = lambda: 0

    async def commit(self, unit: Unit) -> None:
        self.commits += 1
        await self.gate.wait()
        if self.delay_ms():
            await later(self.delay_ms())
        if self.failing is not None and not self.keeps_and_fails:
            raise self.failing
        await self.inner.commit(unit)
        if self.failing is not None:
            raise self.failing

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


async def settle() -> None:
    """Let everybody come as far as they can."""
    for _ in range(20):
        await asyncio.sleep(0)


@simulated
async def test_a_decision_sees_what_was_decided_before() -> None:
    desk = desk_on(MemoryStore())

    answers = [await desk.transact(("list/a",), add("list/a", b"%d" % n)) for n in range(3)]

    assert answers == [0, 1, 2]
    assert await desk.state("list/a") == (b"0", b"1", b"2")


@simulated
async def test_a_decision_sees_its_own_entries_at_once() -> None:
    desk = desk_on(MemoryStore())

    def decide(transaction: Transaction) -> tuple[tuple[bytes, ...], int]:
        transaction.append("list/a", "item", b"1")
        transaction.append("list/a", "item", b"2")
        return transaction.state("list/a"), transaction.position("list/a")

    assert await desk.transact(("list/a",), decide) == ((b"1", b"2"), 2)


@simulated
async def test_a_decision_that_raises_writes_nothing() -> None:
    store = MemoryStore()
    desk = desk_on(store)

    def decide(transaction: Transaction) -> None:
        transaction.append("list/a", "item", b"1")
        transaction.put_task(Task("t", "k", 1, b""))
        raise Refused("no", "unspecified")

    with pytest.raises(Refused):
        await desk.transact(("list/a",), decide)

    assert await store.last("list/a") == 0
    assert await store.next_due_ms() is None
    assert await desk.state("list/a") == ()


@simulated
async def test_a_decision_that_needs_another_stream_starts_again_with_it() -> None:
    desk = desk_on(MemoryStore())
    await desk.transact(("list/b",), add("list/b", b"there"))
    runs = 0

    def decide(transaction: Transaction) -> tuple[bytes, ...]:
        nonlocal runs
        runs += 1
        transaction.append("list/a", "item", b"mine")
        found: tuple[bytes, ...] = transaction.state("list/b")
        return found

    assert await desk.transact(("list/a",), decide) == (b"there",)
    assert runs == 2
    assert await desk.state("list/a") == (b"mine",)


@simulated
async def test_the_answer_leaves_after_the_commit() -> None:
    store = Slow()
    desk = desk_on(store)
    store.gate.clear()

    answering = asyncio.create_task(desk.transact(("list/a",), add("list/a", b"1")))
    await settle()
    assert store.commits == 1
    assert not answering.done()
    assert await store.last("list/a") == 0

    store.gate.set()
    assert await answering == 0
    assert await store.last("list/a") == 1


@simulated
async def test_nobody_sees_a_state_before_it_is_durable() -> None:
    store = Slow()
    desk = desk_on(store)
    await desk.transact(("list/a",), add("list/a", b"1"))
    store.gate.clear()
    writing = asyncio.create_task(desk.transact(("list/a",), add("list/a", b"2")))
    await settle()

    assert await desk.state("list/a") == (b"1",)

    store.gate.set()
    await writing
    assert await desk.state("list/a") == (b"1", b"2")


@simulated
async def test_two_desks_on_one_store_lose_no_update() -> None:
    store = MemoryStore()
    desks = [desk_on(store), desk_on(store)]

    for number in range(6):
        answer = await desks[number % 2].transact(("list/a",), add("list/a", b"%d" % number))
        assert answer == number

    assert [entry.body for entry in await store.read("list/a")] == [b"%d" % n for n in range(6)]


@simulated
async def test_a_lost_race_is_decided_again_on_the_new_state() -> None:
    shared = MemoryStore()
    slow = Slow(shared)
    late, early = desk_on(slow), desk_on(shared)
    slow.gate.clear()
    losing = asyncio.create_task(late.transact(("list/a",), add("list/a", b"late")))
    await settle()

    assert await early.transact(("list/a",), add("list/a", b"early")) == 0
    slow.gate.set()

    assert await losing == 1
    assert await late.state("list/a") == (b"early", b"late")
    assert slow.commits == 2


@simulated
async def test_a_race_that_is_always_lost_ends() -> None:
    store = Slow()
    store.failing = Conflict("somebody else was there")
    desk = desk_on(store)

    with pytest.raises(UnavailableError) as caught:
        await desk.transact(("list/a",), add("list/a", b"1"))

    assert caught.value.code == "overloaded"
    assert store.commits == TRIES_MAX


@simulated
async def test_after_a_failed_commit_nothing_is_believed() -> None:
    store = Slow()
    desk = desk_on(store)
    await desk.transact(("list/a",), add("list/a", b"1"))
    store.failing = UnavailableError("the disk is gone")
    with pytest.raises(UnavailableError):
        await desk.transact(("list/a",), add("list/a", b"2"))
    store.failing = None

    assert await desk.state("list/a") == (b"1",)
    assert await desk.transact(("list/a",), add("list/a", b"3")) == 1


@simulated
async def test_a_commit_that_was_kept_although_it_failed_is_found() -> None:
    store = Slow()
    desk = desk_on(store)
    store.failing, store.keeps_and_fails = UnavailableError("no answer"), True
    with pytest.raises(UnavailableError):
        await desk.transact(("list/a",), add("list/a", b"kept"))
    store.failing = None

    assert await desk.state("list/a") == (b"kept",)


@simulated
async def test_a_caller_that_gives_up_does_not_stop_the_commit() -> None:
    store = Slow()
    desk = desk_on(store)
    store.gate.clear()
    done: list[str] = []

    def decide(transaction: Transaction) -> None:
        transaction.append("list/a", "item", b"1")
        transaction.afterwards(lambda: done.append("told"))

    giving_up = asyncio.create_task(desk.transact(("list/a",), decide))
    await settle()
    giving_up.cancel()
    second = asyncio.create_task(desk.transact(("list/a",), add("list/a", b"2")))
    await settle()
    assert store.commits == 1, "the stream stays locked until the first commit is decided"

    store.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await giving_up
    assert await second == 1
    assert done == ["told"]
    assert await desk.state("list/a") == (b"1", b"2")


@simulated
async def test_a_caller_cancelled_again_lets_go_and_nothing_is_believed() -> None:
    store = Slow()
    desk = desk_on(store)
    await desk.transact(("list/a",), add("list/a", b"0"))
    store.gate.clear()
    giving_up = asyncio.create_task(desk.transact(("list/a",), add("list/a", b"1")))
    await settle()
    for _ in range(2):
        giving_up.cancel()
        await settle()
    assert giving_up.done()
    store.gate.set()
    await settle()

    assert await desk.transact(("list/a",), add("list/a", b"2")) == 2


@simulated
async def test_different_streams_do_not_wait_for_each_other() -> None:
    store = Slow()
    desk = desk_on(store)
    store.gate.clear()
    tasks = [
        asyncio.create_task(desk.transact((name,), add(name, b"1")))
        for name in ("list/a", "list/b", "list/a")
    ]
    await settle()

    assert store.commits == 2
    store.gate.set()
    assert [await one for one in tasks] == [0, 0, 1]


@simulated
async def test_opposite_orders_of_streams_do_not_lock_each_other_up() -> None:
    store = Slow()
    store.delay_ms = lambda: 1.0
    desk = desk_on(store)

    def both(transaction: Transaction) -> None:
        transaction.append("list/a", "item", b"1")
        transaction.append("list/b", "item", b"1")

    pairs = [("list/a", "list/b"), ("list/b", "list/a")] * 10
    await asyncio.gather(*(desk.transact(pair, both) for pair in pairs))

    assert await store.last("list/a") == await store.last("list/b") == 20


@simulated
async def test_locks_do_not_leak() -> None:
    """Whatever happens: success, refusal, failure, another stream, a caller that is cancelled."""
    store = Slow()
    desk = desk_on(store)
    chance = random.Random(3)

    def decide(transaction: Transaction) -> None:
        transaction.state(f"list/{chance.randrange(5)}")
        transaction.append("list/0", "item", b"x")
        if chance.random() < 0.3:
            raise Refused("no", "unspecified")

    for _ in range(60):
        store.failing = UnavailableError("no") if chance.random() < 0.2 else None
        task = asyncio.create_task(desk.transact(("list/0",), decide))
        if chance.random() < 0.3:
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert desk._locks == {}


@simulated
async def test_a_used_nonce_refuses_the_whole_decision() -> None:
    store = MemoryStore()
    desk = desk_on(store)

    def decide(transaction: Transaction) -> None:
        transaction.append("list/a", "item", b"1")
        transaction.consume(Nonce("scope", "key", now_ms() + 1_000))

    await desk.transact(("list/a",), decide)
    with pytest.raises(Refused) as caught:
        await desk.transact(("list/a",), decide)

    assert caught.value.code == "proof_replayed"
    assert await desk.state("list/a") == (b"1",)


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        (("put 5", "drop"), None),
        (("drop", "put 5"), 5),
        (("put 5", "put 9"), 9),
        (("put 5", "drop", "put 7"), 7),
    ],
)
def test_the_last_word_about_a_task_stands(steps: tuple[str, ...], left: int | None) -> None:
    @simulated
    async def check() -> None:
        store = MemoryStore()
        desk = desk_on(store)

        def decide(transaction: Transaction) -> None:
            for step in steps:
                if step == "drop":
                    transaction.drop_task("t")
                else:
                    transaction.put_task(Task("t", "k", int(step.split()[1]), b""))

        await desk.transact((), decide)
        assert await store.next_due_ms() == left

    check()


async def put_timer(desk: Desk, due_ms: int | None) -> None:
    """Set the one timer, or drop it."""

    def decide(transaction: Transaction) -> None:
        if due_ms is None:
            transaction.drop_task("t")
        else:
            transaction.put_timer(Task("t", "timer", due_ms, b""))

    await desk.transact((), decide)


@simulated
async def test_a_timer_that_only_moves_later_is_not_written_again() -> None:
    store = Slow()
    desk = desk_on(store)
    soon_ms = now_ms() + 1_000
    for due_ms in (soon_ms, soon_ms, soon_ms + 500):
        await put_timer(desk, due_ms)
    assert (store.commits, await store.next_due_ms()) == (1, soon_ms)

    await put_timer(desk, soon_ms - 500)
    assert await store.next_due_ms() == soon_ms - 500
    await later(600)
    await put_timer(desk, soon_ms + 500)
    assert await store.next_due_ms() == soon_ms + 500, "the one that was there is over"


@simulated
async def test_a_dropped_timer_is_written_again() -> None:
    store = Slow()
    desk = desk_on(store)
    due_ms = now_ms() + 1_000
    for one in (due_ms, None, due_ms):
        await put_timer(desk, one)

    assert await store.next_due_ms() == due_ms


@simulated
async def test_after_a_commit_of_unknown_fate_a_timer_is_written_again() -> None:
    """The drop was kept although it failed; a timer believed to be there would be lost."""
    store = Slow()
    desk = desk_on(store)
    due_ms = now_ms() + 1_000
    await put_timer(desk, due_ms)
    store.failing, store.keeps_and_fails = UnavailableError("no answer"), True
    with pytest.raises(UnavailableError):
        await put_timer(desk, None)
    store.failing = None
    await put_timer(desk, due_ms)

    assert await store.next_due_ms() == due_ms


@simulated
async def test_a_watch_is_woken_by_its_stream_alone_and_once_for_many() -> None:
    desk = desk_on(MemoryStore())
    watch = desk.watch("list/a")
    await desk.transact(("list/b",), add("list/b", b"1"))
    assert not await watch.wait(1.0)

    for body in (b"1", b"2", b"3"):
        await desk.transact(("list/a",), add("list/a", body))
    assert await watch.wait(1.0)
    assert not await watch.wait(1.0)


@simulated
async def test_a_watch_that_waits_is_woken_when_the_entry_is_durable() -> None:
    store = Slow()
    desk = desk_on(store)
    watch = desk.watch("list/a")
    waiting = asyncio.create_task(watch.wait(60.0))
    store.gate.clear()
    writing = asyncio.create_task(desk.transact(("list/a",), add("list/a", b"1")))
    await settle()
    assert not waiting.done()

    store.gate.set()
    assert await waiting
    assert await store.last("list/a") == 1
    await writing


@simulated
async def test_a_watch_looks_again_after_a_commit_whose_fate_is_not_known() -> None:
    store = Slow()
    desk = desk_on(store)
    watch = desk.watch("list/a")
    store.failing, store.keeps_and_fails = UnavailableError("no answer"), True
    with pytest.raises(UnavailableError):
        await desk.transact(("list/a",), add("list/a", b"1"))

    assert await watch.wait(1.0)


@simulated
async def test_a_closed_watch_is_forgotten() -> None:
    desk = desk_on(MemoryStore())
    watches = [desk.watch("list/a") for _ in range(3)]
    for watch in watches:
        watch.close()
        watch.close()

    assert desk._watches == {}


@simulated
async def test_the_cache_is_bounded_and_spares_what_is_pinned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(states, "STATES_MAX", 4)
    desk = desk_on(MemoryStore())
    await desk.pin("list/pinned")
    await desk.transact(("list/pinned",), add("list/pinned", b"1"))
    for number in range(20):
        await desk.transact((f"list/{number}",), add(f"list/{number}", b"x"))

    assert len(desk._states) <= 5
    assert desk.peek("list/pinned") == (b"1",)
    assert await desk.state("list/0") == (b"x",), "what was dropped is folded again"


@simulated
async def test_a_pinned_state_can_be_looked_at_whatever_happened() -> None:
    store = Slow()
    desk = desk_on(store)
    await desk.pin("list/a")
    assert desk.peek("list/a") == ()
    await desk.transact(("list/a",), add("list/a", b"1"))
    store.failing = UnavailableError("no")
    with pytest.raises(UnavailableError):
        await desk.transact(("list/a",), add("list/a", b"2"))
    assert desk.peek("list/a") == (b"1",)

    store.failing = None
    await desk.transact(("list/a",), add("list/a", b"3"))
    assert desk.peek("list/a") == (b"1", b"3")


@simulated
async def test_names_that_strangers_make_up_are_not_kept() -> None:
    desk = desk_on(MemoryStore())
    for number in range(50):
        assert await desk.state(f"list/made-up-{number}") == ()

    assert not len(desk._states)


@simulated
async def test_a_long_stream_is_folded_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_module, "READ_PAGE", 3)
    store = MemoryStore()
    first = desk_on(store)
    for number in range(10):
        await first.transact(("list/a",), add("list/a", b"%d" % number))

    assert len(await desk_on(store).state("list/a")) == 10


@simulated
async def test_many_readers_fold_a_cold_stream_once() -> None:
    store = MemoryStore()
    await desk_on(store).transact(("list/a",), add("list/a", b"1"))
    reads = 0

    class Counting(Slow):
        async def read(self, stream: str, after: int = 0, limit: int = 1_000) -> list[Entry]:
            nonlocal reads
            reads += 1
            await later(5)
            return await self.inner.read(stream, after, limit)

    desk = desk_on(Counting(store))
    states = await asyncio.gather(*(desk.state("list/a") for _ in range(8)))

    assert states == [(b"1",)] * 8
    assert reads == 1


def test_a_prefix_is_folded_in_one_way() -> None:
    desk = desk_on(MemoryStore())

    with pytest.raises(MisuseError):
        desk.register("list", listing())


@pytest.mark.parametrize("seed", range(12))
def test_no_update_is_lost_among_desks_that_race(seed: int) -> None:
    """Three desks, two streams, random delays and failures: every answer is a position taken."""

    @simulated
    async def check() -> None:
        chance = random.Random(seed)
        shared = MemoryStore()
        stores = [Slow(shared) for _ in range(3)]
        for one in stores:
            one.delay_ms = lambda: chance.choice((0.0, 1.0, 3.0))
        desks = [desk_on(one) for one in stores]

        async def work(desk: Desk, number: int) -> tuple[str, int] | None:
            await later(chance.uniform(0, 60))
            stream = f"list/{number % 2}"
            try:
                return stream, await desk.transact((stream,), add(stream, b"%d" % number))
            except UnavailableError:
                return None

        jobs = [work(desks[number % 3], number) for number in range(60)]
        answers = [one for one in await asyncio.gather(*jobs) if one is not None]

        for stream in ("list/0", "list/1"):
            taken = sorted(place for name, place in answers if name == stream)
            assert taken == list(range(await shared.last(stream)))
            bodies = tuple(entry.body for entry in await shared.read(stream))
            assert len(set(bodies)) == len(bodies)

    check()
