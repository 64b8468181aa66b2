"""Delegations: who joins by one, how far it reaches, and when it ends (decision B14).

A delegate acts within the limits its principal wrote down. They are read here and nowhere else;
a limit that this host does not know is refused when it is written, for one that is not kept
would be worse than none. Every limit is the principal's own word to everybody in the session.

``limits`` of a DELEGATE::

    performatives   [name, …]           all it may say
    maxAmount       {amount, currency}  the most one commitment may hold in escrow
    maxTotal        {amount, currency}  the most all its commitments may hold together
    maxCommitments  whole number        how many it may offer or accept

Read next: ``rules``, which asks; ``folding``, where a delegate joins and leaves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from treaty.core.commitment import Commitment, CommitmentState
from treaty.dialects.asp.conversation import (
    Conversation,
    Delegation,
    Limits,
    Participant,
    with_delegation,
    with_participant,
)
from treaty.dialects.asp.messages import Accept, Commit, Envelope, Performative
from treaty.errors import Refused, WireError, shown
from treaty.wire import fields
from treaty.wire.canonical import Json
from treaty.wire.money import Money, money_from_json

_KNOWN: Final = frozenset(("performatives", "maxAmount", "maxTotal", "maxCommitments"))
_OVER: Final = frozenset(
    (CommitmentState.REJECTED, CommitmentState.WITHDRAWN, CommitmentState.EXPIRED)
)


def read_limits(stated: Mapping[str, Json]) -> Limits:
    """Read ``limits``. Raises ``WireError``, also for a limit nobody here would keep."""
    unknown = [name for name in stated if name not in _KNOWN]
    if unknown:
        raise WireError(f"limits.{shown(unknown[0])} is not one that is kept here")
    names = None
    if "performatives" in stated:
        names = frozenset(fields.idents(stated, "performatives"))
        if not names <= Performative.__members__.keys():
            raise WireError("limits.performatives holds names of the thirteen")
    return Limits(
        performatives=names,
        most=_money(stated, "maxAmount"),
        total=_money(stated, "maxTotal"),
        commitments=fields.integer_or(stated, "maxCommitments"),
    )


def _money(stated: Mapping[str, Json], name: str) -> Money | None:
    value = fields.obj_or(stated, name)
    return None if value is None else money_from_json(dict(value), None)


def check_limits(conversation: Conversation, envelope: Envelope, at_ms: int) -> None:
    """Refuse (``authority_missing``) what a delegate says beyond its limits or its time."""
    delegation = delegation_of(conversation, envelope.sender)
    if delegation is None:
        return
    if at_ms >= delegation.expires_ms:
        raise _beyond(f"the delegation {shown(delegation.id)} has run out")
    limits = delegation.limits
    name = envelope.performative.value
    if limits.performatives is not None and name not in limits.performatives:
        raise _beyond(f"{name} is not among what {shown(delegation.id)} allows")
    held = _held(conversation, envelope)
    if held is not None:
        _check_commitment(conversation, delegation, held)


def delegation_of(conversation: Conversation, agent: str) -> Delegation | None:
    """The delegation by which an agent takes part, or None for everybody else."""
    member = conversation.participants.get(agent)
    if member is None or member.role not in ("advisory", "binding"):
        return None
    for delegation in conversation.delegations.values():
        if delegation.state == "joined" and delegation.target == agent:
            return delegation
    return None


def _held(conversation: Conversation, envelope: Envelope) -> tuple[str, Money | None] | None:
    """The commitment a message offers or accepts, and what it holds in escrow."""
    body = envelope.body
    if isinstance(body, Commit):
        return body.commitment_id, None if body.escrow is None else body.escrow.money
    if isinstance(body, Accept) and body.reference_id in conversation.commitments:
        commitment = conversation.commitments[body.reference_id]
        return commitment.id, _escrowed(commitment)
    return None


def _escrowed(commitment: Commitment) -> Money | None:
    return None if commitment.escrow is None else commitment.escrow.money


def _check_commitment(
    conversation: Conversation, delegation: Delegation, held: tuple[str, Money | None]
) -> None:
    limits, (_, money) = delegation.limits, held
    before = [
        one
        for name in delegation.commitments
        if (one := conversation.commitments[name]).state not in _OVER
    ]
    if limits.commitments is not None and len(before) >= limits.commitments:
        raise _beyond(f"{len(before)} commitments are all that {shown(delegation.id)} allows")
    if limits.most is not None:
        _check_sum(delegation, limits.most, [money])
    if limits.total is not None:
        _check_sum(delegation, limits.total, [money, *map(_escrowed, before)])


def _check_sum(delegation: Delegation, most: Money, parts: list[Money | None]) -> None:
    held = [one for one in parts if one is not None]
    if any(one.asset != most.asset for one in held) or sum(one.units for one in held) > most.units:
        raise _beyond(f"it is more than {shown(delegation.id)} allows")


def _beyond(detail: str) -> Refused:
    return Refused(detail, "authority_missing")


def note_commitment(conversation: Conversation, envelope: Envelope) -> Conversation:
    """Write down with a delegation what its delegate offered or accepted."""
    delegation = delegation_of(conversation, envelope.sender)
    held = _held(conversation, envelope)
    if delegation is None or held is None:
        return conversation
    noted = replace(delegation, commitments=(*delegation.commitments, held[0]))
    return with_delegation(conversation, noted)


def join(conversation: Conversation, delegation: Delegation, *, history: bool) -> Conversation:
    """Bring a delegate in. It sees what comes from now on, and what came before if both say so."""
    moved = with_delegation(conversation, replace(delegation, state="joined"))
    target, role = delegation.target, delegation.authority
    # Who comes back goes on counting where it stopped, under the key pinned then.
    member = moved.former.get(target, Participant(target, role, delegation.author))
    former = {uri: one for uri, one in moved.former.items() if uri != target}
    since = 0 if history and delegation.history else conversation.position
    return with_participant(replace(moved, former=former), replace(member, role=role, since=since))


def leave(conversation: Conversation, delegation: Delegation) -> Conversation:
    """End a delegation; who came by it takes part no longer."""
    left = conversation.participants.get(delegation.target)
    if delegation.state == "joined" and left is not None:
        others = {uri: one for uri, one in conversation.participants.items() if uri != left.uri}
        former = {**conversation.former, left.uri: left}
        conversation = replace(conversation, participants=others, former=former)
    return with_delegation(conversation, replace(delegation, state="ended"))
