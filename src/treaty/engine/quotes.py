"""The provider's quote desk: counters and requests in, signed replies out, everything durable.

The life of a message: its bytes are looked up by digest (a repeat is answered from the stream
at once); it is read, verified, and bound to its transaction; inside one decision its nonce is
used up, the policy is asked, the reply signed and written with the bytes as received. Then the
answer leaves.

Laws:

1. A refused message changes nothing and uses nothing up, its nonce neither.
2. A nonce stands for one message of its signer. The same message again, in whatever bytes, is
   verified and given the stored reply; another message is ``nonce_conflict`` (9.2).
3. A negotiation belongs to the account that opened it, its rounds are never forgotten, and
   nothing of it stays in memory once it has ended.
4. Open negotiations are bounded, for everybody and for one signer (9.6). They are tasks in the
   store, so a restart finds them again, and the outbox ends them when their time is over.

Read next: ``channels`` for the streams, ``quote_reading`` for what the parties may see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from treaty.engine.channels import (
    STREAM,
    Channel,
    Known,
    Written,
    channel_kind,
    channel_stream,
    read_record,
    write_record,
)
from treaty.engine.desk import Desk
from treaty.engine.issued import Issued
from treaty.engine.ports import Task
from treaty.engine.quote_dialect import (
    ChainTransaction,
    ChainView,
    CounterVerifying,
    Decider,
    Heard,
    QuoteDialect,
)
from treaty.engine.quote_nonces import SeenNonces
from treaty.engine.quote_reading import QuoteReaders
from treaty.engine.quote_timers import OpenQuotes
from treaty.engine.transaction import Transaction
from treaty.errors import Refused
from treaty.wire.canonical import Json
from treaty.wire.digest import sha256

MESSAGES_MAX: Final = 64
"""Messages that are heard in one negotiation."""
CHANGED_MAX: Final = 4
"""How often a decider is asked again because the negotiation moved while it thought."""


@dataclass(frozen=True, slots=True)
class Selling:
    """What a node needs to sell: its side of the dialect, and what it may ask."""

    dialect: QuoteDialect
    view: ChainView | None = None
    """None: transactions are not looked up, and a stranger's counter may open one."""
    decider: Decider | None = None
    verifying: CounterVerifying | None = None
    """None: every counter is verified where it is decided on."""


@dataclass(frozen=True, slots=True)
class Told:
    """An answer: the record that was written, and whether it was told before."""

    record: dict[str, Json]
    is_repeat: bool
    chain_id: int
    tx_id: str

    @property
    def reply(self) -> Json:
        """The signed reply in its envelope, or None."""
        return self.record.get("reply")

    @property
    def verdict(self) -> Json:
        """What was decided, for a counter."""
        return self.record.get("verdict")


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A verified message and where it came in."""

    heard: Heard
    raw: bytes
    digest: str
    chain_id: int
    tx_id: str
    transaction: ChainTransaction | None
    at_ms: int
    took: list[str] = field(default_factory=list)
    """The place that was taken for it; empty again as soon as that is durable."""

    @property
    def stream(self) -> str:
        return channel_stream(self.chain_id, self.tx_id)


class Quotes:
    """The negotiations of one provider."""

    def __init__(self, desk: Desk, selling: Selling) -> None:
        self.selling = selling
        self.dialect = dialect = selling.dialect
        self.readers = QuoteReaders(desk, dialect)
        self._desk = desk
        self._issued = Issued()
        self._seen = SeenNonces(desk, dialect)
        self._open = OpenQuotes(desk, dialect)
        self._under_way = 0
        """Counters that are being answered now."""
        desk.register(STREAM, channel_kind(dialect))

    @property
    def active(self) -> int:
        """How many negotiations are open now."""
        return self._open.active

    async def start(self) -> None:
        """Load the nonces given so far and the negotiations that are open."""
        for chain_id in self.dialect.chain_ids:
            for reply_type in self.dialect.reply_types:
                await self._issued.load(self._desk.store, self._scope(chain_id, reply_type))
        await self._open.load()

    async def counter(self, raw: bytes, chain_id: int, tx_id: str) -> Told:
        """Answer a counter-offer that was posted to the address of a transaction.

        Raises ``WireError``, ``SignatureError``, ``Refused``, ``UnavailableError``; then nothing
        has changed.
        """
        digest = sha256(raw).hex()
        if self.selling.view is None and self.selling.decider is None:
            return await self._at_once(raw, digest, chain_id, tx_id)
        stored = await self._stored(digest, chain_id, tx_id)
        if stored is not None:
            return stored
        message = self.dialect.read_counter(raw, bare=False)
        return await self._counter(message, raw, digest, chain_id, tx_id)

    async def bare_counter(self, raw: bytes) -> Told:
        """Answer a counter-offer without envelope or address; it says itself where it belongs."""
        digest = sha256(raw).hex()
        message = self.dialect.read_counter(raw, bare=True)
        chain_id, tx_id = self.dialect.place_of(message)
        stored = await self._stored(digest, chain_id, tx_id)
        if stored is not None:
            return stored
        return await self._counter(message, raw, digest, chain_id, tx_id)

    async def request(self, raw: bytes) -> Told:
        """Answer a request for a quote; the first answer for a transaction is final.

        Raises as ``counter`` does, ``quote_declined`` when no quote is given.
        """
        digest = sha256(raw).hex()
        message = self.dialect.read_request(raw)
        chain_id, tx_id = self.dialect.place_of(message)
        stored = await self._stored(digest, chain_id, tx_id)
        if stored is None:
            at_ms = self._desk.clock()
            heard = self.dialect.verify_request(message, at_ms)
            on_chain = await self._look_up(chain_id, tx_id)
            arrival = _Arrival(heard, raw, digest, chain_id, tx_id, on_chain, at_ms)
            stored = await self._tell(arrival, self._hear_request)
        if stored.reply is None:
            raise Refused("no quote is given at these terms", self.dialect.quote_declined)
        return stored

    async def expire(self, task: Task) -> None:
        """End a negotiation whose time is over; the outbox calls this."""
        await self._open.expire(task)

    async def _stored(self, digest: str, chain_id: int, tx_id: str) -> Told | None:
        """The answer to these very bytes, if they came before."""
        stream = channel_stream(chain_id, tx_id)
        channel: Channel = await self._desk.state(stream)
        known = channel.by_digest(digest)
        if known is None:
            return None
        return await self._repeat(known, chain_id, tx_id)

    async def _repeat(self, known: Known, chain_id: int, tx_id: str) -> Told:
        stream = channel_stream(chain_id, tx_id)
        entries = await self._desk.store.read(stream, known.position - 1, 1)
        return Told(read_record(entries[0]), True, chain_id, tx_id)

    async def _counter(
        self, message: Any, raw: bytes, digest: str, chain_id: int, tx_id: str
    ) -> Told:
        at_ms = self._desk.clock()
        heard = self.dialect.verify_counter(message, chain_id, tx_id, at_ms)
        on_chain = await self._look_up(chain_id, tx_id)
        arrival = _Arrival(heard, raw, digest, chain_id, tx_id, on_chain, at_ms)
        decider = self.selling.decider
        try:
            if decider is None:
                return await self._tell(arrival, self._hear_counter)
            return await self._ask(decider, arrival)
        except Refused as refusal:
            raise await self._seen.refusal(heard, chain_id, refusal) from None

    async def _at_once(self, raw: bytes, digest: str, chain_id: int, tx_id: str) -> Told:
        """The same where nobody else is asked: one decision from the digest to the reply.

        The stream is then loaded once; that is a read less for whatever is new.
        """
        stream = channel_stream(chain_id, tx_id)
        arrivals: list[_Arrival] = []
        verified: list[Heard] = []

        async def verify(transaction: Transaction) -> None:
            if transaction.state(stream).by_digest(digest) is None:
                verified[:] = await self._beside(raw, chain_id, tx_id, transaction.now_ms)

        def hear(transaction: Transaction) -> Known | dict[str, Json]:
            known = transaction.state(stream).by_digest(digest)
            if known is not None:
                return known  # type: ignore[no-any-return]
            at_ms = transaction.now_ms
            heard = verified[0] if verified else self._verify(raw, chain_id, tx_id, at_ms)
            arrivals.append(_Arrival(heard, raw, digest, chain_id, tx_id, None, at_ms))
            return self._hear_counter(arrivals[-1], transaction)

        self._under_way += 1
        try:
            before = None if self.selling.verifying is None else verify
            told = await self._desk.transact((stream,), hear, before=before)
        except Refused as refusal:
            heard = arrivals[-1].heard if arrivals else None
            raise await self._seen.refusal(heard, chain_id, refusal) from None
        finally:
            self._under_way -= 1
            self._give_back(arrivals)
        if isinstance(told, Known):
            return await self._repeat(told, chain_id, tx_id)
        return Told(told, False, chain_id, tx_id)

    async def _beside(self, raw: bytes, chain_id: int, tx_id: str, at_ms: int) -> Sequence[Heard]:
        """The counter, if it was verified beside the loop."""
        verifying = self.selling.verifying
        if verifying is None:
            return ()
        heard = await verifying.counter(raw, chain_id, tx_id, at_ms, self._under_way)
        return () if heard is None else (heard,)

    def _verify(self, raw: bytes, chain_id: int, tx_id: str, at_ms: int) -> Heard:
        message = self.dialect.read_counter(raw, bare=False)
        return self.dialect.verify_counter(message, chain_id, tx_id, at_ms)

    def _give_back(self, arrivals: Sequence[_Arrival]) -> None:
        """Give back the places that were taken and did not become durable."""
        for arrival in arrivals:
            for name in arrival.took:
                self._open.give(name)

    async def _look_up(self, chain_id: int, tx_id: str) -> ChainTransaction | None:
        view = self.selling.view
        if view is None:
            return None
        found = await view.transaction(chain_id, tx_id)
        if found is None:
            raise Refused("the kernel has no such transaction", "not_found")
        return found

    async def _ask(self, decider: Decider, arrival: _Arrival) -> Told:
        """Let the provider's own decider speak, on a negotiation that stands still meanwhile."""
        for _ in range(CHANGED_MAX):
            channel: Channel = await self._desk.state(arrival.stream)
            if channel.by_hash(arrival.heard) is None:
                self._check(channel, arrival)
            state, heard, on_chain = channel.state, arrival.heard, arrival.transaction
            context = self.dialect.context(state, heard, on_chain, arrival.at_ms)
            hear = partial(
                self._hear_counter, proposed=await decider(context), asked_at=len(channel.known)
            )
            try:
                return await self._tell(arrival, hear)
            except _MovedError:
                continue
        raise Refused("this negotiation moves too fast to decide on", "position_held")

    async def _tell(
        self, arrival: _Arrival, hear: Callable[[_Arrival, Transaction], Known | dict[str, Json]]
    ) -> Told:
        try:
            told = await self._desk.transact((arrival.stream,), partial(hear, arrival))
        finally:
            self._give_back((arrival,))
        if isinstance(told, Known):
            return await self._repeat(told, arrival.chain_id, arrival.tx_id)
        return Told(told, False, arrival.chain_id, arrival.tx_id)

    def _hear_counter(
        self,
        arrival: _Arrival,
        transaction: Transaction,
        *,
        proposed: object = None,
        asked_at: int | None = None,
    ) -> Known | dict[str, Json]:
        channel: Channel = transaction.state(arrival.stream)
        known = channel.by_digest(arrival.digest) or channel.by_hash(arrival.heard)
        if known is not None:
            return known
        if asked_at not in (None, len(channel.known)):
            raise _MovedError
        self._check(channel, arrival)
        heard = arrival.heard
        state, on_chain, at_ms = channel.state, arrival.transaction, arrival.at_ms
        decision = self.dialect.decide(state, heard, on_chain, at_ms, proposed)
        return self._write(transaction, channel, arrival, decision)

    def _hear_request(self, arrival: _Arrival, transaction: Transaction) -> Known | dict[str, Json]:
        channel: Channel = transaction.state(arrival.stream)
        heard, on_chain, at_ms = arrival.heard, arrival.transaction, arrival.at_ms
        self.dialect.check(channel.state, heard, on_chain, at_ms)
        if channel.known:
            # Whatever is asked for now, the first answer stands.
            return channel.known[0]
        decision = self.dialect.decide(channel.state, heard, on_chain, at_ms, None)
        return self._write(transaction, channel, arrival, decision)

    def _check(self, channel: Channel, arrival: _Arrival) -> None:
        if arrival.heard.nonce is not None and channel.used_for(arrival.heard) is not None:
            # The store tells which nonce is free; see ``SeenNonces.refusal``.
            raise Refused("the nonce was used for another message", "duplicate")
        if len(channel.known) >= MESSAGES_MAX:
            raise Refused(f"{MESSAGES_MAX} messages were heard in this negotiation", "session_full")
        self.dialect.check(channel.state, arrival.heard, arrival.transaction, arrival.at_ms)

    def _write(
        self, transaction: Transaction, channel: Channel, arrival: _Arrival, decision: Any
    ) -> dict[str, Json]:
        heard, stream, dialect = arrival.heard, arrival.stream, self.dialect
        if self._open.take(stream, channel.state, heard.signer, arrival.at_ms):
            arrival.took.append(stream)
            transaction.afterwards(arrival.took.clear)
        reply_type = dialect.reply_type(decision)
        nonce = None
        if reply_type is not None:
            scope = self._scope(arrival.chain_id, reply_type)
            nonce = self._issued.give(transaction, scope)
        answer = dialect.answer(channel.state, heard, decision, nonce, arrival.at_ms)
        known = Known(
            arrival.digest,
            heard.hash,
            heard.signer,
            heard.type,
            heard.nonce,
            transaction.position(stream) + 1,
        )
        record = dict(answer.record)
        written = Written(record, known, answer.parsed)
        body = write_record(record, known)
        transaction.append(stream, answer.kind, body, arrival.raw, written)
        consumed = self._seen.consumed(heard, arrival.chain_id, arrival.at_ms)
        if consumed is not None:
            transaction.consume(consumed)
        self._open.follow(transaction, stream, channel.state)
        return record

    def _scope(self, chain_id: int, message_type: str) -> str:
        kernel = self.dialect.kernel(chain_id)
        return f"{chain_id}/{kernel}/{self.dialect.provider}/{message_type}"


class _MovedError(Exception):
    """The negotiation moved while a decider thought about it."""
