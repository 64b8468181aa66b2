"""What the state answers by itself: organisations, vouching, and exact small numbers."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.trust_world import ALPHA, BETA, DAY, T0, attest, deal, domain, folded, partners
from treaty.core.trust_state import (
    ONE,
    allowance,
    domain_of,
    from_units,
    organisation,
    organisation_state,
    product,
    quotient,
    same_domain,
    to_units,
)


def test_an_organisation_is_the_domain_once_proven_and_until_then_the_agent():
    assert organisation(folded(), ALPHA) == ALPHA
    assert organisation(folded(attest(ALPHA)), ALPHA) == ALPHA
    assert organisation(folded(domain(ALPHA)), ALPHA) == "acme.com"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("agent://acme.com/a", "agent://acme.com/b", True),
        ("agent://acme.com", "agent://eu.acme.com/b", True),
        ("agent://acme.com/a", "agent://cloudprime.io/a", False),
        # Tenants of one hosting provider are not one organisation.
        ("agent://one.github.io/a", "agent://two.github.io/a", False),
        ("agent://one.co.uk/a", "agent://two.co.uk/a", False),
    ],
)
def test_one_domain_is_one_registrable_name(one, other, same):
    assert same_domain(one, other) is same
    assert (domain_of(one) == domain_of(other)) is same


def test_an_allowance_is_there_while_the_attestation_is():
    state = folded(attest(BETA, allowance="7.5", days=10))
    assert allowance(state, BETA, T0) == to_units(Decimal("7.5"))
    assert allowance(state, BETA, T0 + 10 * DAY) == 0
    assert allowance(state, "cloudprime.io", T0) == 0
    assert allowance(folded(domain(BETA), start=state), "cloudprime.io", T0) == 75 * ONE // 10


def test_weights_are_booked_with_both_organisations():
    state = folded(domain(ALPHA), *partners(1), deal(ALPHA, "agent://partner0.com/agent"))
    giver = organisation_state(state, "agent://partner0.com/agent")
    taker = organisation_state(state, "acme.com")
    assert (giver.received.total, giver.conferred.total) == (0, ONE)
    assert (taker.received.total, taker.conferred.total) == (ONE, 0)


@pytest.mark.parametrize(
    ("text", "units"),
    [("0", 0), ("1", ONE), ("0.000000000001", 1), ("0.0001", 10**8), ("1000000", 10**18)],
)
def test_decimals_of_twelve_places_become_whole_numbers_and_back(text, units):
    assert to_units(Decimal(text)) == units
    assert from_units(units) == Decimal(text)


@pytest.mark.parametrize(
    ("text", "units"), [("0.0000000000005", 0), ("0.0000000000015", 2), ("0.0000000000025", 2)]
)
def test_further_places_are_rounded_half_even(text, units):
    assert to_units(Decimal(text)) == units


@pytest.mark.parametrize(("half", "even"), [(1, 0), (3, 2), (5, 2), (7, 4)])
def test_a_half_is_rounded_to_the_even_neighbour(half, even):
    assert quotient(half, 2) == even


@given(st.integers(0, 10**30), st.integers(1, 10**15))
def test_a_quotient_is_rounded_as_a_fraction_is(dividend, divisor):
    assert quotient(dividend, divisor) == round(Fraction(dividend, divisor))


@given(st.integers(0, ONE), st.integers(0, ONE))
def test_a_product_of_two_weights_is_a_weight(one, other):
    found = product(one, other)
    assert 0 <= found <= min(one, other)
    assert abs(Fraction(found) - Fraction(one * other, ONE)) <= Fraction(1, 2)
