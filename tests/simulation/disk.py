"""A SQLite store in simulated time: while its thread works, the clock stands still."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.simulation.clock import SimulatedLoop
from treaty.store.sqlite import SqliteStore


class Disk:
    """One database file that outlives the processes that open it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: SqliteStore | None = None

    async def reopen(self) -> Any:
        """Open the file as the next process does; the last one has let go of it."""
        await self.close()
        self._open = await _outside(SqliteStore.open(self._path))
        return _Counted(self._open)

    async def close(self) -> None:
        """Let go of the file."""
        if self._open is not None:
            await _outside(self._open.close())
            self._open = None


class _Counted:
    """Counts every call as work of another thread."""

    def __init__(self, inner: SqliteStore) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._inner, name)
        return lambda *args, **kwargs: _outside(method(*args, **kwargs))


async def _outside(work: Awaitable[Any]) -> Any:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulatedLoop)
    loop.outside += 1
    try:
        return await work
    finally:
        loop.outside -= 1
