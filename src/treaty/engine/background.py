"""Work that takes time: done beside the outbox, each piece under a lease in the store (B13).

A fetch may take seconds, and timers must not wait for it. So the task that asks for one is put
off by a lease, in the store, and worked on in the background; when the work is done its own
transaction ends the task. A node that stops in between finds the task again when the lease is
over: at least once, and the fold takes a result once.

Read next: ``checks`` and ``sampling``, which fetch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from typing import Any, Final, TypeVar

from treaty.engine.desk import Desk
from treaty.engine.ports import Task, Unit
from treaty.errors import TreatyError

LEASE_MS: Final = 60_000
"""How long a fetch may take before another try may begin."""
BUSY_MS: Final = 1_000
IN_FLIGHT_MAX: Final = 64
"""Fetches at a time; further ones wait."""


T = TypeVar("T")


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Do several things at once and wait for all of them."""
    return await asyncio.gather(*work)


class Background:
    """Works on tasks beside the outbox, each at most once at a time in this process."""

    def __init__(self, desk: Desk, complain: Callable[[str], None]) -> None:
        self._desk = desk
        self._complain = complain
        self._running: dict[str, asyncio.Task[None]] = {}

    async def begin(self, task: Task, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Put the task off by a lease and begin, unless it is being worked on."""
        busy = task.id in self._running or len(self._running) >= IN_FLIGHT_MAX
        wait_ms = BUSY_MS if busy else LEASE_MS
        leased = replace(task, due_ms=self._desk.clock() + wait_ms)
        await self._desk.store.commit(Unit(put_tasks=(leased,)))
        if not busy:
            self._running[task.id] = asyncio.create_task(self._work(task.id, work))

    async def _work(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except TreatyError as error:
            # The lease runs out and the task is found again.
            self._complain(f"{name} failed ({error.code}: {error.detail})")
        finally:
            self._running.pop(name, None)

    def cancel(self) -> None:
        """Stop what is under way; the leases bring it back in a later life."""
        for running in tuple(self._running.values()):
            running.cancel()
