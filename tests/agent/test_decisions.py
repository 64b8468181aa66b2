"""Decisions are kept as units, newest first, and read by another process."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from treaty.agent.decisions import Decision, Decisions
from treaty.dialects.mrp.deal import Line
from treaty.errors import Refused
from treaty.store.memory import MemoryStore
from treaty.wire.ids import uuid7

IDS = [uuid7(1_000 + at, bytes(10)) for at in range(5)]
SENT = Line(raw=b"\xff raw", is_sent=True, manifest_url="https://a.example/mrp/manifest", at_ms=7)


def decisions(store: MemoryStore) -> Decisions:
    ticks = count()
    return Decisions(store, clock=lambda: next(ticks), entropy=bytes)


def test_members_replace_those_before_and_messages_stay() -> None:
    async def run() -> Decision:
        store = MemoryStore()
        kept = decisions(store)
        await kept.keep(IDS[0], {}, [SENT])
        await kept.keep(IDS[0], {"status": "decided", "winner": None})
        await kept.keep(IDS[0], {"status": "done"}, [SENT])
        return await decisions(store).read(IDS[0].upper())

    assert asyncio.run(run()) == Decision({"status": "done", "winner": None}, (SENT, SENT))


def test_the_newest_come_first_and_all_are_counted() -> None:
    async def run() -> tuple[list[str], int]:
        kept = decisions(MemoryStore())
        for one in IDS:
            await kept.keep(one, {"status": "decided"})
        return await kept.newest(2)

    assert asyncio.run(run()) == ([IDS[4], IDS[3]], 5)


@pytest.mark.parametrize("name", ["", "x", "../x", IDS[0], "\x1b[31m" * 50])
def test_an_unknown_decision_is_refused(name: str) -> None:
    async def run() -> None:
        await decisions(MemoryStore()).read(name)

    with pytest.raises(Refused) as refusal:
        asyncio.run(run())
    assert refusal.value.code == "not_found"
    assert refusal.value.detail.isprintable()


def test_what_was_only_heard_is_no_decision_yet() -> None:
    async def run() -> None:
        kept = decisions(MemoryStore())
        await kept.keep(IDS[0], {}, [SENT])
        assert (await kept.peek(IDS[0])).messages == (SENT,)
        await kept.read(IDS[0])

    with pytest.raises(Refused):
        asyncio.run(run())
