"""The state table of ASP as data (decision B9), and nothing else.

Acts are performatives, with what they are about where that decides the move:
``ACCEPT/proposal``, ``INFORM/identity``, ``CLOSE/offer``. ``acts.act_of`` names the act of a
message. The words under ``who``:

* ``inviter``, ``invitee``: one principal; ``principal``: either of the two
* ``party``: a principal or its binding delegate
* ``author``: the side that made what the message refers to; ``other``: the opposite side
* ``advisory``, ``delegate``: a delegate of that authority, any delegate
* ``authority``: the one a running ESCALATE names; ``revoked``: a party whose key was revoked
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from treaty.core.session import RETURN, STAY, Move, Rules, make_rules

IDLE: Final = "IDLE"
INVITED: Final = "INVITED"
INVITED_COUNTERED: Final = "INVITED_COUNTERED"
INVITED_ACCEPTED: Final = "INVITED_ACCEPTED"
INTRODUCED: Final = "INTRODUCED"
CONVERSING: Final = "CONVERSING"
AGREEING: Final = "AGREEING"
EXECUTING: Final = "EXECUTING"
ESCALATED: Final = "ESCALATED"
CLOSING: Final = "CLOSING"
CLOSED: Final = "CLOSED"
FAILED: Final = "FAILED"

STATES: Final = (
    IDLE, INVITED, INVITED_COUNTERED, INVITED_ACCEPTED, INTRODUCED, CONVERSING,
    AGREEING, EXECUTING, ESCALATED, CLOSING, CLOSED, FAILED,
)  # fmt: skip
WIRE_STATES: Final = (
    IDLE, INVITED, INTRODUCED, CONVERSING, AGREEING, EXECUTING, ESCALATED, CLOSED, FAILED,
)  # fmt: skip
TERMINAL: Final = frozenset((CLOSED, FAILED))

_OPEN = (INVITED, INVITED_COUNTERED, INVITED_ACCEPTED, INTRODUCED, CONVERSING, AGREEING,
         EXECUTING, ESCALATED, CLOSING)  # fmt: skip


def _rows(
    states: str | Iterable[str], who: str, acts: str, to: str, *, joint: bool = False
) -> list[Move]:
    places = (states,) if isinstance(states, str) else tuple(states)
    return [Move(state, who, act, to, joint) for state in places for act in acts.split()]


_INVITING = [
    *_rows(IDLE, "inviter", "PROPOSE/invitation", INVITED),
    *_rows(INVITED, "invitee", "ACCEPT/invitation", INVITED_ACCEPTED),
    *_rows(INVITED, "invitee", "REJECT/invitation", FAILED),
    *_rows(INVITED, "invitee", "COUNTER/invitation", INVITED_COUNTERED),
    *_rows(INVITED_COUNTERED, "inviter", "ACCEPT/invitation-counter", INVITED_ACCEPTED),
    *_rows(INVITED_COUNTERED, "inviter", "REJECT/invitation-counter", INVITED),
    *_rows(
        (INVITED, INVITED_COUNTERED, INVITED_ACCEPTED), "inviter", "WITHDRAW/invitation", FAILED
    ),
    *_rows(INVITED_ACCEPTED, "principal", "INFORM/identity", INTRODUCED, joint=True),
    *_rows(
        INTRODUCED, "principal", "PROPOSE/proposal QUERY INFORM INFORM/identity OBSERVE", CONVERSING
    ),
]

_TALKING = [
    *_rows(CONVERSING, "party", "PROPOSE/proposal INFORM QUERY CLARIFY OBSERVE", STAY),
    *_rows((CONVERSING, AGREEING), "party", "INFORM/identity", STAY),
    *_rows(EXECUTING, "party", "PROPOSE/proposal INFORM INFORM/claim QUERY CLARIFY OBSERVE", STAY),
    *_rows((CONVERSING, EXECUTING), "other", "COUNTER/proposal", STAY),
    *_rows((CONVERSING, EXECUTING), "other", "ACCEPT/proposal REJECT/proposal", STAY),
    *_rows((CONVERSING, EXECUTING), "author", "WITHDRAW/proposal", STAY),
]

_DELEGATING = [
    *_rows((CONVERSING, EXECUTING), "principal", "DELEGATE", STAY),
    *_rows((CONVERSING, EXECUTING), "other", "ACCEPT/delegation REJECT/delegation", STAY),
    *_rows((CONVERSING, EXECUTING), "author", "WITHDRAW/delegation", STAY),
    *_rows((CONVERSING, EXECUTING), "delegate", "INFORM/identity", STAY),
    *_rows((CONVERSING, AGREEING, EXECUTING), "advisory", "INFORM QUERY OBSERVE CLARIFY", STAY),
    *_rows(AGREEING, "advisory", "INFORM/identity", STAY),
]

_COMMITTING = [
    *_rows((CONVERSING, EXECUTING), "party", "COMMIT", AGREEING),
    *_rows(AGREEING, "other", "ACCEPT/commitment", EXECUTING),
    *_rows(AGREEING, "other", "REJECT/commitment COUNTER/commitment", RETURN),
    *_rows(AGREEING, "author", "WITHDRAW/commitment", RETURN),
    *_rows(AGREEING, "party", "CLARIFY INFORM INFORM/claim QUERY OBSERVE", STAY),
]

_ESCALATING = [
    *_rows((CONVERSING, AGREEING, EXECUTING), "principal", "ESCALATE", ESCALATED),
    # "One running escalation per party": whom the other's pauses may call its own authority too.
    *_rows(ESCALATED, "principal", "ESCALATE", STAY),
    # Back only when no other escalation runs: the fold sees to that.
    *_rows(ESCALATED, "authority", "INFORM/resume", RETURN),
    *_rows(ESCALATED, "authority", "INFORM/abort INFORM/abort-consent", CLOSED),
    # An authority of one side only speaks for that side: its abort is a CLOSE cancelled.
    *_rows(ESCALATED, "authority", "INFORM/abort-end", CLOSING),
    *_rows(ESCALATED, "authority", "INFORM/abort-offer", RETURN),
    # "ESCALATED never blocks INFORM progress/result/error, CLOSE or a dispute."
    *_rows(ESCALATED, "party", "INFORM/claim INFORM/report", STAY),
    *_rows(ESCALATED, "principal", "CLOSE", CLOSING),
    *_rows(ESCALATED, "principal", "CLOSE/offer", STAY),
    *_rows(ESCALATED, "principal", "CLOSE/consent", CLOSED),
]

_CLOSING_ROWS = [
    *_rows((INTRODUCED, CONVERSING, EXECUTING), "principal", "CLOSE", CLOSING),
    *_rows(CLOSING, "other", "CLOSE", CLOSED),
    # "Each party may replace its own CLOSE until both are in."
    *_rows(CLOSING, "author", "CLOSE", STAY),
    # CLOSE cancelled, failed or expired while a commitment is bound is an offer to end;
    # the other's own CLOSE cancelled takes it up.
    *_rows((EXECUTING, CLOSING), "principal", "CLOSE/offer", STAY),
    *_rows((EXECUTING, CLOSING), "principal", "CLOSE/consent", CLOSED),
    # A bound commitment outlives its session.
    *_rows((CLOSING, CLOSED, FAILED), "party", "INFORM/claim", STAY),
    *_rows((CLOSED, FAILED), "principal", "CLOSE/late CLOSE/offer CLOSE/consent", STAY),
]

_REVOKED = _rows(_OPEN, "revoked", "INFORM/identity", STAY)

RULES: Final[Rules] = make_rules(
    start=IDLE,
    terminal=TERMINAL,
    pausing=(AGREEING, ESCALATED, CLOSING),
    moves=[
        *_INVITING,
        *_TALKING,
        *_DELEGATING,
        *_COMMITTING,
        *_ESCALATING,
        *_CLOSING_ROWS,
        *_REVOKED,
    ],
)


def wire_state(state: str, returns: tuple[str, ...]) -> str:
    """Name a sub-state by the one of the nine wire states it belongs to."""
    if state in (INVITED_COUNTERED, INVITED_ACCEPTED):
        return INVITED
    if state == CLOSING:
        # Closing ends an escalation; what shows is the state it came from.
        return next((one for one in reversed(returns) if one != ESCALATED), EXECUTING)
    return state
