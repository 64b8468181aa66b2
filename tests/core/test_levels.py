"""The table of ASP B17 and the ceilings read from it."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from treaty.core.levels import (
    LEVELS,
    Ceilings,
    Standing,
    ceiling_units,
    ceilings,
    level,
    level_of,
    sessions_a_day,
)
from treaty.errors import MisuseError, Refused

# Level, name, first score, last score, ceiling in cents, sessions a day: ASP B17 row by row.
TABLE = [
    (0, "Unverified", "0", "24.9", 100_00, 20),
    (1, "Verified", "25", "49.9", 1_000_00, 100),
    (2, "Established", "50", "69.9", 10_000_00, 500),
    (3, "Trusted", "70", "89.9", 100_000_00, 2_000),
    (4, "Premium", "90", "100", 1_000_000_00, 10_000),
]


@pytest.mark.parametrize(("number", "name", "first", "last", "cents", "sessions"), TABLE)
def test_each_level_is_that_of_the_table(number, name, first, last, cents, sessions):
    assert (LEVELS[number].number, LEVELS[number].name) == (number, name)
    assert (level_of(first), level_of(last)) == (number, number)
    assert level_of(Decimal(first)) == number
    assert ceiling_units(number) == cents
    assert sessions_a_day(number) == sessions


@pytest.mark.parametrize(
    ("score", "number"), [("49.0", 1), ("60.8", 2), ("68", 2), ("72.5", 3), ("85", 3), ("91.0", 4)]
)
def test_the_scores_seen_in_the_protocols_examples_have_their_levels(score, number):
    assert level_of(score) == number


@pytest.mark.parametrize("score", ["-0.1", "100.1", "NaN", "Infinity", "-Infinity", "high", ""])
def test_what_is_no_score_is_misuse(score):
    with pytest.raises(MisuseError):
        level_of(score)


@pytest.mark.parametrize("number", [-1, 5])
def test_there_are_five_levels(number):
    with pytest.raises(MisuseError):
        level(number)
    with pytest.raises(MisuseError):
        ceiling_units(number)


def test_a_ceiling_in_another_asset_needs_a_rate():
    with pytest.raises(Refused) as refusal:
        ceiling_units(1, "EUR")
    assert refusal.value.code == "currency_unsupported"


def test_a_ceiling_is_rounded_down_to_the_minor_unit():
    # A dollar buys 91 1/3 euro cents: 1,000 dollars are 91,333.3 cents.
    assert ceiling_units(1, "EUR", {"EUR": Fraction(274, 3)}) == 91_333
    assert ceiling_units(1, "USDC", {"USDC": 1_000_000}) == 1_000_000_000


def test_the_lower_level_bounds_the_commitment_and_the_pair():
    # Alpha at level 1 and Beta at level 4: 1,000 dollars; in sum ten times each one's own ceiling.
    assert ceilings(Standing(1, False), Standing(4, False)) == Ceilings(
        commitment_units=1_000_00,
        pair_units=1_000_00,
        payer_units=10_000_00,
        payee_units=10_000_000_00,
    )


def test_the_bounds_follow_the_sides_when_they_are_swapped():
    bounds = ceilings(Standing(4, False), Standing(1, False))
    assert (bounds.commitment_units, bounds.pair_units) == (1_000_00, 1_000_00)
    assert (bounds.payer_units, bounds.payee_units) == (10_000_000_00, 10_000_00)


def test_a_provisional_agent_has_a_thousand_dollars_open_in_sum():
    bounds = ceilings(Standing(1, True), Standing(4, False))
    assert (bounds.commitment_units, bounds.payer_units) == (1_000_00, 1_000_00)
    # At level 0 ten times 100 dollars are the same thousand.
    assert ceilings(Standing(0, True), Standing(0, False)).payer_units == 1_000_00
    assert ceilings(Standing(2, False), Standing(2, True)).payee_units == 1_000_00


def test_ceilings_in_an_asset_without_a_rate_are_refused():
    with pytest.raises(Refused) as refusal:
        ceilings(Standing(1, False), Standing(1, False), "CHF")
    assert refusal.value.code == "currency_unsupported"
