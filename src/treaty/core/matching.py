"""Who fits a need: filters, order, pages, and for those that just miss, the one reason.

Pure: a ``Directory`` is a value made of candidates, ``search`` a function (ASP decision B19).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from treaty.wire.canonical import Json

PAGE_MAX: Final = 50
NEAR_MISSES_MAX: Final = 5
COUNTED_MAX: Final = 1_000


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
    """Exact, or a prefix with ``.*``."""
    min_level: int | None = None
    min_score: Decimal | None = None
    max_price: Price | None = None
    schema: str | None = None
    protocol: str | None = None
    organization: str | None = None
    limit: int = PAGE_MAX
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
    exact: bool
    """False when there are more than were counted; ``total`` then is "at least"."""
    more: bool
    near_misses: tuple[NearMiss, ...]


def failing_filters(need: Need, candidate: Candidate) -> tuple[str, ...]:
    """Name the filters a candidate fails, in a fixed order; empty when it fits."""
    checks = (
        ("capability", _has_capability(need.capability, candidate.capabilities)),
        ("minTrustLevel", need.min_level is None or candidate.level >= need.min_level),
        ("minTrustScore", need.min_score is None or candidate.score >= need.min_score),
        ("maxPrice", need.max_price is None or _within(need.max_price, candidate.prices)),
        ("schema", need.schema is None or need.schema in candidate.schemas),
        ("protocol", need.protocol is None or need.protocol in candidate.protocols),
        ("organization", need.organization in (None, candidate.organization)),
    )
    return tuple(name for name, holds in checks if not holds)


def _has_capability(wanted: str | None, offered: tuple[str, ...]) -> bool:
    if wanted is None:
        return True
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
    """Answer a need: those that fit by (score descending, uri), and a few near misses (B19)."""
    fits: list[Candidate] = []
    misses: list[NearMiss] = []
    for candidate in candidates:
        failed = failing_filters(need, candidate)
        if not failed:
            fits.append(candidate)
        elif len(failed) == 1:
            misses.append(NearMiss(candidate, failed[0]))
    fits.sort(key=_rank)
    misses.sort(key=lambda miss: _rank(miss.candidate))
    if need.after is not None:
        cursor = (-need.after[0], need.after[1])
        remaining = [one for one in fits if _rank(one) > cursor]
    else:
        remaining = fits
    limit = max(1, min(need.limit, PAGE_MAX))
    return Page(
        found=tuple(remaining[:limit]),
        total=min(len(fits), COUNTED_MAX),
        exact=len(fits) <= COUNTED_MAX,
        more=len(remaining) > limit,
        near_misses=tuple(misses[:NEAR_MISSES_MAX]),
    )


def _rank(candidate: Candidate) -> tuple[Decimal, str]:
    return -candidate.score, candidate.uri
