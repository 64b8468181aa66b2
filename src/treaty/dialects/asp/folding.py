"""The fold: one accepted message or host fact makes the next ``Conversation``.

Folding never refuses on meaning (``rules.judge`` did that before the entry was written); it
only raises ``Refused`` (``transition_invalid``) when the automaton has no such move, so that a
verifier may fold a log it does not trust.

After every entry ``conclude`` ends the commitments that must end by it. What the clearing
then has to do is read off with ``orders``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from treaty.core.commitment import CommitmentState, Order, bind, claim, confirm
from treaty.core.session import advance, enter
from treaty.core.settlement import end, ending, release
from treaty.core.settlement import orders as orders_of
from treaty.dialects.asp.acts import (
    act_of,
    claimed_commitment,
    claimed_part,
    new_id,
    resolved_escalation,
    seen_from,
    standing,
)
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
from treaty.dialects.asp.delegations import join, leave, note_commitment, read_limits
from treaty.dialects.asp.disputes import bond_orders
from treaty.dialects.asp.escalations import (
    begin_escalation,
    end_all,
    end_escalation,
    held_from,
)
from treaty.dialects.asp.machine import CLOSED, CLOSING, ESCALATED, RULES
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
from treaty.dialects.asp.terms import adopt, counter_invitation, make_commitment, make_invitation
from treaty.dialects.asp.turns import note_turn
from treaty.wire.evolving import evolve

_ENDING: Final = frozenset((CLOSING, CLOSED))


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
    view = seen_from(conversation, envelope.sender)
    act = act_of(view, envelope)
    words = standing(view, envelope, act)
    party = conversation.side(envelope.sender)
    session = advance(RULES, view.session, act, words, party=party)
    moved = evolve(
        conversation,
        session=session,
        inviter=conversation.inviter or envelope.sender,
        participants=_counted(conversation, envelope.sender, public_key),
    )
    moved = _paused(note_turn(_apply(moved, envelope, act, at_ms), envelope, at_ms))
    named = new_id(envelope.body)
    moved = evolve(
        moved,
        head=envelope.hash,
        messages=moved.messages + 1,
        active_ms=at_ms,
        ids=moved.ids if named is None else moved.ids | {named},
        at_ms=at_ms,
        position=position,
        entry=entry,
    )
    return arrive(conversation, moved)


def _paused(moved: Conversation) -> Conversation:
    """While an escalation runs the session is ESCALATED, whatever goes on beside it, or closing."""
    if not moved.escalations or moved.state in _ENDING:
        return moved
    return evolve(moved, session=enter(RULES, moved.session, ESCALATED))


def arrive(before: Conversation, moved: Conversation) -> Conversation:
    """Note when a state was entered, end escalations that were left, then ``conclude``."""
    if moved.state != before.state:
        if moved.state != ESCALATED:
            moved = end_all(moved, moved.at_ms)
        moved = evolve(moved, entered_ms=moved.at_ms)
    return conclude(moved)


def stamp(conversation: Conversation, at_ms: int, position: int, entry: str) -> Conversation:
    """Record the log entry a conversation now stands at."""
    return evolve(conversation, at_ms=at_ms, position=position, entry=entry)


def _counted(conversation: Conversation, sender: str, key: str | None) -> Mapping[str, Participant]:
    """Advance the sender's numbers; the first message of all also brings its sender in."""
    known = conversation.participants.get(sender) or Participant(sender, "inviter", sender)
    counted = evolve(
        known,
        public_key=known.public_key or key,
        next_sequence=known.next_sequence + 1,
        messages=known.messages + 1,
    )
    return {**conversation.participants, sender: counted}


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
        return _accept(note_commitment(moved, envelope), body, act, at_ms)
    if isinstance(body, Reject):
        return _reject(moved, body, act)
    if isinstance(body, Withdraw):
        return _withdraw(moved, body, act)
    if isinstance(body, Commit):
        commitment = make_commitment(envelope, body, moved.side(envelope.sender))
        return note_commitment(with_commitment(moved, commitment), envelope)
    if isinstance(body, Inform):
        return _inform(moved, envelope, body, act, at_ms)
    if isinstance(body, Delegate):
        return _delegate(moved, envelope, body)
    if isinstance(body, Escalate):
        return _escalate(moved, envelope, body, at_ms)
    if isinstance(body, Close):
        return _close(moved, moved.side(envelope.sender), body, act, at_ms)
    return moved


def _open(moved: Conversation, envelope: Envelope, body: Propose, at_ms: int) -> Conversation:
    assert envelope.recipient is not None
    assert envelope.session_id is not None
    moved = with_participant(moved, Participant(envelope.recipient, "invitee", envelope.recipient))
    return evolve(
        moved,
        id=envelope.session_id,
        invitee=envelope.recipient,
        invitation=make_invitation(envelope, body, at_ms),
        started_ms=at_ms,
    )


def _propose(moved: Conversation, envelope: Envelope, body: Propose) -> Conversation:
    """A new PROPOSE supersedes the sender's open ones and declines the counter it answers (B9)."""
    side = moved.side(envelope.sender)
    for old in tuple(moved.proposals.values()):
        if old.state == "open" and old.author == side:
            moved = with_proposal(moved, evolve(old, state="superseded"))
        elif old.state == "open" and old.counters is not None:
            moved = with_proposal(moved, evolve(old, state="rejected"))
    proposal = Proposal(
        body.proposal_id, side, envelope.hash, body.subject, body.terms, body.valid_until_ms
    )
    return with_proposal(moved, proposal)


def _counter(moved: Conversation, envelope: Envelope, body: Counter, act: str) -> Conversation:
    if act == "COUNTER/invitation":
        assert moved.invitation is not None
        counter = counter_invitation(envelope, body)
        return evolve(moved, invitation=evolve(moved.invitation, counter=counter))
    if act == "COUNTER/commitment":
        moved = _end_proposed(moved, body.reference_id, CommitmentState.REJECTED)
    else:
        old = moved.proposals[body.reference_id]
        moved = with_proposal(moved, evolve(old, state="countered"))
    proposal = Proposal(
        body.counter_id,
        moved.side(envelope.sender),
        envelope.hash,
        body.subject,
        body.terms,
        body.valid_until_ms,
        body.final,
        counters=body.reference_id,
    )
    return with_proposal(moved, proposal)


def _accept(moved: Conversation, body: Accept, act: str, at_ms: int) -> Conversation:
    reference = body.reference_id
    if act == "ACCEPT/proposal":
        accepted = evolve(moved.proposals[reference], state="accepted")
        return evolve(with_proposal(moved, accepted), agreed=reference)
    if act == "ACCEPT/commitment":
        bound = held_from(moved, bind(moved.commitments[reference], at_ms), at_ms)
        return with_commitment(moved, evolve(bound, accepter_seed=body.arbiter_seed))
    if act == "ACCEPT/delegation":
        return join(moved, moved.delegations[reference], history=body.history)
    invitation = moved.invitation
    assert invitation is not None
    if act == "ACCEPT/invitation-counter":
        assert invitation.counter is not None
        invitation = adopt(invitation, invitation.counter)
    return evolve(moved, invitation=invitation, started_ms=at_ms)


def _reject(moved: Conversation, body: Reject, act: str) -> Conversation:
    reference = body.reference_id
    if act == "REJECT/proposal":
        rejected = evolve(moved.proposals[reference], state="rejected")
        return with_proposal(moved, rejected)
    if act == "REJECT/commitment":
        return _end_proposed(moved, reference, CommitmentState.REJECTED)
    if act == "REJECT/delegation":
        return with_delegation(moved, evolve(moved.delegations[reference], state="refused"))
    return moved


def _withdraw(moved: Conversation, body: Withdraw, act: str) -> Conversation:
    reference = body.reference_id
    if act == "WITHDRAW/proposal":
        return with_proposal(moved, evolve(moved.proposals[reference], state="withdrawn"))
    if act == "WITHDRAW/commitment":
        return _end_proposed(moved, reference, CommitmentState.WITHDRAWN)
    if act == "WITHDRAW/delegation":
        return leave(moved, moved.delegations[reference])
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
        return with_commitment(moved, change(commitment, side, at_ms, claimed_part(body)))
    if act == "INFORM/identity" and moved.participants[envelope.sender].revoked:
        return _repin(moved, envelope.sender, body)
    running = resolved_escalation(moved, body)
    return moved if running is None else _resolve(moved, running, act, at_ms)


def _resolve(moved: Conversation, running: Escalation, act: str, at_ms: int) -> Conversation:
    moved = end_escalation(moved, running, at_ms)
    if act == "INFORM/abort":
        return evolve(moved, consent=True)
    if act.startswith("INFORM/abort-"):
        cancelled = Close("cancelled", "", (), None, None, None, None)
        return _close(moved, running.author, cancelled, act, at_ms)
    return moved


def _repin(moved: Conversation, sender: str, body: Inform) -> Conversation:
    card = body.data.get("agentCard")
    key = card.get("publicKey") if isinstance(card, dict) else None
    member = evolve(moved.participants[sender], revoked=False, public_key=str(key))
    return with_participant(moved, member)


def _delegate(moved: Conversation, envelope: Envelope, body: Delegate) -> Conversation:
    delegation = Delegation(
        body.delegation_id,
        moved.side(envelope.sender),
        envelope.hash,
        body.target_agent,
        body.authority,
        body.expires_at_ms,
        read_limits(body.limits),
        body.history,
    )
    assert moved.invitation is not None
    listed = moved.invitation.delegates.get(body.target_agent)
    if listed is not None:
        return join(moved, delegation, history=listed)
    return with_delegation(moved, delegation)


def _escalate(moved: Conversation, envelope: Envelope, body: Escalate, at_ms: int) -> Conversation:
    moved = begin_escalation(moved, moved.side(envelope.sender), body, at_ms)
    if body.authority in moved.participants:
        return moved
    return with_participant(moved, Participant(body.authority, "authority", ""))


def _close(moved: Conversation, side: str, body: Close, act: str, at_ms: int) -> Conversation:
    """Record a CLOSE; naming a commitment fulfilled confirms it (B9, B13)."""
    offers = act in ("CLOSE/offer", "INFORM/abort-offer")
    closing = Closing(
        body.reason,
        body.peer_rating,
        body.commitments_fulfilled,
        counts=not offers,
        offers=offers,
    )
    moved = evolve(
        moved,
        closings={**moved.closings, side: closing},
        consent=moved.consent or act in ("CLOSE/consent", "INFORM/abort-consent"),
    )
    for name in body.commitments_fulfilled:
        commitment = moved.commitments.get(name)
        if commitment is not None and commitment.live:
            moved = with_commitment(moved, confirm(commitment, side, at_ms))
    return moved


def conclude(conversation: Conversation) -> Conversation:
    """End every commitment that must end now (B13's table).

    One that is still only proposed when the session is over can no longer bind.
    """
    for commitment in conversation.commitments.values():
        if conversation.ended and commitment.state is CommitmentState.PROPOSED:
            expired = end(commitment, CommitmentState.EXPIRED)
            conversation = with_commitment(conversation, expired)
    closed, at_ms = both_closed(conversation), conversation.at_ms
    for before in conversation.live:
        commitment = release(before, both_closed=closed, at_ms=at_ms)
        state = ending(commitment, both_closed=closed, at_ms=at_ms, consent=conversation.consent)
        if state is not None:
            commitment = end(commitment, state)
        if commitment != before:
            conversation = with_commitment(conversation, commitment)
    return conversation


def both_closed(conversation: Conversation) -> bool:
    """True when each principal's own CLOSE ``completed`` is in."""
    done = [one for one in conversation.closings.values() if one.counts]
    return len(done) == 2 and all(one.reason == "completed" for one in done)


def orders(conversation: Conversation) -> tuple[Order, ...]:
    """What the clearing must do now, oldest commitment first."""
    found = [
        one for commitment in conversation.commitments.values() for one in orders_of(commitment)
    ]
    return (*found, *bond_orders(conversation))
