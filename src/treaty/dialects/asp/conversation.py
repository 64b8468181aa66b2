"""What a session is, as a value: folded from accepted messages and host facts, by everyone.

The host, both participants and the offline verifier hold the same ``Conversation`` after the
same log. ``fold`` (module ``folding``) makes it; ``judge`` (module ``rules``) asks it
questions; neither reads a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from treaty.core.commitment import Commitment
from treaty.core.dispute import Dispute
from treaty.core.session import Session
from treaty.dialects.asp.choices import DURATION, MIME, TIMEOUTS
from treaty.dialects.asp.machine import IDLE, RULES, wire_state
from treaty.wire.canonical import Json
from treaty.wire.digest import ZERO_TAG
from treaty.wire.evolving import evolve
from treaty.wire.money import Money

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def _nothing() -> Mapping[str, Any]:
    return _NOTHING


@dataclass(frozen=True, slots=True)
class Participant:
    """One agent in the session."""

    uri: str
    role: str
    """``inviter``, ``invitee``, ``advisory``, ``binding`` or ``authority``."""
    side: str
    """The principal it acts for; an authority acts for nobody."""
    public_key: str | None = None
    """Pinned at its first message, until the end (B5)."""
    next_sequence: int = 0
    messages: int = 0
    revoked: bool = False
    since: int = 0
    """It is shown what stands behind this position: 0 for all, else where it joined (B14)."""


@dataclass(frozen=True, slots=True)
class Named:
    """A node as an invitation names it for a role (B7)."""

    uri: str
    key_id: str | None = None
    url: str | None = None
    """Its public address, for a node that has no card at the host."""


@dataclass(frozen=True, slots=True)
class CounterInvitation:
    """The terms on which the invitee would come; once accepted they are those in force."""

    id: str
    hash: str
    terms: Mapping[str, Json]
    valid_until_ms: int | None


@dataclass(frozen=True, slots=True)
class Invitation:
    """What the first message set for the whole session."""

    id: str
    hash: str
    subject: str
    terms: Mapping[str, Json]
    timeouts: Mapping[str, int]
    duration_ms: int
    expires_ms: int
    authorities: Mapping[str, str | None]
    """Agents both accept as judges of an escalation, and the id of the key each is heard by."""
    required_trust: Decimal | None
    delegates: Mapping[str, bool] = field(default_factory=_nothing)
    """Agents that may join without a further yes, and whether they may see what came before."""
    format: str = MIME
    """The media type of the session's messages (B23)."""
    trust: Named | None = None
    """The trust node that is told of outcomes; None for the host's own (B7)."""
    counter: CounterInvitation | None = None
    """The invitee's one counter-invitation (B9)."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Terms on the table."""

    id: str
    author: str
    """The principal on whose side it was made."""
    hash: str
    subject: str
    terms: Mapping[str, Json]
    valid_until_ms: int | None
    final: bool = False
    state: str = "open"
    """``open``, ``accepted``, ``rejected``, ``countered``, ``superseded``, ``withdrawn``."""
    counters: str | None = None
    """What it answers, when it was made by a COUNTER."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a delegate may do; what is None is not limited (B14)."""

    performatives: frozenset[str] | None = None
    most: Money | None = None
    """In one commitment's escrow."""
    total: Money | None = None
    """In the escrows of all its commitments together."""
    commitments: int | None = None
    """How many it may offer or accept."""


@dataclass(frozen=True, slots=True)
class Delegation:
    """A third agent somebody wants in (B14)."""

    id: str
    author: str
    hash: str
    target: str
    authority: str
    expires_ms: int
    limits: Limits = field(default_factory=Limits)
    """How far it reaches."""
    history: bool = False
    """The delegator wants it to see what came before; the other must want it too."""
    state: str = "open"
    """``open``, ``joined``, ``refused``, ``ended``."""
    commitments: tuple[str, ...] = ()
    """What the delegate has offered or accepted."""


@dataclass(frozen=True, slots=True)
class Escalation:
    """A running call for an authority (B11)."""

    id: str
    author: str
    authority: str
    common: bool
    """True when both principals listed this authority (B9)."""
    since_ms: int
    allowed_ms: int
    """How long it may last; the other party's deadlines are moved by what it takes of it."""

    @property
    def until_ms(self) -> int:
        """When it ends undecided."""
        return self.since_ms + self.allowed_ms


@dataclass(frozen=True, slots=True)
class Turn:
    """A party's answer is awaited (B10)."""

    until_ms: int
    late: bool = False
    """It did not come in time, which is on record."""


@dataclass(frozen=True, slots=True)
class Closing:
    """One principal's CLOSE."""

    reason: str
    rating: int | None
    fulfilled: tuple[str, ...]
    counts: bool
    """False for an offer to end and for the silent party's CLOSE by timer."""
    offers: bool = False
    """True for an offer to end with commitments bound, which the other may take up (B9)."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One ASP session after some prefix of its log."""

    id: str = ""
    session: Session = field(default_factory=lambda: Session(IDLE))
    inviter: str = ""
    invitee: str = ""
    participants: Mapping[str, Participant] = field(default_factory=_nothing)
    former: Mapping[str, Participant] = field(default_factory=_nothing)
    """Delegates that have left; who comes back goes on with its old numbers (B14)."""
    invitation: Invitation | None = None
    head: str = ZERO_TAG
    """Hash of the last message; what the next one must extend (B3)."""
    messages: int = 0
    position: int = 0
    """Of the last log entry."""
    entry: str = ZERO_TAG
    """Hash of the last log entry."""
    ids: frozenset[str] = frozenset()
    """Every id used in this session; one namespace, each used once (B2)."""
    proposals: Mapping[str, Proposal] = field(default_factory=_nothing)
    commitments: Mapping[str, Commitment] = field(default_factory=_nothing)
    disputes: Mapping[str, Dispute] = field(default_factory=_nothing)
    reported: frozenset[str] = frozenset()
    """Commitments whose outcome stands in the log."""
    delegations: Mapping[str, Delegation] = field(default_factory=_nothing)
    escalations: Mapping[str, Escalation] = field(default_factory=_nothing)
    """Principal -> its running escalation; each party may have one (B9)."""
    escalated_ms: Mapping[str, int] = field(default_factory=_nothing)
    """Principal -> how long its escalations have lasted in sum (B9)."""
    turns: Mapping[str, Turn] = field(default_factory=_nothing)
    """Principal -> until when its answer is awaited."""
    agreed: str | None = None
    """The proposal accepted last."""
    closings: Mapping[str, Closing] = field(default_factory=_nothing)
    consent: bool = False
    """Both agreed to end with commitments bound (B9)."""
    started_ms: int = 0
    """When the invitation was accepted; the session's duration runs from here."""
    entered_ms: int = 0
    """When the present state was entered."""
    active_ms: int = 0
    """When the last message came."""
    at_ms: int = 0
    """Time of the last entry; never runs backwards."""

    @property
    def state(self) -> str:
        """The state of the automaton, sub-states included."""
        return self.session.state

    @property
    def wire_state(self) -> str:
        """One of the nine states of the protocol."""
        return wire_state(self.session.state, self.session.returns)

    @property
    def ended(self) -> bool:
        """True in CLOSED and FAILED; a bound commitment may still live on."""
        return self.session.state in RULES.terminal

    @property
    def live(self) -> tuple[Commitment, ...]:
        """Commitments that are bound and not settled."""
        return tuple(one for one in self.commitments.values() if one.live)

    @property
    def settled(self) -> tuple[Commitment, ...]:
        """Commitments that were bound and have ended."""
        return tuple(one for one in self.commitments.values() if one.bound_ms and not one.live)

    @property
    def principals(self) -> tuple[str, str]:
        """Inviter and invitee."""
        return self.inviter, self.invitee

    def other(self, principal: str) -> str:
        """The opposite principal."""
        return self.invitee if principal == self.inviter else self.inviter

    def side(self, uri: str) -> str:
        """The principal an agent acts for."""
        participant = self.participants.get(uri)
        return participant.side if participant else ""

    def held_ms(self, side: str, at_ms: int) -> int:
        """How much longer the other's escalation may hold a principal's deadlines from now (B9)."""
        running = self.escalations.get(self.other(side))
        return 0 if running is None else max(0, running.until_ms - at_ms)

    def timeout_ms(self, name: str) -> int:
        """A timeout of this session, or the protocol's default (B10)."""
        if self.invitation is None:
            return TIMEOUTS[name].default_ms
        return self.invitation.timeouts.get(name, TIMEOUTS[name].default_ms)

    @property
    def duration_ms(self) -> int:
        """The agreed length of the session."""
        return self.invitation.duration_ms if self.invitation else DURATION.default_ms


def with_participant(conversation: Conversation, participant: Participant) -> Conversation:
    """Add or replace one participant."""
    participants = {**conversation.participants, participant.uri: participant}
    return evolve(conversation, participants=participants)


def with_proposal(conversation: Conversation, proposal: Proposal) -> Conversation:
    """Add or replace one proposal."""
    return evolve(conversation, proposals={**conversation.proposals, proposal.id: proposal})


def with_commitment(conversation: Conversation, commitment: Commitment) -> Conversation:
    """Add or replace one commitment."""
    commitments = {**conversation.commitments, commitment.id: commitment}
    return evolve(conversation, commitments=commitments)


def with_delegation(conversation: Conversation, delegation: Delegation) -> Conversation:
    """Add or replace one delegation."""
    delegations = {**conversation.delegations, delegation.id: delegation}
    return evolve(conversation, delegations=delegations)


def with_dispute(conversation: Conversation, dispute: Dispute) -> Conversation:
    """Add or replace one dispute."""
    return evolve(conversation, disputes={**conversation.disputes, dispute.id: dispute})
