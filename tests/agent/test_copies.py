"""An agent's own store: what was verified is kept, in order, and found again."""

from __future__ import annotations

import asyncio

import pytest

from tests.simulation.clock import later, simulated
from treaty.agent.copies import Copies
from treaty.agent.ports import LogItem
from treaty.engine.ports import Unit
from treaty.errors import Conflict, UnavailableError
from treaty.store.memory import MemoryStore

S, T = "019526a1-8e1a-7000-8000-000000000001", "019526a1-8e1a-7000-8000-000000000002"


def item(position: int, raw: bytes | None = b"{}") -> LogItem:
    return LogItem(position, {"position": position, "type": "receipt"}, raw)


class Slow(MemoryStore):
    """Takes its time, or fails."""

    failing = False

    async def commit(self, unit: Unit) -> None:
        await later(10)
        if self.failing:
            raise UnavailableError("the disk is full")
        await super().commit(unit)


@simulated
async def test_what_is_kept_is_there_after_flush_and_in_order() -> None:
    copies = Copies(Slow())
    copies.start()
    for position in range(1, 8):
        copies.keep(S, item(position, b"%d" % position if position % 2 else None))
    assert await copies.items(S) == []
    await copies.flush()

    kept = await copies.items(S)
    assert [one.position for one in kept] == list(range(1, 8))
    assert [one.raw for one in kept] == [b"1", None, b"3", None, b"5", None, b"7"]
    await copies.stop()


@simulated
async def test_stopping_writes_what_is_left() -> None:
    store = Slow()
    copies = Copies(store)
    copies.start()
    for position in range(1, 4):
        copies.keep(S, item(position))
    await copies.stop()

    assert await store.last(f"log/{S}") == 3
    await copies.stop()


@pytest.mark.parametrize("count", [1, 3])
def test_a_store_that_fails_is_told_of_by_flush_every_time(count: int) -> None:
    @simulated
    async def check() -> None:
        store = Slow()
        copies = Copies(store)
        copies.start()
        store.failing = True
        for position in range(1, count + 1):
            copies.keep(S, item(position))
        for _ in range(2):
            with pytest.raises(UnavailableError):
                await copies.flush()
        for position in range(count + 1, 1_000):
            copies.keep(S, item(position))
        assert copies._queue.qsize() < 10, "nothing is waited for that will not be written"
        with pytest.raises(UnavailableError):
            await copies.stop()

    check()


@simulated
async def test_two_processes_of_one_agent_keep_the_same_log() -> None:
    store = Slow()
    both = [Copies(store), Copies(store)]
    for copies in both:
        copies.start()
        for position in range(1, 4):
            copies.keep(S, item(position))
    for copies in both:
        await copies.stop()

    assert [one.position for one in await both[0].items(S)] == [1, 2, 3]


@simulated
async def test_another_entry_for_a_place_that_is_taken_is_not_kept() -> None:
    store = MemoryStore()
    first, second = Copies(store), Copies(store)
    for copies in (first, second):
        copies.start()
    first.keep(S, item(1))
    await first.stop()
    second.keep(S, item(1, b"other"))
    with pytest.raises(Conflict):
        await second.stop()


@simulated
async def test_what_was_known_at_the_beginning_is_found_again() -> None:
    copies = Copies(MemoryStore())
    await copies.begin(S, {"counterparty": "agent://a.example/a"})

    assert await copies.known(S) == {"counterparty": "agent://a.example/a"}
    assert await copies.known(T) is None


@simulated
async def test_sessions_are_listed_and_those_that_need_attending() -> None:
    copies = Copies(MemoryStore())
    copies.start()
    for session in (T, S):
        await copies.begin(session, {})
    assert await copies.unfinished() == [S, T]
    copies.finish(S)
    await copies.flush()

    assert await copies.sessions() == [S, T]
    assert await copies.unfinished() == [T]
    await copies.stop()


@simulated
async def test_the_place_in_the_inbox_is_remembered() -> None:
    store = MemoryStore()
    assert await Copies(store).cursor() == 0
    await Copies(store).set_cursor(7)
    assert await Copies(store).cursor() == 7


@simulated
async def test_observations_are_kept_by_counterparty() -> None:
    copies = Copies(MemoryStore())
    await copies.learn("agent://a.example/a", {"n": 1})
    await copies.learn("agent://a.example/a", {"n": 2})
    await copies.learn("agent://b.example/b", {"n": 3})

    assert await copies.learnt("agent://a.example/a") == [{"n": 1}, {"n": 2}]
    assert await copies.learnt("agent://c.example/c") == []


@simulated
async def test_flushing_before_anything_is_harmless() -> None:
    copies = Copies(MemoryStore())
    await copies.flush()
    await copies.stop()
    copies.start()
    copies.start()
    await asyncio.gather(copies.flush(), copies.flush())
    assert await copies.items(S) == []
    await copies.stop()
