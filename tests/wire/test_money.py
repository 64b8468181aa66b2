"""Money: exact units in, exact text out, and refusal of everything in between (ASP B12)."""

from __future__ import annotations

import math
from collections import Counter
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from treaty.errors import MisuseError, Refused, WireError
from treaty.wire.canonical import INT_MAX, Json, read_json
from treaty.wire.money import (
    ASSETS,
    UNITS_MAX,
    Money,
    amount_text,
    decimal_number,
    money_from_json,
    money_to_json,
    number_to_json,
    split,
)

codes = st.sampled_from(sorted(ASSETS))
finite = st.floats(allow_nan=False, allow_infinity=False)
moneys = st.builds(Money, st.integers(-UNITS_MAX, UNITS_MAX), codes)


def test_the_assets_have_their_decimals() -> None:
    known = {"USD": 2, "EUR": 2, "HUF": 2, "JPY": 0, "KRW": 0, "KWD": 3, "CLF": 4, "USDC": 6}
    assert {code: ASSETS[code].decimals for code in known} == known
    # ISO 4217 has 165 with minor units; gold, funds and test codes are none of them.
    assert Counter(asset.decimals for asset in ASSETS.values()) == {2: 139, 0: 17, 3: 7, 4: 2, 6: 1}
    assert not {"XAU", "XDR", "XTS", "XXX", "ZWL"} & ASSETS.keys()
    assert all(code == asset.code for code, asset in ASSETS.items())


@pytest.mark.parametrize(
    ("value", "currency", "units"),
    [
        (180.00, "USD", 18_000),
        (180, "USD", 18_000),
        (3.75, "USD", 375),
        (0.29, "USD", 29),
        (1.1, "EUR", 110),
        (-0.5, "USD", -50),
        (-0.0, "USD", 0),
        (180, "JPY", 180),
        (180.0, "JPY", 180),
        (0.000001, "USDC", 1),
        (4.35, "GBP", 435),
        (90071992547409.9, "USD", INT_MAX - 1),
        (-90071992547409.9, "USD", 1 - INT_MAX),
        (INT_MAX, "JPY", INT_MAX),
    ],
)
def test_a_json_number_is_an_amount_of_the_named_currency(
    value: Json, currency: str, units: int
) -> None:
    assert money_from_json(value, currency) == Money(units, currency)


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [
        ("180.00", "USD", 18_000),
        ("180", "USD", 18_000),
        ("180.5", "USD", 18_050),
        ("0", "USD", 0),
        ("0.01", "USD", 1),
        ("-0.01", "USD", -1),
        ("180", "JPY", 180),
        ("0.000001", "USDC", 1),
        ("92233720368547758.07", "USD", UNITS_MAX),
        ("-9223372036854775807", "JPY", -UNITS_MAX),
        ("9223372036854.775807", "USDC", UNITS_MAX),
        (180.00, "USD", 18_000),
    ],
)
def test_an_object_names_amount_and_currency(amount: Json, currency: str, units: int) -> None:
    value: Json = {"amount": amount, "currency": currency, "note": "unknown members are let be"}

    assert money_from_json(value, None) == Money(units, currency)
    assert money_from_json(value, currency) == Money(units, currency)


@pytest.mark.parametrize(
    ("value", "currency"),
    [
        (True, "USD"),
        (False, "USD"),
        (None, "USD"),
        ("180.00", "USD"),
        ([180], "USD"),
        (math.nan, "USD"),
        (math.inf, "USD"),
        (0.001, "USD"),
        (3.755, "USD"),
        (0.1 + 0.2, "USD"),
        (180.5, "JPY"),
        (1e-7, "USDC"),
        (5e-324, "USD"),
        (90071992547409.92, "USD"),
        (-90071992547409.92, "USD"),
        (INT_MAX, "USD"),
        (2**53, "JPY"),
        (float(2**53), "JPY"),
        (1e300, "JPY"),
        (10**400, "JPY"),
        (180, None),
    ],
)
def test_a_number_that_is_no_exact_amount_is_malformed(value: Json, currency: str | None) -> None:
    with pytest.raises(WireError) as refusal:
        money_from_json(value, currency)
    assert refusal.value.code == "malformed"


@pytest.mark.parametrize(
    "amount",
    ["1e3", " 1", "1 ", "+1", "--1", "-", "", ".5", "1.", "01", "00", "-0", "-0.00", "1,000", "1_0",
     "0x1", "\u0661", "\uff11", "1.\u0665", "180.00\n", "\n180.00", "NaN", "inf", "1.000", "0.001",
     "92233720368547758.08", "1" + "0" * 30, "9" * 5_000, "0." + "0" * 5_000,
     None, True, [], {}, math.nan, 0.001],
)  # fmt: skip
def test_an_amount_text_that_is_not_canonical_is_malformed(amount: Json) -> None:
    for currency in (None, "USD"):
        with pytest.raises(WireError) as refusal:
            money_from_json({"amount": amount, "currency": "USD"}, currency)
        assert refusal.value.code == "malformed"


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"amount": "1"},
        {"currency": "USD"},
        {"amount": "1", "currency": None},
        {"amount": "1", "currency": 1},
        {"amount": "1", "currency": ["USD"]},
        {"amount": "1", "currency": {}},
    ],
)
def test_an_object_without_amount_or_currency_is_malformed(value: Json) -> None:
    with pytest.raises(WireError):
        money_from_json(value, None)


def test_two_currencies_for_one_amount_are_malformed() -> None:
    with pytest.raises(WireError, match="EUR"):
        money_from_json({"amount": "1.00", "currency": "EUR"}, "USD")


@pytest.mark.parametrize(
    "code", ["XXX", "usd", "USD ", "USD\n", "", "\uff35\uff33\uff24", "U" * 10_000]
)
def test_an_unknown_currency_is_refused_by_its_reason(code: str) -> None:
    for value, currency in ((180, code), ({"amount": "180.00", "currency": code}, None)):
        with pytest.raises(Refused) as refusal:
            money_from_json(value, currency)
        assert refusal.value.code == "currency_unsupported"
    with pytest.raises(Refused):
        Money(1, code)


@pytest.mark.parametrize("units", [1.0, True, "1", None, UNITS_MAX + 1, -UNITS_MAX - 1])
def test_money_is_made_of_whole_units_within_64_bits(units: Any) -> None:
    with pytest.raises(MisuseError):
        Money(units, "USD")


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(18_000, "USD"), "180.00"),
        (Money(5, "USD"), "0.05"),
        (Money(0, "USD"), "0.00"),
        (Money(-5, "USD"), "-0.05"),
        (Money(-12_345, "EUR"), "-123.45"),
        (Money(180, "JPY"), "180"),
        (Money(0, "JPY"), "0"),
        (Money(-1, "JPY"), "-1"),
        (Money(1, "USDC"), "0.000001"),
        (Money(UNITS_MAX, "USD"), "92233720368547758.07"),
    ],
)
def test_an_amount_is_written_with_all_its_decimals(money: Money, text: str) -> None:
    assert amount_text(money) == text
    assert money_to_json(money) == {"amount": text, "currency": money.asset}


@given(moneys)
def test_money_survives_its_string_form(money: Money) -> None:
    assert money_from_json(money_to_json(money), None) == money
    exact = Fraction(money.units, 10 ** ASSETS[money.asset].decimals)
    assert Fraction(amount_text(money)) == exact


@given(finite | st.decimals(-(10**9), 10**9, places=2).map(float), codes)
def test_a_number_is_worth_exactly_what_its_rendering_says(number: float, code: str) -> None:
    units = Fraction(rfc8785.dumps(number).decode()) * 10 ** ASSETS[code].decimals

    if units.denominator == 1 and abs(units) <= INT_MAX:
        assert money_from_json(number, code).units == units
    else:
        with pytest.raises(WireError):
            money_from_json(number, code)


@given(st.decimals(-(10**9), 10**9, places=2), codes.filter(lambda code: ASSETS[code].decimals > 1))
def test_a_number_with_two_decimals_is_read_whatever_the_decimal_context(
    number: Decimal, code: str
) -> None:
    with localcontext(Context(prec=1, traps=[])):
        money = money_from_json(read_json(str(number).encode()), code)

    assert Fraction(money.units, 10 ** ASSETS[code].decimals) == Fraction(number)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3.75, "3.75"),
        (180.0, "180"),
        (180, "180"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (1e21, "1E+21"),
        (1e-7, "1E-7"),
        (99.95, "99.95"),
    ],
)
def test_a_number_is_read_as_its_rendering(value: Json, number: str) -> None:
    assert str(decimal_number(value)) == number


@pytest.mark.parametrize("value", [True, None, "1", [1], {}, math.nan, -math.inf, 2**53])
def test_what_is_no_number_has_no_decimal_value(value: Json) -> None:
    with pytest.raises(WireError):
        decimal_number(value)


@given(finite.filter(lambda number: not INT_MAX < abs(number) < 1e21))
def test_a_decimal_returns_to_the_number_it_came_from(number: float) -> None:
    assert number_to_json(decimal_number(number)) == number


@pytest.mark.parametrize(
    ("number", "expected"),
    [("180.00", 180), ("3.50", 3.5), ("-0", 0), ("1E+2", 100), ("1e-7", 1e-7), ("1e21", 1e21)],
)
def test_whole_decimals_become_integers(number: str, expected: float) -> None:
    found = number_to_json(Decimal(number))

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "number",
    ["NaN", "sNaN", "Infinity", "-Infinity", "1E+400", "1E-400", "1E+999999", "9007199254740992",
     "1E+18", "3.75000000000000000001", "0.1000000000000000055511151231257827"],
)  # fmt: skip
def test_a_decimal_that_no_json_number_holds_is_refused(number: str) -> None:
    with pytest.raises(WireError):
        number_to_json(Decimal(number))


@given(st.integers(0, UNITS_MAX), st.integers(0, 10**6), st.integers(1, 10**6))
def test_a_split_rounds_the_share_down_and_conserves_the_sum(
    units: int, numerator: int, denominator: int
) -> None:
    numerator = min(numerator, denominator)

    share, rest = split(units, numerator, denominator)

    assert share + rest == units
    assert min(share, rest) >= 0
    assert 0 <= Fraction(units) * numerator / denominator - share < 1


def test_a_split_by_example() -> None:
    assert split(100, 1, 3) == (33, 67)
    assert split(100, 1, 1) == (100, 0)
    assert split(100, 0, 3) == (0, 100)
    assert split(0, 1, 3) == (0, 0)
    assert split(UNITS_MAX, 2, 3) == (6_148_914_691_236_517_204, 3_074_457_345_618_258_603)


@pytest.mark.parametrize("share", [(-1, 1, 2), (1, -1, 2), (1, 3, 2), (1, 0, 0), (1, 1, -2)])
def test_a_share_outside_the_whole_is_misuse(share: tuple[int, int, int]) -> None:
    with pytest.raises(MisuseError):
        split(*share)
