"""The outbox: tasks and timers leave the store here, at least once, when they are due.

Every handler ends its task in the same transaction that does its work, so a repeat finds
nothing to do (step 7 of the life of a message). A handler that fails is tried again later,
with growing pauses; it never stops the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from treaty.engine.desk import Desk
from treaty.engine.ports import Task, Unit
from treaty.errors import TreatyError
from treaty.wire.instants import format_instant

BATCH: Final = 100
IDLE_MS: Final = 250
"""Longest sleep between two looks at the clock: it may jump (B10)."""
PAUSE_MS: Final = 500
PAUSE_MOST_MS: Final = 60_000

Handler = Callable[[Task], Awaitable[None]]
Complain = Callable[[str], None]


class Outbox:
    """Runs due tasks until stopped."""

    def __init__(self, desk: Desk, handlers: Mapping[str, Handler], complain: Complain) -> None:
        self._desk = desk
        self._handlers = handlers
        self._complain = complain
        self._failures: dict[str, tuple[int, int]] = {}
        self._news = asyncio.Event()
        desk.on_task = self._news.set

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            worked = await self.run_due()
            if worked:
                continue
            self._news.clear()
            wait_ms = await self._wait_ms()
            try:
                async with asyncio.timeout(wait_ms / 1000):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _wait_ms(self) -> int:
        due_ms = await self._desk.store.next_due_ms()
        if due_ms is None:
            return IDLE_MS
        return max(1, min(IDLE_MS, due_ms - self._desk.clock()))

    async def run_due(self) -> int:
        """Run what is due now; returns how many tasks did their work."""
        now_ms = self._desk.clock()
        tasks = await self._desk.store.due_tasks(now_ms, BATCH)
        ready = [task for task in tasks if self._failures.get(task.id, (0, 0))[0] <= now_ms]
        done = 0
        for task in ready:
            done += await self._run(task, now_ms)
        return done

    async def _run(self, task: Task, now_ms: int) -> bool:
        handler = self._handlers.get(task.kind)
        if handler is None:
            await self._desk.store.commit(Unit(drop_tasks=(task.id,)))
            return True
        try:
            await handler(task)
        except TreatyError as error:
            self._put_off(task, now_ms, error)
            return False
        self._failures.pop(task.id, None)
        return True

    def _put_off(self, task: Task, now_ms: int, error: TreatyError) -> None:
        tries = self._failures.get(task.id, (0, 0))[1] + 1
        pause_ms = min(PAUSE_MOST_MS, PAUSE_MS * 2 ** min(tries, 10))
        self._failures[task.id] = (now_ms + pause_ms, tries)
        self._complain(
            f"task {task.kind} failed ({error.code}: {error.detail}); "
            f"next try at {format_instant(now_ms + pause_ms)}"
        )
