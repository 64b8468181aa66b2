"""Which of several offers fits a need best, and for every other one why it lost.

Laws:

1. Hard filters first: an offer that fails one is rejected for all the filters it fails, in the
   order of ``FILTERS``. Limits are inclusive.
2. Those that pass are put in one total order: confidence down, cost up, latency up, trust down,
   route id, provider. What is not stated comes after everything that is. The order of arrival
   does not matter, and who arrives first has no advantage.
3. What is not stated is unknown: it passes with a warning, and is rejected under
   ``strict_unknown``. What is promised by name (policy, proofs) must be stated.
4. A cost in another unit than the need's is unknown, never compared.
5. Adding an offer that loses changes neither the winner nor what its rivals are told of it.

Read next: ``routing_reasons`` for codes and words, ``routing_words`` for why the winner won.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from itertools import chain, repeat
from operator import attrgetter, itemgetter
from typing import Final, NamedTuple, TypeAlias

from treaty.core.regions import lies_in
from treaty.core.routing_reasons import (
    CAPABILITY_MISMATCH,
    CONFIDENCE_LOWER,
    COST_HIGHER,
    COST_OVER_CAP,
    LATENCY_HIGHER,
    LATENCY_MISS,
    MALFORMED_OFFER,
    POLICY_MISMATCH,
    PROOF_MISSING,
    RESIDENCY_MISMATCH,
    RETENTION_RISK,
    TIE_ROUTE_ID,
    TRUST_LOWER,
)
from treaty.core.routing_reasons import RouteReason as RouteReason

NO_TRAINING: Final = "no_training"
"""The policy that a stated use for training contradicts."""
NO_USE: Final = "none"


class RouteVerdict(StrEnum):
    """What became of one offer."""

    WON = "won"
    OUTRANKED = "outranked"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteNeed:
    """What somebody needs; what is None or empty is not asked for."""

    capability: str | None = None
    policy: tuple[str, ...] = ()
    max_cost: Decimal | None = None
    unit: str = "usd"
    max_latency_ms: Decimal | None = None
    retention_days: Decimal | None = None
    """The longest that data may be kept; 0 is not at all."""
    residency: str | None = None
    proofs: tuple[str, ...] = ()
    strict_unknown: bool = False
    """Reject where something that is asked for is not stated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteOffer:
    """What one provider offers; what it does not state is None or empty."""

    provider: str
    route_id: str
    capability: str | None = None
    confidence: Decimal | None = None
    cost: Decimal | None = None
    unit: str | None = None
    latency_ms: Decimal | None = None
    policy: tuple[str, ...] = ()
    training_use: str | None = None
    retention_days: Decimal | None = None
    residency: str | None = None
    proofs: tuple[str, ...] = ()
    trust: Decimal | None = None
    """0 to 1, from somebody who scores providers."""
    flaw: tuple[str, str] | None = None
    """The member that cannot be read and why; the offer is rejected for it alone."""


class Considered(NamedTuple):
    """One offer and what became of it; why is derived when it is asked for."""

    offer: RouteOffer
    verdict: RouteVerdict
    bench: Bench

    @property
    def reasons(self) -> tuple[RouteReason, ...]:
        """Why it lost; empty for the winner alone."""
        if self.verdict is RouteVerdict.OUTRANKED:
            assert self.bench.winner is not None
            return (_difference(self.bench.winner, self.offer, self.bench.need.unit),)
        return self.bench.reasons(self.offer)

    @property
    def warnings(self) -> tuple[RouteReason, ...]:
        """What it was asked for and does not state."""
        return self.bench.warnings(self.offer)


@dataclass(frozen=True, slots=True)
class Ranking:
    """All offers: the winner first, those it outranked by rank, then the rejected by route id."""

    need: RouteNeed
    considered: tuple[Considered, ...]

    @property
    def winner(self) -> Considered | None:
        """The offer that won, if any passed."""
        first = self.considered[0] if self.considered else None
        return first if first is not None and first.verdict is RouteVerdict.WON else None


_Filter: TypeAlias = Callable[[RouteOffer], RouteReason | None]
_Judged: TypeAlias = tuple[tuple[RouteReason, ...], tuple[RouteReason, ...]]

_KINDS_CACHED: Final = 1_024
"""Lists of names are mostly the same few; each is compared once."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What the offers of one ranking are judged by."""

    need: RouteNeed
    filters: tuple[_Filter, ...] = field(compare=False, repr=False)
    winner: RouteOffer | None = None

    def reasons(self, offer: RouteOffer) -> tuple[RouteReason, ...]:
        """The reasons to reject an offer, in the order of the filters."""
        flawed = _readable(offer)
        if flawed is not None:
            # Of what cannot be read nothing else is known.
            return (flawed,)
        strict = self.need.strict_unknown
        return tuple(
            [
                reason
                for check in self.filters
                if (reason := check(offer)) is not None and (strict or not reason.is_unknown)
            ]
        )

    def warnings(self, offer: RouteOffer) -> tuple[RouteReason, ...]:
        """What an offer was asked for and does not state, where that does not reject it."""
        if offer.flaw is not None or self.need.strict_unknown:
            return ()
        found = [check(offer) for check in self.filters]
        return tuple([one for one in found if one is not None and one.is_unknown])


def rank(need: RouteNeed, offers: Iterable[RouteOffer]) -> Ranking:
    """Judge and order offers. Work is n log n in their number."""
    filters, unit, strict = _filters(need), need.unit, need.strict_unknown
    passed: list[tuple[_Place, RouteOffer]] = []
    rejected: list[RouteOffer] = []
    for offer in offers:
        for check in filters:
            reason = check(offer)
            if reason is not None and (strict or not reason.is_unknown):
                rejected.append(offer)
                break
        else:
            passed.append((_place(offer, unit), offer))
    ordered = _in_order(passed)
    bench = Bench(need, filters, ordered[0] if ordered else None)
    placed = (
        (RouteVerdict.WON, ordered[:1]),
        (RouteVerdict.OUTRANKED, ordered[1:]),
        (RouteVerdict.REJECTED, _by_name(rejected)),
    )
    return Ranking(
        need,
        tuple(
            chain.from_iterable(
                map(Considered, several, repeat(verdict), repeat(bench))
                for verdict, several in placed
            )
        ),
    )


def judge(need: RouteNeed, offer: RouteOffer) -> _Judged:
    """The reasons against one offer, and the warnings, without any rival."""
    bench = Bench(need, _filters(need))
    return bench.reasons(offer), bench.warnings(offer)


def _filters(need: RouteNeed) -> tuple[_Filter, ...]:
    """The filters that are asked, in their order, so that an offer meets no others."""
    made: list[_Filter] = [_readable]
    if need.capability is not None:
        made.append(_capability(need.capability))
    if need.policy:
        made.append(_policy(need.policy))
    if need.max_cost is not None:
        made.append(_cost(need.max_cost, need.unit))
    if need.max_latency_ms is not None:
        made.append(_latency(need.max_latency_ms))
    if need.retention_days is not None:
        made.append(_retention(need.retention_days))
    if need.residency is not None:
        made.append(_residency(need.residency))
    if need.proofs:
        made.append(_proofs(need.proofs))
    return tuple(made)


def _readable(offer: RouteOffer) -> RouteReason | None:
    if offer.flaw is None:
        return None
    member, detail = offer.flaw
    return RouteReason(MALFORMED_OFFER, member, None, None, against=detail)


def _capability(wanted: str) -> _Filter:
    def check(offer: RouteOffer) -> RouteReason | None:
        if offer.capability == wanted:
            return None
        return RouteReason(CAPABILITY_MISMATCH, "capability", wanted, offer.capability)

    return check


def _policy(wanted: tuple[str, ...]) -> _Filter:
    forbids_training = NO_TRAINING in wanted

    @lru_cache(maxsize=_KINDS_CACHED)
    def compare(offered: tuple[str, ...], use: str | None) -> RouteReason | None:
        missing = tuple(one for one in wanted if one not in offered)
        against = use if forbids_training and use is not None and use != NO_USE else ""
        if missing:
            return RouteReason(POLICY_MISMATCH, "policy", wanted, offered, missing, against)
        if against:
            return RouteReason(POLICY_MISMATCH, "risk.training_use", NO_USE, use, (), against)
        return None

    def check(offer: RouteOffer) -> RouteReason | None:
        return compare(offer.policy, offer.training_use)

    return check


def _cost(most: Decimal, unit: str) -> _Filter:
    unstated = RouteReason(COST_OVER_CAP, "cost.estimate", most, None, is_unknown=True)

    def check(offer: RouteOffer) -> RouteReason | None:
        cost = offer.cost
        if cost is None:
            return unstated
        if offer.unit != unit:
            other = offer.unit or "no unit"
            return RouteReason(COST_OVER_CAP, "cost.estimate", most, cost, (), other, True)
        return RouteReason(COST_OVER_CAP, "cost.estimate", most, cost) if cost > most else None

    return check


def _latency(most: Decimal) -> _Filter:
    unstated = RouteReason(LATENCY_MISS, "latency.p50", most, None, is_unknown=True)

    def check(offer: RouteOffer) -> RouteReason | None:
        latency = offer.latency_ms
        if latency is None:
            return unstated
        return RouteReason(LATENCY_MISS, "latency.p50", most, latency) if latency > most else None

    return check


def _retention(most: Decimal) -> _Filter:
    field = "risk.data_retention_days"
    unstated = RouteReason(RETENTION_RISK, field, most, None, is_unknown=True)

    def check(offer: RouteOffer) -> RouteReason | None:
        days = offer.retention_days
        if days is None:
            return unstated
        return RouteReason(RETENTION_RISK, field, most, days) if days > most else None

    return check


def _residency(wanted: str) -> _Filter:
    unstated = RouteReason(RESIDENCY_MISMATCH, "data_residency", wanted, None, is_unknown=True)

    def check(offer: RouteOffer) -> RouteReason | None:
        place = offer.residency
        if place is None:
            return unstated
        if lies_in(place, wanted):
            return None
        return RouteReason(RESIDENCY_MISMATCH, "data_residency", wanted, place)

    return check


def _proofs(wanted: tuple[str, ...]) -> _Filter:
    @lru_cache(maxsize=_KINDS_CACHED)
    def compare(offered: tuple[str, ...]) -> RouteReason | None:
        missing = tuple(one for one in wanted if one not in offered)
        return RouteReason(PROOF_MISSING, "proofs", wanted, offered, missing) if missing else None

    def check(offer: RouteOffer) -> RouteReason | None:
        return compare(offer.proofs)

    return check


_Place: TypeAlias = tuple[Decimal, Decimal, Decimal, Decimal, str, str]

_UNSTATED: Final = Decimal("Infinity")
"""After every figure that can be stated."""


def _place(offer: RouteOffer, unit: str) -> _Place:
    confidence, cost, latency, trust = offer.confidence, offer.cost, offer.latency_ms, offer.trust
    return (
        _UNSTATED if confidence is None else -confidence,
        _UNSTATED if cost is None or offer.unit != unit else cost,
        _UNSTATED if latency is None else latency,
        _UNSTATED if trust is None else -trust,
        offer.route_id,
        offer.provider,
    )


def _in_order(passed: list[tuple[_Place, RouteOffer]]) -> list[RouteOffer]:
    passed.sort(key=itemgetter(0))
    if len({one[0][4:] for one in passed}) < len(passed):
        # A provider offered one route more than once; what else differs has an order too.
        passed.sort(key=lambda one: (one[0], repr(one[1])))
    return [offer for _, offer in passed]


def _by_name(rejected: list[RouteOffer]) -> list[RouteOffer]:
    rejected.sort(key=_NAME)
    if len({_NAME(one) for one in rejected}) < len(rejected):
        rejected.sort(key=lambda one: (_NAME(one), repr(one)))
    return rejected


_NAME: Final = attrgetter("route_id", "provider")

# The figures of a place, in its order: why one loses by it, its name on the wire, and its value.
_FIGURES: Final[tuple[tuple[str, str, Callable[[RouteOffer], Decimal | None]], ...]] = (
    (CONFIDENCE_LOWER, "confidence", attrgetter("confidence")),
    (COST_HIGHER, "cost.estimate", attrgetter("cost")),
    (LATENCY_HIGHER, "latency.p50", attrgetter("latency_ms")),
    (TRUST_LOWER, "trust", attrgetter("trust")),
)


def _difference(winner: RouteOffer, offer: RouteOffer, unit: str) -> RouteReason:
    """The first of the figures that differs; with none, the names decided."""
    best, place = _place(winner, unit), _place(offer, unit)
    at = 0
    while at < len(_FIGURES) and best[at] == place[at]:
        at += 1
    if at == len(_FIGURES):
        return RouteReason(TIE_ROUTE_ID, "route_id", winner.route_id, offer.route_id)
    code, field_name, figure = _FIGURES[at]
    # Stated in another unit, it is as good as unstated.
    got = None if place[at] == _UNSTATED else figure(offer)
    return RouteReason(code, field_name, figure(winner), got)
