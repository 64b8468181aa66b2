"""An agent's own store: verified copies of its sessions, and what it has learnt.

Entries are kept behind the conversation, in order, by one writer; ``flush`` waits for it. What
a crash loses of the tail, the host gives again, so keeping never holds a deal up.

Streams: ``deal/<session>`` (what the agent knew when the session began, kind ``known``),
``log/<session>`` (receipts and facts), ``learnt/<agent>`` (observations). A task of kind
``session`` stands for each session that still needs attending, one of kind ``dispute`` for each
dispute that waits for its ruling.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from treaty.agent.ports import LogItem
from treaty.engine.ports import Append, Entry, Store, Task, Unit
from treaty.errors import Conflict
from treaty.wire.canonical import Json, canonical, read_json

CURSOR: Final = "inbox"
SESSION: Final = "session"
DISPUTE: Final = "dispute"
PAGE: Final = 1_000


class Copies:
    """Keeps one agent's sessions in its own store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: asyncio.Queue[Unit] = asyncio.Queue()
        self._writer: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write."""
        if self._writer is None:
            self._writer = asyncio.create_task(self._write(), name="keep copies")

    async def _write(self) -> None:
        while True:
            unit = await self._queue.get()
            try:
                await self._store.commit(unit)
            except Conflict:
                # Another process of the same agent may have kept the very same.
                if not await self._is_kept(unit):
                    raise
            self._queue.task_done()

    async def _is_kept(self, unit: Unit) -> bool:
        for append in unit.appends:
            kept = await self._store.read(append.stream, append.after, len(append.entries))
            if kept != list(append.entries):
                return False
        return True

    def _has_failed(self) -> bool:
        """True when the writer has stopped, so that nothing more is waited for in memory."""
        return self._writer is not None and self._writer.done()

    async def flush(self) -> None:
        """Wait until everything said to be kept is kept. Raises what stopped the writer."""
        if self._writer is None:
            return
        waiting = asyncio.create_task(self._queue.join())
        done, _ = await asyncio.wait((waiting, self._writer), return_when=asyncio.FIRST_COMPLETED)
        if waiting not in done:
            waiting.cancel()
            self._writer.result()

    async def stop(self) -> None:
        """Write what is left and stop. Raises what stopped the writer."""
        if self._writer is None:
            return
        try:
            await self.flush()
        finally:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
            self._writer = None

    def keep(self, session: str, item: LogItem, since: int = 0) -> None:
        """Keep one verified entry; returns at once. What became of it ``flush`` tells.

        A copy that begins behind the position ``since`` is kept from 1 on, as every stream is.
        """
        if self._has_failed():
            return
        kind = "receipt" if item.raw is not None else "fact"
        stream = f"log/{session}"
        number = item.position - since
        entry = Entry(stream, number, kind, canonical(dict(item.record)), item.raw)
        self._queue.put_nowait(Unit((Append(stream, number - 1, (entry,)),)))

    async def begin(self, session: str, known: Mapping[str, Json]) -> None:
        """Keep what the agent knew of host and parties when the session began."""
        stream = f"deal/{session}"
        last = await self._store.last(stream)
        entry = Entry(stream, last + 1, "known", canonical(dict(known)))
        task = Task(f"{SESSION}/{session}", SESSION, 0, session.encode())
        await self._store.commit(Unit((Append(stream, last, (entry,)),), put_tasks=(task,)))

    def finish(self, session: str) -> None:
        """Note that a session needs no more attending; its copy stays. Returns at once."""
        if self._has_failed():
            return
        self._queue.put_nowait(Unit(drop_tasks=(f"{SESSION}/{session}",)))

    async def unfinished(self) -> list[str]:
        """Ids of the sessions that still need attending, oldest first."""
        found: list[str] = []
        after = ""
        while tasks := await self._store.tasks(SESSION, PAGE, after):
            found.extend(task.payload.decode() for task in tasks)
            after = tasks[-1].id
        return found

    async def note_dispute(self, dispute: str, session: str, at: int | None = None) -> None:
        """Keep in mind a dispute of a session; ``at`` is how far its inbox was read for these."""
        task = Task(f"{DISPUTE}/{dispute}", DISPUTE, 0, session.encode())
        read = () if at is None else ((DISPUTE, canonical(at)),)
        await self._store.commit(Unit(put_tasks=(task,), settings=read))

    async def drop_dispute(self, dispute: str) -> None:
        """A dispute needs no more attending."""
        await self._store.commit(Unit(drop_tasks=(f"{DISPUTE}/{dispute}",)))

    async def open_disputes(self) -> dict[str, str]:
        """Dispute -> session, of those kept in mind."""
        found: dict[str, str] = {}
        after = ""
        while tasks := await self._store.tasks(DISPUTE, PAGE, after):
            after = tasks[-1].id
            found |= {one.id.removeprefix(f"{DISPUTE}/"): one.payload.decode() for one in tasks}
        return found

    async def known(self, session: str) -> dict[str, Json] | None:
        """What was known when a session began, or None for a session that is not here."""
        entries = await self._store.read(f"deal/{session}")
        body = read_json(entries[-1].body, size_max=len(entries[-1].body)) if entries else None
        return body if isinstance(body, dict) else None

    async def items(self, session: str, since: int = 0) -> list[LogItem]:
        """All kept entries of a session, of which those behind ``since`` were shown."""
        items: list[LogItem] = []
        while page := await self._store.read(f"log/{session}", len(items), PAGE):
            for entry in page:
                record = read_json(entry.body, size_max=len(entry.body))
                assert isinstance(record, dict)
                items.append(LogItem(entry.position + since, record, entry.raw))
        return items

    async def sessions(self) -> list[str]:
        """Ids of all sessions kept here, oldest first."""
        found: list[str] = []
        after = ""
        while names := await self._store.streams("deal/", after):
            found.extend(name.removeprefix("deal/") for name in names)
            after = names[-1]
        return found

    async def cursor(self, name: str = CURSOR) -> int:
        """Position of the last inbox item that was taken up; ``DISPUTE``: for its disputes."""
        value = await self._store.setting(name)
        number = read_json(value) if value else 0
        return number if isinstance(number, int) else 0

    async def set_cursor(self, position: int) -> None:
        """Remember the last inbox item that was taken up."""
        await self._store.commit(Unit(settings=((CURSOR, canonical(position)),)))

    async def learn(self, counterparty: str, observation: Mapping[str, Json]) -> None:
        """Keep a private observation (B21)."""
        stream = f"learnt/{counterparty}"
        last = await self._store.last(stream)
        entry = Entry(stream, last + 1, "observation", canonical(dict(observation)))
        await self._store.commit(Unit((Append(stream, last, (entry,)),)))

    async def learnt(self, counterparty: str) -> list[dict[str, Json]]:
        """Observations about one counterparty, oldest first."""
        found = []
        for entry in await self._store.read(f"learnt/{counterparty}"):
            body = read_json(entry.body, size_max=len(entry.body))
            if isinstance(body, dict):
                found.append(body)
        return found
