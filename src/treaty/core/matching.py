"""Who fits a need: filters, order, pages, and for those that just miss, the one reason.

Laws (ASP B19): everything asked must hold; the order is (score descending, uri) and total, so
pages joined at their cursors have neither gaps nor doubles; a near miss fails exactly one
filter, which is named, and lies in the range of ranks that its page covers.

Read next: ``catalogue``, which gives the same answers over a million without asking everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from heapq import nsmallest
from typing import Final, TypeAlias

from treaty.wire.canonical import Json

PAGE_MAX: Final = 50
NEAR_MISSES_MAX: Final = 5
COUNTED_MAX: Final = 1_000
"""Totals are exact up to here, and "at least" beyond."""


@dataclass(frozen=True, slots=True)
class Price:
    """A listed price with its unit."""

    amount: Decimal
    unit: str
    """As in ``pricePerHour`` -> ``hour``."""
    currency: str | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One listed agent, as discovery sees it."""

    uri: str
    score: Decimal
    level: int
    capabilities: tuple[str, ...]
    schemas: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()
    organization: str = ""
    prices: tuple[Price, ...] = ()
    pricing: Mapping[str, Json] = field(default_factory=dict)
    """As listed, for the answer."""


@dataclass(frozen=True, slots=True)
class Need:
    """What somebody looks for. Everything stated must hold; what is None is not asked."""

    capability: str | None = None
    """Exact, or a prefix with ``.*``: ``provision.*`` is anything below ``provision``."""
    min_level: int | None = None
    min_score: Decimal | None = None
    max_price: Price | None = None
    """Met by any price of this unit. A currency is compared where both name one."""
    schema: str | None = None
    protocol: str | None = None
    organization: str | None = None
    limit: int = PAGE_MAX
    """Candidates on the page; read as the nearest of 1 to 50."""
    after: tuple[Decimal, str] | None = None
    """Exclusive cursor: (score, uri) of the last one seen."""


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A candidate that fails exactly one filter."""

    candidate: Candidate
    filter: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page of an answer, best first."""

    found: tuple[Candidate, ...]
    total: int
    """All that fit, on whatever page, counted to 1,000."""
    exact: bool
    """False when there are more than were counted; ``total`` then is "at least"."""
    more: bool
    near_misses: tuple[NearMiss, ...]


PRICE_FILTER: Final = "maxPrice"
"""The filter on a price, whatever its unit."""

Rank: TypeAlias = tuple[Decimal, str]
_Filter: TypeAlias = tuple[str, Callable[[Candidate], bool]]


def failing_filters(need: Need, candidate: Candidate) -> tuple[str, ...]:
    """Name the filters a candidate fails, in a fixed order; empty when it fits."""
    return _failing(_stated(need), candidate)


def _failing(stated: tuple[_Filter, ...], candidate: Candidate) -> tuple[str, ...]:
    return tuple(name for name, holds in stated if not holds(candidate))


def _stated(need: Need) -> tuple[_Filter, ...]:
    """The filters that are asked, so that a candidate meets no others."""
    capability, level, score, price = (
        need.capability,
        need.min_level,
        need.min_score,
        need.max_price,
    )
    stated: list[_Filter] = []
    if capability is not None:
        stated.append(("capability", lambda one: _has_capability(capability, one.capabilities)))
    if level is not None:
        stated.append(("minTrustLevel", lambda one: one.level >= level))
    if score is not None:
        stated.append(("minTrustScore", lambda one: one.score >= score))
    if price is not None:
        stated.append((PRICE_FILTER, lambda one: _within(price, one.prices)))
    if need.schema is not None:
        stated.append(("schema", lambda one: need.schema in one.schemas))
    if need.protocol is not None:
        stated.append(("protocol", lambda one: need.protocol in one.protocols))
    if need.organization is not None:
        stated.append(("organization", lambda one: one.organization == need.organization))
    return tuple(stated)


def _has_capability(wanted: str, offered: tuple[str, ...]) -> bool:
    if wanted.endswith(".*"):
        return any(one.startswith(wanted[:-1]) for one in offered)
    return wanted in offered


def _within(most: Price, prices: tuple[Price, ...]) -> bool:
    return any(
        price.unit == most.unit
        and price.amount <= most.amount
        and (most.currency is None or price.currency in (None, most.currency))
        for price in prices
    )


def search(candidates: Iterable[Candidate], need: Need) -> Page:
    """Answer a need: those that fit by (score descending, uri), and a few near misses (B19).

    Work grows with the number of candidates; the order they come in does not matter. URIs are
    expected to be unique.
    """
    stated = _stated(need)
    after = None if need.after is None else (-need.after[0], need.after[1])
    total = 0
    fits: list[Candidate] = []
    misses: list[NearMiss] = []
    for candidate in candidates:
        failed = _failing(stated, candidate)
        total += not failed
        if len(failed) > 1 or (after is not None and rank_of(candidate) <= after):
            continue
        if failed:
            misses.append(NearMiss(candidate, failed[0]))
        else:
            fits.append(candidate)
    limit = max(1, min(need.limit, PAGE_MAX))
    best = nsmallest(limit + 1, fits, key=rank_of)
    found, more = tuple(best[:limit]), len(best) > limit
    return Page(
        found=found,
        total=min(total, COUNTED_MAX),
        exact=total <= COUNTED_MAX,
        more=more,
        near_misses=_nearest(misses, rank_of(found[-1]) if more else None),
    )


def _nearest(misses: list[NearMiss], last: Rank | None) -> tuple[NearMiss, ...]:
    """The best ranked misses up to the last rank of their page; the last page has none."""
    near = (one for one in misses if last is None or rank_of(one.candidate) <= last)
    return tuple(nsmallest(NEAR_MISSES_MAX, near, key=lambda one: rank_of(one.candidate)))


def rank_of(candidate: Candidate) -> Rank:
    """Where a candidate stands: the least is the best."""
    return -candidate.score, candidate.uri
