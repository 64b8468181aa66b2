"""Policies are read exactly, refused by the key's name, and never show what is private."""

from __future__ import annotations

import tomllib
from decimal import Decimal

import pytest

from treaty.core.bids import Tier
from treaty.core.negotiation import policy_from_toml
from treaty.core.policy import Acceptance, BuyerPolicy, SellerPolicy
from treaty.errors import MisuseError

SELLER = {"tiers": [{"price": "4.00", "quality": "99.95"}], "floor": "3.75"}
BUYER = {"reservation": "4.23"}


def test_a_seller_is_read():
    table = {**SELLER, "name": "concede", "concede": 0.1, "rounds_max": 3, "accept": "next"}
    assert policy_from_toml(table, "seller") == SellerPolicy(
        tiers=(Tier(Decimal("4.00"), Decimal("99.95")),),
        floor=Decimal("3.75"),
        concede=Decimal("0.1"),
        rounds_max=3,
        accept=Acceptance.NEXT,
    )


def test_a_buyer_is_read():
    table = {**BUYER, "ask": 5, "split": "0.25", "quality_min": 99.9, "walk_after": 2}
    assert policy_from_toml(table, "buyer") == BuyerPolicy(
        ask=Decimal(5),
        reservation=Decimal("4.23"),
        split=Decimal("0.25"),
        quality_min=Decimal("99.9"),
        walk_after=2,
    )


def test_what_is_left_out_has_the_policys_own_default():
    tiers = (Tier(Decimal("4.00"), Decimal("99.95")),)
    assert policy_from_toml(SELLER, "seller") == SellerPolicy(tiers, Decimal("3.75"))
    assert policy_from_toml(BUYER, "buyer") == BuyerPolicy(None, Decimal("4.23"))


@pytest.mark.parametrize("written", ['"3.1"', "3.1"])
@pytest.mark.parametrize("read", [float, Decimal])
def test_a_toml_number_is_the_decimal_that_was_written(written, read):
    table = tomllib.loads(f"reservation = {written}", parse_float=read)
    assert policy_from_toml(table, "buyer").reservation == Decimal("3.1")


def test_a_tier_may_be_without_quality():
    table = {"tiers": [{"price": 1}], "floor": 0}
    assert policy_from_toml(table, "seller").tiers == (Tier(Decimal(1), None),)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("floor", "4.01"),
        ("floor", "-1"),
        ("floor", "1e3"),
        ("floor", " 3.75"),
        ("floor", "٣"),
        ("floor", True),
        ("floor", float("nan")),
        ("floor", Decimal("Infinity")),
        ("floor", None),
        ("floor", [3]),
        ("floor", 10**13),
        ("concede", "1.01"),
        ("concede", "half"),
        ("tiers", []),
        ("tiers", {}),
        ("tiers", ["4.00"]),
        ("tiers", [{"price": "4.00"}] * 65),
        ("tiers.price", [{"quality": 1}]),
        ("tiers.price", [{"price": {}}]),
        ("tiers.quality", [{"price": 4, "quality": "best"}]),
        ("tiers.sla", [{"price": 4, "sla": 1}]),
        ("rounds_max", 0),
        ("rounds_max", 101),
        ("rounds_max", "3"),
        ("rounds_max", True),
        ("name", "bluff"),
        ("name", []),
        ("accept", "never"),
        ("reservation", "3"),
        ("split", "0.5"),
    ],
)
def test_a_sellers_bad_key_is_named(key, value):
    with pytest.raises(MisuseError, match=key):
        policy_from_toml({**SELLER, key.partition(".")[0]: value}, "seller")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("reservation", "much"),
        ("ask", "-5"),
        ("split", 2),
        ("quality_min", "high"),
        ("walk_after", 0),
        ("walk_after", 1.5),
        ("floor", 1),
        ("tiers", []),
        (7, 1),
    ],
)
def test_a_buyers_bad_key_is_named(key, value):
    with pytest.raises(MisuseError, match=str(key)):
        policy_from_toml({**BUYER, key: value}, "buyer")


@pytest.mark.parametrize(("role", "key"), [("seller", "floor"), ("buyer", "reservation")])
def test_a_missing_limit_is_named(role, key):
    table = {"tiers": SELLER["tiers"]} if role == "seller" else {}
    with pytest.raises(MisuseError, match=f"{key} is missing"):
        policy_from_toml(table, role)


def test_a_repr_does_not_show_a_private_limit():
    assert "3.75" not in repr(policy_from_toml(SELLER, "seller"))
    assert "4.23" not in repr(policy_from_toml(BUYER, "buyer"))


@pytest.mark.parametrize("value", ["987.654x", "987654", 987654.5e9])
def test_an_error_does_not_show_a_private_limit(value):
    with pytest.raises(MisuseError) as seller:
        policy_from_toml({**SELLER, "floor": value}, "seller")
    assert "987" not in str(seller.value)
    assert seller.value.__cause__ is None


def test_a_floor_above_every_list_price_sells_nothing():
    with pytest.raises(MisuseError, match="floor"):
        SellerPolicy((Tier(Decimal(3), None),), Decimal(4))
