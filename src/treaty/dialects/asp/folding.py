"""The fold: one accepted message or host fact makes the next ``Conversation``.

Folding never refuses on meaning (``rules.judge`` did that before the entry was written); it
only raises ``Refused`` (``transition_invalid``) when the automaton has no such move, so that a
verifier may fold a log it does not trust.

After every entry ``_conclude`` ends the commitments that must end by it. What the clearing
then has to do is read off with ``orders``.
"""

from __future__ import annotations

from dataclasses import replace

from treaty.core.commitment import (
    CommitmentState,
    Order,
    bind,
    claim,
    confirm,
    end,
    ending,
    order,
)
from treaty.core.session import advance
from treaty.dialects.asp.acts import act_of, claimed_commitment, standing
from treaty.dialects.asp.conversation import (
    Closing,
    Conversation,
    Delegation,
    Escalation,
    Participant,
    Proposal,
    with_commitment,
    with_delegation,
    with_participant,
    with_proposal,
)
from treaty.dialects.asp.machine import CLOSED, INVITED_ACCEPTED, RULES
from treaty.dialects.asp.messages import (
    Accept,
    Close,
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
from treaty.dialects.asp.terms import make_commitment, make_invitation


def fold_message(
    conversation: Conversation,
    envelope: Envelope,
    *,
    at_ms: int,
    position: int,
    entry: str,
    public_key: str | None = None,
) -> Conversation:
    """Fold one accepted message.

    ``position`` and ``entry`` (hash) are those of its receipt; ``public_key`` is the key pinned
    for the sender, given with its first message.
    """
    act = act_of(conversation, envelope)
    words = standing(conversation, envelope, act)
    party = conversation.side(envelope.sender) or envelope.sender
    session = advance(RULES, conversation.session, act, words, party=party)
    moved = replace(conversation, session=session)
    moved = _count(moved, envelope, public_key)
    moved = _apply(moved, envelope, act, at_ms)
    moved = replace(
        moved,
        head=envelope.hash,
        messages=moved.messages + 1,
        active_ms=at_ms,
        entered_ms=at_ms if session.state != conversation.state else moved.entered_ms,
    )
    return conclude(stamp(moved, at_ms, position, entry))


def stamp(conversation: Conversation, at_ms: int, position: int, entry: str) -> Conversation:
    """Record the log entry a conversation now stands at."""
    return replace(conversation, at_ms=at_ms, position=position, entry=entry)


def _count(conversation: Conversation, envelope: Envelope, key: str | None) -> Conversation:
    """Advance the sender's numbers; its first message also brings it in."""
    sender = envelope.sender
    known = conversation.participants.get(sender)
    if known is None:
        known = Participant(sender, "inviter", sender)
        conversation = replace(conversation, inviter=sender)
    known = replace(
        known,
        public_key=known.public_key or key,
        next_sequence=known.next_sequence + 1,
        messages=known.messages + 1,
    )
    return with_participant(conversation, known)


def _apply(moved: Conversation, envelope: Envelope, act: str, at_ms: int) -> Conversation:
    """Everything a message changes beside the automaton, by what it is."""
    body = envelope.body
    if isinstance(body, Propose):
        if body.is_invitation:
            return _open(moved, envelope, body, at_ms)
        return _propose(moved, envelope, body)
    if isinstance(body, Counter):
        return _counter(moved, envelope, body, act)
    if isinstance(body, Accept):
        return _accept(moved, body, act, at_ms)
    if isinstance(body, Reject):
        return _reject(moved, body, act)
    if isinstance(body, Withdraw):
        return _withdraw(moved, body, act)
    if isinstance(body, Commit):
        moved = _use_id(moved, body.commitment_id)
        return with_commitment(moved, make_commitment(envelope, body))
    if isinstance(body, Inform):
        return _inform(moved, envelope, body, act, at_ms)
    if isinstance(body, Delegate):
        return _delegate(moved, envelope, body)
    if isinstance(body, Escalate):
        return _escalate(moved, envelope, body)
    if isinstance(body, Close):
        return _close(moved, envelope, body, act, at_ms)
    return moved


def _use_id(conversation: Conversation, *ids: str) -> Conversation:
    return replace(conversation, ids=conversation.ids.union(ids))


def _open(moved: Conversation, envelope: Envelope, body: Propose, at_ms: int) -> Conversation:
    assert envelope.recipient is not None
    assert envelope.session_id is not None
    moved = with_participant(moved, Participant(envelope.recipient, "invitee", envelope.recipient))
    return replace(
        _use_id(moved, body.proposal_id),
        id=envelope.session_id,
        invitee=envelope.recipient,
        invitation=make_invitation(envelope, body, at_ms),
        started_ms=at_ms,
        entered_ms=at_ms,
    )


def _propose(moved: Conversation, envelope: Envelope, body: Propose) -> Conversation:
    """A new PROPOSE supersedes the sender's open ones and declines the counter it answers (B9)."""
    side = moved.side(envelope.sender)
    for old in tuple(moved.proposals.values()):
        if old.state == "open":
            fate = "superseded" if old.author == side else "rejected"
            moved = with_proposal(moved, replace(old, state=fate))
    proposal = Proposal(
        body.proposal_id, side, envelope.hash, body.subject, body.terms, body.valid_until_ms
    )
    return with_proposal(_use_id(moved, body.proposal_id), proposal)


def _counter(moved: Conversation, envelope: Envelope, body: Counter, act: str) -> Conversation:
    moved = _use_id(moved, body.counter_id)
    if act == "COUNTER/invitation":
        assert moved.invitation is not None
        invitation = replace(
            moved.invitation,
            counter_id=body.counter_id,
            counter_hash=envelope.hash,
            counter_terms=body.terms,
        )
        return replace(moved, invitation=invitation)
    if act == "COUNTER/commitment":
        moved = _end_proposed(moved, body.reference_id, CommitmentState.REJECTED)
    else:
        old = moved.proposals[body.reference_id]
        moved = with_proposal(moved, replace(old, state="countered"))
    proposal = Proposal(
        body.counter_id,
        moved.side(envelope.sender),
        envelope.hash,
        body.subject,
        body.terms,
        body.valid_until_ms,
        body.final,
    )
    return with_proposal(moved, proposal)


def _accept(moved: Conversation, body: Accept, act: str, at_ms: int) -> Conversation:
    reference = body.reference_id
    if act == "ACCEPT/proposal":
        accepted = replace(moved.proposals[reference], state="accepted")
        return replace(with_proposal(moved, accepted), agreed=reference)
    if act == "ACCEPT/commitment":
        return with_commitment(moved, bind(moved.commitments[reference], at_ms))
    if act == "ACCEPT/delegation":
        return _join(moved, moved.delegations[reference])
    assert moved.session.state == INVITED_ACCEPTED
    return replace(moved, started_ms=at_ms)


def _join(moved: Conversation, delegation: Delegation) -> Conversation:
    moved = with_delegation(moved, replace(delegation, state="joined"))
    member = Participant(delegation.target, delegation.authority, delegation.author)
    return with_participant(moved, member)


def _reject(moved: Conversation, body: Reject, act: str) -> Conversation:
    reference = body.reference_id
    if act == "REJECT/proposal":
        rejected = replace(moved.proposals[reference], state="rejected")
        return with_proposal(moved, rejected)
    if act == "REJECT/commitment":
        return _end_proposed(moved, reference, CommitmentState.REJECTED)
    if act == "REJECT/delegation":
        return with_delegation(moved, replace(moved.delegations[reference], state="refused"))
    return moved


def _withdraw(moved: Conversation, body: Withdraw, act: str) -> Conversation:
    reference = body.reference_id
    if act == "WITHDRAW/proposal":
        return with_proposal(moved, replace(moved.proposals[reference], state="withdrawn"))
    if act == "WITHDRAW/commitment":
        return _end_proposed(moved, reference, CommitmentState.WITHDRAWN)
    if act == "WITHDRAW/delegation":
        delegation = replace(moved.delegations[reference], state="ended")
        moved = with_delegation(moved, delegation)
        others = {k: v for k, v in moved.participants.items() if k != delegation.target}
        return replace(moved, participants=others)
    return moved


def _end_proposed(moved: Conversation, reference: str, state: CommitmentState) -> Conversation:
    return with_commitment(moved, end(moved.commitments[reference], state))


def _inform(
    moved: Conversation, envelope: Envelope, body: Inform, act: str, at_ms: int
) -> Conversation:
    if act == "INFORM/claim":
        reference = claimed_commitment(body)
        assert reference is not None
        commitment = moved.commitments[reference]
        side = moved.side(envelope.sender)
        change = claim if body.data.get("status") == "fulfilled" else confirm
        return with_commitment(moved, change(commitment, side, at_ms))
    if act == "INFORM/identity" and moved.participants[envelope.sender].revoked:
        return _repin(moved, envelope.sender, body)
    if act == "INFORM/resume":
        return replace(moved, escalation=None)
    if act == "INFORM/abort":
        return replace(moved, escalation=None, consent=True)
    return moved


def _repin(moved: Conversation, sender: str, body: Inform) -> Conversation:
    card = body.data.get("agentCard")
    key = card.get("publicKey") if isinstance(card, dict) else None
    member = replace(moved.participants[sender], revoked=False, public_key=str(key))
    return with_participant(moved, member)


def _delegate(moved: Conversation, envelope: Envelope, body: Delegate) -> Conversation:
    delegation = Delegation(
        body.delegation_id,
        moved.side(envelope.sender),
        envelope.hash,
        body.target_agent,
        body.authority,
    )
    return with_delegation(_use_id(moved, body.delegation_id), delegation)


def _escalate(moved: Conversation, envelope: Envelope, body: Escalate) -> Conversation:
    assert moved.invitation is not None
    common = body.authority in moved.invitation.authorities
    running = Escalation(body.escalation_id, moved.side(envelope.sender), body.authority, common)
    moved = replace(_use_id(moved, body.escalation_id), escalation=running)
    if body.authority in moved.participants:
        return moved
    return with_participant(moved, Participant(body.authority, "authority", ""))


def _close(
    moved: Conversation, envelope: Envelope, body: Close, act: str, at_ms: int
) -> Conversation:
    """Record a CLOSE; naming a commitment fulfilled confirms it (B9, B13)."""
    side = moved.side(envelope.sender)
    closing = Closing(body.reason, body.peer_rating, body.commitments_fulfilled, counts=True)
    moved = replace(
        moved,
        closings={**moved.closings, side: closing},
        consent=moved.consent or act == "CLOSE/consent",
        escalation=None if moved.session.state == CLOSED else moved.escalation,
    )
    for name in body.commitments_fulfilled:
        commitment = moved.commitments.get(name)
        if commitment is not None and commitment.live:
            moved = with_commitment(moved, confirm(commitment, side, at_ms))
    return moved


def conclude(conversation: Conversation) -> Conversation:
    """End every bound commitment that must end now (B13's table)."""
    for commitment in conversation.live:
        state = ending(
            commitment,
            both_closed=both_closed(conversation),
            at_ms=conversation.at_ms,
            consent=conversation.consent,
        )
        if state is not None:
            conversation = with_commitment(conversation, end(commitment, state))
    return conversation


def both_closed(conversation: Conversation) -> bool:
    """True when each principal's own CLOSE ``completed`` is in."""
    done = [one for one in conversation.closings.values() if one.counts]
    return len(done) == 2 and all(one.reason == "completed" for one in done)


def orders(conversation: Conversation) -> tuple[Order, ...]:
    """What the clearing must do now, oldest commitment first."""
    found: list[Order] = []
    for commitment in conversation.commitments.values():
        one = order(commitment)
        if one is not None:
            found.append(one)
    return tuple(found)
