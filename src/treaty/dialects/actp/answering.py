"""From a negotiation and a decision to the figures of a reply and the record of it. Pure.

Laws: a re-quote keeps the first ``maxPrice`` of its negotiation; a quote outlasts neither its own
time nor the negotiation (9.4); what a quote says the deal was opened with is never above it.

Read next: ``dialect``, which signs, ``negotiation``, which folds the records.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from treaty.dialects.actp.builders import QuoteBuilder
from treaty.dialects.actp.decision import CounterContext, QuoteAsk, QuoteDecision, Verdict
from treaty.dialects.actp.messages import CounterOffer, PriceQuote, QuoteRequest
from treaty.dialects.actp.negotiation import Negotiation
from treaty.dialects.actp.policy import ProviderPolicy
from treaty.wire.canonical import Json


class OnChain(Protocol):
    """A transaction as its kernel has it."""

    @property
    def requester(self) -> str:
        """Who pays."""

    @property
    def provider(self) -> str:
        """Who is paid."""

    @property
    def state(self) -> str:
        """The kernel's word for where it stands."""

    @property
    def amount_units(self) -> int:
        """What was declared when it was created."""

    @property
    def deadline_s(self) -> int:
        """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a quote, in base units and seconds since 1970."""

    units: int
    original_units: int
    max_price_units: int
    expires_s: int


def figures(
    policy: ProviderPolicy,
    state: Negotiation,
    message: CounterOffer | QuoteRequest,
    decision: Verdict | QuoteDecision,
    at_ms: int,
) -> Figures:
    """What the quote that a decision asks for says."""
    if isinstance(decision, QuoteDecision):
        units, most = decision.units or 0, decision.max_price_units or 0
    else:
        units = decision.recommended_units or 0
        most = state.max_price_units if state.is_known else message.max_price_units
    opened_ms = state.opened_ms if state.is_known else at_ms
    over_s = opened_ms // 1_000 + policy.session_ttl_s
    at_s = at_ms // 1_000
    expires_s = max(at_s + 1, min(at_s + policy.quote_ttl_s, over_s))
    return Figures(units, _original(state, message, units), most, expires_s)


def quote(
    builder: QuoteBuilder,
    message: CounterOffer | QuoteRequest,
    said: Figures,
    *,
    nonce: int,
    at_ms: int,
) -> PriceQuote:
    """Sign a quote to whoever asked or countered."""
    return builder.build(
        tx_id=message.tx_id,
        consumer=message.consumer,
        quoted_amount=said.units,
        original_amount=said.original_units,
        max_price=said.max_price_units,
        chain_id=message.chain_id,
        nonce=nonce,
        at_ms=at_ms,
        expires_at=said.expires_s,
    )


def asked(
    state: Negotiation, message: Any, transaction: OnChain | None, at_ms: int
) -> CounterContext:
    """What the policy decides on."""
    most = message.max_price_units
    return CounterContext(
        counter_units=message.units,
        quote_units=message.quote_units,
        max_price_units=min(most, state.max_price_units) if state.is_known else most,
        last_quote_units=state.position.last_quote_units,
        requotes_used=state.position.requotes_used,
        is_settled=state.position.is_settled,
        service=state.service,
        deadline_s=state.deadline_s if transaction is None else transaction.deadline_s,
        at_ms=at_ms,
    )


def ask(request: QuoteRequest, transaction: OnChain | None) -> QuoteAsk:
    """What is asked for; where the chain is read, its amount and deadline count."""
    if transaction is None:
        units, deadline_s = request.units, request.deadline
    else:
        units, deadline_s = transaction.amount_units, transaction.deadline_s
    return QuoteAsk(request.service, units, request.max_price_units, deadline_s)


def opening(message: CounterOffer | QuoteRequest, consumer: str) -> dict[str, Json]:
    """What the record of a first message says of the negotiation it opens."""
    first: dict[str, Json] = {
        "consumer": consumer,
        "maxPrice": message.max_price,
        "original": str(message.units),
    }
    if isinstance(message, QuoteRequest):
        first |= {"service": message.service, "deadline": message.deadline}
    return first


def _original(state: Negotiation, message: CounterOffer | QuoteRequest, units: int) -> int:
    """A quote says what the deal was opened with, where that is not above the quote itself."""
    original = state.original_units if state.is_known else message.units
    return original if original <= units else message.units


def verdict_json(verdict: Verdict) -> dict[str, Json]:
    """A verdict in the peer's members."""
    units = verdict.recommended_units
    return {
        "action": verdict.action.value,
        "reason": verdict.reason.value,
        "recommended_amount": None if units is None else str(units),
    }
