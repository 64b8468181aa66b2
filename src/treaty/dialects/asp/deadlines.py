"""Timers of a session (decision B10): read off the state, fired by the host, folded by all.

``deadlines`` says what is running; the host keeps only the earliest per session. When it is
due, ``due`` names the timers to be written as signed facts, and ``fold_fact`` carries them
out. Nothing here fires twice: a fired timer is no longer in ``deadlines`` of the state after.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from treaty.core.commitment import (
    CommitmentState,
    OrderKind,
    extend,
    next_due_ms,
    note_reserved,
    pass_time,
)
from treaty.core.log import HostFact
from treaty.core.movement import WHOLE
from treaty.core.session import RETURN, enter
from treaty.core.settlement import end, note_settled, orders
from treaty.dialects.asp import disputes
from treaty.dialects.asp.choices import FRESHNESS_MS
from treaty.dialects.asp.conversation import (
    Closing,
    Conversation,
    with_commitment,
    with_participant,
    with_proposal,
)
from treaty.dialects.asp.delegations import leave
from treaty.dialects.asp.escalations import delayed, end_escalation, running_called
from treaty.dialects.asp.folding import arrive, stamp
from treaty.dialects.asp.machine import (
    AGREEING,
    CLOSED,
    CLOSING,
    CONVERSING,
    ESCALATED,
    EXECUTING,
    FAILED,
    INTRODUCED,
    INVITED,
    INVITED_ACCEPTED,
    INVITED_COUNTERED,
    RULES,
)
from treaty.dialects.asp.movements import differences, movement_data
from treaty.dialects.asp.rated import RATE, note_rate
from treaty.dialects.asp.turns import move_turn, pass_turn
from treaty.dialects.asp.watching import METRIC, note_metric
from treaty.errors import Refused, WireError, shown
from treaty.identity.keys import read_public_key
from treaty.wire import fields
from treaty.wire.evolving import evolve


@dataclass(frozen=True, slots=True)
class Deadline:
    """One running timer."""

    name: str
    due_ms: int


def deadlines(conversation: Conversation) -> tuple[Deadline, ...]:
    """All timers that are running, earliest first."""
    found = [
        *_state_timers(conversation),
        *_commitment_timers(conversation),
        *_delegation_timers(conversation),
        *_turn_timers(conversation),
    ]
    found += [Deadline(name, due_ms) for name, due_ms in disputes.running(conversation)]
    return tuple(sorted(found, key=lambda one: (one.due_ms, one.name)))


def due(conversation: Conversation, now_ms: int) -> Deadline | None:
    """The earliest timer that is due, or None."""
    running = deadlines(conversation)
    return running[0] if running and running[0].due_ms <= now_ms else None


def _state_timers(conversation: Conversation) -> list[Deadline]:
    state = conversation.state
    if state in (INVITED, INVITED_COUNTERED):
        assert conversation.invitation is not None
        return [Deadline("invitation", conversation.invitation.expires_ms)]
    if state == INVITED_ACCEPTED:
        return [_since_entered(conversation, "identity")]
    if state == AGREEING:
        return [_since_entered(conversation, "agreeing")]
    if state == ESCALATED:
        return [
            Deadline(f"{_ESCALATED}{one.id}", one.until_ms)
            for one in conversation.escalations.values()
        ]
    if state == CLOSING:
        return [_since_entered(conversation, "closing")]
    # No timer fails a session with a bound commitment.
    if state in (INTRODUCED, CONVERSING, EXECUTING) and not conversation.live:
        return [
            Deadline("idle", conversation.active_ms + conversation.timeout_ms("idleMs")),
            Deadline("session", conversation.started_ms + conversation.duration_ms),
        ]
    return []


def _since_entered(conversation: Conversation, name: str) -> Deadline:
    return Deadline(name, conversation.entered_ms + conversation.timeout_ms(f"{name}Ms"))


def _commitment_timers(conversation: Conversation) -> list[Deadline]:
    found = []
    for commitment in conversation.live:
        due_ms = next_due_ms(commitment)
        if due_ms is not None:
            found.append(Deadline(f"commitment:{commitment.id}", due_ms))
    return found


def _delegation_timers(conversation: Conversation) -> list[Deadline]:
    """Delegates leave when their time is over; its principal set it, and no outage adds to it."""
    if conversation.ended:
        return []
    return [
        Deadline(f"{_DELEGATION}{one.id}", one.expires_ms)
        for one in conversation.delegations.values()
        if one.state == "joined"
    ]


def _turn_timers(conversation: Conversation) -> list[Deadline]:
    if conversation.ended:
        return []
    running = conversation.turns.items()
    return [Deadline(f"{_TURN}{side}", turn.until_ms) for side, turn in running if not turn.late]


def fold_fact(conversation: Conversation, fact: HostFact, *, entry: str) -> Conversation:
    """Fold what the host observed; an unknown kind of fact only moves the log on.

    ``entry`` is the hash of the signed fact. Raises ``WireError`` for a fact whose data is
    not of its form, and ``Refused`` (``transition_invalid``) for a timer that is not due and an
    escrow movement that nothing ordered.
    """
    moved = stamp(conversation, fact.at_ms, fact.position, entry)
    if fact.fact == "timer":
        moved = _fire(moved, fields.text(fact.data, "name"))
    elif fact.fact == "escrow":
        moved = _move_escrow(moved, fact)
    elif fact.fact == RATE:
        moved = note_rate(moved, fact)
    elif fact.fact == METRIC:
        moved = note_metric(moved, fact)
    elif fact.fact in disputes.FACTS:
        moved = disputes.note(moved, fact)
    elif fact.fact == "outcome":
        moved = _report(moved, fact)
    elif fact.fact == "outage":
        _check_outage(conversation, fact)
        moved = _outage(moved, fact)
    elif fact.fact == "revocation":
        moved = _revoke(moved, fact)
    return arrive(conversation, moved)


_COMMITMENT: Final = "commitment:"
_DELEGATION: Final = "delegation:"
_ESCALATED: Final = "escalated:"
_TURN: Final = "turn:"
_NAMED: Final = (_COMMITMENT, _DELEGATION, _ESCALATED, _TURN, disputes.TIMER)
_TIMERS: Final = frozenset(("invitation", "identity", "idle", "session", "agreeing", "closing"))


def _fire(conversation: Conversation, name: str) -> Conversation:
    if name not in _TIMERS and not name.startswith(_NAMED):
        return conversation
    if not any(
        one.name == name and one.due_ms <= conversation.at_ms for one in deadlines(conversation)
    ):
        raise Refused(f"no timer {shown(name)} is due", "transition_invalid")
    if name.startswith(_COMMITMENT):
        commitment = conversation.commitments[name.removeprefix(_COMMITMENT)]
        return with_commitment(conversation, pass_time(commitment, conversation.at_ms))
    if name.startswith(_DELEGATION):
        return leave(conversation, conversation.delegations[name.removeprefix(_DELEGATION)])
    if name.startswith(disputes.TIMER):
        return disputes.fire(conversation, name)
    if name.startswith(_TURN):
        return pass_turn(conversation, name.removeprefix(_TURN))
    if name.startswith(_ESCALATED):
        return _end_undecided(conversation, name.removeprefix(_ESCALATED))
    if name in ("invitation", "identity"):
        return _enter(conversation, FAILED)
    if name in ("idle", "session"):
        return _enter(conversation, CLOSED if conversation.settled else FAILED)
    if name == "agreeing":
        return _expire_proposed(conversation)
    return _close_silent(conversation)


def _enter(conversation: Conversation, target: str) -> Conversation:
    return evolve(conversation, session=enter(RULES, conversation.session, target))


def _end_undecided(conversation: Conversation, name: str) -> Conversation:
    """The session goes on where it was called, unless the other party's escalation runs still."""
    running = running_called(conversation, name)
    assert running is not None
    moved = end_escalation(conversation, running, conversation.at_ms)
    return moved if moved.escalations else _enter(moved, RETURN)


def _expire_proposed(conversation: Conversation) -> Conversation:
    for commitment in tuple(conversation.commitments.values()):
        if commitment.state is CommitmentState.PROPOSED:
            conversation = with_commitment(conversation, end(commitment, CommitmentState.EXPIRED))
    return _enter(conversation, RETURN)


def _close_silent(conversation: Conversation) -> Conversation:
    """The silent party's CLOSE, without rating and confirming nothing (B9)."""
    silent = Closing("expired", None, (), counts=False)
    closings = {**dict.fromkeys(conversation.principals, silent), **conversation.closings}
    return _enter(evolve(conversation, closings=closings), CLOSED)


def _move_escrow(conversation: Conversation, fact: HostFact) -> Conversation:
    name = fields.ident(fact.data, "commitmentId")
    commitment = conversation.commitments.get(name)
    if commitment is None or commitment.escrow is None:
        raise WireError("an escrow movement names a commitment with escrow")
    movement = fields.text(fact.data, "movement")
    bond, slice_id = fields.text_or(fact.data, "bond"), fields.text_or(fact.data, "slice")
    due_now = (
        one
        for one in (disputes.bond_orders(conversation) if bond else orders(commitment))
        if (one.commitment, one.kind.value, one.bond) == (name, movement, bond or "")
        and (one.kind is OrderKind.RESERVE or one.slice == (slice_id or WHOLE))
    )
    ordered = next(due_now, None)
    if ordered is None:
        raise Refused(f"no {shown(movement)} is due for {shown(name)}", "transition_invalid")
    wrong = differences(fact.data, movement_data(conversation, ordered))
    if wrong:
        # The host moves what was ordered, and nothing else: every participant checks it.
        raise WireError(f"the {movement} of {shown(name)} is not the one due: {wrong[0]}")
    if bond:
        return disputes.note_bond(conversation, ordered)
    if ordered.kind is OrderKind.RESERVE:
        if commitment.escrow.unrated:
            raise WireError(f"no rate of {commitment.escrow.money.asset} was stated before")
        return with_commitment(conversation, note_reserved(commitment, fact.at_ms))
    settled = note_settled(commitment, ordered.post_units, ordered.slice)
    return with_commitment(conversation, settled)


def _report(conversation: Conversation, fact: HostFact) -> Conversation:
    """The trust log has it; nothing is reported twice."""
    name = fact.data.get("commitmentId")
    if not isinstance(name, str) or name not in conversation.commitments:
        return conversation
    return evolve(conversation, reported=conversation.reported | {name})


def _check_outage(before: Conversation, fact: HostFact) -> None:
    """An outage is over when it is stated, and the host signed nothing while it lasted.

    Every deadline moves by it, so a host could give or take time with one that never was.
    """
    if not before.inviter:
        raise WireError("an outage before the session")
    if fields.instant(fact.data, "to") > fact.at_ms + FRESHNESS_MS:
        raise WireError("the outage ends after it is stated")
    if fields.instant(fact.data, "from") < before.at_ms - FRESHNESS_MS:
        raise WireError("the host signed an entry during this outage")


def _outage(conversation: Conversation, fact: HostFact) -> Conversation:
    """Add the host's outage to every deadline that was running in it (B10)."""
    gone_ms = fields.instant(fact.data, "to") - fields.instant(fact.data, "from")
    if gone_ms < 0:
        raise WireError("an outage has a beginning and a later end")
    moved = evolve(
        conversation,
        started_ms=conversation.started_ms + gone_ms,
        entered_ms=conversation.entered_ms + gone_ms,
        active_ms=conversation.active_ms + gone_ms,
    )
    if moved.invitation is not None:
        expires = moved.invitation.expires_ms + gone_ms
        moved = evolve(moved, invitation=evolve(moved.invitation, expires_ms=expires))
    # What was over before the outage stays over: the shift ends at the outage's end at the latest.
    for proposal in moved.proposals.values():
        if proposal.state == "open" and proposal.valid_until_ms is not None:
            until_ms = proposal.valid_until_ms + gone_ms
            moved = with_proposal(moved, evolve(proposal, valid_until_ms=until_ms))
    for commitment in moved.live:
        moved = with_commitment(moved, extend(commitment, gone_ms))
    for side in moved.principals:
        moved = move_turn(moved, side, gone_ms)
    return disputes.extended(delayed(moved, gone_ms), gone_ms)


def _revoke(conversation: Conversation, fact: HostFact) -> Conversation:
    """A pinned key was revoked: its party is heard again once it shows the successor (B5, B9)."""
    member = conversation.participants.get(fields.agent(fact.data, "agent"))
    revoked = fields.ident(fact.data, "keyId")
    if member is None or member.public_key is None:
        return conversation
    if read_public_key(member.public_key).key_id != revoked:
        return conversation
    return with_participant(conversation, evolve(member, revoked=True))
