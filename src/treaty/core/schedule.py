"""Escrow paid in parts: milestones, or intervals measured against a promised level (B13).

``milestones`` are parts with an amount, a deadline and a check of their own. ``intervals`` cut
a span that begins with the binding into equal parts; in each one samples of a metric are taken
at instants nobody can foresee without the host's secret, and a part that falls short of the
``sla`` is paid pro rata.

Laws: the parts and the remainder sum to the escrow, in whole units; the remainder has a named
owner; what a part earns is rounded down and the rest of it returns to the payer. A sample's
instant follows from the secret, whose hash stands in the log before the first sample and which
is revealed after the last.

Read next: ``commitment``, where each part is a duty of the payee.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from treaty.core.checks import Check

PARTS_MAX: Final = 1_000
SAMPLES_MAX: Final = 100_000
"""Samples of one part."""
SPACING_LEAST_MS: Final = 250
"""Two samples are at least so far apart on the average."""
INTERVAL_LEAST_MS: Final = 1_000
SAMPLE_TRIES: Final = 3
"""A failed sample is tried again twice (B13)."""
SAMPLE_RETRY_MS: Final = 4_000
SAMPLE_LATE_MS: Final = 15_000
"""A sample not taken within this time was missed by the host, and is not counted. Three looks at
what does not answer take less, so that the end of one interval costs the next one nothing."""
SAMPLE_AGE_LEAST_MS: Final = 60_000
"""Whoever signs what samples read need not measure more often than this."""
MEASURE_GRACE_MS: Final = 60_000
"""How long after an interval its measurement may come."""
REMAINDER: Final = "remainder"
"""Name of the slice that holds what the parts do not divide."""

MILESTONES: Final = "milestones"
INTERVALS: Final = "intervals"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the escrow."""

    id: str
    units: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """How an escrow is cut."""

    kind: str
    parts: tuple[Part, ...]
    remainder_units: int
    remainder_to_payee: bool
    interval_ms: int = 0
    """For intervals: the length of each."""
    sla: Fraction = Fraction(1)
    """For intervals: the share of samples that must hold."""
    metric: Check | None = None
    samples: int = 0
    """For intervals: samples taken in each."""

    @property
    def measured(self) -> bool:
        """True for intervals."""
        return self.kind == INTERVALS

    @property
    def slices(self) -> tuple[Part, ...]:
        """The parts and, when there is one, the remainder."""
        rest = (Part(REMAINDER, self.remainder_units),) if self.remainder_units else ()
        return (*self.parts, *rest)


def samples_least(sla: Fraction) -> int:
    """The fewest samples that can tell whether a level below 1 was held: 2/(1 - sla)."""
    wanted = 2 / (1 - sla)
    return -(-wanted.numerator // wanted.denominator)


def earned_units(units: int, sla: Fraction, ok: int, taken: int) -> int:
    """What a measured part earns: all of it if the level was held, else pro rata, rounded down."""
    assert 0 <= ok <= taken
    assert taken > 0
    return units if Fraction(ok, taken) >= sla else units * ok // taken


def penalty_units(units: int, bps: int) -> int:
    """What a penalty of so many hundredths of a percent takes of a part, rounded down."""
    return units * bps // 10_000


def part_span(schedule: Schedule, start_ms: int, number: int) -> tuple[int, int]:
    """Beginning and end of interval ``number``, counted from 0."""
    begin_ms = start_ms + number * schedule.interval_ms
    return begin_ms, begin_ms + schedule.interval_ms


def sample_ms(schedule: Schedule, secret: bytes, *, part: str, begin_ms: int, number: int) -> int:
    """When sample ``number`` of a part is taken: begin + i·Δ + (HMAC-SHA256(secret, part‖i) mod Δ).

    Δ is the interval over the samples, in whole ms; i is written as decimal text.
    """
    spacing_ms = schedule.interval_ms // schedule.samples
    drawn = hmac.digest(secret, f"{part}{number}".encode(), "sha256")
    return begin_ms + number * spacing_ms + int.from_bytes(drawn, "big") % spacing_ms
