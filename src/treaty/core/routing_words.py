"""Why the winner won, in sentences with their figures.

Three statements, as far as they can be made: it met all constraints; its figures beside the
limits; and what it is better in than the alternative. What was asked for and is stated nowhere
is said to be so.

Read next: ``routing``.
"""

from __future__ import annotations

from treaty.core.routing import Considered, Ranking, RouteNeed, RouteOffer, RouteVerdict
from treaty.core.routing_reasons import (
    CONFIDENCE_LOWER,
    COST_HIGHER,
    LATENCY_HIGHER,
    TRUST_LOWER,
    named,
    names,
    plain,
)

UNSTATED = "stated nowhere, not contradicted"


def why_won(ranking: Ranking) -> tuple[str, ...]:
    """The sentences, most important first; empty when nothing won."""
    won = ranking.winner
    if won is None:
        return ()
    statements = (
        _met(ranking.need, won.offer),
        _within(ranking.need, won.offer),
        _better(won.offer, ranking.considered[1:]),
    )
    return tuple(one for one in statements if one)


def _met(need: RouteNeed, offer: RouteOffer) -> str:
    parts = [*_promises(need, offer), *_named_policies(need)]
    if need.proofs:
        parts.append(f"proof of {names(need.proofs)}")
    if not parts:
        return "Met all constraints."
    return f"Met all constraints: {', '.join(parts)}."


def _promises(need: RouteNeed, offer: RouteOffer) -> list[str]:
    parts = []
    if need.residency is not None:
        parts.append(f"{named(need.residency)} residency{_unless(offer.residency)}")
    if need.retention_days is not None:
        days = need.retention_days
        kept = "zero retention" if days == 0 else f"retention of at most {plain(days)} days"
        parts.append(kept + _unless(offer.retention_days))
    return parts


def _named_policies(need: RouteNeed) -> list[str]:
    """``no_training`` reads as "no training use", the others stand as they are named."""
    return ["no training use" if one == "no_training" else named(one) for one in need.policy]


def _unless(stated: object) -> str:
    return f" ({UNSTATED})" if stated is None else ""


def _within(need: RouteNeed, offer: RouteOffer) -> str:
    parts = []
    if need.max_cost is not None:
        if offer.cost is not None and offer.unit == need.unit:
            parts.append(f"cost cap ({plain(offer.cost)} ≤ {plain(need.max_cost)})")
        else:
            parts.append(f"cost cap of {plain(need.max_cost)} {need.unit} ({UNSTATED})")
    if need.max_latency_ms is not None:
        most = plain(need.max_latency_ms)
        if offer.latency_ms is not None:
            parts.append(f"latency target ({plain(offer.latency_ms)}ms ≤ {most}ms)")
        else:
            parts.append(f"latency target of {most}ms ({UNSTATED})")
    return f"Stayed within the {' and '.join(parts)}." if parts else ""


def _better(winner: RouteOffer, others: tuple[Considered, ...]) -> str:
    if not others:
        return "It was the only offer."
    nearest = others[0]
    if nearest.verdict is RouteVerdict.OUTRANKED:
        return _than_the_next(winner, nearest)
    return _than_the_rejected(winner, others)


def _than_the_next(winner: RouteOffer, other: Considered) -> str:
    reason = other.reasons[0]
    word = _WORDS.get(reason.code)
    if word is None:
        return f"Equal in every figure to the alternative; {named(winner.route_id)} comes first."
    what, unit = word
    assert not isinstance(reason.required, tuple | str)
    assert not isinstance(reason.got, tuple | str)
    if reason.required is None:
        return ""
    mine = f"{plain(reason.required)}{unit}"
    its = "stated nowhere" if reason.got is None else f"{plain(reason.got)}{unit}"
    return f"{what} than the alternative ({mine} vs {its})."


_WORDS = {
    CONFIDENCE_LOWER: ("Higher confidence", ""),
    COST_HIGHER: ("Lower cost", ""),
    LATENCY_HIGHER: ("Lower latency", "ms"),
    TRUST_LOWER: ("Higher trust", ""),
}


def _than_the_rejected(winner: RouteOffer, others: tuple[Considered, ...]) -> str:
    """Nothing else passed; where the figures say so too, it was also the most confident."""
    stated = [one.offer.confidence for one in others if one.offer.confidence is not None]
    mine = winner.confidence
    if mine is not None and stated and mine > max(stated):
        return f"Higher confidence than the alternative ({plain(mine)} vs {plain(max(stated))})."
    return "No other offer met all constraints."
