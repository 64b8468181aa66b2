"""Escalations: who waits for whom, how long, and what it does to deadlines (decision B9).

Each party may have one running; two may run at once, each decided by the authority that it names.
One of a common authority pauses both parties, any other one the side that called. The session is
ESCALATED until the last of them is over.

An escalation gives the other party more time, not the one that called it, and all escalations
of a party last a day in sum. The other's deadlines are moved by the whole allowance when it
begins, so that none can fire meanwhile; when it ends, what was not used is taken back.

Read next: ``folding``, which begins and ends them.
"""

from __future__ import annotations

from treaty.core.commitment import Commitment, hold, let_go
from treaty.dialects.asp.choices import ESCALATED_SUM_MS
from treaty.dialects.asp.conversation import Conversation, Escalation, with_commitment
from treaty.dialects.asp.messages import Envelope, Escalate
from treaty.dialects.asp.turns import move_turn
from treaty.errors import Refused, shown
from treaty.identity.keys import PublicKey
from treaty.wire.canonical import Json
from treaty.wire.evolving import evolve


def allowance_ms(conversation: Conversation, side: str) -> int:
    """How long the next escalation of this side may last; 0 when its day is used up."""
    left_ms = ESCALATED_SUM_MS - conversation.escalated_ms.get(side, 0)
    return max(0, min(left_ms, conversation.timeout_ms("escalatedMs")))


def running_called(conversation: Conversation, name: Json) -> Escalation | None:
    """The running escalation of this id, or None."""
    running = conversation.escalations.values()
    return next((one for one in running if one.id == name), None)


def is_paused(conversation: Conversation, side: str) -> bool:
    """True while a running escalation binds this side; whoever is on no side sees the pause."""
    return any(
        one.common or side not in conversation.principals or one.author == side
        for one in conversation.escalations.values()
    )


def check_authority(conversation: Conversation, envelope: Envelope, key: PublicKey | None) -> None:
    """Hear an authority that both agreed on only by the key they agreed on (B11).

    ``key`` is None where nothing tells it. Raises ``Refused`` (``authority_missing``).
    """
    invitation = conversation.invitation
    if key is None or invitation is None or conversation.side(envelope.sender):
        return
    agreed = invitation.authorities.get(envelope.sender)
    if agreed not in (None, key.key_id):
        raise Refused(
            f"both agreed on the key {shown(agreed)} of {envelope.sender}, this is {key.key_id}",
            "authority_missing",
        )


def begin_escalation(
    conversation: Conversation, side: str, body: Escalate, at_ms: int
) -> Conversation:
    """Start the clock of an escalation and hold the other party's deadlines."""
    assert conversation.invitation is not None
    running = Escalation(
        id=body.escalation_id,
        author=side,
        authority=body.authority,
        common=body.authority in conversation.invitation.authorities,
        since_ms=at_ms,
        allowed_ms=allowance_ms(conversation, side),
    )
    other = conversation.other(side)
    for commitment in conversation.live:
        conversation = with_commitment(conversation, hold(commitment, other, running.allowed_ms))
    conversation = move_turn(conversation, other, running.allowed_ms)
    return evolve(conversation, escalations={**conversation.escalations, side: running})


def end_escalation(conversation: Conversation, running: Escalation, at_ms: int) -> Conversation:
    """Book what it lasted, and let the deadlines run again."""
    lasted_ms = min(max(0, at_ms - running.since_ms), running.allowed_ms)
    unused_ms = running.allowed_ms - lasted_ms
    other = conversation.other(running.author)
    for commitment in conversation.live:
        conversation = with_commitment(conversation, let_go(commitment, other, unused_ms))
    conversation = move_turn(conversation, other, -unused_ms)
    used_ms = conversation.escalated_ms.get(running.author, 0) + lasted_ms
    return evolve(
        conversation,
        escalations={
            side: one for side, one in conversation.escalations.items() if one is not running
        },
        escalated_ms={**conversation.escalated_ms, running.author: used_ms},
    )


def end_all(conversation: Conversation, at_ms: int) -> Conversation:
    """The session is closing or over: nobody is waited for."""
    for running in tuple(conversation.escalations.values()):
        conversation = end_escalation(conversation, running, at_ms)
    return conversation


def held_from(conversation: Conversation, commitment: Commitment, at_ms: int) -> Commitment:
    """A commitment that binds now, with more time for whoever is held already."""
    for author in conversation.escalations:
        side = conversation.other(author)
        commitment = hold(commitment, side, conversation.held_ms(side, at_ms))
    return commitment


def delayed(conversation: Conversation, gone_ms: int) -> Conversation:
    """An outage of the host is no part of what an escalation lasts (B10)."""
    later = {
        side: evolve(one, since_ms=one.since_ms + gone_ms)
        for side, one in conversation.escalations.items()
    }
    return evolve(conversation, escalations=later)
