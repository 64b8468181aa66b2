"""A policy that exists is lawful, and keeps its private figures to itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from treaty.dialects.actp.policy import ProviderPolicy, Semantics, Strategy, warnings
from treaty.errors import MisuseError

POLICY = ProviderPolicy(
    floor_units=512_345,
    ideal_units=1_023_456,
    hard_cap_units=10_034_567,
    concession_target_units=645_678,
)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("floor_units", 49_999),
        ("floor_units", 1_023_457),
        ("floor_units", 500_000.0),
        ("floor_units", True),
        ("ideal_units", 512_344),
        ("ideal_units", 10**15 + 1),
        ("hard_cap_units", 1_023_455),
        ("public_max_price_units", 1_023_455),
        ("concession_target_units", 512_344),
        ("concession_target_units", 1_023_457),
        ("concede_pct", 0),
        ("concede_pct", 100),
        ("max_requotes", -1),
        ("strategy", "walk"),
        ("semantics", "daemon"),
        ("min_deadline_s", -1),
        ("session_ttl_s", 0),
        ("session_ttl_s", 86_401),
        ("quote_ttl_s", 901),
        ("max_active", 0),
        ("max_counter_ttl_s", 86_401),
        ("services", ("translate", "translate")),
        ("services", ("",)),
        ("services", (" translate",)),
        ("services", tuple(f"s{number}" for number in range(65))),
        ("services", ["translate"]),
    ],
)
def test_an_unlawful_policy_cannot_be_made(field, value):
    with pytest.raises(MisuseError) as error:
        replace(POLICY, **{field: value})

    assert error.value.data["field"] in {field, "ideal_units"}
    assert not any(figure in str(error.value) for figure in ("512345", "1023456", "10034567"))


def test_the_bounds_themselves_are_lawful():
    policy = ProviderPolicy(50_000, 50_000, 50_000, 50_000, 50_000, concede_pct=99, max_requotes=0)

    assert (policy.target_units, policy.concede_pct) == (50_000, 99)


def test_no_private_figure_is_shown():
    shown = f"{POLICY!r} {POLICY}"

    for private in ("512345", "1023456", "10034567", "645678"):
        assert private not in shown


def test_concessions_lead_to_the_target_and_without_one_to_the_floor():
    assert POLICY.target_units == 645_678
    assert replace(POLICY, concession_target_units=None).target_units == 512_345


@pytest.mark.parametrize(("places", "one"), [(50, 5), (100, 10), (9, 1), (1, 1), (19, 1), (20, 2)])
def test_one_signer_holds_a_tenth_of_the_places_and_at_least_one(places, one):
    assert replace(POLICY, max_active=places).signer_slots == one


def test_an_empty_list_of_services_offers_everything():
    some = replace(POLICY, services=("translate",))

    assert POLICY.offers("anything")
    assert some.offers("translate")
    assert not some.offers("anything")


def test_the_owner_is_warned_that_two_requotes_reveal_the_floor():
    blunt = replace(POLICY, concession_target_units=None)

    assert "concession_target" in warnings(blunt)[0]
    assert warnings(POLICY) == ()
    assert warnings(replace(blunt, max_requotes=1)) == ()
    assert warnings(replace(blunt, strategy=Strategy.WALK)) == ()


def test_the_owner_is_warned_of_the_canonical_semantics():
    assert len(warnings(replace(POLICY, semantics=Semantics.CANONICAL))) == 1


def test_the_floor_follows_from_two_requotes_as_the_warning_says():
    """Section 9.5: p = 1 - (L1-L2)/(L0-L1), floor = L0 - (L0-L1)/p; so the warning is due."""
    first, second, third = 1_000_000, 850_000, 745_000
    kept = (second - third) * 100 // (first - second)

    assert first - (first - second) * 100 // (100 - kept) == 500_000
