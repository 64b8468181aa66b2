"""A copy of a session that begins where its owner joined (decision B14).

A delegate that is not shown what came before still checks all it is shown, as everybody does:
that the host signed each entry, that they are one chain without a gap, the bytes of each message,
its sender's signature and proof, and the sender's numbers. A host that tells it another story
than the others is convicted by both copies, from the joining on.

What was before is the host's word, asked for when the agent joined: where the chain stood, which
keys are pinned, who takes part, in which state the session is. What a message does is judged
where everything it refers to has been seen, and taken as the host took it where not; ``claims``
says how often that was so.

Read next: ``copy``, whose checks these are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from treaty.agent.copy import HostLiesError, VerifiedCopy
from treaty.agent.ports import LogItem
from treaty.core.deal import Claim, Verdict
from treaty.core.log import HostFact, Receipt
from treaty.core.session import Session
from treaty.dialects.asp.choices import DURATION
from treaty.dialects.asp.conversation import (
    Conversation,
    Delegation,
    Escalation,
    Invitation,
    Participant,
)
from treaty.dialects.asp.disputes import FACTS
from treaty.dialects.asp.machine import CONVERSING, EXECUTING, RULES
from treaty.dialects.asp.messages import Envelope
from treaty.errors import Refused, WireError
from treaty.identity.keys import PublicKey, read_public_key
from treaty.wire import fields
from treaty.wire.canonical import Json
from treaty.wire.evolving import evolve

View = Mapping[str, Json]
"""What the host says of a session: ``GET /sessions/{id}``."""
BOUND: Final = frozenset(("BOUND", "DISPUTED"))


@dataclass(slots=True)
class LateCopy(VerifiedCopy):
    """One session from the joining on, as its late guest has verified it."""

    view: View = field(default_factory=dict)
    """The host's word when the agent joined."""
    since: int = 0
    """The position behind which it is shown the log."""
    unjudged: int = 0
    """Entries that refer to what was before, and were not judged."""
    _numbers: dict[str, int] = field(default_factory=dict)
    """Sender -> its next number, of those that have spoken since."""

    def __post_init__(self) -> None:
        """Begin where the host says the session stood."""
        self.conversation = evolve(stated(self.view, self.since), messages=0)

    def absorb(self, item: LogItem) -> bool:
        """Verify one entry as every copy does; at the one that the host's word is of, take it."""
        is_new = VerifiedCopy.absorb(self, item)
        if is_new:
            self.take_word(self.view)
        return is_new

    def take_word(self, view: View) -> None:
        """Take the host's word for the state, if it is of the very entry that this copy is at."""
        if fields.integer(view, "position") != self.position:
            return
        told = stated(view, self.position)
        here = self.conversation.participants
        self.conversation = evolve(
            self.conversation,
            session=told.session,
            head=told.head if not self.envelopes else self.conversation.head,
            messages=told.messages,
            participants={uri: here.get(uri, one) for uri, one in told.participants.items()},
            escalations=told.escalations,
        )

    def claims(self) -> tuple[Claim, ...]:
        """What was checked, and what could not be."""
        first, last = self.since + 1, self.position
        unlisted = [
            one.uri for one in self.conversation.participants.values() if self._differs(one)
        ]
        moves = f"{self.unjudged} of {len(self.items)} refer to what was before"
        return (
            Claim(
                "log", Verdict.VERIFIED, f"entries {first} to {last} are one chain of the host's"
            ),
            Claim("messages", Verdict.VERIFIED, f"{len(self.envelopes)} signed and proven"),
            _claim("keys", unlisted and f"the host's word alone: {unlisted}", "as cards list them"),
            _claim("moves", self.unjudged and moves, "all follow from what was seen"),
            Claim("state", Verdict.NOT_CHECKABLE, "the host's word"),
            Claim("before", Verdict.NOT_CHECKABLE, f"entries up to {self.since} were not shown"),
        )

    def _differs(self, member: Participant) -> bool:
        if member.public_key is None:
            return False
        return self.known.agents.get(member.uri) != read_public_key(member.public_key)

    def _check_same(self, item: LogItem) -> None:
        if item.position <= self.since:
            raise WireError(f"entry {item.position} was before this agent joined")
        VerifiedCopy._check_same(self, item)

    def _check_place(self, item: LogItem, log: Receipt | HostFact) -> None:
        if not self.items:
            # What the first entry follows has not been shown; it stands for itself.
            self.conversation = evolve(self.conversation, entry=log.previous_entry)
        VerifiedCopy._check_place(self, item, log)

    def _pinned(self, sender: str, receipt: Receipt) -> PublicKey:
        """The pinned key: by its first receipt, if that was shown, else by the host's word."""
        member = self._member(sender)
        if member is not None and member.public_key is not None:
            return read_public_key(member.public_key)
        return VerifiedCopy._pinned(self, sender, receipt)

    def _member(self, uri: str) -> Participant | None:
        now = self.conversation
        return now.participants.get(uri) or now.former.get(uri)

    def _fold_fact(self, fact: HostFact, tag: str) -> None:
        if self._refers_to_seen(fact.data, fact.fact):
            try:
                VerifiedCopy._fold_fact(self, fact, tag)
            except (Refused, WireError):
                pass
            else:
                return
        self.unjudged += 1
        self.conversation = evolve(
            self.conversation, at_ms=fact.at_ms, position=fact.position, entry=tag
        )

    def _refers_to_seen(self, data: Mapping[str, Json], fact: str) -> bool:
        now, record = self.conversation, data.get("record")
        named: Any = record if fact in FACTS and isinstance(record, dict) else data
        for member, known in (("commitmentId", now.commitments), ("disputeId", now.disputes)):
            is_new = fact == "dispute" and member == "disputeId"
            if member in named and not fields.is_one_of(named[member], known) and not is_new:
                return False
        return True

    def _fold_message(self, envelope: Envelope, receipt: Receipt, tag: str, key: PublicKey) -> None:
        self._check_order(envelope, receipt)
        self.conversation = self._just_before(envelope)
        try:
            VerifiedCopy._fold_message(self, envelope, receipt, tag, key)
        except Refused:
            self.unjudged += 1
            self._follow(envelope, receipt, tag)
        assert envelope.sequence is not None
        self._numbers[envelope.sender] = envelope.sequence + 1

    def _check_order(self, envelope: Envelope, receipt: Receipt) -> None:
        """One chain of messages, and each sender's own numbers, from the first ones shown on."""
        follows = not self.envelopes or envelope.previous_hash == self.envelopes[-1].hash
        assert envelope.sequence is not None
        number = self._numbers.get(envelope.sender, envelope.sequence)
        if not follows or envelope.sequence != number:
            raise HostLiesError(
                "a message is not the next one of its session or its sender",
                data={"ours": self._last(), "theirs": dict(receipt.record)},
            )

    def _just_before(self, envelope: Envelope) -> Conversation:
        """The session as it must have stood for this message to come."""
        now = self.conversation
        member = self._member(envelope.sender)
        if member is None:
            raise WireError(f"{envelope.sender} takes no part in this session")
        assert envelope.sequence is not None
        counted = evolve(member, next_sequence=envelope.sequence)
        assert now.invitation is not None
        return evolve(
            now,
            head=envelope.previous_hash,
            participants={**now.participants, member.uri: counted},
            invitation=evolve(now.invitation, format=envelope.media_type),
        )

    def _follow(self, envelope: Envelope, receipt: Receipt, tag: str) -> None:
        """Go on behind a message without knowing all that it did."""
        now = self.conversation
        member = now.participants[envelope.sender]
        key = member.public_key or receipt.public_key
        counted = evolve(member, next_sequence=member.next_sequence + 1, public_key=key)
        self.conversation = evolve(
            now,
            head=envelope.hash,
            messages=now.messages + 1,
            participants={**now.participants, member.uri: counted},
            active_ms=receipt.at_ms,
            at_ms=receipt.at_ms,
            position=receipt.position,
            entry=tag,
        )


def _claim(name: str, doubt: object, otherwise: str) -> Claim:
    verdict = Verdict.NOT_CHECKABLE if doubt else Verdict.VERIFIED
    return Claim(name, verdict, str(doubt or otherwise))


def stated(view: View, position: int) -> Conversation:
    """A session at a position, by its host's word; what is not in a view is not known.

    Raises ``WireError`` for a view that is not of its form.
    """
    inviter, invitee = fields.agent(view, "inviter"), fields.agent(view, "invitee")
    delegations = [_delegation(one) for one in _objects(view, "delegations")]
    sides = {one.target: one.author for one in delegations if one.state == "joined"}
    sides |= {inviter: inviter, invitee: invitee}
    people, gone = (
        [_participant(one, sides) for one in _objects(view, name)]
        for name in ("participants", "former")
    )
    running = [
        _escalation(one, fields.instant(view, "updatedAt")) for one in _objects(view, "escalations")
    ]
    return Conversation(
        id=fields.text(view, "session"),
        session=_session(view),
        inviter=inviter,
        invitee=invitee,
        participants={one.uri: one for one in people},
        former={one.uri: one for one in gone},
        invitation=_invitation(view),
        head=fields.text(view, "head"),
        messages=fields.integer(view, "messageCount"),
        position=position,
        delegations={one.id: one for one in delegations},
        escalations={one.author: one for one in running},
    )


def _objects(view: View, name: str) -> list[dict[str, Json]]:
    return [one for one in fields.items(view, name, most=256) if isinstance(one, dict)]


def _session(view: View) -> Session:
    phase = fields.text(view, "phase")
    if phase not in {state for state, _ in RULES.moves}:
        raise WireError("the host names a state that is none")
    if phase not in RULES.pausing:
        return Session(phase)
    bound = any(one.get("state") in BOUND for one in _objects(view, "commitments"))
    return Session(phase, (EXECUTING if bound else CONVERSING,))


def _participant(told: Mapping[str, Json], sides: Mapping[str, str]) -> Participant:
    uri = fields.agent(told, "uri")
    key = fields.text_or(told, "publicKey")
    return Participant(
        uri,
        fields.text(told, "role"),
        sides.get(uri, ""),
        public_key=None if key is None else read_public_key(key).text,
        next_sequence=fields.integer(told, "nextSequence"),
    )


def _delegation(told: Mapping[str, Json]) -> Delegation:
    return Delegation(
        id=fields.ident(told, "delegationId"),
        author=fields.agent(told, "by"),
        hash="",
        target=fields.agent(told, "agent"),
        authority=fields.text(told, "authority"),
        expires_ms=fields.instant(told, "expires"),
        state=fields.text(told, "state"),
    )


def _escalation(told: Mapping[str, Json], at_ms: int) -> Escalation:
    return Escalation(
        id=fields.ident(told, "escalationId"),
        author=fields.agent(told, "by"),
        authority=fields.agent(told, "authority"),
        common=told.get("common") is True,
        since_ms=at_ms,
        allowed_ms=max(0, fields.instant(told, "until") - at_ms),
    )


def _invitation(view: View) -> Invitation:
    """The session was opened by one; of it the host tells the subject."""
    return Invitation(
        id="",
        hash="",
        subject=fields.text(view, "subject"),
        terms={},
        timeouts={},
        duration_ms=DURATION.default_ms,
        expires_ms=0,
        authorities={
            fields.agent(one, "authority"): None
            for one in _objects(view, "escalations")
            if one.get("common") is True
        },
        required_trust=None,
    )
