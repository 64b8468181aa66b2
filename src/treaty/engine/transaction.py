"""What a decision sees and writes: the states it asked for, the time, and one unit for the store.

Pure: nothing leaves a ``Transaction`` before the desk commits it, and a decision that raises
leaves nothing behind. Streams that a decision finds it needs are asked for by raising
``NeedsError``; it is then made again from the beginning.

Read next: ``desk``, which runs decisions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from treaty.engine.ports import Append, Entry, Nonce, Task, Unit

Fold = Callable[[Any, Entry, object], Any]
"""(state, entry, parsed) -> state; ``parsed`` spares a fresh decision from decoding again."""


Draw = Callable[[int], bytes]
"""n -> n random bytes, or what a simulator wants them to be."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How the streams of one prefix are folded."""

    empty: Callable[[str], Any]
    fold: Fold
    retains: bool = False
    """True for a state that holds on to its entries, so that it weighs what they weigh."""


@dataclass(slots=True)
class Loaded:
    """A stream as far as it was folded."""

    position: int
    state: Any
    held_bytes: int = 0
    """Size of the entries that the state holds on to."""


class NeedsError(Exception):
    """A decision asked for a stream that is not locked yet."""

    def __init__(self, streams: frozenset[str]) -> None:
        super().__init__()
        self.streams = streams


class Transaction:
    """What a decision sees and writes: states, the time, entropy; entries, tasks, nonces."""

    def __init__(
        self,
        loaded: dict[str, Loaded],
        kinds: Callable[[str], Kind],
        due_ms: Callable[[str], int | None],
        *,
        now_ms: int,
        draw: Draw,
    ) -> None:
        self.now_ms = now_ms
        self.entropy = draw
        self._loaded = loaded
        self._kinds = kinds
        self._due_ms = due_ms
        self._states: dict[str, Any] = {}
        self._new: dict[str, list[Entry]] = {}
        self._nonces: list[Nonce] = []
        self._tasks: dict[str, Task | None] = {}
        self._settings: list[tuple[str, bytes]] = []
        self._afterwards: list[Callable[[], None]] = []

    def need(self, *streams: str) -> None:
        """Make sure these streams are locked; the decision starts again when they were not."""
        if not all(map(self._loaded.__contains__, streams)):
            raise NeedsError(frozenset(streams) - self._loaded.keys())

    def _locked(self, stream: str) -> Loaded:
        loaded = self._loaded.get(stream)
        if loaded is None:
            raise NeedsError(frozenset((stream,)))
        return loaded

    def state(self, stream: str) -> Any:
        """The state of a stream, with what this decision has appended so far."""
        loaded = self._locked(stream)
        return self._states.get(stream, loaded.state)

    def position(self, stream: str) -> int:
        """The last position of a stream, with what this decision has appended so far."""
        return self._locked(stream).position + len(self._new.get(stream, ()))

    def append(
        self, stream: str, kind: str, body: bytes, raw: bytes | None = None, parsed: object = None
    ) -> Entry:
        """Write one fact and fold it at once."""
        entry = Entry(stream, self.position(stream) + 1, kind, body, raw)
        self._states[stream] = self._kinds(stream).fold(self.state(stream), entry, parsed)
        self._new.setdefault(stream, []).append(entry)
        return entry

    def consume(self, nonce: Nonce) -> None:
        """Use a nonce up; a used one refuses the whole decision."""
        self._nonces.append(nonce)

    def put_task(self, task: Task) -> None:
        """Schedule an effect or a timer, replacing the one of the same id."""
        self._tasks[task.id] = task

    def put_timer(self, task: Task) -> None:
        """Schedule a timer, unless the store has one of the same id that comes earlier.

        A timer that comes too early finds nothing due and puts itself off, so one that only
        moves later, with every message of a session, is not written every time.
        """
        stored_ms = self._due_ms(task.id)
        early = stored_ms is not None and self.now_ms < stored_ms <= task.due_ms
        if task.id in self._tasks or not early:
            self._tasks[task.id] = task

    def drop_task(self, task_id: str) -> None:
        """Forget a task, also one that this decision has put."""
        self._tasks[task_id] = None

    def put_setting(self, name: str, value: bytes) -> None:
        """Overwrite a small named value."""
        self._settings.append((name, value))

    def afterwards(self, act: Callable[[], None]) -> None:
        """Do this once everything written is durable, even when nobody waits any more."""
        self._afterwards.append(act)

    def unit(self) -> Unit:
        """Everything written, as one unit for the store."""
        appends = tuple(
            Append(stream, self._loaded[stream].position, tuple(entries))
            for stream, entries in self._new.items()
        )
        return Unit(
            appends,
            tuple(self._nonces),
            tuple(task for task in self._tasks.values() if task is not None),
            tuple(name for name, task in self._tasks.items() if task is None),
            tuple(self._settings),
        )

    @property
    def wrote(self) -> bool:
        """True when there is anything to commit."""
        return bool(self._new or self._nonces or self._tasks or self._settings)

    @property
    def tasks(self) -> Mapping[str, Task | None]:
        """The tasks that were put, by id; None for one that was dropped."""
        return self._tasks

    def finish(self) -> None:
        """Do what was to be done afterwards."""
        for act in self._afterwards:
            act()

    def results(self) -> Iterable[tuple[str, Loaded]]:
        """The streams that moved, with their new position and state."""
        for stream, entries in self._new.items():
            held = held_bytes(self._kinds(stream), entries)
            loaded = self._loaded[stream].held_bytes + held
            yield stream, Loaded(entries[-1].position, self._states[stream], loaded)


def held_bytes(kind: Kind, entries: Iterable[Entry]) -> int:
    """How much a state of this kind holds on to of these entries."""
    if not kind.retains:
        return 0
    return sum(len(one.body) + len(one.raw or b"") for one in entries)
