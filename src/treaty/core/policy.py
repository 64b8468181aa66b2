"""What a negotiator is told before it begins: its limits, its patience, its strategy's name.

Laws: ``floor`` and ``reservation`` are private. They are not in a ``repr`` and not in an error's
text, and nothing here writes them anywhere (ASP B21). The list prices and the ``ask`` are public
by choice. Numbers come from TOML exactly: as text, or as the number that was written.

Read next: ``negotiation``, which acts on these.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Literal, TypeAlias

from treaty.core.bids import Tier, in_range
from treaty.errors import MisuseError, WireError, shown
from treaty.wire.money import decimal_number

ROUNDS_MAX: Final = 100
TIERS_MAX: Final = 64

Role: TypeAlias = Literal["seller", "buyer"]

_NUMBER: Final = re.compile(r"(?:0|[1-9][0-9]{0,12})(?:\.[0-9]{1,12})?")


class Acceptance(StrEnum):
    """When a standing bid is good enough before the last round."""

    LIMIT = "limit"
    """As soon as it is within one's limit: quick, and content with it."""
    NEXT = "next"
    """When it is as good as what one would bid next."""


@dataclass(frozen=True, slots=True)
class SellerPolicy:
    """How a provider sells. Raises ``MisuseError`` naming the field that cannot be."""

    tiers: tuple[Tier, ...]
    """List prices by quality; those below the floor are bait and never offered again."""
    floor: Decimal = field(repr=False)
    """Private: the least it sells for, at any quality."""
    concede: Decimal = Decimal("0.5")
    """Share of the way that it gives up per round; of which way, the strategy says."""
    rounds_max: int = 4
    """Bids of its own. The last one is its limit and final."""
    strategy: str = "concede"
    accept: Acceptance = Acceptance.LIMIT

    def __post_init__(self) -> None:
        _require("floor", in_range(self.floor))
        _require("tiers", 0 < len(self.tiers) <= TIERS_MAX)
        for tier in self.tiers:
            _require("tiers", in_range(tier.price) and _is_quality(tier.quality))
        _require("floor", any(tier.price >= self.floor for tier in self.tiers))
        _require("concede", self.concede.is_finite() and 0 <= self.concede <= 1)
        _require("rounds_max", 0 < self.rounds_max <= ROUNDS_MAX)


@dataclass(frozen=True, slots=True)
class BuyerPolicy:
    """How a customer buys. Raises ``MisuseError`` naming the field that cannot be."""

    ask: Decimal | None
    """Public: the maximum it searched with. It does not open above it."""
    reservation: Decimal = field(repr=False)
    """Private: the most it pays."""
    split: Decimal = Decimal("0.5")
    """Share of the way that it gives up per round; of which way, the strategy says."""
    quality_min: Decimal | None = None
    rounds_max: int = 4
    """Bids of its own. The last one is its limit and final."""
    walk_after: int | None = None
    """Its patience: after so many bids without a concession it makes its last bid."""
    strategy: str = "split_the_difference"
    accept: Acceptance = Acceptance.NEXT

    def __post_init__(self) -> None:
        _require("ask", self.ask is None or in_range(self.ask))
        _require("reservation", in_range(self.reservation))
        _require("split", self.split.is_finite() and 0 <= self.split <= 1)
        _require("quality_min", _is_quality(self.quality_min))
        _require("rounds_max", 0 < self.rounds_max <= ROUNDS_MAX)
        _require("walk_after", self.walk_after is None or 0 < self.walk_after <= ROUNDS_MAX)


Policy: TypeAlias = SellerPolicy | BuyerPolicy


def _is_quality(quality: Decimal | None) -> bool:
    return quality is None or in_range(quality)


def _require(name: str, holds: bool) -> None:
    # The value stays out of the text: it may be private.
    if not holds:
        raise MisuseError(f"the policy's {name} is not possible")


_SELLER_KEYS: Final = frozenset(("name", "tiers", "floor", "concede", "rounds_max", "accept"))
_BUYER_KEYS: Final = frozenset(
    ("name", "ask", "reservation", "split", "quality_min", "rounds_max", "walk_after", "accept")
)


def read_seller(table: Mapping[str, Any], strategies: Collection[str]) -> SellerPolicy:
    """Read a seller's ``[strategy]`` table. Raises ``MisuseError`` naming the key at fault."""
    _check_keys(table, _SELLER_KEYS)
    return SellerPolicy(
        tiers=_tiers(table.get("tiers")),
        floor=_required(table, "floor"),
        concede=_amount(table, "concede", Decimal("0.5")),
        rounds_max=_count(table, "rounds_max", 4),
        strategy=_one_of(table, "name", strategies, "concede"),
        accept=Acceptance(_one_of(table, "accept", list(Acceptance), Acceptance.LIMIT)),
    )


def read_buyer(table: Mapping[str, Any], strategies: Collection[str]) -> BuyerPolicy:
    """Read a buyer's ``[strategy]`` table. Raises ``MisuseError`` naming the key at fault."""
    _check_keys(table, _BUYER_KEYS)
    return BuyerPolicy(
        ask=_required(table, "ask") if "ask" in table else None,
        reservation=_required(table, "reservation"),
        split=_amount(table, "split", Decimal("0.5")),
        quality_min=_required(table, "quality_min") if "quality_min" in table else None,
        rounds_max=_count(table, "rounds_max", 4),
        walk_after=_count(table, "walk_after", 0) if "walk_after" in table else None,
        strategy=_one_of(table, "name", strategies, "split_the_difference"),
        accept=Acceptance(_one_of(table, "accept", list(Acceptance), Acceptance.NEXT)),
    )


def _check_keys(table: Mapping[str, Any], known: Collection[str]) -> None:
    for key in table:
        if key not in known:
            raise MisuseError(f"strategy key {shown(key)} is none of {', '.join(sorted(known))}")


def _tiers(value: Any) -> tuple[Tier, ...]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise MisuseError("strategy key tiers is a list of {price, quality}")
    for item in value:
        if unknown := item.keys() - {"price", "quality"}:
            raise MisuseError(f"strategy key tiers.{min(unknown, key=str)} is not known")
    return tuple(
        Tier(
            _required(item, "price", "tiers."),
            _required(item, "quality", "tiers.") if "quality" in item else None,
        )
        for item in value
    )


def _required(table: Mapping[str, Any], key: str, where: str = "") -> Decimal:
    if key not in table:
        raise MisuseError(f"strategy key {where}{key} is missing")
    value = table[key]
    try:
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            return Decimal(value)
        number = value if isinstance(value, Decimal) else decimal_number(value)
    except WireError:
        # Not chained: the cause shows the value, and the value may be private.
        raise MisuseError(f"strategy key {where}{key} is not a decimal number") from None
    if not in_range(number):
        raise MisuseError(f"strategy key {where}{key} is out of range")
    return number


def _amount(table: Mapping[str, Any], key: str, default: Decimal) -> Decimal:
    return _required(table, key) if key in table else default


def _count(table: Mapping[str, Any], key: str, default: int) -> int:
    value = table.get(key, default)
    if type(value) is not int:
        raise MisuseError(f"strategy key {key} is a whole number")
    return value


def _one_of(table: Mapping[str, Any], key: str, known: Collection[str], default: str) -> str:
    value = table.get(key, default)
    if not isinstance(value, str) or value not in known:
        raise MisuseError(f"strategy key {key} is one of {', '.join(sorted(known))}")
    return value
