"""Losses are counted once for an offer, kept by capability, and found again by whoever reads."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from itertools import count

import pytest

from treaty.core.losses import Loss
from treaty.engine.desk import Desk
from treaty.engine.losses import Losses, read_tallies
from treaty.errors import Refused
from treaty.store.memory import MemoryStore

LATE = Loss("latency_miss", Decimal(120), "ms")


def losses(store: MemoryStore) -> Losses:
    ticks = count(1)
    return Losses(Desk(store, clock=lambda: next(ticks), entropy=bytes))


async def heard(store: MemoryStore, *told: tuple[str, str], offers: tuple[str, ...]) -> Losses:
    one = losses(store)
    await one.load(offers)
    for capability, digest in told:
        await one.hear(capability, [LATE], digest)
    return one


def test_a_reader_finds_every_capability_that_lost() -> None:
    async def run() -> dict[str, int]:
        store = MemoryStore()
        await heard(store, ("a", "1"), ("a", "2"), ("b", "3"), offers=("a", "b", "c"))
        # The next time it runs, the provider offers something else.
        await heard(store, ("d", "4"), offers=("d",))
        return {name: tally.losses for name, tally in (await read_tallies(store)).items()}

    assert asyncio.run(run()) == {"d": 1, "a": 2, "b": 1}


def test_an_offer_is_heard_of_once() -> None:
    async def run() -> None:
        store = MemoryStore()
        one = await heard(store, ("a", "1"), offers=("a",))
        with pytest.raises(Refused) as refusal:
            await one.hear("a", [LATE], "1")
        assert refusal.value.code == "proof_replayed"
        assert one.tally("a").losses == (await read_tallies(store))["a"].losses == 1

    asyncio.run(run())


def test_a_provider_that_heard_nothing_knows_nothing() -> None:
    async def run() -> None:
        store = MemoryStore()
        one = await heard(store, offers=("a",))
        assert await read_tallies(store) == {}
        assert one.tally("a").losses == 0

    asyncio.run(run())
