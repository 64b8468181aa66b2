"""The outbox: tasks and timers leave the store here, at least once, when they are due.

Every handler ends its task in the same transaction that does its work, so a repeat finds
nothing to do (step 7 of the life of a message). A handler that fails is tried again later,
with growing pauses; it never stops the others.

Tasks of the kinds in ``at_once`` that are due at once are run at once: each is about a session
of its own, and the store writes them with one flush of the disk. Others wait for each other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

from treaty.engine.background import together
from treaty.engine.desk import Bell, Desk
from treaty.engine.ports import Task, Unit
from treaty.errors import TreatyError
from treaty.wire.instants import format_instant

BATCH: Final = 100
FAILING_MAX: Final = 9_900
"""Tasks that are put off at a time; with a batch behind them they are what a store hands out."""
IDLE_MS: Final = 250
"""Longest sleep between two looks at the clock: it may jump (B10)."""
PAUSE_MS: Final = 500
PAUSE_MOST_MS: Final = 60_000

Handler = Callable[[Task], Awaitable[None]]
Complain = Callable[[str], None]
Pulse = Callable[[], Awaitable[None]]
"""What is to be done in every round, whatever the clock of the machine does."""


class Outbox:
    """Runs due tasks until stopped."""

    def __init__(
        self,
        desk: Desk,
        handlers: Mapping[str, Handler],
        complain: Complain,
        pulse: Pulse,
        at_once: Collection[str] = (),
    ) -> None:
        self._at_once = frozenset(at_once)
        self._desk = desk
        self._handlers = handlers
        self._complain = complain
        self._pulse = pulse
        self._put_off: dict[str, tuple[int, int]] = {}
        """Task -> (not before, failures so far)."""
        self._news = Bell()
        self._awake_at_ms = 0
        desk.on_task = self._hear

    async def run(self) -> None:
        """Work until cancelled; a store that cannot be reached is asked again."""
        while True:
            try:
                await self._pulse()
                worked = await self.run_due()
                wait_ms = 0 if worked else await self._wait_ms()
            except TreatyError as error:
                self._complain(f"the outbox waits for the store ({error.code}: {error.detail})")
                wait_ms = PAUSE_MS
            if wait_ms:
                await self._news.wait(wait_ms / 1000)

    async def _wait_ms(self) -> int:
        # From here on whatever is scheduled for less than the longest wait is heard of.
        self._awake_at_ms = self._desk.clock() + IDLE_MS
        due_ms = await self._desk.store.next_due_ms()
        if due_ms is None or self._put_off:
            return IDLE_MS
        return max(1, min(IDLE_MS, due_ms - self._desk.clock()))

    def _hear(self, due_ms: int) -> None:
        """Something was scheduled: look again, unless the next look comes early enough."""
        if due_ms < self._awake_at_ms:
            self._news.ring()

    async def run_due(self) -> int:
        """Run what is due now; returns how many tasks did their work."""
        now_ms = self._desk.clock()
        # Those that are put off stay due: they are asked for on top of the batch.
        limit = BATCH + len(self._put_off)
        tasks = await self._desk.store.due_tasks(now_ms, limit)
        if len(tasks) < limit:
            due = {task.id for task in tasks}
            self._put_off = {name: one for name, one in self._put_off.items() if name in due}
        ready = [task for task in tasks if not self._waits(task, now_ms)]
        at_once = [one for one in ready[:BATCH] if one.kind in self._at_once]
        done = sum(await together(self._run(task, now_ms) for task in at_once))
        for task in ready[:BATCH]:
            if task.kind not in self._at_once:
                done += await self._run(task, now_ms)
        return done

    def _waits(self, task: Task, now_ms: int) -> bool:
        """True while a task is put off; a wait beyond the longest means the clock went back."""
        not_before_ms = self._put_off.get(task.id, (0, 0))[0]
        return 0 < not_before_ms - now_ms <= PAUSE_MOST_MS

    async def _run(self, task: Task, now_ms: int) -> bool:
        handler = self._handlers.get(task.kind)
        if handler is None:
            await self._desk.store.commit(Unit(drop_tasks=(task.id,)))
            return True
        try:
            await handler(task)
        except TreatyError as error:
            self._later(task, now_ms, error)
            return False
        self._put_off.pop(task.id, None)
        return True

    def _later(self, task: Task, now_ms: int, error: TreatyError) -> None:
        tries = self._put_off.get(task.id, (0, 0))[1] + 1
        pause_ms = min(PAUSE_MOST_MS, PAUSE_MS * 2 ** min(tries, 10))
        if len(self._put_off) < FAILING_MAX:
            self._put_off[task.id] = (now_ms + pause_ms, tries)
        self._complain(
            f"task {task.kind} failed ({error.code}: {error.detail}); "
            f"next try at {format_instant(now_ms + pause_ms)}"
        )
