"""Why a provider's offers lost, over time: counts, and by how much a limit was passed.

A loss is what a buyer tells of one offer: the reasons it was passed over for, each with the
provider's own figure and the limit it was asked to keep. Nothing of whoever won is in it, and of
who asked nothing is kept.

Laws:

1. A tally has a fixed size, however many losses it has seen: days and figures beyond the last
   ones are forgotten, totals are not.
2. Figures are exact decimals; a median of an even number of them is the mean of the middle two.

Read next: ``treaty.engine.losses``, which keeps tallies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_EVEN, Decimal
from statistics import median
from typing import Final

DAY_MS: Final = 86_400_000
DAYS_MAX: Final = 90
MARGINS_MAX: Final = 512
"""Of one reason; the last ones count."""
CODES_MAX: Final = 32
HUNDRED: Final = Decimal(100)


@dataclass(frozen=True, slots=True)
class Loss:
    """One reason of one loss."""

    code: str
    over: Decimal | None = None
    """By how much the own figure passed the limit; None where there are no figures."""
    unit: str = ""
    """What ``over`` is counted in: ``ms``, ``usd``, ``days``."""


@dataclass(frozen=True, slots=True)
class Count:
    """What is known of one reason."""

    losses: int = 0
    margins: tuple[Decimal, ...] = ()
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """The losses of one capability."""

    losses: int = 0
    first_ms: int = 0
    last_ms: int = 0
    counts: Mapping[str, Count] = field(default_factory=dict)
    days: Mapping[int, int] = field(default_factory=dict)
    """Day since 1970 -> losses, the last ``DAYS_MAX`` days that had any."""


@dataclass(frozen=True, slots=True)
class Line:
    """One reason as it is told."""

    code: str
    losses: int
    percent: Decimal
    """Of all losses; one loss may have several reasons."""
    median_over: Decimal | None
    unit: str

    @property
    def text(self) -> str:
        """For people: ``41 % of losses: latency; median over the limit by 120 ms``."""
        name = self.code.split("_")[0]
        said = f"{self.percent} % of losses: {name}"
        if self.median_over is None:
            return said
        return f"{said}; median over the limit by {plain(self.median_over)} {self.unit}".rstrip()


def count(tally: Tally, reasons: Sequence[Loss], at_ms: int) -> Tally:
    """Count one loss with its reasons; a reason given twice counts once."""
    counts = dict(tally.counts)
    for reason in {one.code: one for one in reasons}.values():
        before = counts.get(reason.code)
        if before is None and len(counts) >= CODES_MAX:
            continue
        counts[reason.code] = _counted(before or Count(), reason)
    day = at_ms // DAY_MS
    days = {**tally.days, day: tally.days.get(day, 0) + 1}
    kept = sorted(days)[-DAYS_MAX:]
    return replace(
        tally,
        losses=tally.losses + 1,
        first_ms=tally.first_ms or at_ms,
        last_ms=max(tally.last_ms, at_ms),
        counts=counts,
        days={one: days[one] for one in kept},
    )


def _counted(before: Count, reason: Loss) -> Count:
    margins = before.margins
    if reason.over is not None:
        margins = (*margins, reason.over)[-MARGINS_MAX:]
    return Count(before.losses + 1, margins, reason.unit or before.unit)


def lines(tally: Tally) -> tuple[Line, ...]:
    """What a tally says, the most frequent reason first."""
    told = [
        Line(
            code,
            one.losses,
            (HUNDRED * one.losses / tally.losses).quantize(Decimal(1), ROUND_HALF_EVEN),
            median(one.margins) if one.margins else None,
            one.unit,
        )
        for code, one in tally.counts.items()
    ]
    return tuple(sorted(told, key=lambda one: (-one.losses, one.code)))


def plain(number: Decimal) -> str:
    """A decimal without exponent and trailing zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
