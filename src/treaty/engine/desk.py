"""The desk: load, decide, append, answer. The only engine module that waits for anything.

One call of ``transact`` is one decision: the streams it needs are locked (in this process) and
loaded, a pure function decides on a ``Transaction``, everything it wrote goes to the store as
one unit, and only after the store says *durable* is the answer returned and the news told.

Laws:

1. The answer leaves after the commit (law 11 of the house); a decision that raised wrote nothing.
2. (stream, position) is the lock. A lost race against another process is ``Conflict``: the
   states are loaded afresh and the decision made again, a bounded number of times.
3. Decisions on different streams share commits; the store groups them.
4. Cached states are a fold of durable entries, bounded (``states``), and dropped any time.
5. Who stops waiting does not stop the commit: a stream stays locked until the store has said
   what became of it, so nobody decides on a state that is about to be overtaken.

Read next: ``transaction``, what a decision sees and writes.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

from treaty.engine.ports import Store, Task
from treaty.engine.states import States
from treaty.engine.transaction import (
    Draw,
    Kind,
    Loaded,
    NeedsError,
    Transaction,
    held_bytes,
)
from treaty.errors import Conflict, MisuseError, UnavailableError

__all__ = ["Bell", "Desk", "Draw", "Kind", "Transaction", "Watch"]

TRIES_MAX: Final = 8
DUE_MAX: Final = 4_096
"""Tasks whose due time is remembered."""
READ_PAGE: Final = 1_000

T = TypeVar("T")


def _nobody(_due_ms: int) -> None:
    """Nobody runs tasks yet."""


class Desk:
    """Runs decisions against a store. One per node process."""

    def __init__(self, store: Store, *, clock: Callable[[], int], entropy: Draw) -> None:
        self.store = store
        self.clock = clock
        self.entropy = entropy
        self._kinds: dict[str, Kind] = {}
        self._states = States()
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

    async def transact(
        self,
        streams: Sequence[str],
        decide: Callable[[Transaction], T],
        *,
        before: Callable[[Transaction], Awaitable[None]] | None = None,
    ) -> T:
        """Decide on these streams (and those the decision asks for), durably.

        ``before`` may wait for something under the lock, knowing the states, and writes nothing.
        Raises what ``decide`` raises, ``Refused`` for a used nonce, ``UnavailableError`` when
        the store fails or others win the race too often.
        """
        names = frozenset(streams)
        for _ in range(TRIES_MAX):
            try:
                return await self._try(names, decide, before)
            except NeedsError as need:
                names |= need.streams
            except Conflict:
                continue
        raise UnavailableError("others kept winning the race for these streams", "overloaded")

    async def _try(
        self,
        names: frozenset[str],
        decide: Callable[[Transaction], T],
        before: Callable[[Transaction], Awaitable[None]] | None,
    ) -> T:
        held: list[str] = []
        try:
            # Always in one order, so that two decisions never wait for each other.
            for name in sorted(names):
                await self._lock(name)
                held.append(name)
            loaded = {name: await self._load(name) for name in names}
            transaction = Transaction(
                loaded, self.kind, self.due_ms, now_ms=self.clock(), draw=self.entropy
            )
            if before is not None:
                await before(transaction)
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
        results = tuple(transaction.results())
        for stream, loaded in results:
            self._states.keep(stream, loaded)
        self._schedule(transaction.tasks)
        transaction.finish()
        self._wake(stream for stream, _ in results)

    def _schedule(self, tasks: Mapping[str, Task | None]) -> None:
        """Remember what the store now has, and tell whoever runs it."""
        for name, task in tasks.items():
            self._due.pop(name, None)
            if task is not None:
                self._due[name] = task.due_ms
                self.on_task(task.due_ms)
        while len(self._due) > DUE_MAX:
            self._due.popitem(last=False)

    def due_ms(self, task_id: str) -> int | None:
        """When the store has a task due, if this is remembered."""
        return self._due.get(task_id)

    def _forget(self, names: frozenset[str]) -> None:
        """Whether it was kept is not known, so nothing is believed, and readers look again."""
        for name in names:
            self._states.drop(name)
        self._due.clear()
        self._wake(names)

    def _wake(self, streams: Iterable[str]) -> None:
        if not self._watches:
            return
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
        loaded = self._states.get(stream)
        if loaded is None:
            # Under the lock, so that many readers fold a stream once, and none keeps a state
            # that a writer is about to overtake.
            await self._lock(stream)
            try:
                loaded = await self._load(stream)
            finally:
                self._unlock(stream)
        return loaded.state

    async def _load(self, stream: str) -> Loaded:
        loaded = self._states.get(stream)
        if loaded is not None:
            return loaded
        kind = self.kind(stream)
        loaded = Loaded(0, kind.empty(stream))
        while page := await self.store.read(stream, loaded.position, READ_PAGE):
            for entry in page:
                loaded.state = kind.fold(loaded.state, entry, None)
                loaded.position = entry.position
            loaded.held_bytes += held_bytes(kind, page)
            if len(page) < READ_PAGE:
                break
        # What nobody has written to is not kept: strangers may ask for any name.
        if loaded.position or self._states.is_pinned(stream):
            self._states.keep(stream, loaded)
        return loaded

    async def pin(self, stream: str) -> None:
        """Load a stream and keep its state for good, for ``peek``."""
        self._states.pin(stream)
        await self.state(stream)

    def peek(self, stream: str) -> Any:
        """The state of a pinned stream as this process knows it, without waiting."""
        return self._states.peek(stream)

    def forget(self, stream: str) -> None:
        """Drop a cached state that is not expected to be asked for again."""
        self._states.drop(stream)

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
