from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import uvloop

from tests.ports.check_store import CHECKS, Check
from treaty.store.sqlite import SqliteStore

RUNNERS = (asyncio.run, uvloop.run)


@pytest.mark.parametrize("check_promise", CHECKS)
def test_it_keeps_the_contract(check_promise: Check, tmp_path: Path) -> None:
    async def run() -> None:
        store = await SqliteStore.open(tmp_path / "node.db")
        try:
            await check_promise(store)
        finally:
            await store.close()

    asyncio.run(run())
