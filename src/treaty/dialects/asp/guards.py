"""Guards: one question per act about what a message refers to. Each raises ``Refused`` or not.

The automaton has already said that such a message may come now from such a sender; a guard
looks at the content: is the id new, is the proposal still open, is the claim by the right one?
"""

from __future__ import annotations

from typing import Final, NoReturn

from treaty.core.commitment import (
    CLAIMS_CHECKED_MAX,
    Commitment,
    CommitmentState,
    Method,
    Obligation,
    claimable,
)
from treaty.dialects.asp.acts import claimed_commitment, claimed_part
from treaty.dialects.asp.choices import (
    CONDITIONS,
    DEADLINE_LEAST_MS,
    DEADLINE_MOST_MS,
    DELEGATES_MAX,
    PARTICIPANTS_MAX,
)
from treaty.dialects.asp.conversation import Conversation
from treaty.dialects.asp.delegations import read_limits
from treaty.dialects.asp.escalations import allowance_ms
from treaty.dialects.asp.machine import IDLE, INVITED, INVITED_COUNTERED
from treaty.dialects.asp.messages import (
    Accept,
    Commit,
    Counter,
    Delegate,
    Envelope,
    Escalate,
    Inform,
    Propose,
    Reject,
    Withdraw,
)
from treaty.dialects.asp.terms import (
    contains,
    counter_invitation,
    make_commitment,
    make_invitation,
    same_nodes,
)
from treaty.errors import Refused, SignatureError, WireError, shown
from treaty.identity.evidence import check_evidence
from treaty.identity.keys import read_public_key
from treaty.wire.canonical import Json

_UNAGREED: Final = frozenset((IDLE, INVITED, INVITED_COUNTERED))


def in_format(conversation: Conversation, envelope: Envelope) -> None:
    """Until the invitation is accepted either format is read; then the one it names (B23)."""
    invitation = conversation.invitation
    if invitation is None or conversation.state in _UNAGREED:
        return
    if envelope.media_type != invitation.format:
        raise Refused(
            f"this session speaks {invitation.format}, not {envelope.media_type}",
            "unsupported_media_type",
        )


def invited(_conversation: Conversation, envelope: Envelope, at_ms: int) -> None:
    """An invitation names its recipient, has not lapsed, and sets lawful terms (B10)."""
    body = envelope.body
    assert isinstance(body, Propose)
    if envelope.recipient is None:
        raise WireError("an invitation names its recipient")
    if envelope.recipient == envelope.sender:
        raise Refused("an agent cannot invite itself", "policy_violation")
    if make_invitation(envelope, body, at_ms).expires_ms <= at_ms:
        raise Refused("the invitation has lapsed before it arrived", "proposal_expired")


def accepted_invitation(conversation: Conversation, envelope: Envelope, at_ms: int) -> None:
    """The invitation has not expired, and is the one the sender means."""
    invitation = conversation.invitation
    assert invitation is not None
    if at_ms >= invitation.expires_ms:
        raise Refused("the invitation has expired", "proposal_expired")
    if isinstance(envelope.body, Accept):
        _same_hash(envelope.body, invitation.hash)


def countered_invitation(conversation: Conversation, envelope: Envelope, at_ms: int) -> None:
    """An invitation is countered once, in time, with lawful terms (B9)."""
    accepted_invitation(conversation, envelope, at_ms)
    proposed(conversation, envelope, at_ms)
    body = envelope.body
    assert isinstance(body, Counter)
    assert conversation.invitation is not None
    if conversation.invitation.counter is not None:
        raise Refused("an invitation is countered once", "transition_invalid")
    counter_invitation(envelope, body)
    same_nodes(conversation.invitation.terms, body.terms)


def accepted_counter(conversation: Conversation, envelope: Envelope, at_ms: int) -> None:
    """Neither the invitation nor its counter has expired; the counter is the one meant."""
    invitation, body = conversation.invitation, envelope.body
    assert invitation is not None
    assert invitation.counter is not None
    assert isinstance(body, Accept)
    until = invitation.counter.valid_until_ms
    if at_ms >= invitation.expires_ms or (until is not None and at_ms >= until):
        raise Refused("the invitation has expired", "proposal_expired")
    _same_hash(body, invitation.counter.hash)


def _same_hash(body: Accept, meant: str | None) -> None:
    if body.reference_hash is not None and body.reference_hash != meant:
        raise Refused(
            f"referenceHash {body.reference_hash} is not that of {shown(body.reference_id)}",
            "hash_mismatch",
        )


def proposed(_conversation: Conversation, envelope: Envelope, at_ms: int) -> None:
    """A proposal is not void already."""
    body = envelope.body
    assert isinstance(body, Propose | Counter)
    if body.valid_until_ms is not None and body.valid_until_ms <= at_ms:
        raise Refused("the proposal was void before it arrived", "proposal_expired")


def accepted_proposal(conversation: Conversation, envelope: Envelope, at_ms: int) -> None:
    """The proposal is open and valid, and is the one the sender means."""
    body = envelope.body
    assert isinstance(body, Accept | Reject | Counter)
    proposal = conversation.proposals[body.reference_id]
    if proposal.state != "open":
        raise Refused(f"{shown(proposal.id)} is {proposal.state}", "transition_invalid")
    until = proposal.valid_until_ms
    if until is not None and at_ms >= until and not isinstance(body, Reject):
        raise Refused(f"{shown(proposal.id)} is void since its validUntil", "proposal_expired")
    if isinstance(body, Accept):
        _same_hash(body, proposal.hash)


def withdrawn(conversation: Conversation, envelope: Envelope, _at_ms: int) -> None:
    """Only what is still open can be taken back."""
    body = envelope.body
    assert isinstance(body, Withdraw)
    proposal = conversation.proposals.get(body.reference_id)
    if proposal is not None and proposal.state != "open":
        raise Refused(f"{shown(proposal.id)} is {proposal.state}", "transition_invalid")
    delegation = conversation.delegations.get(body.reference_id)
    if delegation is not None and delegation.state not in ("open", "joined"):
        raise Refused(f"{shown(delegation.id)} is {delegation.state}", "transition_invalid")


def committed(conversation: Conversation, envelope: Envelope, at_ms: int) -> None:
    """A COMMIT binds participants to lawful obligations and a lawful escrow (B13)."""
    body = envelope.body
    assert isinstance(body, Commit)
    commitment = make_commitment(envelope, body, conversation.side(envelope.sender))
    for duty in commitment.obligations:
        if duty.party not in conversation.principals:
            _invalid(f"{duty.party} is no principal of this session")
        # An interval's deadline follows from the binding; its length was looked at when read.
        ahead_ms = duty.deadline_ms - at_ms
        if not duty.measured and not DEADLINE_LEAST_MS <= ahead_ms <= DEADLINE_MOST_MS:
            _invalid(f"the deadline of {duty.role or duty.party} is not 60 s to 366 d ahead")
    _check_escrow(body)
    if commitment.escrow is not None:
        parties = (commitment.escrow.payer, commitment.escrow.payee)
        if set(parties) != set(conversation.principals):
            _invalid("payer and payee are the two principals")
    _check_terms(conversation, body)


def _invalid(detail: str) -> NoReturn:
    raise Refused(detail, "commitment_invalid")


def _check_escrow(body: Commit) -> None:
    methods = {promise.method for promise in body.obligations}
    escrow = body.escrow
    if escrow is None:
        if "escrow-release" in methods:
            _invalid("an escrow-release obligation needs an escrow")
        return
    if escrow.money.units <= 0:
        _invalid("the escrow amount must be above zero")
    if escrow.condition not in CONDITIONS:
        _invalid(f"releaseCondition {shown(escrow.condition)} is not known")


def _check_terms(conversation: Conversation, body: Commit) -> None:
    """With a ``proposalId`` the terms contain the accepted ones (B11)."""
    if body.proposal_id is None:
        return
    proposal = conversation.proposals.get(body.proposal_id)
    if proposal is None:
        raise Refused(f"no proposal is called {shown(body.proposal_id)}", "proposal_unknown")
    if proposal.state != "accepted":
        _invalid(f"{shown(proposal.id)} is {proposal.state}, not accepted")
    if not contains(dict(body.terms), dict(proposal.terms)):
        _invalid(f"the terms do not contain those of {shown(proposal.id)}")


def accepted_commitment(conversation: Conversation, envelope: Envelope, at_ms: int) -> None:
    """The commitment is still only proposed, and is the one the sender means.

    What can no longer be done in time is not accepted: it would be breached as it binds.
    """
    body = envelope.body
    assert isinstance(body, Accept | Reject | Counter | Withdraw)
    commitment = conversation.commitments[body.reference_id]
    if commitment.state is not CommitmentState.PROPOSED:
        raise Refused(f"{shown(commitment.id)} is {commitment.state.value}", "transition_invalid")
    if isinstance(body, Accept):
        _same_hash(body, commitment.hash)
        for duty in commitment.obligations:
            if not duty.measured and at_ms >= duty.deadline_ms:
                raise Refused(
                    f"the deadline of {duty.role or duty.party} has passed", "proposal_expired"
                )


def claimed(conversation: Conversation, envelope: Envelope, at_ms: int) -> None:
    """The obliged party claims, the other one confirms, a commitment that is bound (B13)."""
    body = envelope.body
    assert isinstance(body, Inform)
    name = claimed_commitment(body)
    assert name is not None
    commitment = conversation.commitments.get(name)
    if commitment is None:
        raise Refused(f"no commitment is called {shown(name)}", "reference_unknown")
    if not commitment.live:
        raise Refused(f"{shown(name)} is {commitment.state.value}", "transition_invalid")
    side, part = conversation.side(envelope.sender), claimed_part(body)
    if part is not None and commitment.share(part) is None:
        raise Refused(f"{shown(name)} has no part {shown(part)}", "reference_unknown")
    if body.data.get("status") != "fulfilled":
        return
    open_now = claimable(commitment, side, at_ms, part)
    if not open_now:
        raise Refused(
            f"{side} owes nothing that could be claimed now under {shown(name)}",
            "transition_invalid",
        )
    _check_provable(conversation, envelope, commitment, open_now)


def _check_provable(
    conversation: Conversation,
    envelope: Envelope,
    commitment: Commitment,
    duties: tuple[Obligation, ...],
) -> None:
    """A claim that is checked by machine comes with what that takes, and not for ever (B13)."""
    body = envelope.body
    assert isinstance(body, Inform)
    for duty in duties:
        if duty.check is None:
            continue
        if duty.claims >= CLAIMS_CHECKED_MAX:
            raise Refused(
                f"{shown(duty.name)} was claimed {duty.claims} times; it is no longer checked",
                "policy_violation",
            )
        if duty.method is Method.EVIDENCE:
            pinned = conversation.participants[envelope.sender].public_key
            evidence = body.data.get("evidence")
            _check_evidence(evidence, duty.check.key or pinned, conversation.id, commitment.id)


def _check_evidence(evidence: Json, key: str | None, session: str, commitment: str) -> None:
    """It is signed, and for what it names, this session and commitment are meant."""
    if key is None:
        raise SignatureError("no key is known for this evidence")
    check_evidence(evidence, read_public_key(key))
    assert isinstance(evidence, dict)
    named = evidence.get("commitmentId")
    if named is not None and named != commitment:
        raise Refused(f"the evidence is about {shown(named)}", "policy_violation")
    named = evidence.get("sessionId")
    if named is not None and not (isinstance(named, str) and named.lower() == session):
        raise Refused(f"the evidence is about session {shown(named)}", "policy_violation")


def identified(conversation: Conversation, envelope: Envelope, _at_ms: int) -> None:
    """An identity INFORM shows the URI and the key pinned at the first message (B5)."""
    body = envelope.body
    assert isinstance(body, Inform)
    card = body.data.get("agentCard")
    if not isinstance(card, dict):
        raise WireError("an identity INFORM carries data.agentCard")
    member = conversation.participants[envelope.sender]
    if card.get("uri") != envelope.sender:
        raise Refused("the card names another agent", "unauthorized")
    shown_key = read_public_key(card.get("publicKey"))
    if member.public_key is None:
        return
    same = shown_key == read_public_key(member.public_key)
    if member.revoked and same:
        raise Refused("the card shows the key that was revoked", "key_revoked")
    if not member.revoked and not same:
        raise Refused("the card shows another key than the one that signs here", "unauthorized")


def delegated(conversation: Conversation, envelope: Envelope, at_ms: int) -> None:
    """A delegate is a stranger so far, of a known authority, and there is room (B14)."""
    body = envelope.body
    assert isinstance(body, Delegate)
    if body.authority not in ("advisory", "binding"):
        raise WireError(f"authority is advisory or binding, not {shown(body.authority)}")
    side = conversation.side(envelope.sender)
    former = conversation.former.get(body.target_agent)
    if body.target_agent in conversation.participants or (former and former.side != side):
        raise Refused(f"{body.target_agent} is or was in this session", "duplicate")
    read_limits(body.limits)
    if body.expires_at_ms <= at_ms:
        raise Refused("the delegation has lapsed before it arrived", "proposal_expired")
    own = [
        one
        for one in conversation.delegations.values()
        if one.author == side and one.state in ("open", "joined")
    ]
    if len(own) >= DELEGATES_MAX:
        raise Refused("one party has no more delegates than that", "session_full")
    _check_seat(conversation, body.target_agent)


def _check_seat(conversation: Conversation, newcomer: str) -> None:
    present = conversation.participants
    if newcomer not in present and len(present) >= PARTICIPANTS_MAX:
        raise Refused(f"a session has at most {PARTICIPANTS_MAX} participants", "session_full")


def accepted_delegation(conversation: Conversation, envelope: Envelope, at_ms: int) -> None:
    """The delegation is still open, is the one the sender means, and there is room (B14)."""
    body = envelope.body
    assert isinstance(body, Accept | Reject)
    delegation = conversation.delegations[body.reference_id]
    if delegation.state != "open":
        raise Refused(f"{shown(delegation.id)} is {delegation.state}", "transition_invalid")
    if isinstance(body, Accept):
        _same_hash(body, delegation.hash)
        if at_ms >= delegation.expires_ms:
            raise Refused(f"{shown(delegation.id)} has lapsed", "proposal_expired")
        if delegation.target in conversation.participants:
            raise Refused(f"{delegation.target} is in this session already", "duplicate")
        _check_seat(conversation, delegation.target)


def escalated(conversation: Conversation, envelope: Envelope, _at_ms: int) -> None:
    """One running escalation per party, to an authority that is on nobody's side (B9)."""
    body = envelope.body
    assert isinstance(body, Escalate)
    if conversation.side(envelope.sender) in conversation.escalations:
        raise Refused("an escalation of this party is already running", "transition_invalid")
    if conversation.side(body.authority):
        raise Refused(f"{body.authority} is a party, and no authority", "authority_missing")
    if not allowance_ms(conversation, conversation.side(envelope.sender)):
        raise Refused("this party's escalations have taken their day", "transition_invalid")
    _check_seat(conversation, body.authority)
