"""The ledger against an independent, naive model, driven at random (Hypothesis).

The model keeps plain lists and dicts and knows nothing of movements, prints or partial books:
three balances, and for each reservation what was posted and voided.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from treaty.core.ledger import (
    Account,
    AccountId,
    account_entries,
    apply,
    empty_book,
    enter,
    external,
    fund,
    payout,
    post,
    reserve,
    settle,
    void,
)
from treaty.errors import Refused

OUTSIDE = external("USD")
AGENTS = [AccountId(f"agent://{name}.example/agent", "USD") for name in ("a", "b", "c")]

agents = st.sampled_from(AGENTS)
amounts = st.integers(-2, 40)
transfers = st.sampled_from(["t1", "t2", "t3", "t4", "t5", "t6"])
deals = st.sampled_from(["d1", "d2", "d3", "d4", "d5", "d6"])


class Model:
    """What a child would write down."""

    def __init__(self):
        self.balance = dict.fromkeys(AGENTS, 0)
        self.transfers = {}
        self.deals = {}

    def free(self, agent):
        held = sum(
            deal["units"] - deal["posted"] - deal["voided"]
            for deal in self.deals.values()
            if deal["payer"] == agent
        )
        return self.balance[agent] - held

    def move(self, kind, name, agent, units):
        if name in self.transfers:
            return "again" if self.transfers[name] == (kind, agent, units) else "duplicate"
        if units <= 0:
            return "commitment_invalid"
        if kind == "payout" and self.free(agent) < units:
            return "escrow_unfunded"
        self.transfers[name] = (kind, agent, units)
        self.balance[agent] += units if kind == "fund" else -units
        return "ok"

    def reserve(self, name, payer, payee, units):
        terms = (payer, payee, units)
        if name in self.deals:
            deal = self.deals[name]
            same = terms == (deal["payer"], deal["payee"], deal["units"])
            return "again" if same else "duplicate"
        if units <= 0 or payer == payee:
            return "commitment_invalid"
        if self.free(payer) < units:
            return "escrow_unfunded"
        self.deals[name] = {
            "payer": payer,
            "payee": payee,
            "units": units,
            "posted": 0,
            "voided": 0,
        }
        return "ok"

    def post(self, name, units):
        if name not in self.deals:
            return "reference_unknown"
        deal = self.deals[name]
        if deal["posted"] and deal["posted"] == units:
            return "again"
        if deal["posted"] or deal["voided"]:
            return "duplicate"
        if not 0 < units <= deal["units"]:
            return "commitment_invalid"
        deal["posted"] = units
        self.balance[deal["payer"]] -= units
        self.balance[deal["payee"]] += units
        return "ok"

    def void(self, name):
        if name not in self.deals:
            return "reference_unknown"
        deal = self.deals[name]
        if deal["voided"]:
            return "again"
        if deal["posted"] == deal["units"]:
            return "duplicate"
        deal["voided"] = deal["units"] - deal["posted"]
        return "ok"

    def settle(self, name, units):
        if name not in self.deals:
            return "reference_unknown"
        deal = self.deals[name]
        touched = deal["posted"] or deal["voided"]
        if touched and deal["posted"] != units:
            return "duplicate"
        if not 0 <= units <= deal["units"]:
            return "commitment_invalid"
        done = deal["posted"] + deal["voided"] == deal["units"]
        if units and not touched:
            self.post(name, units)
        if not done and deal["posted"] < deal["units"]:
            self.void(name)
        return "again" if done else "ok"


class LedgerMachine(RuleBasedStateMachine):
    """Every rule does the same thing in the book and in the model, and compares the answers."""

    def __init__(self):
        super().__init__()
        self.book = empty_book(OUTSIDE, *AGENTS)
        self.alone = {name: Account(name) for name in (OUTSIDE, *AGENTS)}
        self.model = Model()

    def act(self, expected, decide, *args, **kwargs):
        before, movements = self.book, ()
        try:
            movements = decide(self.book, *args, **kwargs)
        except Refused as refusal:
            result = refusal.code
        else:
            result = "ok" if movements else "again"
        assert expected == result
        assert self.book == before
        for movement in movements:
            self.book = apply(self.book, movement)
            for name in account_entries(movement):
                self.alone[name] = enter(self.alone[name], movement)

    @rule(name=transfers, agent=agents, units=amounts)
    def fund(self, name, agent, units):
        self.act(self.model.move("fund", name, agent, units), fund, name, agent, units)

    @rule(name=transfers, agent=agents, units=amounts)
    def payout(self, name, agent, units):
        self.act(self.model.move("payout", name, agent, units), payout, name, agent, units)

    @rule(name=deals, payer=agents, payee=agents, units=amounts)
    def reserve(self, name, payer, payee, units):
        expected = self.model.reserve(name, payer, payee, units)
        self.act(expected, reserve, name, payer=payer, payee=payee, units=units)

    @rule(name=deals, units=amounts)
    def post(self, name, units):
        self.act(self.model.post(name, units), post, name, units)

    @rule(name=deals)
    def void(self, name):
        self.act(self.model.void(name), void, name)

    @rule(name=deals, units=amounts)
    def settle(self, name, units):
        self.act(self.model.settle(name, units), settle, name, units)

    @invariant()
    def balances_are_the_models(self):
        for name in AGENTS:
            account = self.book.accounts[name]
            assert account.settled_units == self.model.balance[name]
            assert account.available_units == self.model.free(name) >= 0

    @invariant()
    def money_is_conserved(self):
        assert sum(account.settled_units for account in self.book.accounts.values()) == 0

    @invariant()
    def open_reservations_are_the_models(self):
        expected = {
            name: (deal["units"], deal["posted"], deal["voided"])
            for name, deal in self.model.deals.items()
            if deal["posted"] + deal["voided"] < deal["units"]
        }
        found = {
            name: (open_.units, open_.posted_units, open_.voided_units)
            for name, open_ in self.book.reservations.items()
        }
        assert expected == found

    @invariant()
    def accounts_folded_apart_are_the_book(self):
        assert self.alone == self.book.accounts


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
