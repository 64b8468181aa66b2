"""The decision record: which offer was taken, and why each of the others was not (12).

A record is JSON, kept by the buyer and put into the deal file; ``audit`` makes it again from the
offers as received and compares. Its members:

* ``decision_id``, ``at`` (when), ``intent``, ``constraints``, ``proofs_required``: the need, as
  the DISCOVER said it; ``strict_unknown``: whether silence rejected
* ``considered``: every offer, in the order of ``core.routing.Ranking``: ``provider`` (who was
  asked), ``route_id``, ``capability``, ``offer`` (as received), ``trust`` and ``residency`` (what
  the registry and the manifest added, or null), ``verdict`` (``won``, ``outranked``,
  ``rejected``), ``reasons`` and ``warnings``, each ``{code, field, required, got, text}``
* ``winner``: ``provider``, ``route_id``, ``capability``, ``confidence``, ``cost`` and
  ``latency_ms`` as read, or null; ``why_won``: sentences
* ``evidence_msg_id``: which EVIDENCE followed, or null

Nothing in it is private: a limit appears as it stood in the DISCOVER that everybody got.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from treaty.core.routing import Considered, Ranking, RouteOffer, rank
from treaty.core.routing_reasons import figure_json
from treaty.core.routing_words import why_won
from treaty.dialects.mrp.messages import Discover, Malformed, Offer
from treaty.dialects.mrp.offers import need_of, offer_of
from treaty.wire.canonical import Json
from treaty.wire.instants import format_instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One offer, from whom it came, and what others say about that provider."""

    provider: str
    """Who was asked: the id in the registry, or the address of the manifest."""
    offer: Offer | Malformed
    trust: Decimal | None = None
    residency: str | None = None
    """As the manifest states it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A ranking, and the offers it was made of."""

    ranking: Ranking
    heard: tuple[Heard, ...]
    """In the order of the ranking."""

    @property
    def winner(self) -> Heard | None:
        """The offer that was taken, if one was."""
        return self.heard[0] if self.ranking.winner is not None else None


def decide(wanted: Discover, heard: Sequence[Heard], *, strict_unknown: bool = False) -> Decision:
    """Rank what was heard. The order in which it came does not matter."""
    need = need_of(wanted, strict_unknown=strict_unknown)
    offers = [_ranked(one) for one in heard]
    ranking = rank(need, offers)
    at = {id(offer): one for offer, one in zip(offers, heard, strict=True)}
    return Decision(ranking, tuple(at[id(one.offer)] for one in ranking.considered))


def _ranked(one: Heard) -> RouteOffer:
    return offer_of(one.offer, provider=one.provider, trust=one.trust, residency=one.residency)


def record(
    wanted: Discover,
    decision: Decision,
    *,
    decision_id: str,
    at_ms: int,
    evidence_msg_id: str | None = None,
) -> dict[str, Json]:
    """Lay out a decision as its record."""
    ranking = decision.ranking
    return {
        "decision_id": decision_id,
        "at": format_instant(at_ms),
        "intent": wanted.intent,
        "constraints": dict(wanted.constraints.document),
        "proofs_required": list(wanted.proofs_required),
        "strict_unknown": ranking.need.strict_unknown,
        "winner": _winner(decision),
        "why_won": list(why_won(ranking)),
        "considered": [
            _considered(one, heard)
            for one, heard in zip(ranking.considered, decision.heard, strict=True)
        ],
        "evidence_msg_id": evidence_msg_id,
    }


def _winner(decision: Decision) -> dict[str, Json] | None:
    won = decision.ranking.winner
    if won is None:
        return None
    offer = won.offer
    return {
        "provider": offer.provider,
        "route_id": offer.route_id,
        "capability": offer.capability,
        "confidence": _number(offer.confidence),
        "cost": _number(offer.cost),
        "unit": offer.unit,
        "latency_ms": _number(offer.latency_ms),
    }


def _considered(one: Considered, heard: Heard) -> dict[str, Json]:
    return {
        "provider": one.offer.provider,
        "route_id": one.offer.route_id,
        "capability": one.offer.capability,
        "verdict": one.verdict.value,
        "reasons": [reason.to_json() for reason in one.reasons],
        "warnings": [reason.to_json() for reason in one.warnings],
        "trust": _number(heard.trust),
        "residency": heard.residency,
        "offer": _as_received(heard.offer),
    }


def _as_received(offer: Offer | Malformed) -> Json:
    return dict(offer.document) if isinstance(offer, Offer) else offer.document


def _number(figure: Decimal | None) -> Json:
    return None if figure is None else figure_json(figure)
