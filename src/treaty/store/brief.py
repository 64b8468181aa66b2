"""A store that is held only for the length of one write, for files that many processes share.

A node holds its file as long as it runs. A command that waits a minute for somebody's work must
not keep others from their own; so it takes the file for each unit and lets go of it. Who finds it
taken waits a little. Opening costs some milliseconds a unit, which is what this is not for: load.

Read next: ``sqlite``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

from treaty.engine.ports import Entry, Store, Task, Unit
from treaty.store.memory import MemoryStore
from treaty.store.sqlite import InUseError, SqliteStore
from treaty.store.units import check_unit, closed

PAUSE_S: Final = 0.01
PAUSE_MOST_S: Final = 0.2
TRIES_MAX: Final = 120
"""How often a taken file is asked for, more than twenty seconds in all."""

T = TypeVar("T")


class BriefStore:
    """Implements ``engine.ports.Store`` over a file that is opened for each call."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = asyncio.Lock()
        """Units of this process take effect in the order of asking."""
        self._is_closed = False

    async def commit(self, unit: Unit) -> None:
        """See ``Store.commit``; also ``UnavailableError`` when others keep the file too long."""
        self._check_open()
        check_unit(unit)
        async with self._turn, self._held() as store:
            await store.commit(unit)

    async def read(self, stream: str, after: int = 0, limit: int = 1000) -> list[Entry]:
        """See ``Store.read``."""
        return await self._ask(lambda store: store.read(stream, after, limit))

    async def last(self, stream: str) -> int:
        """See ``Store.last``."""
        return await self._ask(lambda store: store.last(stream))

    async def streams(self, prefix: str, after: str = "", limit: int = 1000) -> list[str]:
        """See ``Store.streams``."""
        return await self._ask(lambda store: store.streams(prefix, after, limit))

    async def due_tasks(self, now_ms: int, limit: int = 100) -> list[Task]:
        """See ``Store.due_tasks``."""
        return await self._ask(lambda store: store.due_tasks(now_ms, limit))

    async def tasks(self, kind: str, limit: int = 1000, after: str = "") -> list[Task]:
        """See ``Store.tasks``."""
        return await self._ask(lambda store: store.tasks(kind, limit, after))

    async def next_due_ms(self) -> int | None:
        """See ``Store.next_due_ms``."""
        return await self._ask(lambda store: store.next_due_ms())

    async def setting(self, name: str) -> bytes | None:
        """See ``Store.setting``."""
        return await self._ask(lambda store: store.setting(name))

    async def nonce(self, scope: str, key: str) -> bytes | None:
        """See ``Store.nonce``."""
        return await self._ask(lambda store: store.nonce(scope, key))

    async def purge(self, now_ms: int) -> None:
        """See ``Store.purge``."""
        self._check_open()
        async with self._turn, self._held() as store:
            await store.purge(now_ms)

    async def close(self) -> None:
        """See ``Store.close``. What waits for its turn is written first."""
        self._is_closed = True
        async with self._turn:
            return

    def _check_open(self) -> None:
        if self._is_closed:
            raise closed()

    async def _ask(self, question: Callable[[Store], Awaitable[T]]) -> T:
        self._check_open()
        if not self._path.is_file():
            return await question(MemoryStore())
        store = await SqliteStore.open(self._path, read_only=True)
        try:
            return await question(store)
        finally:
            await store.close()

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[SqliteStore]:
        store = await self._opened()
        try:
            yield store
        finally:
            await store.close()

    async def _opened(self) -> SqliteStore:
        pause_s = PAUSE_S
        for left in range(TRIES_MAX - 1, -1, -1):
            try:
                return await SqliteStore.open(self._path)
            except InUseError:
                if not left:
                    raise
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MOST_S)
        raise AssertionError("the last try returns or raises")
