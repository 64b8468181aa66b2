"""What a message does here, and who its sender is in relation to it.

``act_of`` names the act of a message by what it refers to (``ACCEPT/proposal``), ``standing``
the words of the state table that are true of its sender. Both only read.
"""

from __future__ import annotations

from typing import Final

from treaty.core.session import RETURN, enter
from treaty.dialects.asp.conversation import Conversation, Escalation
from treaty.dialects.asp.escalations import is_paused, running_called
from treaty.dialects.asp.machine import (
    AGREEING,
    CLOSED,
    CLOSING,
    ESCALATED,
    EXECUTING,
    FAILED,
    RULES,
)
from treaty.dialects.asp.messages import (
    Accept,
    Body,
    Clarify,
    Close,
    Commit,
    Counter,
    Delegate,
    Envelope,
    Escalate,
    Inform,
    Propose,
    Query,
    Reject,
    Withdraw,
)
from treaty.errors import Refused, WireError, shown
from treaty.wire.evolving import evolve
from treaty.wire.fields import ident, is_one_of

_CLAIM_PLACES: Final = frozenset((AGREEING, EXECUTING, ESCALATED, CLOSING, CLOSED, FAILED))
_CLAIMS: Final = frozenset(("fulfilled", "confirmed"))
_REPORTS: Final = frozenset(("progress", "result", "error"))
_REFERRING = (Accept, Reject, Counter, Withdraw)


def seen_from(conversation: Conversation, sender: str) -> Conversation:
    """The session as its rules are for this sender.

    A one-sided escalation pauses only the side that called it: for the other one the session
    stands where it stood (B9).
    """
    if conversation.state != ESCALATED or is_paused(conversation, conversation.side(sender)):
        return conversation
    return evolve(conversation, session=enter(RULES, conversation.session, RETURN))


def act_of(conversation: Conversation, envelope: Envelope) -> str:
    """Name the act of a message in this session.

    Raises ``Refused``: ``proposal_unknown`` or ``reference_unknown`` when it refers to nothing
    here, ``transition_invalid`` when no such performative is possible in this state anyway.
    """
    body = envelope.body
    name = envelope.performative.value
    if isinstance(body, Propose):
        return "PROPOSE/invitation" if body.is_invitation else "PROPOSE/proposal"
    if isinstance(body, _REFERRING):
        return f"{name}/{_kind_of(conversation, envelope, body.reference_id)}"
    if isinstance(body, Clarify):
        _known(conversation, body.reference_id)
        return name
    if isinstance(body, Inform):
        return _inform_act(conversation, envelope.sender, body)
    if isinstance(body, Close):
        kind = _close_kind(conversation, conversation.side(envelope.sender), body.reason)
        return "CLOSE" if kind == "end" else f"CLOSE/{kind}"
    return name


def _known(conversation: Conversation, reference: str) -> None:
    if reference not in conversation.ids:
        raise Refused(f"nothing here is called {shown(reference)}", "reference_unknown")


def _kind_of(conversation: Conversation, envelope: Envelope, reference: str) -> str:
    kind = kind_of_id(conversation, reference)
    if kind is not None:
        return kind
    name = envelope.performative.value
    possible = any(
        state == conversation.state and act.startswith(f"{name}/") for state, act in RULES.moves
    )
    if not possible:
        raise Refused(f"{name} is not possible in {conversation.wire_state}", "transition_invalid")
    reason = "reference_unknown" if name == "WITHDRAW" else "proposal_unknown"
    raise Refused(f"nothing here is called {shown(reference)}", reason)


def kind_of_id(conversation: Conversation, reference: str) -> str | None:
    """Tell what an id of this session names, or None."""
    invitation = conversation.invitation
    if invitation is not None and reference == invitation.id:
        return "invitation"
    if invitation is not None and invitation.counter and reference == invitation.counter.id:
        return "invitation-counter"
    if reference in conversation.proposals:
        return "proposal"
    if reference in conversation.commitments:
        return "commitment"
    if reference in conversation.delegations:
        return "delegation"
    return None


def new_id(body: Body) -> str | None:
    """The id that a message introduces into its session, or None (B2)."""
    match body:
        case Propose():
            return body.proposal_id
        case Counter():
            return body.counter_id
        case Query():
            return body.query_id
        case Commit():
            return body.commitment_id
        case Delegate():
            return body.delegation_id
        case Escalate():
            return body.escalation_id
    return None


def _inform_act(conversation: Conversation, sender: str, body: Inform) -> str:
    kind, state = body.inform_type, conversation.state
    if kind == "identity":
        return "INFORM/identity"
    if kind == "resolution":
        return _resolution_act(conversation, sender, body)
    if state in _CLAIM_PLACES and claimed_commitment(body) is not None:
        return "INFORM/claim"
    if state == ESCALATED and kind in _REPORTS:
        return "INFORM/report"
    return "INFORM"


def _resolution_act(conversation: Conversation, sender: str, body: Inform) -> str:
    """``abort`` by an authority of one side only is that side's CLOSE ``cancelled`` (B9)."""
    decision = body.data.get("decision")
    if decision not in ("resume", "abort"):
        raise WireError(f"a resolution decides resume or abort, not {shown(decision)}")
    running = resolved_escalation(conversation, body)
    if running is None and _leads(conversation, sender):
        name = ident(body.data, "escalationId")
        raise Refused(f"no escalation called {shown(name)} is running", "reference_unknown")
    if decision == "resume" or running is None or running.common:
        return f"INFORM/{decision}"
    return f"INFORM/abort-{_close_kind(conversation, running.author, 'cancelled')}"


def resolved_escalation(conversation: Conversation, body: Body) -> Escalation | None:
    """The running escalation that a resolution decides, or None (B11)."""
    if not isinstance(body, Inform) or body.inform_type != "resolution":
        return None
    return running_called(conversation, body.data.get("escalationId"))


def claimed_commitment(body: Inform) -> str | None:
    """The commitment an INFORM ``result`` claims fulfilled or confirms, or None."""
    commitment = body.data.get("commitmentId")
    if body.inform_type != "result" or not isinstance(commitment, str):
        return None
    return commitment if is_one_of(body.data.get("status"), _CLAIMS) else None


def claimed_part(body: Inform) -> str | None:
    """The milestone an INFORM ``result`` is about, when it names one."""
    part = body.data.get("part")
    return part if isinstance(part, str) else None


def _close_kind(conversation: Conversation, side: str, reason: str) -> str:
    """A CLOSE is an end, an offer to end, the other's consent to it, or a late one (B9)."""
    if not conversation.live:
        return "end"
    if reason != "completed":
        other = conversation.closings.get(conversation.other(side))
        offered = other is not None and other.offers
        return "consent" if offered and reason == "cancelled" else "offer"
    return "late" if conversation.ended else "end"


def standing(conversation: Conversation, envelope: Envelope, act: str) -> frozenset[str]:
    """The words of the state table's ``who`` column that are true of the sender."""
    participant = conversation.participants.get(envelope.sender)
    if participant is None:
        # Whoever writes first opens the session.
        return frozenset() if conversation.inviter else frozenset(("inviter",))
    if participant.revoked:
        return frozenset(("revoked",))
    words = set(_ROLE_WORDS[participant.role])
    decided = resolved_escalation(conversation, envelope.body)
    if decided is not None and decided.authority == envelope.sender:
        words.add("authority")
    author = _author(conversation, participant.side, envelope, act)
    if author and "party" in words and (act != "CLOSE" or "principal" in words):
        words.add("author" if author == participant.side else "other")
    return frozenset(words)


def _leads(conversation: Conversation, sender: str) -> bool:
    return any(one.authority == sender for one in conversation.escalations.values())


_ROLE_WORDS: Final = {
    "inviter": ("inviter", "principal", "party"),
    "invitee": ("invitee", "principal", "party"),
    "binding": ("party", "delegate"),
    "advisory": ("advisory", "delegate"),
    "authority": (),
}


def _author(conversation: Conversation, side: str, envelope: Envelope, act: str) -> str | None:
    """The side that made what the message refers to."""
    if act == "CLOSE":
        # A CLOSE answers the other's; while that is not in, it (re)places one's own.
        other = conversation.other(side)
        answered = other in conversation.closings and conversation.closings[other].counts
        return other if answered else side
    body = envelope.body
    if not isinstance(body, _REFERRING):
        return None
    reference = body.reference_id
    if reference in conversation.proposals:
        return conversation.proposals[reference].author
    if reference in conversation.commitments:
        return conversation.commitments[reference].author
    if reference in conversation.delegations:
        return conversation.delegations[reference].author
    return None
