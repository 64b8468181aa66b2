"""The session host: keeps the order of a session and signs what it accepted (decision B7).

``submit`` is the life of one message, steps 2 to 6 of the architecture page. Everything the
host does to a session, by message or by timer, is a signed entry in its log.

Laws:

1. A refused message changes nothing and uses nothing up, its id neither.
2. A receipt bears the instant at which signature and proof were judged, so that every reader
   of the log comes to the same judgement.
3. The same bytes are answered with the same receipt, before anything else is looked at.

Read next: ``follow_up``, what the host does after each entry.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from treaty.core.log import Receipt, receipt_body
from treaty.core.rates import UsdRates
from treaty.engine.courtesy import AGENT_BURST, AGENT_PER_SECOND, Holds, Rates
from treaty.engine.desk import Desk, Transaction
from treaty.engine.dialect import MessageVerifying, NamedNode, Notice, SessionDialect, Standing
from treaty.engine.follow_up import FollowUp
from treaty.engine.hosted import (
    Hosted,
    Seen,
    Written,
    pinned,
    position_after,
    session_stream,
    unknown_session,
)
from treaty.engine.inbox import Inboxes
from treaty.engine.openings import Openings
from treaty.engine.ports import Entry
from treaty.engine.registry import Registry
from treaty.errors import Refused, SignatureError, UnverifiableError, shown
from treaty.identity.keys import ProofKey, PublicKey, Signer
from treaty.identity.records import seal
from treaty.wire.canonical import Json, canonical
from treaty.wire.digest import sha256_tag

MISSED_MESSAGES_MAX: Final = 16
MISSED_BYTES_MAX: Final = 65_536


StandingOf = Callable[[str], Standing]
CheckTrust = Callable[[NamedNode | None], Awaitable[None]]
"""Refuse a trust node that could not be told of what a session comes to."""


@dataclass(frozen=True, slots=True)
class Host:
    """Who the host is."""

    uri: str
    signer: Signer
    base_url: str
    operator: str = ""
    """The id of its operator's key."""


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A decoded message with what it takes to judge it."""

    message: Any
    digest: str
    key: PublicKey
    proof_key: ProofKey
    at_ms: int


class Sessions:
    """Sessions of one dialect, hosted by one node."""

    def __init__(
        self,
        desk: Desk,
        dialect: SessionDialect,
        host: Host,
        *,
        registry: Registry,
        follow_up: FollowUp,
        inboxes: Inboxes,
        openings: Openings,
        standing: StandingOf,
        usd_rates: UsdRates,
        check_trust: CheckTrust,
        verifying: MessageVerifying | None = None,
    ) -> None:
        self._desk = desk
        self._dialect = dialect
        self._host = host
        self._registry = registry
        self._follow_up = follow_up
        self._inboxes = inboxes
        self._openings = openings
        self._standing = standing
        self._usd_rates = usd_rates
        self._check_trust = check_trust
        self._holds = Holds()
        self._rates = Rates()
        self._agents = Rates(AGENT_PER_SECOND, AGENT_BURST)
        self._verifying = verifying
        self._under_way = 0
        """Messages that are being answered now."""

    async def open(self, raw: bytes) -> bytes:
        """Open a session by its invitation; the answer is the signed receipt.

        Raises ``WireError``, ``SignatureError`` and ``Refused`` as ``submit`` does;
        ``unknown_agent`` when inviter or invitee has no card here.
        """
        message = self._dialect.decode(raw)
        invitee = self._dialect.invited(message)
        if invitee is None:
            raise Refused("a session is opened by an invitation", "transition_invalid")
        return await self._accept(message, raw, invitee)

    async def submit(self, session_id: str, raw: bytes) -> bytes:
        """Accept one message; the answer is the signed receipt, the same for a repeat.

        Raises ``WireError``, ``SignatureError``, ``Refused``; then nothing has changed.
        """
        message = self._dialect.decode(raw)
        if message.session_id != session_id:
            raise Refused("the message belongs to another session than the address", "malformed")
        return await self._accept(message, raw, None)

    async def _accept(self, message: Any, raw: bytes, invitee: str | None) -> bytes:
        self._under_way += 1
        try:
            return await self._accepted(message, raw, invitee)
        finally:
            self._under_way -= 1

    async def _accepted(self, message: Any, raw: bytes, invitee: str | None) -> bytes:
        stream = session_stream(message.session_id)
        hosted: Hosted = await self._desk.state(stream)
        digest = sha256_tag(raw)
        # Seen before? The same bytes: the stored answer, before any signature work.
        seen = hosted.seen.get((message.sender, message.message_id))
        if seen is not None and seen.digest == digest:
            return await self._stored_answer(stream, seen)
        key, proof_key = self._keys(hosted, message, opening=invitee is not None)
        if invitee is not None:
            self._check_opening(message, invitee)
            await self._check_trust(self._dialect.trust_named(message))
        arrival = _Arrival(message, digest, key, proof_key, self._desk.clock())
        at_ms = max(arrival.at_ms, hosted.state.at_ms)
        if not await self._is_verified_beside(arrival, at_ms):
            self._authenticate(arrival, at_ms)
        if invitee is None and message.sender not in hosted.state.participants:
            # Only now: whoever forges a sender hears the same of every session.
            raise unknown_session()
        if seen is not None:
            raise Refused("this messageId was used for other content", "duplicate")
        self._check_courtesy(hosted, message, arrival.at_ms)
        answer = await self._write(stream, arrival, at_ms, invitee)
        if isinstance(answer, Seen):
            return await self._stored_answer(stream, answer)
        side = hosted.state.side(message.sender)
        self._holds.accepted(message.session_id, side, self._desk.clock())
        return answer

    async def _is_verified_beside(self, arrival: _Arrival, at_ms: int) -> bool:
        verifying, key = self._verifying, arrival.key
        if verifying is None or arrival.proof_key != key:
            return False
        raw, base_url = arrival.message.raw, self._host.base_url
        return await verifying.message(raw, key, at_ms, base_url, self._under_way)

    def _authenticate(self, arrival: _Arrival, at_ms: int) -> None:
        self._dialect.authenticate(
            arrival.message,
            arrival.key,
            proof_key=arrival.proof_key,
            received_at_ms=at_ms,
            base_url=self._host.base_url,
        )

    async def _write(
        self, stream: str, arrival: _Arrival, at_ms: int, invitee: str | None
    ) -> bytes | Seen:
        extra: tuple[str, ...] = ()
        if invitee is not None:
            message = arrival.message
            opened = self._openings.streams(message.session_id, message.sender, at_ms)
            extra = (*self._inboxes.streams(invitee), *opened)

        def decide(transaction: Transaction) -> bytes | Seen:
            return self._decide(transaction, stream, arrival, at_ms, invitee)

        try:
            return await self._desk.transact((stream, *extra), decide)
        except Refused as refusal:
            if refusal.code != "chain_stale":
                raise
            raise await self._stale(stream, arrival.message, refusal) from None

    def _keys(self, hosted: Hosted, message: Any, *, opening: bool) -> tuple[PublicKey, ProofKey]:
        """The pinned key, or the registered one for a first message (B5), and its proof key."""
        member = hosted.state.participants.get(message.sender)
        card = self._registry.find(message.sender)
        if member is None and not opening and card is None:
            raise unknown_session()
        if member is not None and member.public_key is not None and not member.revoked:
            key = pinned(member.public_key)
            if self._registry.is_revoked(message.sender, key.key_id):
                # Its sessions hear of it in a moment; nobody is heard by it meanwhile.
                raise SignatureError(f"the key of {message.sender} was revoked", "key_revoked")
            return key, card.proof_key if card is not None and card.key == key else key
        if card is None:
            raise UnverifiableError(
                f"{message.sender} has no card here: register it first", "unknown_agent"
            )
        if card.barred:
            raise SignatureError(f"the key of {message.sender} was revoked", "key_revoked")
        return card.key, card.proof_key

    def _check_opening(self, message: Any, invitee: str) -> None:
        if self._registry.find(invitee) is None:
            raise Refused(f"{invitee} has no card here", "unknown_agent")
        own = self._host.signer.key.key_id
        for named, key_id in self._dialect.host_named(message):
            if named != self._host.uri or key_id not in (None, own):
                raise Refused(
                    f"the invitation names {shown(named)}, key {shown(key_id)}, as its host or "
                    f"clearing; this is {self._host.uri}, key {own}",
                    "policy_violation",
                )
        operator = self._dialect.operator_named(message)
        if operator not in (None, self._host.operator):
            detail = f"the invitation names another operator than {self._host.operator}"
            raise Refused(detail, "policy_violation")

    def _check_courtesy(self, hosted: Hosted, message: Any, now_ms: int) -> None:
        session, sender = message.session_id, message.sender
        wait_ms = self._agents.wait_ms("", sender, now_ms)
        if wait_ms:
            raise Refused(
                f"{AGENT_PER_SECOND} messages a second are read from one agent",
                "rate_limited",
                data={"retryAfterMs": wait_ms},
            )
        wait_ms = self._rates.wait_ms(session, sender, now_ms)
        if wait_ms:
            raise Refused(
                "ten messages a second are read from one sender in a session",
                "rate_limited",
                data={"retryAfterMs": wait_ms},
            )
        wait_ms = self._holds.wait_ms(session, hosted.state.side(sender), now_ms)
        if wait_ms:
            raise Refused(
                "the other party was overtaken and speaks next",
                "position_held",
                data={"retryAfterMs": wait_ms},
            )

    def _decide(
        self,
        transaction: Transaction,
        stream: str,
        arrival: _Arrival,
        judged_ms: int,
        invitee: str | None,
    ) -> bytes | Seen:
        hosted: Hosted = transaction.state(stream)
        before, message = hosted.state, arrival.message
        # Two copies of one message may have raced to this point.
        seen = hosted.seen.get((message.sender, message.message_id))
        if seen is not None and seen.digest == arrival.digest:
            return seen
        if seen is not None:
            raise Refused("this messageId was used for other content", "duplicate")
        at_ms = max(arrival.at_ms, before.at_ms)
        self._dialect.judge(before, message, at_ms, self._standing, self._usd_rates, arrival.key)
        if at_ms != judged_ms:
            # Another entry came between, and its time is this one's as well.
            self._authenticate(arrival, at_ms)
        if invitee is not None:
            self._openings.note(transaction, message.session_id, message.sender, invitee, at_ms)
        entry = self._write_receipt(transaction, stream, arrival, at_ms)
        self._follow_up.settle(transaction, stream, at_ms)
        after = transaction.state(stream).state
        for notice in self._dialect.notices(before, after, message):
            self._notify(transaction, notice, message.raw, at_ms)
        return entry.body

    def _notify(self, transaction: Transaction, notice: Notice, raw: bytes, at_ms: int) -> None:
        transaction.need(*self._inboxes.streams(notice.agent))
        self._inboxes.deliver(transaction, notice, raw, at_ms)

    def _write_receipt(
        self, transaction: Transaction, stream: str, arrival: _Arrival, at_ms: int
    ) -> Entry:
        message = arrival.message
        state = transaction.state(stream).state
        member = state.participants.get(message.sender)
        first = member is None or member.public_key is None
        receipt = Receipt(
            session=message.session_id,
            position=transaction.position(stream) + 1,
            at_ms=at_ms,
            previous_entry=state.entry,
            hash=message.hash,
            previous_hash=message.previous_hash,
            sender=message.sender,
            performative=self._dialect.performative(message),
            raw_digest=arrival.digest,
            public_key=arrival.key.text if first else None,
        )
        record = seal("receipt", receipt_body(receipt), self._host.signer)
        written = Written(record, receipt, message)
        return transaction.append(stream, "receipt", canonical(record), message.raw, written)

    async def _stored_answer(self, stream: str, seen: Seen) -> bytes:
        entries = await self._desk.store.read(stream, seen.position - 1, 1)
        return entries[0].body

    async def _stale(self, stream: str, message: Any, refusal: Refused) -> Refused:
        """Add what the sender has missed, and let it speak next (B7)."""
        hosted: Hosted = await self._desk.state(stream)
        side = hosted.state.side(message.sender)
        self._holds.refused(message.session_id, side, self._desk.clock())
        # Nobody hears by being late what it was not to see.
        since = hosted.state.participants[message.sender].since
        after = max(since, position_after(hosted, message.previous_hash))
        missed, more = await self._missed(stream, after)
        return Refused(
            refusal.detail, refusal.reason, data={**refusal.data, "missed": missed, "more": more}
        )

    async def _missed(self, stream: str, after: int) -> tuple[list[Entry], bool]:
        entries = await self._desk.store.read(stream, after, 4 * MISSED_MESSAGES_MAX)
        taken: list[Entry] = []
        size = messages = 0
        for entry in entries:
            size += len(entry.body) + len(entry.raw or b"")
            messages += entry.raw is not None
            if messages > MISSED_MESSAGES_MAX or (taken and size > MISSED_BYTES_MAX):
                return taken, True
            taken.append(entry)
        return taken, len(entries) == 4 * MISSED_MESSAGES_MAX

    async def reader(self, session_id: str, key: ProofKey) -> Hosted:
        """The session, for a reader whose key is that of a participant, or of an arbiter.

        Raises ``Refused`` (``unknown_session``) for everybody else, and for no session at all.
        """
        hosted: Hosted = await self._desk.state(session_stream(session_id))
        self._member(hosted, key)
        return hosted

    async def since(self, session_id: str, key: ProofKey) -> int:
        """The position behind which a reader is shown the log: not 0 for late guests (B14).

        Raises as ``reader`` does.
        """
        hosted: Hosted = await self._desk.state(session_stream(session_id))
        return int(self._member(hosted, key).since)

    def _member(self, hosted: Hosted, key: ProofKey) -> Any:
        # What arbiters judge by is the session itself (B15).
        readers = (*hosted.state.participants.values(), *self._dialect.arbiters(hosted.state))
        for member in readers:
            if self._reads_with(member, key):
                return member
        raise unknown_session()

    def _reads_with(self, member: Any, key: ProofKey) -> bool:
        card = self._registry.find(member.uri)
        if member.public_key is not None and not member.revoked:
            own = pinned(member.public_key)
            if self._registry.is_revoked(member.uri, own.key_id):
                return False
            return key == own or (card is not None and card.key == own and card.proof_key == key)
        return card is not None and not card.barred and key in (card.key, card.proof_key)

    def view(self, hosted: Hosted) -> dict[str, Json]:
        """What a participant may know of the session at once."""
        return self._dialect.view(hosted.state)

    async def entries(self, session_id: str, after: int, limit: int) -> list[Entry]:
        """Log entries behind a position. The caller has checked the reader.

        None is shown before this node believes it: who has read of an outcome finds the scores
        that follow from it.
        """
        stream = session_stream(session_id)
        hosted: Hosted = await self._desk.state(stream)
        found = await self._desk.store.read(stream, after, limit)
        return [entry for entry in found if entry.position <= hosted.state.position]
