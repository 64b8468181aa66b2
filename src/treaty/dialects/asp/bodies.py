"""One reader per performative: from the body as received to a typed record.

The only place, with ``codec``, that knows how ASP spells its members (decisions B11, B13).
Readers check form, never meaning: whether a proposal exists is asked in ``rules``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from treaty.dialects.asp.choices import RATING_LEAST, RATING_MOST
from treaty.dialects.asp.messages import (
    Accept,
    Body,
    Clarify,
    Close,
    Commit,
    Counter,
    Delegate,
    Escalate,
    EscrowTerms,
    Inform,
    Observe,
    Performative,
    Promise,
    Propose,
    Query,
    Reject,
    Withdraw,
)
from treaty.errors import WireError, shown
from treaty.wire import fields
from treaty.wire.canonical import Json
from treaty.wire.digest import is_sha256_tag
from treaty.wire.fields import Object
from treaty.wire.money import money_from_json


def _propose(body: Object) -> Propose:
    return Propose(
        proposal_id=fields.ident(body, "proposalId"),
        type=fields.text(body, "type"),
        subject=fields.text(body, "subject"),
        terms=fields.obj(body, "terms"),
        valid_until_ms=fields.instant_or(body, "validUntil"),
    )


def _accept(body: Object) -> Accept:
    return Accept(
        reference_id=fields.ident(body, "referenceId"),
        reference_hash=_hash_or(body, "referenceHash"),
        acknowledgment=fields.text_or(body, "acknowledgment"),
        history=fields.flag(body, "history"),
        arbiter_seed=_hash_or(body, "arbiterSeed"),
    )


def _hash_or(body: Object, name: str) -> str | None:
    value = fields.text_or(body, name)
    if value is not None and not is_sha256_tag(value):
        raise WireError(f"{name} must be sha256:<64 hex digits>, not {shown(value)}")
    return value


def _reject(body: Object) -> Reject:
    return Reject(
        reference_id=fields.ident(body, "referenceId"),
        code=fields.ident(body, "code"),
        reason=fields.text(body, "reason"),
    )


def _counter(body: Object) -> Counter:
    return Counter(
        reference_id=fields.ident(body, "referenceId"),
        counter_id=fields.ident(body, "counterProposalId"),
        rejection_reason=fields.text_or(body, "rejectionReason") or "",
        subject=fields.text_or(body, "subject") or "",
        terms=fields.obj(body, "terms"),
        final=fields.flag(body, "final"),
        valid_until_ms=fields.instant_or(body, "validUntil"),
    )


def _inform(body: Object) -> Inform:
    return Inform(
        inform_type=fields.ident(body, "informType"),
        subject=fields.text_or(body, "subject") or "",
        data=fields.obj_or(body, "data") or {},
        references=fields.idents(body, "references"),
    )


def _query(body: Object) -> Query:
    return Query(
        query_id=fields.ident(body, "queryId"),
        query_type=fields.ident(body, "queryType"),
        subject=fields.text_or(body, "subject") or "",
        parameters=fields.obj_or(body, "parameters") or {},
    )


def _clarify(body: Object) -> Clarify:
    question, answer = fields.text_or(body, "question"), fields.text_or(body, "answer")
    if (question is None) == (answer is None):
        raise WireError("a CLARIFY carries a question or an answer, and not both")
    return Clarify(fields.ident(body, "referenceId"), question, answer)


def _commit(body: Object) -> Commit:
    return Commit(
        commitment_id=fields.ident(body, "commitmentId"),
        subject=fields.text_or(body, "subject") or "",
        terms=fields.obj_or(body, "terms") or {},
        obligations=_promises(body),
        escrow=_escrow(body),
        proposal_id=fields.ident_or(body, "proposalId"),
        dispute_window_ms=fields.integer_or(body, "disputeWindowMs"),
        arbiter_seed=_hash_or(body, "arbiterSeed"),
    )


def _promises(body: Object) -> tuple[Promise, ...]:
    """Obligations keyed by role (the seed), or an array at body level or in the terms (B11)."""
    stated = body.get("obligations")
    if stated is None:
        stated = (fields.obj_or(body, "terms") or {}).get("obligations")
    if isinstance(stated, dict):
        pairs: list[tuple[str, Json]] = [
            (fields.ident({"role": role}, "role"), duty) for role, duty in stated.items()
        ]
    elif isinstance(stated, list):
        pairs = [("", duty) for duty in stated]
    else:
        raise WireError(f"obligations must be an object or a list, not {shown(stated)}")
    if not 1 <= len(pairs) <= 32:
        raise WireError(f"a COMMIT carries 1 to 32 obligations, not {len(pairs)}")
    return tuple(_promise(role, duty) for role, duty in pairs)


def _promise(role: str, duty: Json) -> Promise:
    if not isinstance(duty, dict):
        raise WireError(f"an obligation must be an object, not {shown(duty)}")
    return Promise(
        role=role,
        party=fields.agent(duty, "party"),
        action=fields.text(duty, "action"),
        deadline_ms=fields.instant(duty, "deadline"),
        method=fields.text(duty, "verificationMethod"),
        verification=fields.obj_or(duty, "verification"),
    )


def _escrow(body: Object) -> EscrowTerms | None:
    escrow = fields.obj_or(body, "escrow")
    if escrow is None:
        return None
    amount: dict[str, Json] = {
        name: escrow[name] for name in ("amount", "currency") if name in escrow
    }
    return EscrowTerms(
        money=money_from_json(amount, None),
        condition=fields.text(escrow, "releaseCondition"),
        payer=fields.agent_or(escrow, "payer"),
        payee=fields.agent_or(escrow, "payee"),
        schedule=fields.obj_or(escrow, "schedule"),
        penalty_bps=fields.integer_or(escrow, "penaltyBps", most=10_000) or 0,
    )


def _delegate(body: Object) -> Delegate:
    return Delegate(
        delegation_id=fields.ident(body, "delegationId"),
        target_agent=fields.agent(body, "targetAgent"),
        scope=fields.text(body, "scope"),
        authority=fields.text(body, "authority"),
        limits=fields.obj_or(body, "limits") or {},
        expires_at_ms=fields.instant(body, "expiresAt"),
        history=fields.flag(body, "history"),
    )


def _escalate(body: Object) -> Escalate:
    return Escalate(
        escalation_id=fields.ident(body, "escalationId"),
        reason=fields.text(body, "reason"),
        authority=fields.agent(body, "authority"),
        reference_id=fields.ident_or(body, "referenceId"),
        options=tuple(fields.items(body, "options", most=16)),
    )


def _withdraw(body: Object) -> Withdraw:
    return Withdraw(fields.ident(body, "referenceId"), fields.text_or(body, "reason"))


def _observe(body: Object) -> Observe:
    return Observe(
        subject=fields.text(body, "subject"),
        data=fields.obj(body, "data"),
        references=fields.idents(body, "references"),
    )


def _close(body: Object) -> Close:
    outcome = fields.obj_or(body, "outcome") or {}
    return Close(
        reason=fields.ident(body, "reason"),
        summary=fields.text_or(body, "summary") or "",
        commitments_fulfilled=fields.idents(outcome, "commitmentsFulfilled"),
        total=outcome.get("totalTransactionValue"),
        peer_rating=fields.integer_or(outcome, "peerRating", least=RATING_LEAST, most=RATING_MOST),
        chain_head=_hash_or(outcome, "chainHead"),
        message_count=fields.integer_or(outcome, "messageCount"),
    )


READERS: Final[Mapping[Performative, Callable[[Object], Body]]] = MappingProxyType(
    {
        Performative.PROPOSE: _propose,
        Performative.ACCEPT: _accept,
        Performative.REJECT: _reject,
        Performative.COUNTER: _counter,
        Performative.INFORM: _inform,
        Performative.QUERY: _query,
        Performative.CLARIFY: _clarify,
        Performative.COMMIT: _commit,
        Performative.DELEGATE: _delegate,
        Performative.ESCALATE: _escalate,
        Performative.WITHDRAW: _withdraw,
        Performative.OBSERVE: _observe,
        Performative.CLOSE: _close,
    }
)


def read_body(performative: Performative, body: Object) -> Body:
    """Decode the body of one performative. Raises ``WireError``, or ``Refused`` for a currency."""
    return READERS[performative](body)
