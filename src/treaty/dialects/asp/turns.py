"""Turn limits (decision B10): whose answer is awaited, until when, and that it did not come.

A message that carries ``maxResponseTimeMs`` gives the other party so long to say something. A
later one takes its place; whatever that party then says answers it. When the time passes the host
writes it down as a timer, and that fact lets the waiting party close with ``expired``; it does
nothing more. One limit runs for a party at a time.

Read next: ``deadlines``, which fires it.
"""

from __future__ import annotations

from dataclasses import replace

from treaty.core.commitment import Commitment, CommitmentState, ObligationState
from treaty.dialects.asp.conversation import Conversation, Turn
from treaty.dialects.asp.messages import Envelope, Propose


def note_turn(conversation: Conversation, envelope: Envelope, at_ms: int) -> Conversation:
    """What a message means for the turns of both: it answers its own side's, and may set one."""
    side = conversation.side(envelope.sender)
    if side not in conversation.principals:
        return conversation
    turns = {party: turn for party, turn in conversation.turns.items() if party != side}
    body, limit_ms = envelope.body, envelope.max_response_ms
    # An invitation's limit is part of its own expiry.
    invites = isinstance(body, Propose) and body.is_invitation
    if limit_ms is not None and not invites:
        asked = conversation.other(side)
        turns[asked] = Turn(at_ms + limit_ms + conversation.held_ms(asked, at_ms))
    if turns == dict(conversation.turns):
        return conversation
    return replace(conversation, turns=turns)


def pass_turn(conversation: Conversation, side: str) -> Conversation:
    """Record that a party did not answer in time."""
    turn = replace(conversation.turns[side], late=True)
    return replace(conversation, turns={**conversation.turns, side: turn})


def move_turn(conversation: Conversation, side: str, by_ms: int) -> Conversation:
    """Give a party more time to answer, or take back what was not needed."""
    turn = conversation.turns.get(side)
    if turn is None or turn.late:
        return conversation
    moved = replace(turn, until_ms=turn.until_ms + by_ms)
    return replace(conversation, turns={**conversation.turns, side: moved})


def _has_lapsed(commitment: Commitment) -> bool:
    broken = any(one.state is ObligationState.BREACHED for one in commitment.obligations)
    return broken or commitment.state is CommitmentState.EXPIRED


def has_expired(conversation: Conversation, side: str, at_ms: int) -> bool:
    """Whether this side may close with ``expired``: something it waited for did not come.

    The other party's turn is over, a commitment has lapsed or a duty was breached, a proposal of
    its own has run out, or the session has lasted its time.
    """
    turn = conversation.turns.get(conversation.other(side))
    if turn is not None and turn.late:
        return True
    if any(map(_has_lapsed, conversation.commitments.values())):
        return True
    own = (one for one in conversation.proposals.values() if one.author == side)
    if any(one.valid_until_ms is not None and one.valid_until_ms <= at_ms for one in own):
        return True
    return at_ms >= conversation.started_ms + conversation.duration_ms
