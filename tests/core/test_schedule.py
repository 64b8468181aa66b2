"""Parts of an escrow: what they sum to, what they earn, when their samples are taken (B13)."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from treaty.core.schedule import (
    INTERVALS,
    Part,
    Schedule,
    earned_units,
    part_span,
    penalty_units,
    sample_ms,
    samples_least,
)

HOUR = 3_600_000


def intervals(units: int = 18_000, count: int = 24, samples: int = 4_000) -> Schedule:
    each, rest = divmod(units, count)
    parts = tuple(Part(str(number), each) for number in range(1, count + 1))
    return Schedule(INTERVALS, parts, rest, False, HOUR, Fraction("0.9995"), None, samples)


def test_the_slices_sum_to_the_escrow() -> None:
    whole = intervals(18_001)

    assert sum(part.units for part in whole.slices) == 18_001
    assert [part.id for part in whole.slices[-2:]] == ["24", "remainder"]
    assert intervals(18_000).slices[-1].id == "24"


def test_the_level_is_held_exactly_or_not() -> None:
    sla = Fraction("0.9995")

    assert earned_units(750, sla, 3_998, 4_000) == 750
    assert earned_units(750, sla, 3_997, 4_000) == 749
    assert earned_units(750, sla, 0, 4_000) == 0
    assert earned_units(7, Fraction(1, 2), 1, 3) == 2


@given(st.integers(1, 10**12), st.integers(0, 4_000), st.integers(1, 4_000))
def test_a_part_never_earns_more_than_it_has_and_more_samples_never_earn_less(
    units: int, ok: int, taken: int
) -> None:
    ok = min(ok, taken)
    earned = earned_units(units, Fraction("0.9"), ok, taken)

    assert 0 <= earned <= units
    assert (earned == units) or earned * taken <= units * ok
    assert ok == taken or earned <= earned_units(units, Fraction("0.9"), ok + 1, taken)


def test_a_penalty_is_rounded_down() -> None:
    assert [penalty_units(999, bps) for bps in (0, 1, 500, 10_000)] == [0, 0, 49, 999]


def test_samples_lie_in_their_own_slot_and_follow_from_the_secret() -> None:
    schedule = intervals(samples=4_000)
    begin_ms, end_ms = part_span(schedule, 1_000, 2)
    assert (begin_ms, end_ms) == (1_000 + 2 * HOUR, 1_000 + 3 * HOUR)
    spacing_ms = HOUR // 4_000
    times = [
        sample_ms(schedule, b"s" * 32, part="3", begin_ms=begin_ms, number=number)
        for number in range(4_000)
    ]

    assert all(
        begin_ms + number * spacing_ms <= at < begin_ms + (number + 1) * spacing_ms
        for number, at in enumerate(times)
    )
    others = [sample_ms(schedule, b"t" * 32, part="3", begin_ms=begin_ms, number=9)]
    others.append(sample_ms(schedule, b"s" * 32, part="4", begin_ms=begin_ms, number=9))
    assert len({times[9], *others}) == 3


def test_the_fewest_samples_can_tell() -> None:
    assert samples_least(Fraction("0.9995")) == 4_000
    assert samples_least(Fraction(2, 3)) == 6
    assert samples_least(Fraction(1, 3)) == 3
