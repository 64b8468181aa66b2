"""Folding movements: what a book takes from a stranger's list, whole or account by account."""

from __future__ import annotations

from dataclasses import replace

import pytest

from treaty.core.book import Account, Prints, apply, book_of, empty_book, enter
from treaty.core.movement import AccountId, Binding, Kind, Movement, Slice, external
from treaty.core.persistent import PersistentMap
from treaty.errors import MisuseError, Refused

OUTSIDE = external("USD")
ALICE = AccountId("agent://shop.alice.example/buyer", "USD")
BOB = AccountId("agent://bob.example/provider", "USD")
CAROL = AccountId("agent://carol.example/provider", "USD")
BINDING = Binding("session", "cmt_001", "sha256:00")

FUND = Movement("t1", Kind.FUND, OUTSIDE, ALICE, 100)
RESERVE = Movement("d1", Kind.RESERVE, ALICE, BOB, 60, "d1", binding=BINDING)
POST = Movement("d1#post", Kind.POST, ALICE, BOB, 40, "d1", binding=BINDING)
VOID = Movement("d1#void", Kind.VOID, ALICE, BOB, 20, "d1", binding=BINDING)
HISTORY = [FUND, RESERVE, POST, VOID]


def folded(book, movements):
    for movement in movements:
        book = apply(book, movement)
    return book


def refusal(book, movement):
    with pytest.raises(Refused) as refused:
        apply(book, movement)
    return refused.value.code


def test_a_history_ends_in_its_balances():
    book = folded(empty_book(OUTSIDE, ALICE, BOB), HISTORY)
    settled = {name: account.settled_units for name, account in book.accounts.items()}
    assert settled == {OUTSIDE: -100, ALICE: 60, BOB: 40}
    assert [account.held_units for account in book.accounts.values()] == [0, 0, 0]
    assert book.reservations == {}


def test_what_is_held_stays_in_the_balance_but_is_not_available():
    alice = folded(empty_book(ALICE, BOB), [FUND, RESERVE]).accounts[ALICE]
    assert (alice.settled_units, alice.held_units, alice.available_units) == (100, 60, 40)


def test_an_open_reservation_shows_what_became_of_its_slices():
    cut = replace(RESERVE, slices=(Slice("a", 20), Slice("b", 40)))
    post = replace(POST, id="d1#b#post", slice="b", units=10)
    book = folded(empty_book(ALICE, BOB), [FUND, cut, post])
    found = book.reservations["d1"]
    assert (found.payer, found.payee, found.asset) == (ALICE, BOB, "USD")
    assert (found.units, found.posted_units, found.voided_units) == (60, 10, 0)
    assert [(part.id, part.open_units) for part in found.parts] == [("a", 20), ("b", 30)]
    assert found.binding == BINDING
    assert book.accounts[ALICE].held_units == 50


@pytest.mark.parametrize("length", range(5))
def test_each_account_folded_alone_is_the_account_of_the_whole_book(length):
    whole = folded(empty_book(OUTSIDE, ALICE, BOB), HISTORY[:length])
    for name in (OUTSIDE, ALICE, BOB):
        alone = folded(
            empty_book(name), [m for m in HISTORY[:length] if name in (m.debit, m.credit)]
        )
        assert alone.accounts[name] == whole.accounts[name]


def test_accounts_folded_apart_make_one_book():
    alice = folded(empty_book(ALICE), [FUND, RESERVE]).accounts[ALICE]
    bob = folded(empty_book(BOB), [RESERVE]).accounts[BOB]
    assert book_of(alice, bob) == folded(empty_book(ALICE, BOB), [FUND, RESERVE])
    assert book_of(alice, bob).reservations == book_of(bob).reservations


def test_a_book_that_holds_neither_side_is_misuse():
    with pytest.raises(MisuseError):
        apply(empty_book(CAROL), RESERVE)
    with pytest.raises(MisuseError):
        enter(Account(CAROL), RESERVE)


def test_a_post_to_another_payee_is_refused_by_the_payers_account_alone():
    book = folded(empty_book(ALICE), [FUND, RESERVE])
    assert refusal(book, replace(POST, credit=CAROL)) == "reference_unknown"


@pytest.mark.parametrize("again", range(4))
def test_a_movement_that_is_recorded_already_is_a_duplicate(again):
    book = folded(empty_book(OUTSIDE, ALICE, BOB), HISTORY)
    assert refusal(book, HISTORY[again]) == "duplicate"


@pytest.mark.parametrize(
    ("before", "movement", "code"),
    [
        ([], RESERVE, "escrow_unfunded"),
        ([FUND], Movement("t2", Kind.PAYOUT, ALICE, OUTSIDE, 101), "escrow_unfunded"),
        ([FUND], replace(RESERVE, units=101), "escrow_unfunded"),
        ([FUND], POST, "reference_unknown"),
        ([FUND, RESERVE], replace(POST, credit=CAROL), "reference_unknown"),
        ([FUND, RESERVE], replace(POST, id="d1#a#post", slice="a"), "reference_unknown"),
        ([FUND, RESERVE], replace(POST, binding=None), "commitment_invalid"),
        ([FUND, RESERVE], replace(POST, units=61), "commitment_invalid"),
        ([FUND, RESERVE], replace(VOID, units=61), "commitment_invalid"),
        # A void returns all that is left of a slice, or it is none.
        ([FUND, RESERVE], replace(VOID, units=59), "commitment_invalid"),
        ([FUND, RESERVE, POST], replace(VOID, units=19), "commitment_invalid"),
        ([FUND, RESERVE, POST], replace(POST, units=20), "duplicate"),
        ([FUND, RESERVE], replace(FUND, units=0), "commitment_invalid"),
        ([FUND, RESERVE], replace(RESERVE, units=30), "duplicate"),
        ([FUND], replace(RESERVE, id="t1", reservation="t1"), "duplicate"),
    ],
)
def test_a_movement_that_cannot_have_been_recorded_is_refused(before, movement, code):
    book = folded(empty_book(OUTSIDE, ALICE, BOB, CAROL), before)
    assert refusal(book, movement) == code


def test_a_settled_slice_takes_no_second_ending():
    cut = replace(RESERVE, slices=(Slice("a", 20), Slice("b", 40)))
    post = replace(POST, id="d1#a#post", slice="a", units=20)
    void = replace(VOID, id="d1#a#void", slice="a", units=20)
    posted = folded(empty_book(ALICE, BOB), [FUND, cut, post])
    assert refusal(posted, post) == "duplicate"
    assert refusal(posted, void) == "commitment_invalid"
    voided = folded(empty_book(ALICE, BOB), [FUND, cut, void])
    assert refusal(voided, void) == "duplicate"
    assert refusal(voided, post) == "duplicate"


def test_only_the_world_outside_goes_below_zero():
    assert folded(empty_book(OUTSIDE), [FUND]).accounts[OUTSIDE].available_units == -100


def test_what_is_open_is_counted_by_the_other_sides_organisation():
    # Alice deals with two agents of bob.example; payer and payee both count what is open.
    other = AccountId("agent://sales.bob.example/agent", "USD")
    second = replace(RESERVE, id="d2", reservation="d2", credit=other, units=10)
    book = folded(empty_book(ALICE, BOB, other), [FUND, RESERVE, second])
    alice, bob = book.accounts[ALICE], book.accounts[BOB]
    assert (alice.open_units, alice.open_count) == (70, 2)
    assert dict(alice.open_with.items()) == {"bob.example": 70}
    assert (bob.open_units, bob.open_count) == (60, 1)
    assert dict(bob.open_with.items()) == {"alice.example": 60}


def test_nothing_is_open_any_more_when_all_is_settled():
    book = folded(empty_book(ALICE, BOB), HISTORY)
    for account in book.accounts.values():
        assert (account.open_units, account.open_count) == (0, 0)
        assert account.open_with == PersistentMap()


def test_a_settled_reservation_shrinks_to_prints():
    alice = folded(empty_book(ALICE), HISTORY).accounts[ALICE]
    found = alice.seen.get("d1")
    assert isinstance(found, Prints)
    # The reserve, how it was split, and that the rest was voided: 16 bytes each.
    assert len(found.digests) == 48
