"""An agent's own verified copy of a session: it acts on nothing it has not checked itself.

Every entry the host sends is checked before it is folded: the host's signature, its place in
the log, the digest of the message, the sender's signature and proof at the receipt's time, and
that the move was lawful. What the host says and what the copy folds can then only differ if
the host lies, and its signature under the lie is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from treaty.agent.ports import LogItem
from treaty.core.log import HostFact, Receipt, entry_hash, read_log_record
from treaty.dialects.asp.codec import decode
from treaty.dialects.asp.conversation import Conversation
from treaty.dialects.asp.deadlines import fold_fact
from treaty.dialects.asp.folding import fold_message
from treaty.dialects.asp.judges import CARD, PUBLIC_KEY, operator_named
from treaty.dialects.asp.messages import Envelope, Inform
from treaty.dialects.asp.rules import authenticate, judge
from treaty.errors import SignatureError, WireError
from treaty.identity.cards import open_card, open_listing
from treaty.identity.keys import ProofKey, PublicKey, read_public_key
from treaty.identity.records import open_record
from treaty.identity.revocations import open_revocation
from treaty.wire import fields
from treaty.wire.canonical import Json
from treaty.wire.digest import sha256_tag


class HostLiesError(SignatureError):
    """The host signed two entries for one position, or broke its own chain. Proof is attached.

    ``data``: ``ours`` and ``theirs``, both signed by the host (B7).
    """

    default_code = "hash_mismatch"


@dataclass(frozen=True, slots=True)
class Known:
    """The keys a participant trusts for one session."""

    host: PublicKey
    base_url: str
    session: str = ""
    """The session's id; empty takes the one the first entry names."""
    agents: Mapping[str, PublicKey] = field(default_factory=dict)
    """Agent -> the key of its listed card; the host must have pinned the same."""
    proofs: Mapping[str, ProofKey] = field(default_factory=dict)
    """Agent -> the key of its DPoP proofs, where its card has another one."""
    operator: PublicKey | None = None
    """Who rules in the end, where the invitation does not say."""


def read_operator(known: Mapping[str, Json]) -> PublicKey | None:
    """The operator's key in what a node says of itself; None where nothing names one."""
    operator = fields.obj_or(known, "operator")
    return None if operator is None else read_public_key(operator.get("publicKey"))


@dataclass(slots=True)
class VerifiedCopy:
    """One session as its participant has verified it."""

    known: Known
    conversation: Conversation = field(default_factory=Conversation)
    items: list[LogItem] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)

    @property
    def position(self) -> int:
        """Position of the last verified entry."""
        return self.conversation.position

    def absorb(self, item: LogItem) -> bool:
        """Verify and fold one entry; False for one that is known already.

        Raises ``HostLiesError`` for another entry at a known position, ``SignatureError``,
        ``WireError`` or ``Refused`` for one that does not hold. A gap is ``WireError``: ask the
        host for the entries between.
        """
        if item.position <= self.position:
            self._check_same(item)
            return False
        if item.position != self.position + 1:
            raise WireError(f"entry {item.position} came after {self.position}")
        open_record(_kind(item.record), dict(item.record), self.known.host)
        log = read_log_record(dict(item.record))
        self._check_place(item, log)
        if isinstance(log, Receipt):
            self._absorb_message(item, log)
        else:
            self._fold_fact(log, entry_hash(item.record))
        self.items.append(item)
        return True

    def _fold_fact(self, fact: HostFact, tag: str) -> None:
        if fact.fact == "revocation":
            _check_revocation(fact)
        folded = fold_fact(self.conversation, fact, entry=tag)
        self._check_judge(fact)
        self.conversation = folded

    def _check_same(self, item: LogItem) -> None:
        place = item.position - self.items[0].position if self.items else -1
        if place < 0:
            raise WireError(f"entry {item.position} is before all that was shown here")
        ours = self.items[place].record
        if entry_hash(ours) != entry_hash(item.record):
            open_record(_kind(item.record), dict(item.record), self.known.host)
            _check_position(item, read_log_record(dict(item.record)))
            raise HostLiesError(
                f"the host signed two different entries for position {item.position}",
                data={"ours": dict(ours), "theirs": dict(item.record)},
            )

    def _check_place(self, item: LogItem, log: Receipt | HostFact) -> None:
        follows = log.previous_entry == self.conversation.entry
        if not follows:
            _check_position(item, log)
        if not follows or log.position != item.position:
            raise HostLiesError(
                f"entry {item.position} does not follow the entry before it",
                data={"ours": self._last(), "theirs": dict(item.record)},
            )
        expected = self.conversation.id or self.known.session
        if expected and log.session != expected:
            raise WireError("the entry belongs to another session")
        if log.at_ms < self.conversation.at_ms:
            raise WireError("the host's clock ran backwards")

    def _last(self) -> Json:
        return dict(self.items[-1].record) if self.items else None

    def _check_judge(self, fact: HostFact) -> None:
        """A judge's key is that of its listed card, or of the operator known from the start.

        That it signed, and may judge, the fold has found out; host and registry are one node.
        """
        if fact.fact == "vote":
            card = open_card(fact.data.get(CARD))
            open_listing(card.card.get("listing"), self.known.host, card, None)
        elif fact.fact == "ruling" and operator_named(self.conversation) is None:
            key = read_public_key(fact.data.get(PUBLIC_KEY))
            if self.known.operator not in (None, key):
                raise SignatureError("it was ruled with another key than the operator's")

    def _absorb_message(self, item: LogItem, receipt: Receipt) -> None:
        if item.raw is None or sha256_tag(item.raw) != receipt.raw_digest:
            raise WireError("the receipt is for other bytes than came with it", "hash_mismatch")
        envelope = decode(item.raw)
        agrees = (
            envelope.hash == receipt.hash
            and envelope.previous_hash == receipt.previous_hash
            and envelope.sender == receipt.sender
            and envelope.session_id == receipt.session
        )
        if not agrees:
            raise WireError("the receipt disagrees with its message", "hash_mismatch")
        key = self._key(envelope, receipt)
        # A successor has a card of its own, with the key of its proofs if that is another one.
        is_listed = self.known.agents.get(envelope.sender) in (None, key)
        authenticate(
            envelope,
            key,
            received_at_ms=receipt.at_ms,
            base_url=self.known.base_url,
            proof_key=self.known.proofs.get(envelope.sender) if is_listed else None,
        )
        self._fold_message(envelope, receipt, entry_hash(item.record), key)
        self.envelopes.append(envelope)

    def _fold_message(self, envelope: Envelope, receipt: Receipt, tag: str, key: PublicKey) -> None:
        judge(self.conversation, envelope, receipt.at_ms, key=key)
        self.conversation = fold_message(
            self.conversation,
            envelope,
            at_ms=receipt.at_ms,
            position=receipt.position,
            entry=tag,
            public_key=receipt.public_key,
        )

    def _key(self, envelope: Envelope, receipt: Receipt) -> PublicKey:
        """The key that a message must hold under: the pinned one, or its successor (B5)."""
        member = self.conversation.participants.get(envelope.sender)
        if member is not None and member.revoked:
            return _successor(envelope)
        return self._pinned(envelope.sender, receipt)

    def _pinned(self, sender: str, receipt: Receipt) -> PublicKey:
        """The pinned key; at the first message it must be the one of the listed card (B5)."""
        member = self.conversation.participants.get(sender)
        if member is not None and member.public_key is not None:
            return read_public_key(member.public_key)
        if receipt.public_key is None:
            raise SignatureError(f"the host pinned no key for {sender}")
        key = read_public_key(receipt.public_key)
        listed = self.known.agents.get(sender)
        if listed is not None and listed != key:
            raise SignatureError(f"the host pinned another key for {sender} than its card lists")
        return key


def _check_revocation(fact: HostFact) -> None:
    """The revocation is signed by the key that it brings in (B5).

    Whether that one may is for the registry to say, which knows cards and domains.
    """
    word = open_revocation(fact.data.get("record"))
    if (word.uri, word.key_id) != (fact.data.get("agent"), fact.data.get("keyId")):
        raise WireError("the revocation is of another key than the fact")


def _successor(envelope: Envelope) -> PublicKey:
    """The key that the card in an identity INFORM shows; nothing else is heard meanwhile."""
    body = envelope.body
    card = body.data.get("agentCard") if isinstance(body, Inform) else None
    if not isinstance(card, dict):
        raise SignatureError(f"the key of {envelope.sender} was revoked", "key_revoked")
    return read_public_key(card.get("publicKey"))


def _kind(record: Mapping[str, Json]) -> str:
    return "receipt" if record.get("type") == "receipt" else "fact"


def _check_position(item: LogItem, log: Receipt | HostFact) -> None:
    # What travels beside a record is nobody's word, so no lie is made of it.
    if log.position != item.position:
        raise WireError(f"the entry of position {log.position} came as that of {item.position}")
