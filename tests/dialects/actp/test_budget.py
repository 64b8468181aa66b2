"""The daily budget: reserved before it is promised, conserved, and one day at a time."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from treaty.dialects.actp.budget import (
    DAY_MS,
    EMPTY,
    HOLDS_MAX,
    Entry,
    Kind,
    apply,
    day_of,
    entry_from_json,
    entry_to_json,
    fold,
    release,
    reserve,
    room,
    spend,
    spent_on_day,
)
from treaty.errors import MisuseError, Refused, WireError

LIMIT = 1_000
NOON = 20_000 * DAY_MS + DAY_MS // 2
NEXT = NOON + DAY_MS


def reserved(book, key, units, at_ms=NOON, limit=LIMIT):
    return fold(reserve(book, limit, key, units, at_ms), book)


def spent(book, key, units, at_ms=NOON):
    return fold(spend(book, key, units, at_ms), book)


def code_of(decide, *args):
    with pytest.raises(Refused) as refusal:
        decide(*args)
    return refusal.value.code


def test_a_reservation_leaves_less_for_others_and_all_of_it_for_its_own():
    book = reserved(EMPTY, "tx1", 600)

    assert room(book, LIMIT, "tx2", NOON) == 400
    assert room(book, LIMIT, "tx1", NOON) == 1_000
    assert code_of(reserve, book, LIMIT, "tx2", 401, NOON) == "budget_exceeded"
    assert reserved(book, "tx2", 400).held_units == 1_000


def test_a_second_promise_of_one_negotiation_holds_the_dearer_of_the_two():
    book = reserved(EMPTY, "tx1", 600)

    assert reserve(book, LIMIT, "tx1", 500, NOON) == ()
    assert reserve(book, LIMIT, "tx1", 600, NOON) == ()
    assert reserve(book, LIMIT, "tx1", 700, NOON) == (Entry(Kind.RESERVE, "tx1", 100, NOON),)
    assert code_of(reserve, book, LIMIT, "tx1", 1_001, NOON) == "budget_exceeded"


def test_spending_gives_the_rest_back():
    book = spent(reserved(EMPTY, "tx1", 600), "tx1", 450)

    assert (book.spent_units, book.released_units, book.held_units) == (450, 150, 0)
    assert room(book, LIMIT, "tx2", NOON) == 550


def test_releasing_gives_all_back_and_may_be_repeated():
    book = reserved(EMPTY, "tx1", 600)
    freed = fold(release(book, "tx1", NOON), book)

    assert room(freed, LIMIT, "tx2", NOON) == 1_000
    assert release(freed, "tx1", NOON) == ()
    assert release(EMPTY, "never", NOON) == ()


def test_nothing_is_spent_that_is_not_held():
    book = reserved(EMPTY, "tx1", 600)

    assert code_of(spend, book, "tx2", 1, NOON) == "budget_exceeded"
    assert code_of(spend, book, "tx1", 601, NOON) == "budget_exceeded"


def test_a_negotiation_is_paid_for_once_a_day():
    book = spent(reserved(EMPTY, "tx1", 600), "tx1", 600)

    assert spend(book, "tx1", 600, NOON) == ()
    assert code_of(spend, book, "tx1", 500, NOON) == "duplicate"
    assert code_of(reserve, book, LIMIT, "tx1", 1, NOON) == "duplicate"
    assert code_of(spend, book, "tx1", 600, NEXT) == "budget_exceeded"


def test_a_new_utc_day_has_its_own_budget():
    book = spent(reserved(EMPTY, "tx1", 900), "tx1", 900)
    midnight = (day_of(NOON) + 1) * DAY_MS

    assert room(book, LIMIT, "tx2", midnight - 1) == 100
    assert room(book, LIMIT, "tx2", midnight) == 1_000
    assert spent_on_day(book, midnight) == 0


def test_a_hold_counts_on_the_next_day_and_is_spent_on_that_day():
    book = reserved(EMPTY, "tx1", 900)

    assert room(book, LIMIT, "tx2", NEXT) == 100
    paid = spent(book, "tx1", 900, NEXT)
    assert spent_on_day(paid, NEXT) == 900
    assert room(paid, LIMIT, "tx2", NEXT) == 100


def test_a_clock_that_goes_back_does_not_open_yesterday_again():
    book = spent(reserved(EMPTY, "tx1", 900), "tx1", 900)
    yesterday = NOON - DAY_MS

    assert room(book, LIMIT, "tx2", yesterday) == 100
    assert reserved(book, "tx2", 100, yesterday).day == day_of(NOON)


def test_a_lowered_limit_leaves_no_room_but_never_less_than_none():
    book = reserved(EMPTY, "tx1", 900)

    assert room(book, 500, "tx2", NOON) == 0
    assert room(book, 500, "tx1", NOON) == 500


def test_open_holds_are_bounded():
    book = fold(Entry(Kind.RESERVE, f"tx{number}", 1, NOON) for number in range(HOLDS_MAX))

    assert code_of(reserve, book, 10**9, "one-more", 1, NOON) == "overloaded"
    assert reserve(book, 10**9, "tx0", 2, NOON) != ()


@pytest.mark.parametrize(
    "entry",
    [
        Entry(Kind.RELEASE, "tx1", 601, NOON),
        Entry(Kind.SPEND, "tx2", 1, NOON),
        Entry(Kind.RESERVE, "tx1", 0, NOON),
        Entry(Kind.RESERVE, "", 1, NOON),
        Entry(Kind.RESERVE, "tx1", True, NOON),
    ],
)
def test_an_entry_that_cannot_follow_is_a_misuse(entry):
    with pytest.raises(MisuseError):
        apply(reserved(EMPTY, "tx1", 600), entry)


def test_entries_survive_the_store():
    book = reserved(EMPTY, "tx1", 600)
    entries = (Entry(Kind.RESERVE, "tx1", 600, NOON), *spend(book, "tx1", 400, NOON))

    assert tuple(entry_from_json(entry_to_json(entry)) for entry in entries) == entries
    assert entry_to_json(entries[0]) == {
        "kind": "reserve",
        "key": "tx1",
        "units": "600",
        "atMs": NOON,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "steal"},
        {"units": 600},
        {"units": "0"},
        {"units": "-1"},
        {"units": "٦"},
        {"units": "9999999999999999999"},
        {"key": ""},
        {"atMs": -1},
        {"atMs": "0"},
    ],
)
def test_what_is_no_entry_is_a_wire_error(change):
    with pytest.raises(WireError):
        entry_from_json({**entry_to_json(Entry(Kind.RESERVE, "tx1", 600, NOON)), **change})


def test_no_refusal_tells_the_limit():
    book = reserved(EMPTY, "tx1", 876_543, limit=987_654)
    for decide in (
        lambda: reserve(book, 987_654, "tx2", 500_000, NOON),
        lambda: spend(book, "tx1", 900_000, NOON),
    ):
        with pytest.raises(Refused) as refusal:
            decide()
        assert not any(letter.isdigit() for letter in str(refusal.value))


keys = st.sampled_from(["tx1", "tx2", "tx3"])
amounts = st.integers(1, 60)


class BudgetMachine(RuleBasedStateMachine):
    """The budget against a child's notebook: what each key holds, and what each day spent."""

    def __init__(self):
        super().__init__()
        self.book = EMPTY
        self.entries = []
        self.at_ms = NOON
        self.held = {}
        self.spent = {}

    def record(self, entries):
        self.entries.extend(entries)
        self.book = fold(entries, self.book)

    def today(self):
        return self.spent.setdefault(self.at_ms // DAY_MS, {})

    @rule(hours=st.integers(0, 30))
    def wait(self, hours):
        self.at_ms += hours * 3_600_000

    @rule(key=keys, units=amounts)
    def reserve(self, key, units):
        others = sum(held for name, held in self.held.items() if name != key)
        fits = units + others + sum(self.today().values()) <= 100
        if key in self.today() or not fits:
            expected = "duplicate" if key in self.today() else "budget_exceeded"
            assert code_of(reserve, self.book, 100, key, units, self.at_ms) == expected
            return
        self.record(reserve(self.book, 100, key, units, self.at_ms))
        self.held[key] = max(self.held.get(key, 0), units)

    @rule(key=keys)
    def release(self, key):
        self.record(release(self.book, key, self.at_ms))
        self.held.pop(key, None)

    @rule(key=keys, units=amounts)
    def spend(self, key, units):
        if key in self.today() or units > self.held.get(key, 0):
            if self.today().get(key) == units:
                assert spend(self.book, key, units, self.at_ms) == ()
            else:
                assert code_of(spend, self.book, key, units, self.at_ms) in {
                    "duplicate",
                    "budget_exceeded",
                }
            return
        self.record(spend(self.book, key, units, self.at_ms))
        self.today()[key] = units
        del self.held[key]

    @invariant()
    def the_notebook_agrees(self):
        assert dict(self.book.holds.items()) == self.held
        assert dict(self.book.spent_today.items()) == (
            self.today()
            if self.book.day == self.at_ms // DAY_MS
            else self.spent.get(self.book.day, {})
        )
        assert spent_on_day(self.book, self.at_ms) == sum(self.today().values())
        assert self.book.spent_units == sum(sum(day.values()) for day in self.spent.values())

    @invariant()
    def no_day_is_overdrawn(self):
        assert sum(self.today().values()) + sum(self.held.values()) <= 100

    @invariant()
    def sums_are_conserved(self):
        book = self.book
        total = book.released_units + book.spent_units + sum(held for _, held in book.holds.items())
        assert book.reserved_units == total

    @invariant()
    def the_entries_alone_give_the_same_budget(self):
        assert fold(self.entries) == self.book


TestBudget = BudgetMachine.TestCase
TestBudget.settings = settings(max_examples=60, stateful_step_count=30)
