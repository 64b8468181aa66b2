"""A store that forgets at exit: the same contract as on disk, and nothing durable.

For tests, for the simulator and for trying things out. Nothing in it waits, so a unit is
whole because nobody else runs while it is written.

Read next: ``sqlite.py``, which keeps the same promises on a disk.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from itertools import islice, takewhile

from treaty.engine.ports import Entry, Nonce, Task, Unit
from treaty.store.units import (
    check_integer,
    check_question,
    check_unit,
    closed,
    lost_race,
    replayed,
)


class MemoryStore:
    """Implements ``engine.ports.Store`` with dictionaries. Make one with ``MemoryStore()``."""

    __slots__ = ("_names", "_nonces", "_open", "_settings", "_streams", "_tasks")

    def __init__(self) -> None:
        self._streams: dict[str, list[Entry]] = {}
        self._names: list[str] = []
        self._nonces: dict[tuple[str, str], Nonce] = {}
        self._tasks: dict[str, Task] = {}
        self._settings: dict[str, bytes] = {}
        self._open = True

    async def commit(self, unit: Unit) -> None:
        """See ``Store.commit``."""
        self._check_open()
        check_unit(unit)
        self._check_positions(unit)
        self._check_nonces(unit)
        for append in unit.appends:
            self._extend(append.stream, append.entries)
        for nonce in unit.nonces:
            self._nonces[nonce.scope, nonce.key] = nonce
        for task_id in unit.drop_tasks:
            self._tasks.pop(task_id, None)
        self._tasks.update((task.id, task) for task in unit.put_tasks)
        self._settings.update(unit.settings)

    async def read(self, stream: str, after: int = 0, limit: int = 1000) -> list[Entry]:
        """See ``Store.read``."""
        self._check_open()
        check_question(limit, after)
        return self._streams.get(stream, [])[after : after + limit]

    async def last(self, stream: str) -> int:
        """See ``Store.last``."""
        self._check_open()
        return len(self._streams.get(stream, ()))

    async def streams(self, prefix: str, after: str = "", limit: int = 1000) -> list[str]:
        """See ``Store.streams``."""
        self._check_open()
        check_question(limit, after)
        start = bisect_right(self._names, after)
        if prefix > after:
            start = bisect_right(self._names, prefix) - (prefix in self._streams)
        named = takewhile(lambda name: name.startswith(prefix), islice(self._names, start, None))
        return list(islice(named, limit))

    async def due_tasks(self, now_ms: int, limit: int = 100) -> list[Task]:
        """See ``Store.due_tasks``."""
        self._check_open()
        check_question(limit, now_ms)
        due = (task for task in self._tasks.values() if task.due_ms <= now_ms)
        return sorted(due, key=lambda task: (task.due_ms, task.id))[:limit]

    async def tasks(self, kind: str, limit: int = 1000, after: str = "") -> list[Task]:
        """See ``Store.tasks``."""
        self._check_open()
        check_question(limit, after)
        those = (task for task in self._tasks.values() if task.kind == kind and task.id > after)
        return sorted(those, key=lambda task: task.id)[:limit]

    async def next_due_ms(self) -> int | None:
        """See ``Store.next_due_ms``."""
        self._check_open()
        return min((task.due_ms for task in self._tasks.values()), default=None)

    async def setting(self, name: str) -> bytes | None:
        """See ``Store.setting``."""
        self._check_open()
        return self._settings.get(name)

    async def nonce(self, scope: str, key: str) -> bytes | None:
        """See ``Store.nonce``."""
        self._check_open()
        known = self._nonces.get((scope, key))
        return None if known is None else known.value

    async def purge(self, now_ms: int) -> None:
        """See ``Store.purge``."""
        self._check_open()
        check_integer(now_ms)
        kept = {place: known for place, known in self._nonces.items() if known.expires_ms >= now_ms}
        self._nonces = kept

    async def close(self) -> None:
        """See ``Store.close``."""
        self._open = False

    def _check_open(self) -> None:
        if not self._open:
            raise closed()

    def _check_positions(self, unit: Unit) -> None:
        lasts: dict[str, int] = {}
        for append in unit.appends:
            last = lasts.get(append.stream, len(self._streams.get(append.stream, ())))
            if append.after != last:
                raise lost_race(append.stream, append.after, last)
            lasts[append.stream] = last + len(append.entries)

    def _check_nonces(self, unit: Unit) -> None:
        taken: set[tuple[str, str]] = set()
        for nonce in unit.nonces:
            place = (nonce.scope, nonce.key)
            if place in self._nonces or place in taken:
                raise replayed(*place)
            taken.add(place)

    def _extend(self, stream: str, entries: tuple[Entry, ...]) -> None:
        if not entries:
            return
        if stream not in self._streams:
            self._streams[stream] = []
            insort(self._names, stream)
        self._streams[stream].extend(entries)
