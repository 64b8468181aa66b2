"""Escrow as values: what is held, how it is cut, and what the clearing is told to do with it.

Read next: ``commitment``, which it is held for; ``settlement``, which gives the orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from treaty.core.levels import Rates
from treaty.core.movement import WHOLE
from treaty.core.rates import DOLLAR, rates_at
from treaty.core.schedule import Schedule
from treaty.wire.money import Money


@dataclass(frozen=True, slots=True)
class Escrow:
    """Money held for a commitment."""

    payer: str
    payee: str
    money: Money
    condition: str
    schedule: Schedule | None = None
    penalty_bps: int = 0
    """What the payee forfeits of a slice it earned late or short, in 1/100 of a percent."""
    usd_rate: Decimal | None = None
    """What one whole unit was worth in US dollars when the COMMIT came; none for dollars."""

    @property
    def rates(self) -> Rates:
        """By which this escrow is counted in dollars, to its end (B17)."""
        return rates_at(self.money.asset, self.usd_rate)

    @property
    def unrated(self) -> bool:
        """True while its currency needs a rate that nobody has stated."""
        return self.usd_rate is None and self.money.asset != DOLLAR


@dataclass(frozen=True, slots=True)
class Share:
    """One slice of the escrow and what became of it."""

    id: str
    units: int
    earned: int | None = None
    """What goes to the payee, once that is final."""
    posted: int | None = None
    """The same, once the clearing has done it."""
    ruled: int | None = None
    """What a ruling gives to the payee."""


class OrderKind(StrEnum):
    """What the clearing is to do."""

    RESERVE = "reserve"
    SETTLE = "settle"


@dataclass(frozen=True, slots=True)
class Order:
    """One instruction to the clearing, derived from a commitment's state."""

    kind: OrderKind
    commitment: str
    escrow: Escrow
    post_units: int = 0
    """For ``settle``: how much goes to the payee; the rest returns to the payer."""
    slice: str = WHOLE
    units: int = 0
    """What is reserved in all, or held for the slice that is settled."""
    bond: str = ""
    """The dispute whose bond this is about, instead of the commitment's own escrow."""


def slices_of(escrow: Escrow | None) -> tuple[Share, ...]:
    """How an escrow is cut: by its schedule, else in one piece."""
    if escrow is None:
        return ()
    if escrow.schedule is None:
        return (Share(WHOLE, escrow.money.units),)
    return tuple(Share(part.id, part.units) for part in escrow.schedule.slices)
