"""Losses are counted by reason, with how far a limit was passed, in a fixed space."""

from __future__ import annotations

from decimal import Decimal

import pytest

from treaty.core.losses import (
    CODES_MAX,
    DAY_MS,
    DAYS_MAX,
    MARGINS_MAX,
    Loss,
    Tally,
    count,
    lines,
    plain,
)

LATE = Loss("latency_miss", Decimal(120), "ms")


def told(*losses: tuple[Loss, ...]) -> Tally:
    """A tally of losses, one a second."""
    tally = Tally()
    for number, reasons in enumerate(losses):
        tally = count(tally, reasons, number * 1_000)
    return tally


def test_shares_and_medians_read_as_a_sentence() -> None:
    costly = Loss("cost_over_cap", Decimal("0.002"), "usd")
    tally = told((LATE,), (costly,), (Loss("latency_miss", Decimal(80), "ms"), costly), (LATE,))

    assert [line.text for line in lines(tally)] == [
        "75 % of losses: latency; median over the limit by 120 ms",
        "50 % of losses: cost; median over the limit by 0.002 usd",
    ]


def test_a_reason_without_figures_has_no_median() -> None:
    (line,) = lines(told((Loss("policy_mismatch"),)))

    assert (line.median_over, line.text) == (None, "100 % of losses: policy")


def test_the_median_of_an_even_number_is_the_mean_of_the_middle_two() -> None:
    tally = told(*((Loss("latency_miss", Decimal(ms), "ms"),) for ms in (10, 20, 31, 400)))

    assert lines(tally)[0].median_over == Decimal("25.5")


def test_a_reason_given_twice_counts_once_in_a_loss() -> None:
    tally = told((LATE, LATE))

    assert (tally.losses, tally.counts["latency_miss"].losses) == (1, 1)


def test_what_is_kept_is_bounded_and_totals_are_not() -> None:
    tally = Tally()
    for number in range(MARGINS_MAX + 10):
        tally = count(tally, (Loss("latency_miss", Decimal(number), "ms"),), number * DAY_MS)
    for number in range(CODES_MAX + 5):
        tally = count(tally, (Loss(f"code_{number}"),), 0)

    assert tally.counts["latency_miss"].losses == MARGINS_MAX + 10
    assert tally.counts["latency_miss"].margins[0] == 10
    assert len(tally.counts["latency_miss"].margins) == MARGINS_MAX
    assert len(tally.days) == DAYS_MAX
    assert len(tally.counts) == CODES_MAX
    assert tally.losses == MARGINS_MAX + 10 + CODES_MAX + 5


@pytest.mark.parametrize(
    ("number", "text"), [("120", "120"), ("0.0020", "0.002"), ("100", "100"), ("1E+2", "100")]
)
def test_a_figure_is_written_plainly(number: str, text: str) -> None:
    assert plain(Decimal(number)) == text
