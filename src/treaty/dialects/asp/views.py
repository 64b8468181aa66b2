"""A session as its participants see it, over HTTP and in the commands (B18)."""

from __future__ import annotations

from treaty.core.commitment import Commitment, Share
from treaty.core.dispute import Dispute
from treaty.core.rates import rate_text
from treaty.dialects.asp import deadlines
from treaty.dialects.asp.conversation import Conversation, Delegation, Escalation, Participant
from treaty.wire.canonical import Json
from treaty.wire.instants import format_instant
from treaty.wire.money import Money, money_to_json


def session_view(state: Conversation) -> dict[str, Json]:
    """``GET /sessions/{id}``: state, participants, head, next sequences, commitments (B18)."""
    return {
        "session": state.id,
        "state": state.wire_state,
        "phase": state.state,
        "inviter": state.inviter,
        "invitee": state.invitee,
        "subject": state.invitation.subject if state.invitation else "",
        "head": state.head,
        "messageCount": state.messages,
        "position": state.position,
        "participants": [_participant_view(one) for one in state.participants.values()],
        "former": [_participant_view(one) for one in state.former.values()],
        "delegations": [_delegation_view(one) for one in state.delegations.values()],
        "escalations": [_escalation_view(one) for one in state.escalations.values()],
        "commitments": [_commitment_view(one) for one in state.commitments.values()],
        "disputes": [dispute_view(state, one) for one in state.disputes.values()],
        "deadlines": [
            {"timer": one.name, "due": format_instant(one.due_ms)}
            for one in deadlines.deadlines(state)
        ],
        "updatedAt": format_instant(state.at_ms),
    }


def _participant_view(member: Participant) -> dict[str, Json]:
    view: dict[str, Json] = {
        "uri": member.uri,
        "role": member.role,
        "nextSequence": member.next_sequence,
    }
    if member.public_key is not None:
        view["publicKey"] = member.public_key
    return view


def _delegation_view(delegation: Delegation) -> dict[str, Json]:
    return {
        "delegationId": delegation.id,
        "by": delegation.author,
        "agent": delegation.target,
        "authority": delegation.authority,
        "state": delegation.state,
        "expires": format_instant(delegation.expires_ms),
    }


def _escalation_view(running: Escalation) -> dict[str, Json]:
    """A running escalation: who called whom, and until when it may take."""
    return {
        "escalationId": running.id,
        "by": running.author,
        "authority": running.authority,
        "common": running.common,
        "until": format_instant(running.until_ms),
    }


def _commitment_view(commitment: Commitment) -> dict[str, Json]:
    view: dict[str, Json] = {
        "commitmentId": commitment.id,
        "state": commitment.state.value,
        "hash": commitment.hash,
        "reserved": commitment.reserved,
        "obligations": [
            {
                "name": duty.name,
                "role": duty.role,
                "party": duty.party,
                "action": duty.action,
                "deadline": format_instant(duty.deadline_ms),
                "method": duty.method.value,
                "state": duty.state.value,
            }
            for duty in commitment.obligations
        ],
    }
    if commitment.escrow is not None:
        rate = commitment.escrow.usd_rate
        view["escrow"] = {
            "payer": commitment.escrow.payer,
            "payee": commitment.escrow.payee,
            **money_to_json(commitment.escrow.money),
            **({} if rate is None else {"usdRate": rate_text(rate)}),
        }
        if commitment.escrow.schedule is not None:
            view["slices"] = [_slice_view(commitment, one) for one in commitment.shares]
    return view


def _slice_view(commitment: Commitment, share: Share) -> dict[str, Json]:
    """One slice: what it holds, and what became of it once it is settled."""
    assert commitment.escrow is not None
    asset = commitment.escrow.money.asset
    view: dict[str, Json] = {"id": share.id, **money_to_json(Money(share.units, asset))}
    if share.posted is not None:
        view["posted"] = dict(money_to_json(Money(share.posted, asset)))
    return view


def dispute_view(state: Conversation, dispute: Dispute) -> dict[str, Json]:
    """One dispute: what it is about, where it stands, and how it was ruled."""
    escrow = state.commitments[dispute.commitment].escrow
    assert escrow is not None
    asset = escrow.money.asset
    view: dict[str, Json] = {
        "disputeId": dispute.id,
        "sessionId": state.id,
        "commitmentId": dispute.commitment,
        "phase": dispute.phase.value,
        "filedBy": dispute.filer,
        "filedAgainst": dispute.against,
        "reason": dispute.reason,
        "amount": dict(money_to_json(Money(dispute.units, asset))),
        "bond": dict(money_to_json(Money(dispute.bond_units, asset))),
        "filedAt": format_instant(dispute.at_ms),
        "revealed": list(dispute.secrets),
        "arbiters": list(dispute.arbiters),
        "voted": list(dispute.votes),
    }
    if dispute.slice:
        view["part"] = dispute.slice
    if dispute.ruling is None:
        view["due"] = format_instant(dispute.due_ms)
        return view
    ruling = dispute.ruling
    view["ruling"] = {
        "by": ruling.by,
        "why": ruling.why,
        "toPayee": dict(money_to_json(Money(ruling.to_payee, asset))),
        "toPayer": dict(money_to_json(Money(dispute.units - ruling.to_payee, asset))),
        "severity": ruling.severity,
        "bondTo": dispute.against if dispute.bond_lost else dispute.filer,
        "at": format_instant(ruling.at_ms),
    }
    return view
