"""What is open between two organisations, and by the newcomers of one (B17)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.core.exposure import (
    Change,
    Exposure,
    change_from_json,
    change_to_json,
    changes,
    check_newcomers,
    check_pair,
    entered,
)
from treaty.core.movement import AccountId, Kind, Movement
from treaty.errors import Refused

PAYER = AccountId("agent://buyers.acme.com/one", "USD")
PAYEE = AccountId("agent://cloudprime.io/gpu", "USD")
SIBLING = AccountId("agent://acme.com/two", "USD")


def movement(kind=Kind.RESERVE, units=100, payee=PAYEE, reservation="r"):
    return Movement("m", kind, PAYER, payee, units, reservation)


def after(*rows):
    exposure = Exposure()
    for row in rows:
        exposure = entered(exposure, row)
    return exposure


def test_a_reserve_opens_with_both_organisations_and_a_settlement_ends():
    assert changes(movement(), ()) == {
        "acme.com": Change("cloudprime.io", "r", 100),
        "cloudprime.io": Change("acme.com", "r", 100),
    }
    for kind in (Kind.POST, Kind.VOID):
        assert changes(movement(kind), ())["acme.com"].units == -100


def test_a_transfer_opens_nothing():
    fund = Movement("t", Kind.FUND, AccountId("external", "USD"), PAYEE, 5)
    assert changes(fund, ()) == {}


def test_a_newcomer_is_named_with_its_own_organisation_only():
    found = changes(movement(), {PAYEE.owner})
    assert [found[name].newcomer for name in ("acme.com", "cloudprime.io")] == [None, PAYEE.owner]


def test_within_one_organisation_a_deal_is_entered_once():
    found = changes(movement(payee=SIBLING), {SIBLING.owner})
    assert found == {"acme.com": Change("acme.com", "r", 100, SIBLING.owner)}


def test_between_two_organisations_no_more_is_open_than_the_ceiling():
    exposure = after(Change("b.com", "r", 600), Change("c.com", "s", 900))
    check_pair(exposure, "b.com", 400, 1_000)
    check_pair(exposure, "d.com", 1_000, 1_000)
    with pytest.raises(Refused) as caught:
        check_pair(exposure, "b.com", 401, 1_000)
    assert caught.value.code == "ceiling_exceeded"


def test_newcomers_share_a_sum_and_are_five_at_most():
    rows = [Change("b.com", f"r{n}", 100, f"agent://a.com/{n}") for n in range(5)]
    exposure = after(*rows)
    check_newcomers(exposure, "agent://a.com/0", 500, 1_000)
    for agent, units in (("agent://a.com/0", 501), ("agent://a.com/5", 1)):
        with pytest.raises(Refused) as caught:
            check_newcomers(exposure, agent, units, 1_000)
        assert caught.value.code == "ceiling_exceeded"


def test_a_settled_reservation_makes_room_also_for_who_is_no_newcomer_any_more():
    opened, part = Change("b.com", "r", 100, "agent://a.com/0"), Change("b.com", "r", -40)
    exposure = after(opened, part)
    assert [one.units for _, one in exposure.newcomers.items()] == [60]
    exposure = after(opened, part, Change("b.com", "r", -60, "agent://a.com/0"))
    assert exposure == Exposure()


def test_what_was_opened_before_this_was_kept_takes_off_nothing():
    assert after(Change("b.com", "old", -500)) == Exposure()


@given(st.lists(st.tuples(st.sampled_from("bcd"), st.integers(1, 1_000)), max_size=20))
def test_all_settled_is_nothing_open(rows):
    opened = [Change(f"{other}.com", f"r{n}", units) for n, (other, units) in enumerate(rows)]
    sums = {other: sum(u for name, u in rows if name == other) for other, _ in rows}
    exposure = after(*opened)
    assert dict(exposure.together.items()) == {
        f"{other}.com": units for other, units in sums.items()
    }
    ended = [Change(one.other, one.reservation, -one.units) for one in opened]
    assert after(*opened, *ended) == Exposure()


@pytest.mark.parametrize("newcomer", [None, "agent://a.com/0"])
def test_a_change_reads_as_it_was_written(newcomer):
    change = Change("b.com", "session/cmt", -7, newcomer)
    assert change_from_json(change_to_json(change)) == change
