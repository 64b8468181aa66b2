"""The buyer's loop: negotiates by a policy, commits, waits for delivery, closes.

Like the provider's loop it looks at the session and takes the next step; being overtaken means
looking again. The private limits of the policy stay in this process (decision B21).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from treaty.agent.deal import Deal
from treaty.agent.line import OvertakenError
from treaty.agent.provider import bids
from treaty.agent.terms import commit_body
from treaty.core.commitment import has_pending
from treaty.core.negotiation import (
    BuyerPolicy,
    DecisionKind,
    TermsShape,
    Tier,
    buyer,
    total,
    write_terms,
)
from treaty.dialects.asp.conversation import Proposal
from treaty.errors import Refused
from treaty.wire.canonical import Json
from treaty.wire.money import Money, money_from_json

PATIENCE_S: Final = 600.0
PROVIDER_MS: Final = 3_600_000


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


async def buy(deal: Deal, purchase: Purchase, *, statistics: Any = None) -> Deal:
    """Carry an introduced session to its end: agree, commit, wait, close.

    Returns when the session is CLOSED and the outcome is known. Raises ``Refused`` when there
    was no agreement (the session is then closed as cancelled).
    """
    while not _finished(deal):
        position = deal.conversation.position
        try:
            stepped = await _step(deal, purchase, statistics)
        except OvertakenError:
            continue
        if not stepped:
            await deal.line.changed(position, timeout_s=PATIENCE_S)
    return deal


def _finished(deal: Deal) -> bool:
    now = deal.conversation
    if now.state == "FAILED":
        raise Refused("the session failed", "unspecified")
    if not now.ended or now.live:
        return False
    paid = [one for one in now.settled if one.posted_units]
    return not paid or deal.outcome() is not None


async def _step(deal: Deal, purchase: Purchase, statistics: Any) -> bool:
    now = deal.conversation
    if now.state == "INTRODUCED" or (now.state == "CONVERSING" and now.agreed is None):
        return await _negotiate(deal, purchase, statistics)
    if now.state == "CONVERSING":
        await _commit(deal, purchase)
        return True
    if now.state == "EXECUTING":
        return await _close(deal, purchase)
    return False


async def _negotiate(deal: Deal, purchase: Purchase, statistics: Any) -> bool:
    waiting = deal.open_proposal()
    own_open = any(
        one.state == "open" and one.author == deal.me
        for one in deal.conversation.proposals.values()
    )
    if waiting is None and own_open:
        return False
    history = bids(deal, purchase.shape)
    decision = buyer(purchase.policy, purchase.listed, history, statistics)
    if decision.kind is DecisionKind.ACCEPT:
        await deal.accept(decision.reason)
    elif decision.kind in (DecisionKind.PROPOSE, DecisionKind.COUNTER):
        terms = write_terms(purchase.terms, decision, purchase.shape)
        await deal.propose(terms, subject=purchase.subject, valid_ms=purchase.valid_ms)
    else:
        await deal.close(reason="cancelled", summary=decision.reason)
        raise Refused(f"no agreement: {decision.reason}", "unspecified")
    return True


async def _commit(deal: Deal, purchase: Purchase) -> None:
    agreed = deal.agreed()
    assert agreed is not None
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
    await deal.commit(body)


def _total(agreed: Proposal, purchase: Purchase) -> Money:
    return exact_money(total(agreed.terms, purchase.shape), purchase.currency)


def exact_money(amount: Decimal, currency: str) -> Money:
    """An amount as money; more decimals than the currency has are refused."""
    return money_from_json({"amount": f"{amount.normalize():f}", "currency": currency}, None)


async def _close(deal: Deal, purchase: Purchase) -> bool:
    """Close once the provider has nothing pending and its result satisfies."""
    now = deal.conversation
    if deal.me in now.closings:
        return False
    if any(has_pending(one, deal.counterparty) for one in now.live):
        return False
    if now.live and not purchase.satisfied(deal):
        return False
    await deal.close(rating=purchase.rating, summary="Delivered as agreed")
    return True
