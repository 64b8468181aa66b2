"""The outbox: tasks run when they are due, again when they fail, and never stop each other."""

from __future__ import annotations

import asyncio
import itertools
import random
from typing import Any

import pytest

from tests.simulation.clock import later, now_ms, simulated
from treaty.engine import outbox as outbox_module
from treaty.engine.desk import Desk
from treaty.engine.outbox import BATCH, PAUSE_MOST_MS, Outbox
from treaty.engine.ports import Task, Unit
from treaty.errors import Refused, UnavailableError
from treaty.store.memory import MemoryStore


class Works:
    """Handlers that keep count, and fail when told to."""

    def __init__(self, store: Any = None) -> None:
        self.store = store or MemoryStore()
        self.skew_ms = 0
        self.done: list[tuple[str, int]] = []
        self.failing: set[str] = set()
        self.tried: dict[str, list[int]] = {}
        self.complaints: list[str] = []
        self.pulses = 0
        self.desk = Desk(self.store, clock=self.clock, entropy=random.Random(1).randbytes)
        self.outbox = Outbox(self.desk, {"work": self.work}, self.complaints.append, self.pulse)

    def clock(self) -> int:
        return now_ms() + self.skew_ms

    async def pulse(self) -> None:
        self.pulses += 1

    async def work(self, task: Task) -> None:
        self.tried.setdefault(task.id, []).append(now_ms())
        if task.id in self.failing:
            raise UnavailableError("not now")
        await self.store.commit(Unit(drop_tasks=(task.id,)))
        self.done.append((task.id, now_ms()))

    async def put(self, name: str, due_ms: int, kind: str = "work") -> None:
        """Schedule through the desk, as everybody does."""
        await self.desk.transact((), lambda it: it.put_task(Task(name, kind, due_ms, b"")))

    async def run_for(self, span_ms: float) -> None:
        """Let the outbox run for a while."""
        running = asyncio.create_task(self.outbox.run())
        await later(span_ms)
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@simulated
async def test_a_task_runs_when_it_is_due_and_not_before() -> None:
    works = Works()
    due_ms = now_ms() + 10_000
    await works.put("a", due_ms)
    await works.run_for(20_000)

    assert works.done == [("a", due_ms)]


@simulated
async def test_tasks_run_in_the_order_in_which_they_are_due() -> None:
    works = Works()
    for name, after_ms in (("c", 300), ("a", 100), ("b", 200)):
        await works.put(name, now_ms() + after_ms)
    await works.run_for(1_000)

    assert [name for name, _ in works.done] == ["a", "b", "c"]


@simulated
async def test_what_may_run_together_does_not_wait_for_each_other() -> None:
    """Each of many that are due at once would otherwise wait for the disk by itself."""
    works = Works()
    meeting = asyncio.Barrier(BATCH)

    async def meet(task: Task) -> None:
        await meeting.wait()
        await works.work(task)

    handlers = {"timer": meet}
    works.outbox = Outbox(works.desk, handlers, works.complaints.append, works.pulse, ("timer",))
    names = [f"t{number:03}" for number in range(BATCH)]
    due_ms = now_ms()
    for name in names:
        await works.put(name, due_ms, "timer")
    await works.run_for(2_000)

    assert sorted(works.done) == [(name, due_ms) for name in names]


@simulated
async def test_what_is_scheduled_meanwhile_is_heard_of() -> None:
    works = Works()
    running = asyncio.create_task(works.run_for(2_000))
    await later(1_010)
    due_ms = now_ms() + 5
    await works.put("a", due_ms)
    await running

    assert works.done == [("a", due_ms)]


@simulated
async def test_a_failing_task_is_tried_again_with_growing_pauses() -> None:
    works = Works()
    works.failing = {"a"}
    await works.put("a", now_ms())
    await works.run_for(400_000)

    tries = works.tried["a"]
    pauses = [later_ms - first_ms for first_ms, later_ms in itertools.pairwise(tries)]
    assert pauses[0] >= 1_000
    assert all(one <= other + 300 for one, other in itertools.pairwise(pauses))
    assert max(pauses) <= PAUSE_MOST_MS + 500
    assert len(works.complaints) == len(tries)

    works.failing = set()
    await works.run_for(PAUSE_MOST_MS + 1_000)
    assert [name for name, _ in works.done] == ["a"]


@simulated
async def test_a_failing_task_does_not_hold_up_the_others() -> None:
    """Not even more of them than fit into one batch."""
    works = Works()
    works.failing = {f"bad{number:03}" for number in range(2 * BATCH + 10)}
    for name in sorted(works.failing):
        await works.put(name, now_ms() - 1_000)
    await works.put("good", now_ms())
    await works.run_for(5_000)

    assert [name for name, _ in works.done] == ["good"]


@simulated
async def test_a_task_nobody_knows_is_dropped() -> None:
    works = Works()
    await works.put("old", now_ms(), kind="heartbeat")
    await works.run_for(1_000)

    assert await works.store.next_due_ms() is None


@simulated
async def test_a_store_that_is_away_is_asked_again() -> None:
    class Away(MemoryStore):
        away = True

        async def due_tasks(self, now: int, limit: int = 100) -> list[Task]:
            if self.away:
                raise UnavailableError("no store")
            return await super().due_tasks(now, limit)

    store = Away()
    works = Works(store)
    await works.put("a", now_ms())
    running = asyncio.create_task(works.run_for(10_000))
    await later(3_000)
    assert works.done == []
    assert works.complaints
    store.away = False
    await running

    assert [name for name, _ in works.done] == ["a"]
    assert len(works.complaints) < 10


@simulated
async def test_a_refused_task_is_not_lost() -> None:
    works = Works()
    times = iter([Refused("race", "duplicate"), None])

    async def once(task: Task) -> None:
        refusal = next(times)
        if refusal is not None:
            raise refusal
        await works.work(task)

    works.outbox._handlers = {"work": once}
    await works.put("a", now_ms())
    await works.run_for(5_000)

    assert [name for name, _ in works.done] == ["a"]


@simulated
async def test_a_clock_that_goes_back_postpones_no_second_try_beyond_the_longest_pause() -> None:
    works = Works()
    works.failing = {"a"}
    works.skew_ms = 3_600_000
    await works.put("a", now_ms() - 1_000)
    await works.run_for(3_000)
    works.skew_ms = 0
    works.failing = set()
    await works.run_for(2_000)

    assert [name for name, _ in works.done] == ["a"]


@simulated
async def test_a_clock_that_jumps_ahead_is_noticed() -> None:
    works = Works()
    await works.put("a", now_ms() + 3_600_000)
    running = asyncio.create_task(works.run_for(2_000))
    await later(1_000)
    works.skew_ms = 3_600_000
    await running

    ((name, at_ms),) = works.done
    assert name == "a"
    assert at_ms <= now_ms() - 1_000 + outbox_module.IDLE_MS


@simulated
async def test_the_pulse_is_felt_in_every_round_whatever_the_clock_does() -> None:
    works = Works()
    works.skew_ms = -3_600_000
    await works.run_for(10_000)

    assert works.pulses >= 10_000 // outbox_module.IDLE_MS


@simulated
async def test_an_idle_outbox_looks_four_times_a_second_and_not_more() -> None:
    works = Works()
    works.failing = {"a"}
    await works.put("a", now_ms())
    await works.run_for(30_000)

    assert works.pulses <= 4 * 30 + 10


@simulated
async def test_what_is_put_off_is_forgotten_with_its_task() -> None:
    works = Works()
    works.failing = {"a", "b"}
    for name in ("a", "b"):
        await works.put(name, now_ms())
    await works.run_for(1_000)
    assert set(works.outbox._put_off) == {"a", "b"}
    await works.store.commit(Unit(drop_tasks=("a", "b")))
    await works.run_for(1_000)

    assert works.outbox._put_off == {}


@pytest.mark.parametrize("seed", range(8))
def test_every_task_is_done_once_at_its_time_or_later(seed: int) -> None:
    @simulated
    async def check() -> None:
        chance = random.Random(seed)
        works = Works()
        due = {f"t{number}": now_ms() + chance.randrange(20_000) for number in range(60)}
        running = asyncio.create_task(works.run_for(120_000))
        for name, due_ms in due.items():
            await works.put(name, due_ms)
            if chance.random() < 0.3:
                works.failing.add(name)
            await later(chance.uniform(0, 300))
        await later(20_000)
        works.failing = set()
        await running

        assert sorted(name for name, _ in works.done) == sorted(due)
        assert all(at_ms >= due[name] for name, at_ms in works.done)

    check()
