"""The store in memory keeps the contract of every store."""

from __future__ import annotations

import asyncio

import pytest

from tests.ports.check_store import CHECKS, Check
from treaty.store.memory import MemoryStore


@pytest.mark.parametrize("check_promise", CHECKS)
def test_it_keeps_the_contract(check_promise: Check) -> None:
    async def run() -> None:
        store = MemoryStore()
        await check_promise(store)
        await store.close()

    asyncio.run(run())
