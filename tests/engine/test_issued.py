"""Nonces we give: whatever fails, and whenever the process dies, none is given twice."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from treaty.engine.desk import Desk
from treaty.engine.issued import BLOCK, Issued
from treaty.engine.ports import Unit
from treaty.engine.transaction import Kind
from treaty.errors import UnavailableError
from treaty.store.memory import MemoryStore

SCOPE = "84532/0xkernel/0xus/quote"


class Flaky(MemoryStore):
    """A store that fails when it is told to."""

    fails = False

    async def commit(self, unit: Unit) -> None:
        if self.fails:
            raise UnavailableError("not now")
        await super().commit(unit)


async def life(store: Any) -> tuple[Desk, Issued]:
    """A process that begins on what the store has."""
    desk = Desk(store, clock=lambda: 0, entropy=bytes)
    desk.register("s", Kind(lambda _: 0, lambda state, _entry, _parsed: state + 1))
    issued = Issued()
    await issued.load(store, SCOPE)
    return desk, issued


async def give(desk: Desk, issued: Issued) -> int:
    """One decision that gives one nonce and writes it down."""

    def decide(transaction: Any) -> int:
        nonce = issued.give(transaction, SCOPE)
        transaction.append("s/1", "given", b"%d" % nonce)
        return nonce

    return await desk.transact(("s/1",), decide)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["give"] * 6 + ["fail", "die"]), max_size=40))
def test_what_left_is_never_given_again(acts: list[str]) -> None:
    async def scene() -> None:
        store = Flaky()
        desk, issued = await life(store)
        given_out: list[int] = []
        for act in acts:
            if act == "die":
                desk, issued = await life(store)
                continue
            store.fails = act == "fail"
            try:
                given_out.append(await give(desk, issued))
            except UnavailableError:
                assert store.fails
            store.fails = False
        assert given_out == sorted(set(given_out))

    asyncio.run(scene())


def test_a_mark_is_written_once_a_block() -> None:
    async def scene() -> None:
        marks: list[bytes] = []

        class Watched(MemoryStore):
            async def commit(self, unit: Unit) -> None:
                marks.extend(value for _, value in unit.settings)
                await super().commit(unit)

        desk, issued = await life(Watched())
        for _ in range(2 * BLOCK):
            await give(desk, issued)
        assert marks == [b"%d" % (BLOCK * n) for n in (1, 2, 3)]

    asyncio.run(scene())


def test_the_first_nonce_is_one_and_a_restart_begins_at_the_mark() -> None:
    async def scene() -> None:
        store = MemoryStore()
        assert await give(*await life(store)) == 1
        assert await give(*await life(store)) == BLOCK

    asyncio.run(scene())


def test_while_the_mark_is_on_its_way_everybody_carries_it() -> None:
    async def scene() -> None:
        store = MemoryStore()
        desk, issued = await life(store)
        nonces = await asyncio.gather(*(give(desk, issued) for _ in range(20)))
        assert sorted(nonces) == list(range(1, 21))
        assert await give(*await life(store)) == BLOCK

    asyncio.run(scene())
