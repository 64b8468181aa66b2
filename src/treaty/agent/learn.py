"""LEARN: from an agent's own verified copies to what it knows of a counterparty (decision B21).

Everything here reads the agent's own store and writes nothing but to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from treaty.agent.agent import Agent
from treaty.agent.copies import Copies
from treaty.agent.copy import VerifiedCopy
from treaty.agent.deal import Deal
from treaty.agent.export import open_copy
from treaty.core.bids import TermsShape, read_bid
from treaty.core.commitment import CommitmentState
from treaty.core.learning import Observation, Statistics, TimedBid, Transcript, observe, summarise
from treaty.core.log import Receipt, read_log_record
from treaty.dialects.asp.codec import decode
from treaty.dialects.asp.conversation import Conversation
from treaty.dialects.asp.messages import Accept, Counter, Propose
from treaty.errors import MisuseError, WireError
from treaty.wire import fields
from treaty.wire.canonical import Json

TRANSCRIPTS_MAX: Final = 64
"""Sessions with one counterparty that its statistics are made of: the last ones."""


def transcript(deal: Deal, *, shape: TermsShape, listed_price: Decimal | None = None) -> Transcript:
    """How a deal was negotiated, timed by its host's receipts."""
    return _read(deal.line.copy, deal.me, shape, listed_price)


def _read(
    copy: VerifiedCopy, me: str, shape: TermsShape, listed_price: Decimal | None
) -> Transcript:
    bids: list[TimedBid] = []
    accepted_ms = None
    now = copy.conversation
    for item in copy.items:
        log = read_log_record(dict(item.record))
        if not isinstance(log, Receipt) or item.raw is None:
            continue
        body = decode(item.raw).body
        mine = now.side(log.sender) == me
        if isinstance(body, Counter) or (isinstance(body, Propose) and not body.is_invitation):
            final = isinstance(body, Counter) and body.final
            bid = read_bid(body.terms, "own" if mine else "other", shape, final=final)
            bids.append(TimedBid(bid, log.at_ms))
        elif isinstance(body, Accept) and body.reference_id == now.agreed:
            accepted_ms = log.at_ms
    agreed = now.proposals[now.agreed] if now.agreed else None
    return Transcript(
        bids=tuple(bids),
        listed_price=listed_price,
        agreed_price=read_bid(agreed.terms, "own", shape).price if agreed else None,
        accepted_at_ms=accepted_ms,
        kept=_kept(now),
    )


def _kept(now: Conversation) -> bool | None:
    ended = now.settled
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
    return await statistics_of(agent.copies, agent.uri, counterparty, shape=shape)


async def statistics_of(
    copies: Copies, me: str, counterparty: str, *, shape: TermsShape | None = None
) -> Statistics:
    """The same from an agent's store, which is only read: its last sessions with the other."""
    form = shape or TermsShape()
    found: list[Transcript] = []
    for session in reversed(await copies.sessions()):
        if len(found) == TRANSCRIPTS_MAX:
            break
        known = await copies.known(session)
        if known is None or known.get("counterparty") != counterparty:
            continue
        try:
            kept = await open_copy(copies, session)
            found.append(_read(kept.copy, me, form, _listed(known, form, counterparty, me)))
        except (WireError, MisuseError):
            # Terms without a readable price teach nothing about prices.
            continue
    return summarise(found)


def _listed(
    known: Mapping[str, Json], shape: TermsShape, counterparty: str, me: str
) -> Decimal | None:
    """The list price on the provider's card, as it was when the session began."""
    cards = [one for one in fields.items(known, "cards") if isinstance(one, dict)]
    for owner in (counterparty, me):
        for card in cards:
            pricing = card.get("pricing")
            price = pricing.get(shape.price) if isinstance(pricing, dict) else None
            if card.get("uri") == owner and _is_number(price):
                return Decimal(str(price))
    return None


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def listed_price(pricing: dict[str, Json], unit: str = "Hour") -> Decimal | None:
    """The list price of a card's ``pricing``, per unit."""
    value = pricing.get(f"pricePer{unit}")
    return Decimal(str(value)) if _is_number(value) else None
