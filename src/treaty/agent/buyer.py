"""The buyer's loop: negotiates by a policy, commits, waits for delivery, closes.

Like the provider's loop it looks at the session and takes the next step; being overtaken means
looking again. The private limits of the policy stay in this process (decision B21).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NoReturn

from treaty.agent.deal import Deal
from treaty.agent.disputing import left_open, reveal_due
from treaty.agent.line import OvertakenError
from treaty.agent.service import bids
from treaty.agent.terms import commit_body
from treaty.core.commitment import has_pending
from treaty.core.learning import Statistics
from treaty.core.negotiation import (
    BuyerPolicy,
    Decision,
    DecisionKind,
    TermsShape,
    Tier,
    buyer,
    total,
    write_terms,
)
from treaty.dialects.asp.conversation import Proposal
from treaty.dialects.asp.messages import Body, Escalate, Inform
from treaty.errors import Refused, UnavailableError, WireError
from treaty.wire.canonical import Json
from treaty.wire.money import Money, decimals_of, money_from_json

PATIENCE_S: Final = 600.0
COMMITS_MAX: Final = 2
"""How often it offers to be bound: once more, in case the first offer ran out of time."""
PROVIDER_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Mandate:
    """How far a buyer may go by itself; beyond, a person decides."""

    authority: str
    """Who decides. Name it in the invitation's ``terms.authorities`` to bind both."""
    most: Decimal
    """PRIVATE: the largest commitment it makes without asking."""
    reason: str = "This purchase needs a decision."


def _always(_deal: Deal) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a buyer wants, and how far it goes."""

    terms: Mapping[str, Json]
    """The terms to open with, but for price and quality."""
    policy: BuyerPolicy
    listed: Tier | None = None
    """The counterparty's list price, to open at."""
    subject: str = ""
    currency: str = "USD"
    rating: int | None = 5
    method: str = "counterparty-confirm"
    provide: str = ""
    shape: TermsShape = field(default_factory=TermsShape)
    satisfied: Callable[[Deal], bool] = _always
    """Looks at the claimed result before closing; False leaves it to a dispute or the window."""
    valid_ms: int | None = 7_200_000
    mandate: Mandate | None = None


async def buy(
    deal: Deal,
    purchase: Purchase,
    *,
    statistics: Statistics | None = None,
    patience_s: float = PATIENCE_S,
) -> Deal:
    """Carry an introduced session to its end: agree, commit, wait, close.

    Returns when the session is CLOSED and the outcome is known. Raises ``Refused`` when there
    was no agreement (the session is then closed as cancelled), ``UnavailableError`` and
    ``TimeoutError`` when the node or the provider stays away for ``patience_s``. With a dispute
    open that is ``DisputeOpenError``, which says what has to run; while it waits, it reveals.
    """
    while not deal.over:
        position = deal.conversation.position
        try:
            stepped = await _step(deal, purchase, statistics)
        except OvertakenError:
            continue
        except UnavailableError:
            await deal.line.sync(patience_s)
            continue
        if not stepped:
            await _wait(deal, position, patience_s)
    if not deal.conversation.settled:
        raise Refused("the session ended without a commitment", "unspecified")
    return deal


async def _wait(deal: Deal, position: int, patience_s: float) -> None:
    try:
        await deal.line.changed(position, timeout_s=patience_s)
    except TimeoutError:
        raise left_open(deal) or TimeoutError(
            f"nothing was heard of session {deal.id} for {patience_s:.0f} s"
        ) from None


async def _step(deal: Deal, purchase: Purchase, statistics: Statistics | None) -> bool:
    if await reveal_due(deal):
        return True
    now = deal.conversation
    if now.state == "INTRODUCED" or (now.state == "CONVERSING" and now.agreed is None):
        return await _negotiate(deal, purchase, statistics)
    if now.state == "CONVERSING":
        await _commit(deal, purchase)
        return True
    if now.state in ("EXECUTING", "CLOSING") or (now.ended and now.live):
        return await _close(deal, purchase)
    return False


async def _negotiate(deal: Deal, purchase: Purchase, statistics: Statistics | None) -> bool:
    waiting = deal.open_proposal()
    own = [one for one in deal.conversation.proposals.values() if one.author == deal.me]
    if waiting is None and own:
        if own[-1].state == "open":
            return False
        # Refused, or lapsed: what it would pay has been said.
        await _walk_away(deal, "The proposal was not accepted.")
    decision = _decide(deal, purchase, waiting, statistics)
    if decision.kind is DecisionKind.ACCEPT:
        await deal.accept(decision.reason)
    elif decision.kind in (DecisionKind.PROPOSE, DecisionKind.COUNTER):
        terms = write_terms(purchase.terms, decision, purchase.shape)
        await deal.propose(terms, subject=purchase.subject, valid_ms=purchase.valid_ms)
    else:
        await _walk_away(deal, decision.reason)
    return True


def _decide(
    deal: Deal, purchase: Purchase, waiting: Proposal | None, statistics: Statistics | None
) -> Decision:
    try:
        return buyer(
            purchase.policy,
            purchase.listed,
            bids(deal, purchase.shape, until=waiting),
            statistics,
            decimals=decimals_of(purchase.currency),
        )
    except WireError as error:
        # Terms that name no readable price cannot be agreed to.
        return Decision(DecisionKind.WALK, None, None, True, error.detail)


async def _walk_away(deal: Deal, reason: str) -> NoReturn:
    await deal.close(reason="cancelled", summary=reason)
    raise Refused(f"no agreement: {reason}", "unspecified")


async def _commit(deal: Deal, purchase: Purchase) -> None:
    agreed = deal.agreed()
    assert agreed is not None
    if not await _is_approved(deal, agreed, purchase):
        return
    if len(deal.conversation.commitments) >= COMMITS_MAX:
        await _walk_away(deal, "The commitment was not accepted.")
    body = commit_body(
        commitment=deal.new_id("cmt"),
        proposal=agreed,
        payer=deal.me,
        payee=deal.counterparty,
        total=_total(agreed, purchase),
        at_ms=deal.line.voice.clock(),
        subject=purchase.subject,
        method=purchase.method,
        provide=purchase.provide,
        provide_ms=PROVIDER_MS,
    )
    try:
        await deal.commit(body)
    except Refused:
        # No money, or more than the trust levels allow: the provider need not wait.
        await deal.close(reason="cancelled", summary="The commitment could not be made.")
        raise


async def _is_approved(deal: Deal, agreed: Proposal, purchase: Purchase) -> bool:
    """Whether it may commit; where its mandate ends it calls the authority, once a proposal."""
    mandate = purchase.mandate
    if mandate is None or total(agreed.terms, purchase.shape) <= mandate.most:
        return True
    called = [
        one.body
        for one in deal.messages
        # What the other party asks its own authority is no answer to this one's question.
        if one.sender == deal.me
        and isinstance(one.body, Escalate)
        and one.body.reference_id == agreed.id
    ]
    if not called:
        await deal.escalate(mandate.authority, mandate.reason, reference=agreed.id)
        return False
    name = called[-1].escalation_id
    if not any(_resumes(one.body, name) for one in deal.messages):
        await _walk_away(deal, "Nobody decided in time.")
    return True


def _resumes(body: Body, escalation: str) -> bool:
    if not isinstance(body, Inform) or body.inform_type != "resolution":
        return False
    data = body.data
    return data.get("escalationId") == escalation and data.get("decision") == "resume"


def _total(agreed: Proposal, purchase: Purchase) -> Money:
    return exact_money(total(agreed.terms, purchase.shape), purchase.currency)


def exact_money(amount: Decimal, currency: str) -> Money:
    """An amount as money; more decimals than the currency has are refused."""
    return money_from_json({"amount": f"{amount.normalize():f}", "currency": currency}, None)


async def _close(deal: Deal, purchase: Purchase) -> bool:
    """Close once the provider has nothing pending and its result satisfies.

    Also when the session has ended by then: what is bound outlives it (B9).
    """
    now = deal.conversation
    own = now.closings.get(deal.me)
    if own is not None and own.counts:
        return False
    if any(has_pending(one, deal.counterparty) for one in now.live):
        return False
    if now.live and not purchase.satisfied(deal):
        return False
    if not now.commitments:
        await deal.close(reason="cancelled", summary="Nothing was agreed.")
        return True
    ruled = any(one.ruled for one in now.commitments.values())
    summary = "Settled as it was ruled" if ruled else "Delivered as agreed"
    await deal.close(rating=purchase.rating, summary=summary)
    return True
