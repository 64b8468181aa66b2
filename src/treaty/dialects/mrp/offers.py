"""From what was said on the wire to what the core ranks.

Read next: ``treaty.core.routing``.
"""

from __future__ import annotations

from decimal import Decimal

from treaty.core.routing import RouteNeed, RouteOffer
from treaty.dialects.mrp.messages import Discover, Malformed, Offer


def need_of(wanted: Discover, *, strict_unknown: bool = False) -> RouteNeed:
    """The need that a DISCOVER states (12)."""
    asked = wanted.constraints
    return RouteNeed(
        capability=asked.capability,
        policy=asked.policy,
        max_cost=asked.max_cost,
        max_latency_ms=_decimal(asked.max_latency_ms),
        retention_days=_decimal(asked.retention_days),
        residency=asked.residency,
        proofs=wanted.proofs_required,
        strict_unknown=strict_unknown,
    )


def offer_of(
    offer: Offer | Malformed,
    *,
    provider: str,
    trust: Decimal | None = None,
    residency: str | None = None,
) -> RouteOffer:
    """An offer as the core ranks it.

    ``provider`` is who was asked, not who says it answers; ``residency`` is what its manifest
    states, for an offer that is silent about it.
    """
    if isinstance(offer, Malformed):
        flaw = (offer.member, offer.detail)
        return RouteOffer(provider=provider, route_id=offer.route_id, trust=trust, flaw=flaw)
    return RouteOffer(
        provider=provider,
        route_id=offer.route_id,
        capability=offer.capability,
        confidence=offer.confidence,
        cost=offer.cost,
        unit=offer.cost_unit,
        latency_ms=offer.latency_ms,
        policy=offer.policy,
        training_use=offer.training_use,
        retention_days=offer.retention_days,
        residency=residency if offer.residency is None else offer.residency,
        proofs=offer.proofs,
        trust=trust,
    )


def _decimal(number: int | None) -> Decimal | None:
    return None if number is None else Decimal(number)
