"""What is said in a negotiation: bids, decisions, and the terms they are written in.

Laws: a price and a quality are exact decimals, read from the RFC 8785 rendering of a JSON number
and written back as one (ASP B12). Which member of the terms holds the price is the user's to say
(``TermsShape``); everything else in the terms is kept as it stands.

Read next: ``negotiation``, which decides; ``learning``, which remembers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from enum import StrEnum
from typing import Final, Literal, TypeAlias

from treaty.errors import MisuseError, WireError, shown
from treaty.wire.canonical import Json
from treaty.wire.money import decimal_number, number_to_json

PRICE_MAX: Final = Decimal(10**12)
DECIMALS_MAX: Final = 30
"""No price or quality is larger or finer, so that all arithmetic on them stays small."""

ARITHMETIC: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)
"""Wide enough that a product of three JSON numbers is exact; the caller's context is not used."""

Side: TypeAlias = Literal["own", "other"]


def in_range(number: Decimal) -> bool:
    """Whether a number can be a price or quality: 0 to 10^12 with at most 30 decimals."""
    if not number.is_finite() or not 0 <= number <= PRICE_MAX:
        return False
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -DECIMALS_MAX


@dataclass(frozen=True, slots=True)
class Bid:
    """One offer on the table, seen from one party.

    Raises ``MisuseError`` for a price or quality that is out of range.
    """

    side: Side
    price: Decimal
    quality: Decimal | None
    """More is better, for example a percentage of uptime; None where there is no such thing."""
    final: bool = False
    """Its author will not move again."""

    def __post_init__(self) -> None:
        if not in_range(self.price) or (self.quality is not None and not in_range(self.quality)):
            raise MisuseError(f"a bid lies in 0 to {PRICE_MAX}")


History: TypeAlias = tuple[Bid, ...]
"""All bids so far, oldest first."""


@dataclass(frozen=True, slots=True)
class Tier:
    """A list price and the quality it buys. Public."""

    price: Decimal
    quality: Decimal | None


class DecisionKind(StrEnum):
    """What to do next."""

    PROPOSE = "propose"
    """Put a bid of one's own on the table: whoever opens, and every bid of a buyer."""
    COUNTER = "counter"
    """A seller's answer to a bid. The seed's buyer answers a counter with a new proposal."""
    ACCEPT = "accept"
    WALK = "walk"
    """There will be no agreement: reject, and close."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The next move, and what may be said about it."""

    kind: DecisionKind
    price: Decimal | None
    """Offered or accepted; None for ``WALK``."""
    quality: Decimal | None
    final: bool
    reason: str
    """For the counterparty's eyes: it never contains a figure, hence no private one."""


@dataclass(frozen=True, slots=True)
class TermsShape:
    """Where the terms hold what is negotiated: member names, with dots into objects."""

    price: str = "pricePerHour"
    """Per unit and per hour; the total multiplies (ASP 5.6 note 11)."""
    quality: str = "sla.uptimePercent"
    quantity: str = "quantity"
    duration: str = "durationHours"


def read_bid(
    terms: Mapping[str, Json], side: Side, shape: TermsShape, *, final: bool = False
) -> Bid:
    """Read the bid in some terms. ``final`` stands beside the terms, so it is an argument.

    Raises ``WireError`` when there is no price, or anything negotiated is no number in range.
    """
    price = _number(terms, shape.price)
    if price is None:
        raise WireError(f"the terms have no {shape.price}")
    return Bid(side, price, _number(terms, shape.quality), final)


def write_terms(
    base_terms: Mapping[str, Json], decision: Decision, shape: TermsShape
) -> dict[str, Json]:
    """The terms with the decision's price and quality in their places, all else unchanged.

    Raises ``MisuseError`` for a decision without a price and ``WireError`` for a number that
    JSON cannot hold exactly.
    """
    if decision.price is None:
        raise MisuseError(f"{decision.kind.value} offers nothing to write")
    terms = _with(base_terms, shape.price, number_to_json(decision.price))
    if decision.quality is None:
        return terms
    return _with(terms, shape.quality, number_to_json(decision.quality))


def total(terms: Mapping[str, Json], shape: TermsShape) -> Decimal:
    """What the terms cost: price × quantity × duration, exactly; a missing factor is 1.

    Raises ``WireError`` for a factor that is no number in range.
    """
    product = Decimal(1)
    with localcontext(ARITHMETIC):
        for path in (shape.price, shape.quantity, shape.duration):
            factor = _number(terms, path)
            product *= Decimal(1) if factor is None else factor
    return product


def _number(terms: Mapping[str, Json], path: str) -> Decimal | None:
    value = _member(terms, path)
    if value is None:
        return None
    number = decimal_number(value)
    if not in_range(number):
        raise WireError(f"{path} lies in 0 to {PRICE_MAX}, not {shown(value)}")
    # Whoever writes -0 means 0.
    return abs(number)


def _member(terms: Mapping[str, Json], path: str) -> Json:
    name, _, rest = path.partition(".")
    value = terms.get(name)
    if not rest or value is None:
        return value
    if not isinstance(value, dict):
        raise WireError(f"{name} must be an object, not {shown(value)}")
    return _member(value, rest)


def _with(terms: Mapping[str, Json], path: str, value: Json) -> dict[str, Json]:
    name, _, rest = path.partition(".")
    if not rest:
        return {**terms, name: value}
    inner = terms.get(name)
    if inner is not None and not isinstance(inner, dict):
        raise MisuseError(f"{name} in the terms is not an object")
    return {**terms, name: _with(inner or {}, rest, value)}
