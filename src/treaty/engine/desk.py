"""The desk: load, decide, append, answer. The only engine module that waits for anything.

One call of ``transact`` is one decision: the streams it needs are locked (in this process) and
loaded, a pure function decides on a ``Transaction``, everything it wrote goes to the store as
one unit, and only after the store says *durable* is the answer returned and the news told.

Laws:

1. The answer leaves after the commit (law 11 of the house); a decision that raised wrote nothing.
2. (stream, position) is the lock. A lost race against another process is ``Conflict``: the
   states are loaded afresh and the decision made again, a bounded number of times.
3. Decisions on different streams share commits; the store groups them.
4. Cached states are a fold of durable entries, bounded in number, and may be dropped any time.
5. Who stops waiting does not stop the commit: a stream stays locked until the store has said
   what became of it, so nobody decides on a state that is about to be overtaken.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from treaty.engine.ports import Append, Entry, Nonce, Store, Task, Unit
from treaty.errors import Conflict, MisuseError, UnavailableError

TRIES_MAX: Final = 8
STATES_CACHED_MAX: Final = 4_096
READ_PAGE: Final = 1_000

T = TypeVar("T")

Fold = Callable[[Any, Entry, object], Any]
"""(state, entry, parsed) -> state; ``parsed`` spares a fresh decision from decoding again."""


Draw = Callable[[int], bytes]
"""n -> n random bytes, or what a simulator wants them to be."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How the streams of one prefix are folded."""

    empty: Callable[[str], Any]
    fold: Fold


@dataclass(slots=True)
class _Loaded:
    position: int
    state: Any


class _NeedsError(Exception):
    """A decision asked for a stream that is not locked yet."""

    def __init__(self, streams: frozenset[str]) -> None:
        super().__init__()
        self.streams = streams


class Transaction:
    """What a decision sees and writes: states, the time, entropy; entries, tasks, nonces."""

    def __init__(self, desk: Desk, loaded: dict[str, _Loaded]) -> None:
        self.now_ms = desk.clock()
        self.entropy = desk.entropy
        self._loaded = loaded
        self._kinds = desk.kind
        self._due_ms = desk.due_ms
        self._states: dict[str, Any] = {}
        self._new: dict[str, list[Entry]] = {}
        self._nonces: list[Nonce] = []
        self._tasks: dict[str, Task | None] = {}
        self._settings: list[tuple[str, bytes]] = []
        self._afterwards: list[Callable[[], None]] = []

    def need(self, *streams: str) -> None:
        """Make sure these streams are locked; the decision starts again when they were not."""
        if not all(map(self._loaded.__contains__, streams)):
            raise _NeedsError(frozenset(streams) - self._loaded.keys())

    def state(self, stream: str) -> Any:
        """The state of a stream, with what this decision has appended so far."""
        self.need(stream)
        return self._states.get(stream, self._loaded[stream].state)

    def position(self, stream: str) -> int:
        """The last position of a stream, with what this decision has appended so far."""
        self.need(stream)
        return self._loaded[stream].position + len(self._new.get(stream, ()))

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

    def results(self) -> Iterable[tuple[str, _Loaded]]:
        """The streams that moved, with their new position and state."""
        for stream, entries in self._new.items():
            yield stream, _Loaded(entries[-1].position, self._states[stream])


def _nobody(_due_ms: int) -> None:
    """Nobody runs tasks yet."""


class Desk:
    """Runs decisions against a store. One per node process."""

    def __init__(self, store: Store, *, clock: Callable[[], int], entropy: Draw) -> None:
        self.store = store
        self.clock = clock
        self.entropy = entropy
        self._kinds: dict[str, Kind] = {}
        self._cache: OrderedDict[str, _Loaded] = OrderedDict()
        self._pinned: dict[str, Any] = {}
        self._locks: dict[str, deque[asyncio.Future[None]]] = {}
        """Stream -> who waits for its lock. A stream that is not here is not locked."""
        self._due: OrderedDict[str, int] = OrderedDict()
        """Task -> when the store has it due, for the tasks put last."""
        self._watches: dict[str, set[Watch]] = {}
        self.on_task: Callable[[int], None] = _nobody
        """Told after a commit that scheduled something, and for when."""

    def register(self, prefix: str, kind: Kind) -> None:
        """Say how streams called ``<prefix>/…`` are folded. Once per prefix."""
        if prefix in self._kinds:
            raise MisuseError(f"streams called {prefix} are folded already")
        self._kinds[prefix] = kind

    def kind(self, stream: str) -> Kind:
        """How a stream is folded."""
        return self._kinds[stream.partition("/")[0]]

    async def transact(self, streams: Sequence[str], decide: Callable[[Transaction], T]) -> T:
        """Decide on these streams (and those the decision asks for), durably.

        Raises what ``decide`` raises, ``Refused`` for a used nonce, ``UnavailableError`` when
        the store fails or others win the race too often.
        """
        names = frozenset(streams)
        for _ in range(TRIES_MAX):
            try:
                return await self._try(names, decide)
            except _NeedsError as need:
                names |= need.streams
            except Conflict:
                continue
        raise UnavailableError("others kept winning the race for these streams", "overloaded")

    async def _try(self, names: frozenset[str], decide: Callable[[Transaction], T]) -> T:
        held: list[str] = []
        try:
            # Always in one order, so that two decisions never wait for each other.
            for name in sorted(names):
                await self._lock(name)
                held.append(name)
            loaded = {name: await self._load(name) for name in names}
            transaction = Transaction(self, loaded)
            answer = decide(transaction)
            if transaction.wrote:
                await self._commit(names, transaction)
            return answer
        finally:
            for name in held:
                self._unlock(name)

    async def _commit(self, names: frozenset[str], transaction: Transaction) -> None:
        writing = asyncio.ensure_future(self.store.commit(transaction.unit()))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            # Whoever waits for the answer is gone; the entries may well be durable.
            await _outlast(writing)
            self._take(names, transaction, writing)
            raise
        except BaseException:
            self._forget(names)
            raise
        self._take(names, transaction, writing)

    def _take(
        self, names: frozenset[str], transaction: Transaction, writing: asyncio.Future[None]
    ) -> None:
        """Believe what was written, if it was."""
        if not writing.done() or writing.cancelled() or writing.exception() is not None:
            self._forget(names)
            return
        for stream, loaded in transaction.results():
            self._keep(stream, loaded)
        self._schedule(transaction.tasks)
        transaction.finish()
        self._wake(stream for stream, _ in transaction.results())

    def _schedule(self, tasks: Mapping[str, Task | None]) -> None:
        """Remember what the store now has, and tell whoever runs it."""
        for name, task in tasks.items():
            self._due.pop(name, None)
            if task is not None:
                self._due[name] = task.due_ms
                self.on_task(task.due_ms)
        while len(self._due) > STATES_CACHED_MAX:
            self._due.popitem(last=False)

    def due_ms(self, task_id: str) -> int | None:
        """When the store has a task due, if this is remembered."""
        return self._due.get(task_id)

    def _forget(self, names: frozenset[str]) -> None:
        """Whether it was kept is not known, so nothing is believed, and readers look again."""
        for name in names:
            self._cache.pop(name, None)
        self._due.clear()
        self._wake(names)

    def _wake(self, streams: Iterable[str]) -> None:
        for stream in streams:
            for watch in self._watches.get(stream, ()):
                watch.wake()

    async def _lock(self, stream: str) -> None:
        """Take a stream's lock in this process, in the order of asking."""
        waiting = self._locks.get(stream)
        if waiting is None:
            self._locks[stream] = deque()
            return
        turn = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                # The lock was handed over in the same moment: hand it on.
                self._unlock(stream)
            raise

    def _unlock(self, stream: str) -> None:
        """Hand the lock to whoever waited longest, or let it go."""
        waiting = self._locks[stream]
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._locks[stream]

    async def state(self, stream: str) -> Any:
        """The committed state of a stream as of now, for reading."""
        loaded = self._cache.get(stream)
        if loaded is None:
            # Under the lock, so that many readers fold a stream once, and none keeps a state
            # that a writer is about to overtake.
            await self._lock(stream)
            try:
                loaded = await self._load(stream)
            finally:
                self._unlock(stream)
        else:
            self._cache.move_to_end(stream)
        return loaded.state

    async def _load(self, stream: str) -> _Loaded:
        loaded = self._cache.get(stream)
        if loaded is not None:
            self._cache.move_to_end(stream)
            return loaded
        kind = self.kind(stream)
        loaded = _Loaded(0, kind.empty(stream))
        while page := await self.store.read(stream, loaded.position, READ_PAGE):
            for entry in page:
                loaded.state = kind.fold(loaded.state, entry, None)
                loaded.position = entry.position
            if len(page) < READ_PAGE:
                break
        # What nobody has written to is not kept: strangers may ask for any name.
        if loaded.position or stream in self._pinned:
            self._keep(stream, loaded)
        return loaded

    def _keep(self, stream: str, loaded: _Loaded) -> None:
        if stream in self._pinned:
            self._pinned[stream] = loaded.state
        self._cache[stream] = loaded
        self._cache.move_to_end(stream)
        while len(self._cache) > STATES_CACHED_MAX + len(self._pinned):
            oldest = next(iter(self._cache))
            if oldest in self._pinned:
                self._cache.move_to_end(oldest)
            else:
                del self._cache[oldest]

    async def pin(self, stream: str) -> None:
        """Load a stream and keep its state for good, for ``peek``."""
        self._pinned.setdefault(stream, None)
        self._pinned[stream] = await self.state(stream)

    def peek(self, stream: str) -> Any:
        """The state of a pinned stream as this process knows it, without waiting."""
        return self._pinned[stream]

    def forget(self, stream: str) -> None:
        """Drop a cached state that is not expected to be asked for again."""
        self._cache.pop(stream, None)

    def watch(self, stream: str) -> Watch:
        """Be woken when a stream grows; close the watch when done."""
        watch = Watch(self, stream)
        self._watches.setdefault(stream, set()).add(watch)
        return watch

    def unwatch(self, watch: Watch) -> None:
        """Stop waking a watch."""
        watches = self._watches.get(watch.stream)
        if watches is not None:
            watches.discard(watch)
            if not watches:
                del self._watches[watch.stream]


class Bell:
    """Something one coroutine waits for and others ring. Any number of rings wake it once."""

    def __init__(self) -> None:
        self._news = asyncio.Event()

    def ring(self) -> None:
        """Wake the one that waits, now or when it next waits."""
        self._news.set()

    async def wait(self, timeout_s: float) -> bool:
        """Wait for a ring, at most so long. True when there was one."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        return True


class Watch:
    """A waiting reader of one stream. Woken once for any number of new entries."""

    def __init__(self, desk: Desk, stream: str) -> None:
        self.stream = stream
        self._desk = desk
        self._bell = Bell()

    def wake(self) -> None:
        """Tell the reader that the stream has grown."""
        self._bell.ring()

    async def wait(self, timeout_s: float) -> bool:
        """Wait for news, at most so long. True when there is some."""
        return await self._bell.wait(timeout_s)

    def close(self) -> None:
        """Stop watching."""
        self._desk.unwatch(self)


async def _outlast(writing: asyncio.Future[None]) -> None:
    """Wait for a commit whose caller was cancelled; a second cancellation ends the wait."""
    with suppress(asyncio.CancelledError):
        await asyncio.wait((writing,))
