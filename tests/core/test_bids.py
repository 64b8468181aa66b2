"""Bids are read from terms and written into them exactly, and nothing else is touched."""

from __future__ import annotations

import copy
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.core.bids import Bid, Decision, DecisionKind, TermsShape, read_bid, total, write_terms
from treaty.errors import MisuseError, WireError
from treaty.wire.canonical import canonical, read_json

SHAPE = TermsShape()
OPENING = {
    "gpuType": "A100",
    "quantity": 2,
    "durationHours": 24,
    "pricePerHour": 3.5,
    "sla": {"uptimePercent": 99.9, "credits": True},
}


def propose(price, quality=None):
    number = None if quality is None else Decimal(quality)
    return Decision(DecisionKind.PROPOSE, Decimal(price), number, False, "")


def test_the_seeds_opening_is_read():
    assert read_bid(OPENING, "own", SHAPE) == Bid("own", Decimal("3.5"), Decimal("99.9"))


def test_final_stands_beside_the_terms():
    assert read_bid(OPENING, "other", SHAPE, final=True).final


def test_what_is_negotiated_may_stand_anywhere():
    shape = TermsShape(price="cost.unit.amount", quality="grade")
    terms = {"cost": {"unit": {"amount": 7}}, "grade": 3}
    assert read_bid(terms, "other", shape) == Bid("other", Decimal(7), Decimal(3))


def test_terms_need_no_quality():
    assert read_bid({"pricePerHour": 1}, "own", SHAPE).quality is None


@pytest.mark.parametrize(
    "terms",
    [
        {},
        {"pricePerHour": None},
        {"pricePerHour": "3.50"},
        {"pricePerHour": True},
        {"pricePerHour": [3.5]},
        {"pricePerHour": -0.01},
        {"pricePerHour": 1e13},
        {"pricePerHour": 1e308},
        {"pricePerHour": 5e-324},
        {"pricePerHour": float("nan")},
        {"pricePerHour": float("inf")},
        {"pricePerHour": 2**60},
        {"pricePerHour": 1, "sla": 99.9},
        {"pricePerHour": 1, "sla": {"uptimePercent": "high"}},
        {"pricePerHour": 1, "sla": {"uptimePercent": -1}},
    ],
)
def test_terms_without_a_number_in_range_are_no_bid(terms):
    with pytest.raises(WireError):
        read_bid(terms, "other", SHAPE)


def test_minus_zero_is_zero():
    assert str(read_bid({"pricePerHour": -0.0}, "other", SHAPE).price) == "0"


@pytest.mark.parametrize("price", ["-1", "NaN", "Infinity", "1e13", "1e-31"])
def test_a_bid_of_ones_own_making_is_checked_too(price):
    with pytest.raises(MisuseError):
        Bid("own", Decimal(price), None)
    with pytest.raises(MisuseError):
        Bid("own", Decimal(1), Decimal(price))


def test_the_seeds_counter_is_written_as_its_bytes():
    written = write_terms(OPENING, propose("4.00", "99.95"), SHAPE)
    assert canonical(written) == (
        b'{"durationHours":24,"gpuType":"A100","pricePerHour":4,"quantity":2,'
        b'"sla":{"credits":true,"uptimePercent":99.95}}'
    )


def test_writing_leaves_the_base_as_it_was():
    before = copy.deepcopy(OPENING)
    write_terms(OPENING, propose("4.00", "99.95"), SHAPE)
    assert before == OPENING


def test_a_missing_object_is_made_and_a_missing_quality_is_not_written():
    assert write_terms({}, propose("1.10", "99"), SHAPE) == {
        "pricePerHour": 1.1,
        "sla": {"uptimePercent": 99},
    }
    assert write_terms({}, propose("1.10"), SHAPE) == {"pricePerHour": 1.1}


def test_a_place_inside_something_else_is_not_written():
    with pytest.raises(MisuseError, match="sla"):
        write_terms({"sla": 5}, propose("1", "99"), SHAPE)


def test_walking_away_writes_no_terms():
    with pytest.raises(MisuseError):
        write_terms(OPENING, Decision(DecisionKind.WALK, None, None, True, ""), SHAPE)


def test_a_number_that_json_cannot_hold_is_not_written():
    with pytest.raises(WireError):
        write_terms({}, propose("0.12345678901234567890"), SHAPE)


@given(st.decimals(0, 10**9, places=6), st.decimals(0, 100, places=4))
def test_what_is_written_is_read_back_from_the_bytes(price, quality):
    raw = canonical(write_terms(OPENING, propose(price, quality), SHAPE))
    assert read_bid(read_json(raw), "own", SHAPE) == Bid("own", price, quality)


def test_the_seed_costs_180():
    assert total({**OPENING, "pricePerHour": 3.75}, SHAPE) == 180


@pytest.mark.parametrize(
    ("terms", "cost"),
    [
        ({}, "1"),
        ({"pricePerHour": 3.75}, "3.75"),
        ({"pricePerHour": 3.75, "quantity": 2}, "7.50"),
        ({"pricePerHour": 3.75, "quantity": 0}, "0"),
        ({"pricePerHour": 0.1, "quantity": 3}, "0.3"),
        (
            {
                "pricePerHour": 1234567890.1234567,
                "quantity": 123456789.98765431,
                "durationHours": 0.12345678901234568,
            },
            "18816763872189009.63230165097160357120545739936136",
        ),
    ],
)
def test_a_total_is_exact_and_a_missing_factor_is_one(terms, cost):
    assert total(terms, SHAPE) == Decimal(cost)


@pytest.mark.parametrize("quantity", [-1, "2", True, 1e300, {}])
def test_a_total_needs_numbers(quantity):
    with pytest.raises(WireError, match=r"number|quantity"):
        total({"pricePerHour": 1, "quantity": quantity}, SHAPE)
