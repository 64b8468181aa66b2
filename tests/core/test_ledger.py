"""What the ledger decides beyond the scenarios: ceilings, limits, partial books, bindings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from treaty.core import ledger
from treaty.core.ledger import (
    AccountId,
    Binding,
    Kind,
    Movement,
    Slice,
    apply,
    book_of,
    empty_book,
    enter,
    fund,
    payout,
    post,
    reserve,
    settle,
    void,
)
from treaty.core.levels import Ceilings, Standing, ceilings
from treaty.errors import MisuseError, Refused
from treaty.wire.money import UNITS_MAX

ALPHA = AccountId("agent://acme.com/procurement/alpha", "USD")
GAMMA = AccountId("agent://acme.com/audit/gamma", "USD")
BETA = AccountId("agent://cloudprime.io/gpu/beta", "USD")
DELTA = AccountId("agent://eu.cloudprime.io/delta", "USD")
BINDING = Binding("019526a1-8e1a-7000-8000-000000000001", "cmt_001", "sha256:" + "ab" * 32)
WIDE = Ceilings(10**9, 10**9, 10**9, 10**9)


def record(book, movements):
    for movement in movements:
        book = apply(book, movement)
    return book


def funded(units=1_000_00):
    book = empty_book(ALPHA, GAMMA, BETA, DELTA)
    for number, name in enumerate((ALPHA, GAMMA, BETA, DELTA)):
        book = record(book, fund(book, f"t{number}", name, units))
    return book


def code_of(decide, *args, **kwargs):
    with pytest.raises(Refused) as refusal:
        decide(*args, **kwargs)
    return refusal.value.code


def test_a_post_carries_the_binding_of_its_reservation():
    book = funded()
    book = record(book, reserve(book, "d1", payer=ALPHA, payee=BETA, units=180_00, binding=BINDING))
    assert settle(book, "d1", 100_00) == (
        Movement("d1#post", Kind.POST, ALPHA, BETA, 100_00, "d1", "", (), BINDING),
        Movement("d1#void", Kind.VOID, ALPHA, BETA, 80_00, "d1", "", (), BINDING),
    )


def test_the_same_reservation_for_another_commitment_is_a_duplicate():
    book = funded()
    book = record(book, reserve(book, "d1", payer=ALPHA, payee=BETA, units=1, binding=BINDING))
    other = replace(BINDING, commit_hash="sha256:" + "cd" * 32)
    again = {"payer": ALPHA, "payee": BETA, "units": 1}
    assert reserve(book, "d1", **again, binding=BINDING) == ()
    assert code_of(reserve, book, "d1", **again, binding=other) == "duplicate"
    settled = record(book, settle(book, "d1", 1))
    assert reserve(settled, "d1", **again, binding=BINDING) == ()
    assert code_of(reserve, settled, "d1", **again, binding=other) == "duplicate"


@pytest.mark.parametrize(
    ("bound", "units", "code"),
    [
        (replace(WIDE, commitment_units=100), 100, None),
        (replace(WIDE, commitment_units=100), 101, "ceiling_exceeded"),
        (replace(WIDE, pair_units=100), 100, None),
        (replace(WIDE, pair_units=100), 101, "ceiling_exceeded"),
        (replace(WIDE, payer_units=100), 100, None),
        (replace(WIDE, payer_units=100), 101, "ceiling_exceeded"),
        (replace(WIDE, payee_units=100), 100, None),
        (replace(WIDE, payee_units=100), 101, "ceiling_exceeded"),
    ],
)
def test_each_ceiling_bounds_the_first_commitment(bound, units, code):
    terms = {"payer": ALPHA, "payee": BETA, "units": units, "ceilings": bound}
    if code is None:
        assert len(reserve(funded(), "d1", **terms)) == 1
    else:
        assert code_of(reserve, funded(), "d1", **terms) == code


@pytest.mark.parametrize(
    ("opened", "bound", "code"),
    [
        # Alpha already has 60 open with Delta, of Beta's organisation.
        ((ALPHA, DELTA), replace(WIDE, pair_units=99), "ceiling_exceeded"),
        ((ALPHA, DELTA), replace(WIDE, pair_units=100), None),
        # Beta already has 60 open with Gamma, of Alpha's organisation.
        ((GAMMA, BETA), replace(WIDE, pair_units=99), "ceiling_exceeded"),
        ((GAMMA, BETA), replace(WIDE, pair_units=100), None),
        # In the other direction it counts as well.
        ((BETA, ALPHA), replace(WIDE, pair_units=99), "ceiling_exceeded"),
        ((BETA, ALPHA), replace(WIDE, payer_units=99), "ceiling_exceeded"),
        ((BETA, ALPHA), replace(WIDE, payee_units=99), "ceiling_exceeded"),
        # A single commitment is measured alone.
        ((ALPHA, BETA), replace(WIDE, commitment_units=40), None),
        ((ALPHA, DELTA), replace(WIDE, payer_units=99), "ceiling_exceeded"),
        ((ALPHA, DELTA), replace(WIDE, payee_units=99), None),
        ((GAMMA, BETA), replace(WIDE, payee_units=99), "ceiling_exceeded"),
        ((GAMMA, BETA), replace(WIDE, payer_units=99), None),
        # Gamma and Delta are strangers to this commitment's accounts.
        ((GAMMA, DELTA), replace(WIDE, pair_units=40, payer_units=40, payee_units=40), None),
    ],
)
def test_ceilings_bound_what_is_open_together(opened, bound, code):
    payer, payee = opened
    book = funded()
    book = record(book, reserve(book, "d0", payer=payer, payee=payee, units=60))
    terms = {"payer": ALPHA, "payee": BETA, "units": 40, "ceilings": bound}
    if code is None:
        assert len(reserve(book, "d1", **terms)) == 1
    else:
        assert code_of(reserve, book, "d1", **terms) == code


def test_what_is_settled_is_open_no_more():
    book = funded()
    bound = replace(WIDE, pair_units=100)
    book = record(book, reserve(book, "d0", payer=ALPHA, payee=BETA, units=60, ceilings=bound))
    book = record(book, settle(book, "d0", 20))
    assert len(reserve(book, "d1", payer=ALPHA, payee=BETA, units=100, ceilings=bound)) == 1


def test_the_seeds_commitment_lies_within_level_one_and_a_larger_one_does_not():
    book = empty_book(ALPHA, BETA)
    book = record(book, fund(book, "t1", ALPHA, 5_000_00))
    bound = ceilings(Standing(1, True), Standing(4, False))
    assert reserve(book, "d1", payer=ALPHA, payee=BETA, units=180_00, ceilings=bound)
    too_much = {"payer": ALPHA, "payee": BETA, "units": 1_000_01, "ceilings": bound}
    assert code_of(reserve, book, "d1", **too_much) == "ceiling_exceeded"


def test_refusals_come_in_their_documented_order():
    book = funded(units=50)
    terms = {"payer": ALPHA, "payee": BETA}
    book = record(book, reserve(book, "d1", **terms, units=10))
    low = replace(WIDE, commitment_units=5)
    # Each call has the faults of all calls below it as well.
    assert code_of(reserve, book, "d1", **terms, units=0, ceilings=low) == "duplicate"
    assert code_of(reserve, book, "d2", **terms, units=0, ceilings=low) == "commitment_invalid"
    assert code_of(reserve, book, "d2", **terms, units=99, ceilings=low) == "ceiling_exceeded"
    assert code_of(reserve, book, "d2", **terms, units=99, ceilings=WIDE) == "escrow_unfunded"


def test_an_account_has_a_bounded_number_of_reservations_open(monkeypatch):
    monkeypatch.setattr(ledger, "OPEN_RESERVATIONS_MAX", 2)
    book = funded()
    for name in ("d1", "d2"):
        book = record(book, reserve(book, name, payer=ALPHA, payee=BETA, units=1))
    assert code_of(reserve, book, "d3", payer=ALPHA, payee=DELTA, units=1) == "capacity_unavailable"
    assert code_of(reserve, book, "d3", payer=GAMMA, payee=BETA, units=1) == "capacity_unavailable"
    assert reserve(book, "d3", payer=GAMMA, payee=DELTA, units=1)
    book = record(book, settle(book, "d1", 1))
    assert reserve(book, "d3", payer=ALPHA, payee=BETA, units=1)


def test_an_account_holds_no_more_than_a_store_can():
    book = empty_book(ALPHA)
    book = record(book, fund(book, "t1", ALPHA, UNITS_MAX))
    assert code_of(fund, book, "t2", ALPHA, 1) == "commitment_invalid"


def test_an_asset_the_house_does_not_hold_is_refused():
    gold = replace(ALPHA, asset="XAU")
    assert code_of(fund, empty_book(gold), "t1", gold, 1) == "currency_unsupported"


def test_assets_are_kept_apart():
    euros = replace(ALPHA, asset="EUR")
    book = empty_book(ALPHA, euros, replace(BETA, asset="EUR"))
    book = record(book, fund(book, "t1", ALPHA, 100))
    terms = {"payer": euros, "payee": replace(BETA, asset="EUR"), "units": 1}
    assert code_of(reserve, book, "d1", **terms) == "escrow_unfunded"
    mixed = {"payer": ALPHA, "payee": replace(BETA, asset="EUR"), "units": 1}
    assert code_of(reserve, book, "d1", **mixed) == "commitment_invalid"


def test_a_decision_about_an_account_that_was_not_loaded_is_misuse():
    book = empty_book(BETA)
    with pytest.raises(MisuseError):
        fund(book, "t1", ALPHA, 1)
    with pytest.raises(MisuseError):
        payout(book, "t1", ALPHA, 1)
    with pytest.raises(MisuseError):
        reserve(book, "d1", payer=ALPHA, payee=BETA, units=1)
    payer_only = record(empty_book(ALPHA), fund(empty_book(ALPHA), "t1", ALPHA, 10))
    with pytest.raises(MisuseError):
        reserve(payer_only, "d1", payer=ALPHA, payee=BETA, units=1, ceilings=WIDE)
    # Without ceilings the payer's account is all that a reservation is decided by.
    assert reserve(payer_only, "d1", payer=ALPHA, payee=BETA, units=1)


def test_either_partys_account_alone_decides_a_settlement_alike():
    slices = (Slice("a", 70), Slice("b", 30))
    whole = funded()
    opened = reserve(whole, "d1", payer=ALPHA, payee=BETA, units=100, slices=slices)
    whole = record(whole, opened)
    payer = book_of(whole.accounts[ALPHA])
    payee = book_of(enter(empty_book(BETA).accounts[BETA], opened[0]))
    for book in (payer, payee):
        assert settle(book, "d1", 50, slice_id="a") == settle(whole, "d1", 50, slice_id="a")
        assert void(book, "d1", slice_id="b") == void(whole, "d1", slice_id="b")
        assert post(book, "d1", 30, slice_id="b") == post(whole, "d1", 30, slice_id="b")
