"""Work beside the outbox: leased, bounded, brought back after a stop."""

from __future__ import annotations

import asyncio

from tests.agent.local import Town
from tests.simulation.clock import later, now_ms, simulated
from treaty.engine.background import BUSY_MS, IN_FLIGHT_MAX, LEASE_MS, Background
from treaty.engine.ports import Task
from treaty.errors import UnavailableError


def task(name: str) -> Task:
    return Task(name, "check", now_ms(), b"{}")


async def due_ms(town: Town, name: str) -> int:
    return next(one.due_ms for one in await town.inner.tasks("check") if one.id == name)


@simulated
async def test_work_under_way_is_leased_and_not_begun_twice() -> None:
    async with Town() as town:
        node = town.at_home()
        background = Background(node.desk, town.complaints.append)
        begun = []

        async def work() -> None:
            begun.append(now_ms())
            await later(5_000)

        await background.begin(task("a"), work)
        assert await due_ms(town, "a") == now_ms() + LEASE_MS
        await background.begin(task("a"), work)
        assert await due_ms(town, "a") == now_ms() + BUSY_MS
        await later(10)
        assert len(begun) == 1
        background.cancel()


@simulated
async def test_only_so_much_is_under_way_at_a_time() -> None:
    async with Town() as town:
        background = Background(town.at_home().desk, town.complaints.append)
        begun = []
        gate = asyncio.Event()

        async def work() -> None:
            begun.append(1)
            await gate.wait()

        for number in range(IN_FLIGHT_MAX + 3):
            await background.begin(task(f"t{number}"), work)
        await later(10)
        assert len(begun) == IN_FLIGHT_MAX
        gate.set()
        await later(10)
        await background.begin(task("t99"), work)
        await later(10)
        assert len(begun) == IN_FLIGHT_MAX + 1


@simulated
async def test_work_that_fails_is_complained_of_and_left_to_its_lease() -> None:
    async with Town() as town:
        background = Background(town.at_home().desk, town.complaints.append)

        async def work() -> None:
            raise UnavailableError("nobody there")

        await background.begin(task("a"), work)
        await later(10)

        assert town.complaints == ["a failed (unavailable: nobody there)"]
        assert await due_ms(town, "a") >= now_ms() + LEASE_MS - 100
