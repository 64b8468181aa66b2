"""LEARN: from an agent's own verified copies to what it knows of a counterparty (decision B21).

Everything here reads the agent's own store and writes nothing but to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from treaty.agent.agent import Agent
from treaty.agent.deal import Deal
from treaty.core.bids import TermsShape, read_bid
from treaty.core.commitment import CommitmentState
from treaty.core.learning import Observation, Statistics, TimedBid, Transcript, observe, summarise
from treaty.core.log import Receipt, read_log_record
from treaty.dialects.asp.codec import decode
from treaty.dialects.asp.messages import Accept, Counter, Propose
from treaty.errors import MisuseError, WireError
from treaty.wire.canonical import Json


def transcript(deal: Deal, *, shape: TermsShape, listed_price: Decimal | None = None) -> Transcript:
    """How a deal was negotiated, timed by its host's receipts."""
    bids: list[TimedBid] = []
    accepted_ms = None
    now = deal.conversation
    for item in deal.line.copy.items:
        log = read_log_record(dict(item.record))
        if not isinstance(log, Receipt) or item.raw is None:
            continue
        body = decode(item.raw).body
        mine = now.side(log.sender) == deal.me
        if isinstance(body, Counter) or (isinstance(body, Propose) and not body.is_invitation):
            final = isinstance(body, Counter) and body.final
            bid = read_bid(body.terms, "own" if mine else "other", shape, final=final)
            bids.append(TimedBid(bid, log.at_ms))
        elif isinstance(body, Accept) and body.reference_id == now.agreed:
            accepted_ms = log.at_ms
    agreed = deal.agreed()
    return Transcript(
        bids=tuple(bids),
        listed_price=listed_price,
        agreed_price=read_bid(agreed.terms, "own", shape).price if agreed else None,
        accepted_at_ms=accepted_ms,
        kept=_kept(deal),
    )


def _kept(deal: Deal) -> bool | None:
    ended = deal.conversation.settled
    if not ended:
        return None
    return all(one.state is CommitmentState.FULFILLED for one in ended)


async def learn(
    agent: Agent,
    deal: Deal,
    *,
    shape: TermsShape | None = None,
    listed_price: Decimal | None = None,
    subject: str = "",
    tags: Sequence[str] = ("negotiation-strategy",),
) -> Observation:
    """Write down what a deal taught about its counterparty, in the agent's own store."""
    before = await agent.copies.learnt(deal.counterparty)
    observation = observe(
        transcript(deal, shape=shape or TermsShape(), listed_price=listed_price),
        deal.counterparty,
        subject=subject or f"Negotiation strategy of {deal.counterparty}",
        tags=tags,
        deals_before=len(before),
    )
    await agent.copies.learn(deal.counterparty, observation.to_json())
    return observation


async def statistics(
    agent: Agent, counterparty: str, *, shape: TermsShape | None = None
) -> Statistics:
    """What this agent's own copies say about a counterparty, for its strategies."""
    found = []
    for session in await agent.copies.sessions():
        known = await agent.copies.known(session)
        if known is None or known.get("counterparty") != counterparty:
            continue
        try:
            deal = await agent.peruse(session)
            found.append(transcript(deal, shape=shape or TermsShape()))
        except (WireError, MisuseError):
            # Terms without a readable price teach nothing about prices.
            continue
    return summarise(found)


def listed_price(pricing: dict[str, Json], unit: str = "Hour") -> Decimal | None:
    """The list price of a card's ``pricing``, per unit."""
    value = pricing.get(f"pricePer{unit}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return Decimal(str(value))
