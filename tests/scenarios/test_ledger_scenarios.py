"""Runs ``ledger.txt``: every row on the whole book, and its laws after every row."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from treaty.core.ledger import (
    WHOLE,
    Account,
    AccountId,
    Book,
    Movement,
    Slice,
    account_entries,
    apply,
    book_of,
    empty_book,
    enter,
    external,
    fund,
    movement_from_json,
    movement_to_json,
    payout,
    post,
    reserve,
    settle,
    void,
)
from treaty.errors import Refused
from treaty.wire.money import money_from_json

NAMES = ("alice", "bob", "carol", "alpha", "beta")
ACCOUNTS = {name: AccountId(f"agent://{name}.example/agent", "USD") for name in NAMES}
ACCOUNTS["external"] = external("USD")


def scenarios():
    text = Path(__file__).with_name("ledger.txt").read_text(encoding="utf-8")
    for paragraph in text.split("\n== ")[1:]:
        title, *rows = paragraph.strip().splitlines()
        yield pytest.param([row.split() for row in rows if row], id=title.replace(" ", "_"))


def units(text: str) -> int:
    return money_from_json({"amount": text, "currency": "USD"}, "USD").units


def reference(text: str) -> tuple[str, str]:
    reservation, _, part = text.partition("/")
    return reservation, part or WHOLE


def decide(book: Book, action: str, *words: str) -> tuple[Movement, ...]:
    name, *rest = words
    if action in ("fund", "payout"):
        account, amount = rest
        return (fund if action == "fund" else payout)(book, name, ACCOUNTS[account], units(amount))
    if action == "reserve":
        payer, payee, amount, *slices = rest
        cuts = [cut.partition("=") for cut in slices]
        return reserve(
            book,
            name,
            payer=ACCOUNTS[payer],
            payee=ACCOUNTS[payee],
            units=units(amount),
            slices=tuple(Slice(part, units(amount)) for part, _, amount in cuts),
        )
    reservation, part = reference(name)
    if action == "void":
        return void(book, reservation, slice_id=part)
    return (post if action == "post" else settle)(book, reservation, units(rest[0]), slice_id=part)


@dataclass
class Run:
    """A book and everything that was recorded in it."""

    book: Book = field(default_factory=lambda: empty_book(*ACCOUNTS.values()))
    recorded: list[Movement] = field(default_factory=list)

    def result(self, action: str, *words: str) -> str:
        try:
            movements = decide(self.book, action, *words)
        except Refused as refusal:
            return refusal.code
        for movement in movements:
            assert movement == movement_from_json(movement_to_json(movement))
            self.book = apply(self.book, movement)
            self.recorded.append(movement)
        return "ok" if movements else "again"

    def alone(self, name: AccountId) -> Account:
        account = Account(name)
        for movement in self.recorded:
            if name in account_entries(movement):
                account = enter(account, movement)
        return account


@pytest.mark.parametrize("rows", list(scenarios()))
def test_scenario(rows):
    run = Run()
    for action, *words, expected in rows:
        row = " ".join((action, *words))
        before = run.book
        if action == "balance":
            account = run.book.accounts[ACCOUNTS[words[0]]]
            shown = (account.settled_units, account.available_units)
            assert (units(words[1]), units(words[2])) == shown, row
            continue
        assert expected == run.result(action, *words), row
        if expected != "ok":
            assert before == run.book, row
        assert sum(account.settled_units for account in run.book.accounts.values()) == 0, row
        assert book_of(*(run.alone(name) for name in ACCOUNTS.values())) == run.book, row


def test_every_refusal_of_the_ledger_has_a_row():
    expected = {row[-1] for param in scenarios() for row in param.values[0]}
    # Ceilings, capacity and unknown assets have their rows in tests/core/test_ledger.py.
    assert expected == {
        "ok",
        "again",
        "duplicate",
        "commitment_invalid",
        "escrow_unfunded",
        "reference_unknown",
    }
