"""A filter that never denies a name that is there."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from treaty.engine.ports import Append, Entry, Unit
from treaty.store.names import Names
from treaty.store.sqlite import SqliteStore


@given(st.sets(st.text(max_size=80), max_size=30))
def test_a_name_that_was_added_may_be_there(names: set[str]) -> None:
    known = Names()
    for name in names:
        known.add(name)
    assert all(map(known.may_have, names))


def test_a_strange_name_is_hardly_ever_taken_for_a_known_one() -> None:
    known = Names()
    assert not known.may_have("session/0")
    for number in range(20_000):
        known.add(f"session/{number}")
    strangers = sum(known.may_have(f"quote/{number}") for number in range(5_000))
    assert strangers < 50


def unit(name: str, after: int = 0) -> Unit:
    entry = Entry(name, after + 1, "fact", b"{}")
    return Unit((Append(name, after, (entry,)),))


def test_a_store_finds_what_it_wrote_and_what_was_there(tmp_path: Path) -> None:
    async def story() -> None:
        for opening in range(3):
            store = await SqliteStore.open(tmp_path / "node.db")
            for earlier in range(opening):
                assert len(await store.read(f"list/{earlier}")) == 2
            assert await store.read(f"list/{opening}") == []
            writing = store.commit(unit(f"list/{opening}"))
            await writing
            await store.commit(unit(f"list/{opening}", 1))
            assert [one.position for one in await store.read(f"list/{opening}")] == [1, 2]
            await store.close()

    asyncio.run(story())
