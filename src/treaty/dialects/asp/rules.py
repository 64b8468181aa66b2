"""May this message be accepted now? Numbered checks; the first that fails names its reason.

``authenticate`` proves who speaks (B3, B4, B6); ``judge`` asks whether the words are lawful
here (B7, B9, B11, B13). Neither changes anything, and the verifier of a deal file asks the
same two questions as the host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Final, Protocol

from treaty.core.levels import ceiling_units
from treaty.core.rates import UsdRates, rates_at
from treaty.core.session import permitted
from treaty.dialects.asp.acts import act_of, new_id, seen_from, standing
from treaty.dialects.asp.choices import (
    CLOSE_REASONS,
    FRESHNESS_MS,
    INFORM_LAST_WORDS,
    LAST_WORDS,
    MESSAGES_KEPT,
    MESSAGES_MAX,
    SIGNING_PREFIX,
)
from treaty.dialects.asp.conversation import Conversation
from treaty.dialects.asp.delegations import check_limits
from treaty.dialects.asp.escalations import check_authority
from treaty.dialects.asp.guards import (
    accepted_commitment,
    accepted_counter,
    accepted_delegation,
    accepted_invitation,
    accepted_proposal,
    claimed,
    committed,
    countered_invitation,
    delegated,
    escalated,
    identified,
    in_format,
    invited,
    proposed,
    withdrawn,
)
from treaty.dialects.asp.machine import RULES
from treaty.dialects.asp.messages import Close, Commit, Envelope, Inform
from treaty.dialects.asp.terms import make_commitment
from treaty.dialects.asp.turns import has_expired
from treaty.errors import Refused, SignatureError, shown
from treaty.identity.dpop import MessageBinding, check_message_proof
from treaty.identity.envelopes import open_envelope
from treaty.identity.keys import ProofKey, PublicKey, read_public_key
from treaty.identity.verified import Verified
from treaty.wire import fields
from treaty.wire.canonical import Json


class StandingView(Protocol):
    """What the host knows of an agent's trust."""

    @property
    def score(self) -> Decimal:
        """0 to 100, one decimal."""

    @property
    def level(self) -> int:
        """0 to 4 (B17)."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the host knows beside the session."""

    standing: Callable[[str], StandingView]
    """Asked only by the few acts that need it; computing a score is not free."""
    usd_rates: UsdRates = field(default_factory=dict)
    """What other currencies are worth now (B17)."""


def authenticate(
    envelope: Envelope,
    key: PublicKey,
    *,
    received_at_ms: int,
    base_url: str,
    proof_key: ProofKey | None = None,
) -> Verified[dict[str, Json]]:
    """Check hash, signature and proof of an in-session message against the pinned key.

    ``base_url`` is the host's public URL; ``proof_key`` the card's own key for proofs, where it
    has one. Recipients and verifiers give the receipt's time as
    ``received_at_ms``, the host its clock. Raises ``SignatureError`` (``hash_mismatch``,
    ``signature_invalid``, ``proof_invalid``), or ``Refused`` (``unauthorized``) for an identity
    INFORM that shows another key.
    """
    # (1) The hash is of what was received, the signature over it (B3, B4).
    verified = open_envelope(envelope.document, key, prefix=SIGNING_PREFIX)
    # (2) The timestamp is near the time of receipt (B6).
    if abs(received_at_ms - envelope.timestamp_ms) > FRESHNESS_MS:
        raise SignatureError(
            f"timestamp is {received_at_ms - envelope.timestamp_ms} ms from the time of receipt, "
            f"at most {FRESHNESS_MS} are allowed",
            "proof_invalid",
        )
    # (3) The proof binds this message to this place in this session (B6).
    assert envelope.proof is not None
    check_message_proof(
        envelope.proof,
        proof_key or key,
        _binding(envelope, base_url),
        received_at_ms,
        window_ms=FRESHNESS_MS,
    )
    # (4) A card shown in the session shows the key that signs here (B5).
    _check_shown_key(envelope, key)
    return verified


def _binding(envelope: Envelope, base_url: str) -> MessageBinding:
    """What the proof must name: ids as the sender spelled them, since UUIDs may be upper case."""
    assert envelope.sequence is not None
    session = fields.text(envelope.document, "sessionId")
    return MessageBinding(
        message_id=fields.text(envelope.document, "messageId"),
        session=session,
        sequence=envelope.sequence,
        previous_hash=envelope.previous_hash,
        htu=messages_url(base_url, session),
    )


def _check_shown_key(envelope: Envelope, key: PublicKey) -> None:
    body = envelope.body
    if not isinstance(body, Inform) or body.inform_type != "identity":
        return
    card = body.data.get("agentCard")
    if isinstance(card, dict) and read_public_key(card.get("publicKey")) != key:
        raise Refused("the card shows another key than the one that signs here", "unauthorized")


def messages_url(base_url: str, session_id: str) -> str:
    """The ``htu`` of every message of a session, the invitation's too (B6)."""
    return f"{base_url}/v1/asp/sessions/{session_id}/messages"


def judge(
    conversation: Conversation,
    envelope: Envelope,
    at_ms: int,
    context: Context | None = None,
    key: PublicKey | None = None,
) -> str:
    """Decide whether an authentic message, signed with ``key``, is lawful now; return its act.

    ``context`` is given by the host; without it (a participant, a verifier) the questions that
    need trust levels are left to the host. Raises ``Refused``; nothing has changed then.
    """
    # (1) A participant of this session speaks; nobody else learns where it stands (B7).
    _check_member(conversation, envelope)
    # (2) It extends the chain by exactly one, for the session and for its sender (B7).
    check_order(conversation, envelope)
    # (2b) It comes in the format that was agreed (B23).
    in_format(conversation, envelope)
    # (3) There is room left (B18).
    _check_room(conversation, envelope)
    # (4) The automaton knows such a move for such a sender (B9).
    view = seen_from(conversation, envelope.sender)
    act = act_of(view, envelope)
    move = permitted(RULES, view.session, act, standing(view, envelope, act))
    joint_done = conversation.side(envelope.sender) in conversation.session.marks
    if move is None or (move.joint and joint_done):
        raise Refused(
            f"{act} by {envelope.sender} is not possible in {conversation.wire_state}",
            "transition_invalid",
            data={"state": conversation.wire_state},
        )
    # (5) After the other's final offer there is only yes, no, or goodbye (B9).
    _check_final(conversation, envelope, at_ms)
    # (6) A new thing has a new name (B2).
    name = new_id(envelope.body)
    if name in conversation.ids:
        raise Refused(f"the id {shown(name)} is already used in this session", "duplicate")
    # (7) What it says fits what was said before.
    if (guard := GUARDS.get(act)) is not None:
        guard(conversation, envelope, at_ms)
    # (8) A delegate keeps to its limits (B14), an authority to the key both agreed on (B11).
    check_limits(conversation, envelope, at_ms)
    check_authority(conversation, envelope, key)
    if context is not None:
        _check_trust(conversation, envelope, act, context)
    return act


def _check_member(conversation: Conversation, envelope: Envelope) -> None:
    """Only participants are told about a session, and a revoked key says nothing more (B5, B7)."""
    if not conversation.id:
        return
    member = conversation.participants.get(envelope.sender)
    if member is None or envelope.session_id != conversation.id:
        raise Refused("no session of yours has this id", "unknown_session")
    body = envelope.body
    renews = isinstance(body, Inform) and body.inform_type == "identity"
    if member.revoked and not renews:
        raise Refused(
            f"the key of {envelope.sender} was revoked: show its successor first", "key_revoked"
        )


def check_order(conversation: Conversation, envelope: Envelope) -> None:
    """Refuse ``chain_stale`` or ``sequence_gap`` unless the message is the very next one (B7)."""
    member = conversation.participants.get(envelope.sender)
    expected = member.next_sequence if member else 0
    data = {
        "head": conversation.head,
        "position": conversation.position,
        "nextSequence": expected,
    }
    if envelope.previous_hash != conversation.head:
        raise Refused(
            f"previousHash {envelope.previous_hash} is not the head {conversation.head}",
            "chain_stale",
            data=data,
        )
    if envelope.sequence != expected:
        raise Refused(
            f"sequenceNumber {envelope.sequence} is not the sender's next, {expected}",
            "sequence_gap",
            data=data,
        )


def _check_room(conversation: Conversation, envelope: Envelope) -> None:
    """10,000 messages, half for each principal's side, the last few for ending well (B18)."""
    member = conversation.participants.get(envelope.sender)
    if member is None:
        return
    everyone = (*conversation.participants.values(), *conversation.former.values())
    used = sum(one.messages for one in everyone if one.side == member.side)
    quota = MESSAGES_MAX // 2
    if used >= quota or (used >= quota - MESSAGES_KEPT and not _last_words(envelope)):
        raise Refused(
            f"this side has sent {used} of its {quota} messages; the last {MESSAGES_KEPT} are "
            "kept for results, errors, refusals and CLOSE",
            "session_full",
        )


def _last_words(envelope: Envelope) -> bool:
    body = envelope.body
    if isinstance(body, Inform):
        return body.inform_type in INFORM_LAST_WORDS
    return envelope.performative.value in LAST_WORDS


# INFORM as well: what is bound goes on being performed and reported.
_AFTER_FINAL: Final = frozenset(("ACCEPT", "REJECT", "CLOSE", "INFORM"))


def _check_final(conversation: Conversation, envelope: Envelope, at_ms: int) -> None:
    if envelope.performative.value in _AFTER_FINAL:
        return
    side = conversation.side(envelope.sender)
    for one in conversation.proposals.values():
        is_void = one.valid_until_ms is not None and at_ms >= one.valid_until_ms
        if one.final and one.state == "open" and one.author != side and not is_void:
            raise Refused(
                f"{shown(one.id)} is final: accept it, reject it, or close", "transition_invalid"
            )


def _closed(conversation: Conversation, envelope: Envelope, at_ms: int) -> None:
    """A CLOSE names a known reason, the right head and count, and commitments of this session."""
    body = envelope.body
    assert isinstance(body, Close)
    # "Each party may replace its own CLOSE until both are in."
    if sum(one.counts for one in conversation.closings.values()) == 2:
        raise Refused("both parties have closed this session", "transition_invalid")
    if body.reason not in CLOSE_REASONS:
        raise Refused(
            f"a CLOSE is completed, cancelled, failed or expired, not {shown(body.reason)}",
            "malformed",
        )
    if body.chain_head is not None and body.chain_head != conversation.head:
        raise Refused("outcome.chainHead is not the head of this session", "hash_mismatch")
    if body.message_count is not None and body.message_count != conversation.messages:
        raise Refused(
            f"outcome.messageCount {body.message_count} is not {conversation.messages}",
            "hash_mismatch",
        )
    for name in body.commitments_fulfilled:
        if name not in conversation.commitments:
            raise Refused(f"no commitment is called {shown(name)}", "reference_unknown")
    if body.reason == "completed":
        _check_performed(conversation)
    side = conversation.side(envelope.sender)
    if body.reason == "expired" and not has_expired(conversation, side, at_ms):
        raise Refused("nothing this party waits for has run out", "transition_invalid")


def _check_performed(conversation: Conversation) -> None:
    for commitment in conversation.live:
        for duty in commitment.obligations:
            if duty.state.value == "PENDING":
                raise Refused(
                    f"{commitment.id}: {duty.party} has not yet done: {duty.action}; "
                    "completed needs every obligation out of PENDING",
                    "obligation_open",
                )


def _countered(conversation: Conversation, envelope: Envelope, at_ms: int) -> None:
    proposed(conversation, envelope, at_ms)
    accepted_proposal(conversation, envelope, at_ms)


def _countered_commitment(conversation: Conversation, envelope: Envelope, at_ms: int) -> None:
    proposed(conversation, envelope, at_ms)
    accepted_commitment(conversation, envelope, at_ms)


Guard = Callable[[Conversation, Envelope, int], None]

GUARDS: Final[Mapping[str, Guard]] = MappingProxyType(
    {
        "PROPOSE/invitation": invited,
        "PROPOSE/proposal": proposed,
        "COUNTER/invitation": countered_invitation,
        "COUNTER/proposal": _countered,
        "COUNTER/commitment": _countered_commitment,
        "ACCEPT/invitation": accepted_invitation,
        "ACCEPT/invitation-counter": accepted_counter,
        "REJECT/invitation": accepted_invitation,
        "ACCEPT/proposal": accepted_proposal,
        "REJECT/proposal": accepted_proposal,
        "WITHDRAW/proposal": withdrawn,
        "COMMIT": committed,
        "ACCEPT/commitment": accepted_commitment,
        "REJECT/commitment": accepted_commitment,
        "WITHDRAW/commitment": accepted_commitment,
        "DELEGATE": delegated,
        "ACCEPT/delegation": accepted_delegation,
        "REJECT/delegation": accepted_delegation,
        "WITHDRAW/delegation": withdrawn,
        "ESCALATE": escalated,
        "INFORM/identity": identified,
        "INFORM/claim": claimed,
        "CLOSE": _closed,
        "CLOSE/offer": _closed,
        "CLOSE/consent": _closed,
        "CLOSE/late": _closed,
    }
)


def _check_trust(
    conversation: Conversation, envelope: Envelope, act: str, context: Context
) -> None:
    """Trust questions only the host can answer: required score, ceiling (B9, B17)."""
    if act in ("ACCEPT/invitation", "COUNTER/invitation"):
        assert conversation.invitation is not None
        _check_required(conversation.invitation.required_trust, envelope.sender, context)
    if act == "COMMIT":
        check_ceiling(envelope, context)


def _check_required(required: Decimal | None, sender: str, context: Context) -> None:
    score = context.standing(sender).score
    if required is not None and score < required:
        raise Refused(
            f"the invitation asks for a trust score of {required}, {sender} has {score}",
            "insufficient_trust_score",
        )


def check_ceiling(envelope: Envelope, context: Context) -> None:
    """A commitment stays under the ceiling of the lower level of payer and payee (B17).

    Raises ``Refused``: ``ceiling_exceeded``, or ``currency_unsupported`` without a USD rate.
    """
    body = envelope.body
    assert isinstance(body, Commit)
    escrow = make_commitment(envelope, body, envelope.sender).escrow
    if escrow is None:
        return
    asset = escrow.money.asset
    rates = rates_at(asset, context.usd_rates.get(asset))
    for party in (escrow.payer, escrow.payee):
        level = context.standing(party).level
        ceiling = ceiling_units(level, asset, rates)
        if escrow.money.units > ceiling:
            raise Refused(
                f"{party} is at trust level {level}: its ceiling is {ceiling} units of "
                f"{asset}, this asks for {escrow.money.units}",
                "ceiling_exceeded",
            )
