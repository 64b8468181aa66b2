"""The store that is held for each write keeps the contract of every store, and lets others in."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.ports.check_store import CHECKS, Check
from treaty.engine.ports import Append, Entry, Unit
from treaty.store import brief
from treaty.store.brief import BriefStore
from treaty.store.sqlite import InUseError, SqliteStore


def unit(stream: str, after: int = 0) -> Unit:
    return Unit((Append(stream, after, (Entry(stream, after + 1, "k", b"{}"),)),))


@pytest.mark.parametrize("check_promise", CHECKS)
def test_it_keeps_the_contract(check_promise: Check, tmp_path: Path) -> None:
    async def run() -> None:
        store = BriefStore(tmp_path / "store.db")
        await check_promise(store)
        await store.close()

    asyncio.run(run())


def test_many_write_to_one_file(tmp_path: Path) -> None:
    async def run() -> list[str]:
        stores = [BriefStore(tmp_path / "deep" / "store.db") for _ in range(6)]
        await asyncio.gather(*(one.commit(unit(f"s/{at}")) for at, one in enumerate(stores)))
        return await stores[0].streams("s/")

    assert asyncio.run(run()) == [f"s/{at}" for at in range(6)]


def test_between_writes_the_file_is_anybodys(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def run() -> int:
        store = BriefStore(path)
        await store.commit(unit("s"))
        other = await SqliteStore.open(path)
        await other.commit(unit("s", 1))
        await other.close()
        return await store.last("s")

    assert asyncio.run(run()) == 2


def test_a_file_that_is_kept_too_long_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.db"
    monkeypatch.setattr(brief, "TRIES_MAX", 2)

    async def run() -> None:
        keeper = await SqliteStore.open(path)
        with pytest.raises(InUseError):
            await BriefStore(path).commit(unit("s"))
        assert await BriefStore(path).read("s") == []
        await keeper.close()

    asyncio.run(run())


def test_what_was_never_written_is_empty(tmp_path: Path) -> None:
    async def run() -> None:
        store = BriefStore(tmp_path / "none.db")
        assert await store.streams("") == []
        assert not (tmp_path / "none.db").exists()

    asyncio.run(run())
