"""ASP as the engine asks for it: one object that passes questions on to this folder's functions.

It holds no state and decides nothing. What each question means is said where it is answered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from treaty.core.commitment import Commitment, CommitmentState, ObligationState, Order
from treaty.core.dispute import Dispute
from treaty.core.log import HostFact, Receipt
from treaty.core.matching import Need, Page
from treaty.core.rates import UsdRates
from treaty.dialects.asp import (
    deadlines,
    discovery,
    disputes,
    folding,
    rated,
    rules,
    views,
    watching,
)
from treaty.dialects.asp.choices import SIGNING_PREFIX, TAG
from treaty.dialects.asp.codec import decode
from treaty.dialects.asp.conversation import Conversation, Named, Participant
from treaty.dialects.asp.judges import OPERATOR
from treaty.dialects.asp.machine import INVITED, INVITED_COUNTERED
from treaty.dialects.asp.messages import Envelope, Propose
from treaty.dialects.asp.terms import read_node
from treaty.errors import WireError
from treaty.identity.envelopes import check_unseen, open_envelope
from treaty.identity.keys import ProofKey, PublicKey, Signer
from treaty.wire import fields
from treaty.wire.canonical import Json
from treaty.wire.instants import format_instant


@dataclass(frozen=True, slots=True)
class InboxNotice:
    """Something for an agent's inbox."""

    agent: str
    kind: str
    body: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a commitment ended, for the trust node."""

    commitment: str
    payer: str
    payee: str
    asset: str
    value_units: int
    values: Mapping[str, int]
    """Agent -> what its part counts with: posted if it kept it, else what was broken (B16)."""
    kept: Mapping[str, bool]
    ratings: Mapping[str, int]
    consent: bool
    disputed: bool = False
    severity: int | None = None
    """The resolver's, when a ruling found a breach (B15)."""
    usd_rate: Decimal | None = None
    """What one whole unit of the asset was worth when it was offered; none for dollars."""


class AspDialect:
    """The ASP dialect; see ``treaty.engine.dialect.SessionDialect`` for the questions."""

    tag: Final = TAG

    def decode(self, raw: bytes) -> Envelope:
        """Bytes to message."""
        return decode(raw)

    def start(self) -> Conversation:
        """A session nobody has opened."""
        return Conversation()

    def performative(self, message: Envelope) -> str:
        """The message's performative."""
        return message.performative.value

    def authenticate(
        self,
        message: Envelope,
        key: PublicKey,
        *,
        proof_key: ProofKey,
        received_at_ms: int,
        base_url: str,
    ) -> None:
        """Check signature and proof."""
        rules.authenticate(
            message,
            key,
            received_at_ms=received_at_ms,
            base_url=base_url,
            proof_key=proof_key,
        )

    def judge(
        self,
        state: Conversation,
        message: Envelope,
        at_ms: int,
        standing: Callable[[str], rules.StandingView],
        usd_rates: UsdRates,
        key: PublicKey,
    ) -> None:
        """Refuse what is not lawful now."""
        rules.judge(state, message, at_ms, rules.Context(standing, usd_rates), key)

    def invited(self, message: Envelope) -> str | None:
        """The invitee of an invitation."""
        body = message.body
        if not isinstance(body, Propose) or not body.is_invitation:
            return None
        if message.recipient is None:
            raise WireError("an invitation names its recipient")
        return message.recipient

    def host_named(self, message: Envelope) -> tuple[tuple[str, str | None], ...]:
        """Host and clearing an invitation names, with their keys' ids (B7); absent: this node."""
        found = (read_node(self._terms(message), role) for role in ("host", "clearing"))
        return tuple((node.uri, node.key_id) for node in found if node is not None)

    def trust_named(self, message: Envelope) -> Named | None:
        """The trust node an invitation names (B7)."""
        return read_node(self._terms(message), "trust")

    def _terms(self, message: Envelope) -> Mapping[str, Json]:
        assert isinstance(message.body, Propose)
        return message.body.terms

    def trust_node(self, state: Conversation) -> Named | None:
        """The trust node of a session; a counter-invitation does not change it."""
        return None if state.invitation is None else state.invitation.trust

    def signature(self, message: Envelope) -> str:
        """The signature of a message."""
        return message.signature

    def check_shown(self, tag: str, signature: str, key: PublicKey) -> None:
        """Check the signature of a message by its hash alone."""
        check_unseen(tag, signature, key, prefix=SIGNING_PREFIX)

    def operator_named(self, message: Envelope) -> str | None:
        """The key of the operator an invitation names (B15); None leaves it to the node."""
        operator = fields.obj_or(self._terms(message), OPERATOR)
        return None if operator is None else fields.text(operator, "keyId")

    def fold_message(
        self, state: Conversation, message: Envelope, receipt: Receipt, entry: str
    ) -> Conversation:
        """Fold an accepted message."""
        return folding.fold_message(
            state,
            message,
            at_ms=receipt.at_ms,
            position=receipt.position,
            entry=entry,
            public_key=receipt.public_key,
        )

    def fold_fact(self, state: Conversation, fact: HostFact, entry: str) -> Conversation:
        """Fold what the host observed."""
        return deadlines.fold_fact(state, fact, entry=entry)

    def unrated(self, state: Conversation) -> Mapping[str, str]:
        """Commitments that wait for a rate."""
        return rated.unrated(state)

    def orders(self, state: Conversation) -> tuple[Order, ...]:
        """What the clearing must do now."""
        return folding.orders(state)

    def due(self, state: Conversation, now_ms: int) -> tuple[str, int] | None:
        """The earliest timer that is due."""
        timer = deadlines.due(state, now_ms)
        return None if timer is None else (timer.name, timer.due_ms)

    def next_due_ms(self, state: Conversation) -> int | None:
        """When a timer is due next."""
        running = deadlines.deadlines(state)
        return running[0].due_ms if running else None

    def notices(
        self, before: Conversation, after: Conversation, message: Envelope
    ) -> tuple[InboxNotice, ...]:
        """Invitations, their answers, delegations and escalations reach inboxes."""
        return tuple(_notices(before, after, message))

    def unreported(self, state: Conversation) -> tuple[str, ...]:
        """Commitments that have ended and were not reported."""
        return tuple(
            one.id
            for one in state.settled
            if one.posted_units is not None and one.id not in state.reported
        )

    def wanted(self, state: Conversation) -> tuple[watching.WantedCheck, ...]:
        """Machine checks that are due."""
        return watching.wanted_checks(state)

    def samplings(self, state: Conversation) -> tuple[watching.Measurement, ...]:
        """Measurements under way."""
        return watching.measurements(state)

    def judge_dispute(self, state: Conversation, record: Mapping[str, Json], at_ms: int) -> None:
        """Refuse a filing that is not lawful now."""
        disputes.judge_filing(state, record, at_ms)

    def dispute(self, state: Conversation, dispute: str) -> Dispute:
        """One dispute of a session."""
        return disputes.find(state, dispute)

    def dispute_records(self, state: Conversation, dispute: str) -> frozenset[str]:
        """Records about it that are in the log."""
        return disputes.find(state, dispute).records

    def dispute_view(self, state: Conversation, dispute: str) -> dict[str, Json]:
        """One dispute as its parties see it."""
        return views.dispute_view(state, disputes.find(state, dispute))

    def arbiters(self, state: Conversation) -> tuple[Participant, ...]:
        """Who judges in this session."""
        drawn = {uri for one in state.disputes.values() for uri in one.arbiters}
        return tuple(Participant(uri, "arbiter", "") for uri in sorted(drawn))

    def settled(self, state: Conversation, commitment: str) -> Ending:
        """How a commitment ended."""
        return _ending(state, state.commitments[commitment])

    def view(self, state: Conversation) -> dict[str, Json]:
        """A session for its participants."""
        return views.session_view(state)

    def read_query(self, raw: bytes) -> tuple[Envelope, Need]:
        """A discovery question."""
        return discovery.read_query(raw)

    def check_signature(self, message: Envelope, key: PublicKey) -> None:
        """Check the signature of a message alone, wherever it belongs and however old it is."""
        open_envelope(message.document, key, prefix=SIGNING_PREFIX)

    def answer_query(
        self, message: Envelope, page: Page, *, signer: Signer, uri: str, at_ms: int, entropy: bytes
    ) -> bytes:
        """The signed answer."""
        return discovery.answer_query(
            message, page, signer=signer, uri=uri, at_ms=at_ms, entropy=entropy
        )


ASP: Final = AspDialect()
"""The dialect, ready to be named in the composition root."""


def _notices(before: Conversation, after: Conversation, message: Envelope) -> Sequence[InboxNotice]:
    found: list[InboxNotice] = []
    waiting = (INVITED, INVITED_COUNTERED)
    invitation = after.invitation
    assert invitation is not None
    if not before.inviter:
        body: dict[str, Json] = {
            "session": after.id,
            "from": after.inviter,
            "subject": invitation.subject,
            "expires": format_instant(invitation.expires_ms),
            "expiresMs": invitation.expires_ms,
        }
        found.append(InboxNotice(after.invitee, "invitation", body))
    elif before.state in waiting and after.state not in waiting:
        answered: dict[str, Json] = {"session": after.id, "by": message.sender}
        found.append(InboxNotice(after.invitee, "answered", answered))
    for delegation in after.delegations.values():
        old = before.delegations.get(delegation.id)
        if delegation.state == "joined" and (old is None or old.state != "joined"):
            body = {"session": after.id, "delegation": delegation.id, "from": delegation.author}
            found.append(InboxNotice(delegation.target, "delegation", body))
    for side, running in after.escalations.items():
        if side not in before.escalations:
            body = {"session": after.id, "escalation": running.id, "from": message.sender}
            found.append(InboxNotice(running.authority, "escalation", body))
    return found


def _ending(state: Conversation, commitment: Commitment) -> Ending:
    escrow = commitment.escrow
    assert escrow is not None
    kept = {
        party: all(
            duty.state is ObligationState.KEPT
            for duty in commitment.obligations
            if duty.party == party
        )
        for party in (escrow.payer, escrow.payee)
    }
    rulings = [
        one.ruling for one in disputes.disputes_of(state, commitment.id) if one.ruling is not None
    ]
    # Where nobody ruled in time the record decided, and nobody's standing moves (B15).
    undecided = any(one.by == "record" for one in rulings)
    ratings = {
        state.other(rater): closing.rating
        for rater, closing in state.closings.items()
        if closing.rating is not None
    }
    value = 0 if undecided else _value_units(commitment, kept[escrow.payee])
    posted = 0 if undecided else commitment.posted_units or 0
    return Ending(
        commitment=commitment.id,
        payer=escrow.payer,
        payee=escrow.payee,
        asset=escrow.money.asset,
        value_units=value,
        # Who kept its part of a deal that paid nothing has not shown that it can be paid.
        values={party: posted if own else value for party, own in kept.items()},
        kept=kept,
        ratings=ratings,
        consent=commitment.state is CommitmentState.ENDED,
        disputed=bool(rulings),
        severity=max((one.severity for one in rulings), default=0) or None,
        usd_rate=escrow.usd_rate,
    )


_BROKEN: Final = frozenset((CommitmentState.BREACHED, CommitmentState.RESOLVED))


def _value_units(commitment: Commitment, payee_kept: bool) -> int:
    """What an outcome is worth (B16): posted for what was kept, reserved for what was breached.

    What the payee breached is what it lost of the escrow; the payer's breach is about all of it.
    """
    escrow = commitment.escrow
    assert escrow is not None
    if commitment.state in _BROKEN and not payee_kept:
        return commitment.voided_units
    if commitment.state is CommitmentState.BREACHED:
        return escrow.money.units
    return commitment.posted_units or 0
