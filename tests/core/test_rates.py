"""Rates: exact, and never rounded in favour of whom a ceiling bounds (ASP B17)."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.core.levels import LEVELS, ceiling_units, dollar_units
from treaty.core.rates import (
    PLACES_MAX,
    WHOLE_DIGITS_MAX,
    check_rated,
    converted_up,
    rate_text,
    rates_at,
    read_rate,
)
from treaty.errors import Refused, WireError
from treaty.wire.money import ASSETS

currencies = st.sampled_from(sorted(ASSETS.keys() - {"USD"}))
rates = st.decimals("0.000000000001", "999999999", places=PLACES_MAX)


def dollars(units: int, code: str, rate: Decimal) -> Fraction:
    """What an amount is worth, exactly; reckoned in whole units, as a person would."""
    return Fraction(units, 10 ** ASSETS[code].decimals) * Fraction(rate)


@pytest.mark.parametrize(
    ("text", "rate"),
    [("1.08", "1.08"), ("1", "1"), ("0.0067", "0.0067"), ("3.2600", "3.26"),
     ("0.000000000001", "1E-12"), ("999999999.999999999999", "999999999.999999999999")],
)  # fmt: skip
def test_a_rate_is_plain_decimal_text(text: str, rate: str) -> None:
    assert read_rate(text) == Decimal(rate)


@pytest.mark.parametrize(
    "text",
    ["", "0", "0.0", "-1", "+1", "1e3", "1E+3", ".5", "1.", "01", "1,08", " 1", "1 ", "1_0", "NaN",
     "Infinity", "\N{ARABIC-INDIC DIGIT ONE}", "1" * (WHOLE_DIGITS_MAX + 1),
     "0." + "1" * (PLACES_MAX + 1), 1, 1.08, True, None, {}, ["1"]],
)  # fmt: skip
def test_anything_else_is_no_rate(text: Any) -> None:
    with pytest.raises(WireError):
        read_rate(text)


@given(rates)
def test_a_rate_is_written_in_one_way_and_read_back(rate: Decimal) -> None:
    text = rate_text(rate)

    assert read_rate(text) == rate
    assert text == rate_text(read_rate(text))
    assert not ("." in text and text.endswith("0"))


@pytest.mark.parametrize("code", ["USD", "XXX", "", "eur", "DOGE"])
def test_no_rate_is_set_for_dollars_and_for_what_is_no_currency(code: str) -> None:
    with pytest.raises(Refused) as caught:
        check_rated(code)
    assert caught.value.code == "currency_unsupported"
    assert check_rated("EUR") == "EUR"


@pytest.mark.parametrize(
    ("code", "rate", "ceiling", "dollar"),
    [
        # 1,000 dollars are 925.92(59) euros, 149,253.73 yen, 306.748(46) dinars, 1,000 tokens.
        ("EUR", "1.08", 92_592, 93),
        ("JPY", "0.0067", 149_253, 150),
        ("KWD", "3.26", 306_748, 307),
        ("USDC", "1", 1_000_000_000, 1_000_000),
        ("CLF", "41.2", 242_718, 243),
    ],
)
def test_ceilings_are_rounded_down_and_the_least_bond_up_in_minor_units(
    code: str, rate: str, ceiling: int, dollar: int
) -> None:
    found = rates_at(code, Decimal(rate))

    assert ceiling_units(1, code, found) == ceiling
    assert dollar_units(code, found) == dollar
    assert ceiling_units(1, "USD", found) == 100_000


def test_without_a_rate_only_dollars_are_counted() -> None:
    assert rates_at("EUR", None) == rates_at("USD", Decimal(2)) == {"USD": 100}


@given(currencies, rates, st.sampled_from(LEVELS), st.integers(0, 3))
def test_nothing_under_a_ceiling_is_worth_more_than_its_dollars(
    code: str, rate: Decimal, level: Any, above: int
) -> None:
    most = ceiling_units(level.number, code, rates_at(code, rate))

    assert dollars(most, code, rate) <= level.ceiling_usd
    assert dollars(most + 1 + above, code, rate) > level.ceiling_usd


@given(currencies, rates, st.integers(1, 10**12), st.sampled_from(LEVELS))
def test_what_is_open_in_another_currency_leaves_no_more_room_than_it_should(
    code: str, rate: Decimal, open_units: int, level: Any
) -> None:
    found = rates_at(code, rate)
    in_cents = converted_up(open_units, code, "USD", found)
    in_units = converted_up(open_units, "USD", code, found)

    assert Fraction(in_cents, 100) >= dollars(open_units, code, rate) > Fraction(in_cents - 1, 100)
    room = ceiling_units(level.number, code, found) - in_units
    if room > 0:
        assert dollars(room, code, rate) + Fraction(open_units, 100) <= level.ceiling_usd


@given(currencies, rates)
def test_the_least_bond_is_worth_a_dollar_and_hardly_more(code: str, rate: Decimal) -> None:
    units = dollar_units(code, rates_at(code, rate))

    assert dollars(units, code, rate) >= 1 > dollars(units - 1, code, rate)
