"""Escalations: how long one may last, and what it does to the deadlines (decision B9).

An escalation extends the other party's deadlines, not the escalator's, and all escalations of a
party last a day in sum. The other's deadlines are moved by the whole allowance when it begins,
so that none can fire meanwhile; when it ends, what was not used is taken back.

Read next: ``folding``, which begins and ends them.
"""

from __future__ import annotations

from treaty.core.commitment import extend_for
from treaty.dialects.asp.choices import ESCALATED_SUM_MS
from treaty.dialects.asp.conversation import Conversation, Escalation, with_commitment
from treaty.dialects.asp.messages import Escalate
from treaty.dialects.asp.turns import move_turn
from treaty.wire.evolving import evolve


def allowance_ms(conversation: Conversation, side: str) -> int:
    """How long the next escalation of this side may last; 0 when its day is used up."""
    left_ms = ESCALATED_SUM_MS - conversation.escalated_ms.get(side, 0)
    return max(0, min(left_ms, conversation.timeout_ms("escalatedMs")))


def begin_escalation(conversation: Conversation, side: str, body: Escalate) -> Conversation:
    """Start the clock of an escalation and hold the other party's deadlines."""
    assert conversation.invitation is not None
    running = Escalation(
        id=body.escalation_id,
        author=side,
        authority=body.authority,
        common=body.authority in conversation.invitation.authorities,
        allowed_ms=allowance_ms(conversation, side),
    )
    held = _move_deadlines(conversation, running, running.allowed_ms)
    return evolve(held, escalation=running)


def end_escalation(conversation: Conversation, entered_ms: int, at_ms: int) -> Conversation:
    """Book what it lasted since ``entered_ms``, and let the deadlines run again."""
    running = conversation.escalation
    assert running is not None
    lasted_ms = min(max(0, at_ms - entered_ms), running.allowed_ms)
    used_ms = conversation.escalated_ms.get(running.author, 0) + lasted_ms
    moved = _move_deadlines(conversation, running, lasted_ms - running.allowed_ms)
    return evolve(
        moved, escalation=None, escalated_ms={**moved.escalated_ms, running.author: used_ms}
    )


def _move_deadlines(conversation: Conversation, running: Escalation, by_ms: int) -> Conversation:
    other = conversation.other(running.author)
    for commitment in conversation.live:
        conversation = with_commitment(conversation, extend_for(commitment, other, by_ms))
    return move_turn(conversation, other, by_ms)
