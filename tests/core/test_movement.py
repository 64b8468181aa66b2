"""Movements are read strictly, written exactly, and refused when no book could hold them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treaty.core.movement import (
    ID_CHARS_MAX,
    SLICES_MAX,
    AccountId,
    Binding,
    Kind,
    Movement,
    Slice,
    account_entries,
    check_movement,
    external,
    movement_from_json,
    movement_to_json,
)
from treaty.errors import Refused, TreatyError, WireError
from treaty.wire.money import UNITS_MAX

ALPHA = AccountId("agent://acme.com/procurement/alpha", "USD")
BETA = AccountId("agent://cloudprime.io/gpu/beta", "USD")
BINDING = Binding("019526a1-8e1a-7000-8000-000000000001", "cmt_001", "sha256:" + "ab" * 32)

FUND = Movement("t1", Kind.FUND, external("USD"), ALPHA, 500_00)
PAYOUT = Movement("t2", Kind.PAYOUT, BETA, external("USD"), 180_00)
RESERVE = Movement("d1", Kind.RESERVE, ALPHA, BETA, 180_00, "d1", binding=BINDING)
SLICED = replace(RESERVE, slices=(Slice("a", 100_00), Slice("b", 80_00)))
POST = Movement("d1#post", Kind.POST, ALPHA, BETA, 180_00, "d1", binding=BINDING)
VOID = Movement("d1#a#void", Kind.VOID, ALPHA, BETA, 100_00, "d1", "a", (), BINDING)
ALL = [FUND, PAYOUT, RESERVE, SLICED, POST, VOID]

POST_JSON = {
    "id": "d1#post",
    "kind": "post",
    "debit": "agent://acme.com/procurement/alpha",
    "credit": "agent://cloudprime.io/gpu/beta",
    "amount": "180.00",
    "currency": "USD",
    "reservation": "d1",
    "session": "019526a1-8e1a-7000-8000-000000000001",
    "commitment": "cmt_001",
    "commitHash": "sha256:" + "ab" * 32,
}


def test_a_movement_binds_commitment_payer_payee_amount_and_currency_in_its_json():
    assert movement_to_json(POST) == POST_JSON


def test_slices_are_written_with_their_amounts():
    body = movement_to_json(SLICED)
    assert body["slices"] == [{"id": "a", "amount": "100.00"}, {"id": "b", "amount": "80.00"}]


@pytest.mark.parametrize("movement", ALL, ids=lambda movement: movement.id)
def test_what_is_written_reads_back(movement):
    assert movement_from_json(movement_to_json(movement)) == movement


def test_unknown_members_are_passed_over():
    assert movement_from_json({**POST_JSON, "memo": {"x": 1}}) == POST


def test_a_movement_belongs_into_the_streams_of_both_sides():
    assert account_entries(VOID) == (ALPHA, BETA)
    assert account_entries(FUND) == (AccountId("external", "USD"), ALPHA)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"kind": "expire"}, "malformed"),
        ({"kind": 5}, "malformed"),
        ({"id": None}, "malformed"),
        ({"amount": 180.0}, "malformed"),
        ({"amount": "180.000"}, "malformed"),
        ({"amount": "1e2"}, "malformed"),
        ({"amount": "0.00"}, "commitment_invalid"),
        ({"amount": "-1.00"}, "commitment_invalid"),
        ({"currency": "XXX"}, "currency_unsupported"),
        ({"currency": None}, "malformed"),
        ({"debit": "acme.com"}, "malformed"),
        ({"debit": "external"}, "commitment_invalid"),
        ({"credit": POST_JSON["debit"]}, "commitment_invalid"),
        ({"reservation": None}, "commitment_invalid"),
        ({"reservation": "d2"}, "commitment_invalid"),
        ({"slice": "a"}, "commitment_invalid"),
        ({"slices": [{"id": "a", "amount": "180.00"}]}, "commitment_invalid"),
        ({"slices": ["a"]}, "malformed"),
        ({"slices": "a"}, "malformed"),
        ({"commitHash": None}, "malformed"),
        ({"session": "two words"}, "malformed"),
    ],
)
def test_a_wrong_member_is_refused(change, code):
    with pytest.raises((WireError, Refused)) as refusal:
        movement_from_json({**POST_JSON, **change})
    assert refusal.value.code == code


def test_what_is_no_object_is_malformed():
    with pytest.raises(WireError):
        movement_from_json(["post"])


@pytest.mark.parametrize(
    "movement",
    [
        replace(FUND, debit=ALPHA, credit=BETA),
        replace(FUND, debit=ALPHA, credit=external("USD")),
        replace(PAYOUT, debit=external("USD"), credit=BETA),
        replace(RESERVE, credit=ALPHA),
        replace(RESERVE, credit=replace(BETA, asset="EUR")),
        replace(RESERVE, units=0),
        replace(RESERVE, units=UNITS_MAX + 1),
        replace(RESERVE, slice="a"),
        replace(RESERVE, id="d2"),
        replace(RESERVE, id="", reservation=""),
        replace(RESERVE, id="d\n", reservation="d\n"),
        replace(RESERVE, id="d" * (ID_CHARS_MAX + 1), reservation="d" * (ID_CHARS_MAX + 1)),
        replace(FUND, reservation="t1"),
        replace(FUND, slice="a"),
        replace(RESERVE, reservation=None),
        replace(SLICED, slices=(Slice("a", 180_00), Slice("b", 0))),
        replace(SLICED, slices=(Slice("a", 90_00), Slice("a", 90_00))),
        replace(SLICED, slices=(Slice("", 180_00),)),
        replace(
            SLICED,
            units=SLICES_MAX + 1,
            slices=tuple(Slice(str(n), 1) for n in range(SLICES_MAX + 1)),
        ),
        replace(VOID, id="d1#void"),
    ],
)
def test_what_no_book_could_hold_is_refused(movement):
    with pytest.raises(Refused) as refusal:
        check_movement(movement)
    assert refusal.value.code == "commitment_invalid"


def test_as_many_slices_as_the_limit_says_are_lawful():
    slices = tuple(Slice(str(number), 1) for number in range(SLICES_MAX))
    check_movement(replace(SLICED, units=SLICES_MAX, slices=slices))


def test_an_unknown_asset_is_refused():
    gold = replace(FUND, debit=external("XAU"), credit=replace(ALPHA, asset="XAU"))
    with pytest.raises(Refused) as refusal:
        check_movement(gold)
    assert refusal.value.code == "currency_unsupported"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["d1", "180.00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from([*POST_JSON, "slice", "slices"]), JSON, max_size=4))
def test_any_json_is_a_movement_or_one_of_our_refusals(change):
    try:
        movement = movement_from_json({**POST_JSON, **change})
    except TreatyError as refusal:
        code = refusal.code
    else:
        code = "read"
        assert movement_from_json(movement_to_json(movement)) == movement
    assert code in {"read", "malformed", "commitment_invalid", "currency_unsupported"}
