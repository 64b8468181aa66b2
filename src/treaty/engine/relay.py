"""A relay: parties that have no port leave envelopes for one another, and fetch them.

Laws:

1. Nothing is kept that was not verified, and only what was verified is kept. A repeat is found by
   message hash and recovered signer, *after* verification, so a tampered copy cannot stand in
   the way of the genuine one, and one message has one place whatever its signature's spelling.
2. One signer has ``PER_PARTY_MAX`` places in a transaction, ``PER_SIGNER_MAX`` in the relay and
   ``PER_MINUTE`` posts a minute. A place is taken before anything is waited for, so no race goes
   beyond. Everybody together has ``MESSAGES_MAX``; a full relay refuses and forgets nobody early.
3. Cursors only grow, also over a restart with an empty store, and a message is shown when it and
   all before it are durable: who reads on from a cursor misses nothing.
4. What was accepted is kept for a day, and not longer.
5. A read is signed and used once, and shows what the reader is a party to; an open relay shows
   everything to everybody, as the peer's does.

Messages are tasks of the store, due when they lapse: a node's outbox drops those it does not know.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from treaty.engine.ports import Nonce, Store, Task, Unit
from treaty.errors import Refused, UnavailableError
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json

TASK: Final = "relay"
KEPT_MS: Final = 86_400_000
PER_PARTY_MAX: Final = 50
PER_SIGNER_MAX: Final = 2_000
PER_MINUTE: Final = 60
MINUTE_MS: Final = 60_000
MESSAGES_MAX: Final = 20_000
SIGNERS_MAX: Final = 10_000
"""Signers whose rate is remembered; whoever was quiet longest is forgotten first."""
PAGE_MAX: Final = 50
INBOX_PAGE_MAX: Final = 100
RECORD_BYTES_MAX: Final = 262_144
READ_SCOPE: Final = "relay/reads"
READ_KEPT_MS: Final = 180_000
STEPS_PER_MS: Final = 1_000
"""Cursors are milliseconds in thousandths, so a relay that lost everything still counts on."""

K = TypeVar("K")


class Posted(Protocol):
    """A verified envelope."""

    @property
    def tx_id(self) -> str:
        """Its transaction, in lower case."""

    @property
    def signer(self) -> str:
        """The account that signed it."""

    @property
    def hash(self) -> str:
        """The hash of everything but the signature."""

    @property
    def parties(self) -> tuple[str, str]:
        """The accounts it is between."""

    @property
    def envelope(self) -> bytes:
        """What is kept and handed on."""


class Reading(Protocol):
    """A verified request to read."""

    @property
    def account(self) -> str:
        """Who reads."""

    @property
    def digest(self) -> bytes:
        """What was signed; used once."""


class RelayDialect(Protocol):
    """What a relay asks of the messages it carries."""

    def read_post(self, raw: bytes, tx_id: str, at_ms: int) -> Posted:
        """Read and verify an envelope. Raises ``WireError``, ``Refused``, ``SignatureError``."""

    def transaction(self, segment: str) -> str:
        """The transaction an address names. Raises ``WireError``."""

    def account(self, did: str) -> str:
        """The account whose inbox an address names. Raises ``WireError``, ``Refused``."""

    def read_reading(self, header: str, tx_id: str | None, at_ms: int) -> Reading:
        """Verify who reads a transaction, or with None an inbox."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One message of the relay."""

    cursor: int
    tx_id: str
    signer: str
    hash: str
    parties: tuple[str, str]
    envelope: bytes
    at_ms: int


class Relay:
    """All messages of one relay. Everything in it is bounded."""

    def __init__(
        self,
        store: Store,
        dialect: RelayDialect,
        clock: Callable[[], int],
        *,
        is_open: bool = False,
    ) -> None:
        self.dialect = dialect
        self.is_open = is_open
        self._store = store
        self._clock = clock
        self._kept: OrderedDict[int, Kept] = OrderedDict()
        self._writing: OrderedDict[int, Kept] = OrderedDict()
        self._known: dict[tuple[str, str], int] = {}
        self._of_party: dict[tuple[str, str], int] = {}
        self._of_signer: dict[str, int] = {}
        self._by_tx: dict[str, deque[int]] = {}
        self._inboxes: dict[str, deque[int]] = {}
        self._posts: OrderedDict[str, deque[int]] = OrderedDict()
        self._last = 0

    async def start(self) -> None:
        """Load what is kept."""
        after = ""
        while tasks := await self._store.tasks(TASK, 1_000, after):
            for task in tasks:
                self._count(kept := _read(task))
                self._show(kept)
            after = tasks[-1].id
        self._lapse()

    @property
    def size(self) -> int:
        """How many messages are kept."""
        return len(self._kept) + len(self._writing)

    async def post(self, raw: bytes, tx_id: str) -> bool:
        """Keep an envelope; True when it is new, False for one that is kept already.

        Raises ``WireError``, ``SignatureError``, ``Refused`` (``path_mismatch``,
        ``session_full``, ``rate_limited``), ``UnavailableError`` (``overloaded``).
        """
        self._lapse()
        posted = self.dialect.read_post(raw, tx_id, self._clock())
        cursor = self._known.get((posted.hash, posted.signer))
        if cursor in self._writing:
            raise UnavailableError("the same message is just being written", "overloaded")
        if cursor is not None:
            return False
        self._check_room(posted)
        kept = self._take_place(posted)
        try:
            await self._store.commit(Unit(put_tasks=(_task(kept),)))
        except BaseException:
            self._uncount(kept)
            raise
        finally:
            self._writing.pop(kept.cursor, None)
        self._show(kept)
        return True

    async def messages(self, tx_id: str, after: int, header: str | None) -> list[Kept]:
        """What was left for a transaction behind a cursor, at most ``PAGE_MAX``.

        Raises ``WireError``, ``SignatureError``, ``Refused``.
        """
        transaction = self.dialect.transaction(tx_id)
        reader = await self._reader(header, transaction)
        return self._page(self._by_tx.get(transaction, ()), after, PAGE_MAX, reader)

    async def inbox(self, did: str, after: int, header: str | None) -> list[Kept]:
        """What is for or by an account behind a cursor, at most ``INBOX_PAGE_MAX``.

        Raises as ``messages`` does, and ``unauthorized`` for somebody else's inbox.
        """
        account = self.dialect.account(did)
        reader = await self._reader(header, None)
        if reader not in (None, account):
            raise Refused("this is somebody else's inbox", "unauthorized")
        return self._page(self._inboxes.get(account, ()), after, INBOX_PAGE_MAX, reader)

    async def _reader(self, header: str | None, tx_id: str | None) -> str | None:
        """The account that reads; None where everybody may."""
        if self.is_open:
            return None
        now_ms = self._clock()
        reading = self.dialect.read_reading(header or "", tx_id, now_ms)
        nonce = Nonce(READ_SCOPE, reading.digest.hex(), now_ms + READ_KEPT_MS)
        await self._store.commit(Unit(nonces=(nonce,)))
        return reading.account

    def _page(
        self, cursors: Sequence[int] | deque[int], after: int, most: int, reader: str | None
    ) -> list[Kept]:
        self._lapse()
        # What is still being written will stand before whatever is behind it.
        horizon = min(self._writing, default=None)
        page: list[Kept] = []
        for cursor in _behind(cursors, after):
            if horizon is not None and cursor > horizon:
                break
            kept = self._kept[cursor]
            if reader is None or reader in kept.parties:
                page.append(kept)
            if len(page) == most:
                break
        return page

    def _check_room(self, posted: Posted) -> None:
        signer, now_ms = posted.signer, self._clock()
        if self._of_party.get((posted.tx_id, signer), 0) >= PER_PARTY_MAX:
            raise Refused("per-tx message cap reached", "session_full")
        if self._of_signer.get(signer, 0) >= PER_SIGNER_MAX:
            raise Refused("too many messages of this signer are kept", "session_full")
        if self.size >= MESSAGES_MAX:
            raise UnavailableError("the relay is full", "overloaded")
        posts = self._posts.setdefault(signer, deque())
        while posts and posts[0] <= now_ms - MINUTE_MS:
            posts.popleft()
        if len(posts) >= PER_MINUTE:
            wait_ms = posts[0] + MINUTE_MS - now_ms
            raise Refused("too many posts of this signer", "rate_limited",
                          data={"retryAfterMs": wait_ms})  # fmt: skip
        posts.append(now_ms)
        self._posts.move_to_end(signer)
        if len(self._posts) > SIGNERS_MAX:
            self._posts.popitem(last=False)

    def _take_place(self, posted: Posted) -> Kept:
        now_ms = self._clock()
        cursor = max(self._last + 1, now_ms * STEPS_PER_MS)
        kept = Kept(
            cursor, posted.tx_id, posted.signer, posted.hash, posted.parties, posted.envelope,
            now_ms,
        )  # fmt: skip
        self._writing[cursor] = kept
        self._count(kept)
        return kept

    def _count(self, kept: Kept) -> None:
        self._last = max(self._last, kept.cursor)
        self._known[kept.hash, kept.signer] = kept.cursor
        party = (kept.tx_id, kept.signer)
        self._of_party[party] = self._of_party.get(party, 0) + 1
        self._of_signer[kept.signer] = self._of_signer.get(kept.signer, 0) + 1

    def _uncount(self, kept: Kept) -> None:
        del self._known[kept.hash, kept.signer]
        _less(self._of_party, (kept.tx_id, kept.signer))
        _less(self._of_signer, kept.signer)

    def _show(self, kept: Kept) -> None:
        self._kept[kept.cursor] = kept
        _insert(self._by_tx.setdefault(kept.tx_id, deque()), kept.cursor)
        for party in kept.parties:
            _insert(self._inboxes.setdefault(party, deque()), kept.cursor)

    def _lapse(self) -> None:
        """Forget what is older than a day; the store's rows end by themselves."""
        oldest_ms = self._clock() - KEPT_MS
        while self._kept:
            kept = self._kept[next(iter(self._kept))]
            if kept.at_ms > oldest_ms:
                return
            del self._kept[kept.cursor]
            self._uncount(kept)
            _drop(self._by_tx, kept.tx_id, kept.cursor)
            for party in kept.parties:
                _drop(self._inboxes, party, kept.cursor)


def _behind(cursors: Sequence[int] | deque[int], after: int) -> Iterable[int]:
    return (cursor for cursor in tuple(cursors) if cursor > after)


def _insert(cursors: deque[int], cursor: int) -> None:
    """Keep the order of cursors although commits may end in another."""
    behind = []
    while cursors and cursors[-1] > cursor:
        behind.append(cursors.pop())
    cursors.append(cursor)
    cursors.extend(reversed(behind))


def _less(counts: dict[K, int], key: K) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]


def _drop(index: dict[str, deque[int]], key: str, cursor: int) -> None:
    cursors = index[key]
    cursors.remove(cursor)
    if not cursors:
        del index[key]


def _task(kept: Kept) -> Task:
    record: dict[str, Json] = {
        "cursor": kept.cursor, "txId": kept.tx_id, "signer": kept.signer, "hash": kept.hash,
        "consumer": kept.parties[0], "provider": kept.parties[1], "atMs": kept.at_ms,
        "envelope": kept.envelope.decode("utf-8"),
    }  # fmt: skip
    name = f"{TASK}/{kept.cursor:016d}"
    return Task(name, TASK, kept.at_ms + KEPT_MS, canonical(record))


def _read(task: Task) -> Kept:
    record = read_json(task.payload, size_max=RECORD_BYTES_MAX)
    assert isinstance(record, dict)
    return Kept(
        fields.integer(record, "cursor"),
        fields.text(record, "txId"),
        fields.text(record, "signer"),
        fields.text(record, "hash"),
        (fields.text(record, "consumer"), fields.text(record, "provider")),
        fields.text(record, "envelope", chars_max=RECORD_BYTES_MAX).encode("utf-8"),
        fields.integer(record, "atMs"),
    )
