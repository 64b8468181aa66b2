"""Guards: one question per act about what a message refers to. Each raises ``Refused`` or not.

The automaton has already said that such a message may come now from such a sender; a guard
looks at the content: is the id new, is the proposal still open, is the claim by the right one?
"""

from __future__ import annotations

from typing import NoReturn

from treaty.core.commitment import CommitmentState, has_pending
from treaty.dialects.asp.acts import claimed_commitment
from treaty.dialects.asp.choices import (
    CONDITIONS,
    DEADLINE_LEAST_MS,
    DEADLINE_MOST_MS,
    DELEGATES_MAX,
    PARTICIPANTS_MAX,
)
from treaty.dialects.asp.conversation import Conversation
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
from treaty.dialects.asp.terms import contains, make_commitment, make_invitation
from treaty.errors import Refused, WireError, shown
from treaty.identity.keys import read_public_key


def _new_id(conversation: Conversation, name: str) -> None:
    if name in conversation.ids:
        raise Refused(f"the id {shown(name)} is already used in this session", "duplicate")


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
    """The invitation has not expired; an expected hash agrees; a counter's id is new."""
    invitation = conversation.invitation
    assert invitation is not None
    if at_ms >= invitation.expires_ms:
        raise Refused("the invitation has expired", "proposal_expired")
    body = envelope.body
    if isinstance(body, Counter):
        _new_id(conversation, body.counter_id)
        if invitation.counter_id is not None:
            raise Refused("an invitation is countered once", "transition_invalid")
    if isinstance(body, Accept):
        meant = invitation.hash if body.reference_id == invitation.id else invitation.counter_hash
        _same_hash(body, meant)


def _same_hash(body: Accept, meant: str | None) -> None:
    if body.reference_hash is not None and body.reference_hash != meant:
        raise Refused(
            f"referenceHash {body.reference_hash} is not that of {shown(body.reference_id)}",
            "hash_mismatch",
        )


def proposed(conversation: Conversation, envelope: Envelope, at_ms: int) -> None:
    """A proposal has a new id and is not void already."""
    body = envelope.body
    assert isinstance(body, Propose | Counter)
    name = body.proposal_id if isinstance(body, Propose) else body.counter_id
    _new_id(conversation, name)
    if body.valid_until_ms is not None and body.valid_until_ms <= at_ms:
        raise Refused(f"{shown(name)} was void before it arrived", "proposal_expired")


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
    _new_id(conversation, body.commitment_id)
    commitment = make_commitment(envelope, body)
    for duty in commitment.obligations:
        if duty.party not in conversation.principals:
            _invalid(f"{duty.party} is no principal of this session")
        if not at_ms + DEADLINE_LEAST_MS <= duty.deadline_ms <= at_ms + DEADLINE_MOST_MS:
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
    if any(promise.verification is not None for promise in body.obligations):
        _invalid("obligation.verification is not carried out by this host: leave it out")
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
    if escrow.schedule is not None or escrow.penalty_bps:
        _invalid("escrow.schedule and penaltyBps are not carried out by this host: leave them out")


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


def accepted_commitment(conversation: Conversation, envelope: Envelope, _at_ms: int) -> None:
    """The commitment is still only proposed, and is the one the sender means."""
    body = envelope.body
    assert isinstance(body, Accept | Reject | Withdraw)
    commitment = conversation.commitments[body.reference_id]
    if commitment.state is not CommitmentState.PROPOSED:
        raise Refused(f"{shown(commitment.id)} is {commitment.state.value}", "transition_invalid")
    if isinstance(body, Accept):
        _same_hash(body, commitment.hash)


def claimed(conversation: Conversation, envelope: Envelope, _at_ms: int) -> None:
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
    side = conversation.side(envelope.sender)
    owes = any(duty.party == side for duty in commitment.obligations)
    if body.data.get("status") == "fulfilled" and not (owes and has_pending(commitment, side)):
        raise Refused(f"{side} owes nothing that is open under {shown(name)}", "transition_invalid")


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
    if member.revoked or member.public_key is None:
        return
    if shown_key != read_public_key(member.public_key):
        raise Refused("the card shows another key than the one that signs here", "unauthorized")


def delegated(conversation: Conversation, envelope: Envelope, at_ms: int) -> None:
    """A delegate is a stranger so far, of a known authority, and there is room (B14)."""
    body = envelope.body
    assert isinstance(body, Delegate)
    _new_id(conversation, body.delegation_id)
    if body.authority not in ("advisory", "binding"):
        raise WireError(f"authority is advisory or binding, not {shown(body.authority)}")
    if body.target_agent in conversation.participants:
        raise Refused(f"{body.target_agent} is in this session already", "duplicate")
    if body.expires_at_ms is not None and body.expires_at_ms <= at_ms:
        raise Refused("the delegation has lapsed before it arrived", "proposal_expired")
    side = conversation.side(envelope.sender)
    own = [
        one
        for one in conversation.delegations.values()
        if one.author == side and one.state in ("open", "joined")
    ]
    if len(own) >= DELEGATES_MAX or len(conversation.participants) >= PARTICIPANTS_MAX:
        raise Refused("no further delegate can join this session", "session_full")


def accepted_delegation(conversation: Conversation, envelope: Envelope, _at_ms: int) -> None:
    """The delegation is still open, and is the one the sender means."""
    body = envelope.body
    assert isinstance(body, Accept | Reject)
    delegation = conversation.delegations[body.reference_id]
    if delegation.state != "open":
        raise Refused(f"{shown(delegation.id)} is {delegation.state}", "transition_invalid")
    if isinstance(body, Accept):
        _same_hash(body, delegation.hash)


def escalated(conversation: Conversation, envelope: Envelope, _at_ms: int) -> None:
    """One running escalation per session, to an authority that is nobody's adversary (B9)."""
    body = envelope.body
    assert isinstance(body, Escalate)
    _new_id(conversation, body.escalation_id)
    if conversation.escalation is not None:
        raise Refused("an escalation is already running", "transition_invalid")
    if body.authority == conversation.other(conversation.side(envelope.sender)):
        raise Refused("the other party cannot be the authority", "authority_missing")
