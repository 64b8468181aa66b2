"""What a decision writes: timers that need not be written again, and who hears of the others."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from tests.simulation.clock import now_ms, simulated
from treaty.engine.desk import Desk, Transaction
from treaty.engine.outbox import IDLE_MS, Outbox
from treaty.engine.ports import Task, Unit
from treaty.errors import UnavailableError
from treaty.store.memory import MemoryStore

SOON, LATER, LATEST = 1_000, 2_000, 3_000


class Counted(MemoryStore):
    """A memory store that counts its commits and can fail."""

    __slots__ = ("failing", "units")

    def __init__(self) -> None:
        super().__init__()
        self.units: list[Unit] = []
        self.failing = False

    async def commit(self, unit: Unit) -> None:
        if self.failing:
            raise UnavailableError("no disk")
        self.units.append(unit)
        await super().commit(unit)


def desk_on(store: MemoryStore) -> Desk:
    return Desk(store, clock=now_ms, entropy=random.Random(1).randbytes)


def timer(in_ms: int) -> Callable[[Transaction], None]:
    """A decision that wants a timer in so many milliseconds."""

    def decide(transaction: Transaction) -> None:
        transaction.put_timer(Task("timer/x", "timer", transaction.now_ms + in_ms, b"x"))

    return decide


async def due_in(store: MemoryStore) -> int:
    """When the stored timer is due, from now."""
    (task,) = await store.tasks("timer")
    return task.due_ms - now_ms()


@simulated
async def test_a_timer_that_only_moves_later_is_not_written_again() -> None:
    store = Counted()
    desk = desk_on(store)
    for in_ms in (SOON, LATER, LATEST):
        await desk.transact((), timer(in_ms))

    assert await due_in(store) == SOON
    assert len(store.units) == 1


@simulated
async def test_a_timer_that_moves_earlier_is_written() -> None:
    store = Counted()
    desk = desk_on(store)
    await desk.transact((), timer(LATER))
    await desk.transact((), timer(SOON))

    assert await due_in(store) == SOON


@simulated
async def test_a_timer_whose_time_has_come_is_written_again() -> None:
    store = Counted()
    desk = desk_on(store)
    await desk.transact((), timer(SOON))
    loop = asyncio.get_running_loop()
    loop.pass_s(SOON / 1000)

    await desk.transact((), timer(LATER))

    assert await due_in(store) == LATER


@simulated
async def test_a_timer_that_was_dropped_is_written_again() -> None:
    store = Counted()
    desk = desk_on(store)
    await desk.transact((), timer(SOON))
    await desk.transact((), lambda transaction: transaction.drop_task("timer/x"))
    await desk.transact((), timer(LATER))

    assert await due_in(store) == LATER


@simulated
async def test_a_timer_dropped_and_put_in_one_decision_is_written() -> None:
    store = Counted()
    desk = desk_on(store)
    await desk.transact((), timer(SOON))

    def decide(transaction: Transaction) -> None:
        transaction.drop_task("timer/x")
        timer(LATER)(transaction)

    await desk.transact((), decide)

    assert await due_in(store) == LATER


@simulated
async def test_what_the_store_may_not_have_is_not_relied_on() -> None:
    store = Counted()
    desk = desk_on(store)
    store.failing = True
    with pytest.raises(UnavailableError):
        await desk.transact((), timer(SOON))
    store.failing = False

    await desk.transact((), timer(LATER))

    assert await due_in(store) == LATER


@simulated
async def test_another_process_is_not_relied_on() -> None:
    store = Counted()
    await desk_on(store).transact((), timer(SOON))

    await desk_on(store).transact((), timer(LATER))

    assert await due_in(store) == LATER


@pytest.mark.parametrize(("in_ms", "looks"), [(IDLE_MS - 1, 1), (IDLE_MS, 0), (60_000, 0)])
@simulated
async def test_the_outbox_looks_again_only_for_what_is_due_soon(in_ms: int, looks: int) -> None:
    desk = desk_on(MemoryStore())
    rounds = 0

    async def pulse() -> None:
        nonlocal rounds
        rounds += 1

    async def handler(_task: Task) -> None:
        raise UnavailableError("not today")

    running = asyncio.create_task(Outbox(desk, {"timer": handler}, print, pulse).run())
    for _ in range(10):
        await asyncio.sleep(0)
    before = rounds

    await desk.transact((), timer(in_ms))
    for _ in range(10):
        await asyncio.sleep(0)

    assert rounds - before == looks
    running.cancel()
