"""Commitments, ledger and disputes together, driven at random (Hypothesis).

One session with several commitments of every shape: with and without a schedule, a machine
check, a penalty. What the fold orders is carried out on a real book at once, as a clearing does
it; time passes in any steps, the host is away, clocks of messages stand still. What must hold is
said in the invariants, and each is computed from plain sums, not from what the fold says of them.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from treaty.core import dispute as disputes
from treaty.core.checks import Check, Reading
from treaty.core.commitment import (
    Commitment,
    CommitmentState,
    Escrow,
    Method,
    Obligation,
    ObligationState,
    Order,
    OrderKind,
    bind,
    claim,
    confirm,
    extend,
    next_due_ms,
    note_measured,
    note_reading,
    note_reserved,
    pass_time,
)
from treaty.core.dispute import Candidate, Dispute, Phase, Seeds, Vote
from treaty.core.ledger import AccountId, Slice, apply, empty_book, external, fund, reserve, settle
from treaty.core.schedule import INTERVALS, MILESTONES, Part, Schedule
from treaty.core.settlement import (
    check_disputable,
    dispute,
    disputed_duties,
    end,
    ending,
    note_settled,
    orders,
    release,
)
from treaty.core.settlement import rule as carry_out
from treaty.errors import Refused
from treaty.wire.digest import sha256_tag
from treaty.wire.money import Money

BUYER, SELLER = "agent://buyer.example/b", "agent://seller.example/s"
PAYER, PAYEE, OUTSIDE = AccountId(BUYER, "USD"), AccountId(SELLER, "USD"), external("USD")
FUNDS = 1_000
COMMITMENTS_MAX = 8
HOUR, WINDOW_MS = 3_600_000, 5_400_000
CHECK = Check("https://m.example/")
SECRETS = {BUYER: b"b" * 32, SELLER: b"s" * 32}
SEEDS = Seeds(BUYER, SELLER, sha256_tag(SECRETS[BUYER]), sha256_tag(SECRETS[SELLER]))
CANDIDATES = tuple(Candidate(f"agent://j{n}.example/j", f"j{n}.example") for n in range(9))

names = st.integers(0, 2)
"""Which of the commitments that are open."""
shapes = st.sampled_from(["whole", MILESTONES, INTERVALS])
methods = st.sampled_from([Method.COUNTERPARTY_CONFIRM, Method.HEALTH_CHECK])
units_of = st.integers(2, 321)
penalties = st.sampled_from([0, 500, 10_000])
parties = st.sampled_from([BUYER, SELLER])
slices = st.integers(0, 2)
shares = st.integers(0, 300)


def parts_of(kind: str, units: int) -> Schedule:
    each, rest = divmod(units, 2)
    parts = (Part("1", each), Part("2", each))
    if kind == INTERVALS:
        return Schedule(kind, parts, rest, True, HOUR, Fraction(9, 10), CHECK, 20)
    return Schedule(kind, parts, rest, False)


def proposed(name: str, shape: str, method: Method, units: int, at_ms: int, bps: int) -> Commitment:
    check = CHECK if method is not Method.COUNTERPARTY_CONFIRM else None
    plain = Obligation(
        "provider", SELLER, "act", at_ms + HOUR, method, name="provider", check=check
    )
    buyer = Obligation("buyer", BUYER, "pay", at_ms + HOUR, Method.ESCROW_RELEASE, name="buyer")
    schedule = None if shape == "whole" else parts_of(shape, units)
    duties = [buyer, plain]
    duties += [
        replace(
            plain,
            role="",
            name=f"part:{part.id}",
            part=part.id,
            measured=shape == INTERVALS,
            method=Method.METRIC_QUERY if shape == INTERVALS else method,
        )
        for part in (schedule.parts if schedule else ())
    ]
    escrow = Escrow(BUYER, SELLER, Money(units, "USD"), "obligation-met", schedule, bps)
    return Commitment(name, BUYER, f"sha256:{name}", tuple(duties), escrow, WINDOW_MS)


def is_live(one: Commitment) -> bool:
    return one.live


def is_proposed(one: Commitment) -> bool:
    return one.state is CommitmentState.PROPOSED


def is_asked(one: Commitment) -> bool:
    return one.live and any(duty.probe for duty in one.obligations)


def is_measured(one: Commitment) -> bool:
    return one.live and any(map(_runs, one.obligations))


def _runs(duty: Obligation) -> bool:
    return duty.measured and duty.state is ObligationState.PENDING


def some(wanted: Callable[[Commitment], bool]) -> Callable[[Any], bool]:
    return lambda machine: any(map(wanted, machine.commitments.values()))


def in_phase(phase: Phase) -> Callable[[Any], bool]:
    return lambda machine: any(one.phase is phase for one in machine.disputes.values())


class CommitmentMachine(RuleBasedStateMachine):
    """Rules act on one commitment or on time; the clearing follows after each."""

    @initialize(
        made=st.lists(st.tuples(shapes, methods, units_of, penalties), min_size=3, max_size=3)
    )
    def begin(self, made: list[tuple[str, Method, int, int]]) -> None:
        self.at_ms = 1_000_000
        self.book = empty_book(OUTSIDE, PAYER, PAYEE)
        for who in (PAYER, PAYEE):
            for movement in fund(self.book, f"fund {who.owner}", who, FUNDS):
                self.book = apply(self.book, movement)
        self.commitments: dict[str, Commitment] = {}
        self.disputes: dict[str, Dispute] = {}
        self.terminal: dict[tuple[str, str], tuple[int, int]] = {}
        self.closed = False
        for name, terms in zip(("c1", "c2", "c3"), made, strict=True):
            self.offer(name, *terms)
        for name in ("c1", "c2"):
            self.put(bind(self.commitments[name], self.at_ms))
        self.follow()

    def offer(self, name: str, shape: str, method: Method, units: int, bps: int) -> None:
        """The payer commits; its money is reserved at once."""
        self.put(proposed(name, shape, method, units, self.at_ms, bps))
        self.follow()

    # What the host does after every entry.

    def follow(self) -> None:
        for name, commitment in self.commitments.items():
            self.commitments[name] = self.concluded(commitment)
        while (order := self.next_order()) is not None:
            self.execute(order)

    def concluded(self, commitment: Commitment) -> Commitment:
        released = release(commitment, both_closed=self.closed, at_ms=self.at_ms)
        state = ending(released, both_closed=self.closed, at_ms=self.at_ms)
        return released if state is None else end(released, state)

    def next_order(self) -> Order | None:
        for commitment in self.commitments.values():
            for order in orders(commitment):
                return order
        for one in self.disputes.values():
            escrow = Escrow(one.filer, one.against, Money(one.bond_units, "USD"), "dispute")
            plain = {"units": one.bond_units, "bond": one.id}
            if not one.bond_reserved:
                return Order(OrderKind.RESERVE, one.commitment, escrow, 0, **plain)
            if one.ruling is not None and one.bond_posted is None:
                lost = one.bond_units if one.bond_lost else 0
                return Order(OrderKind.SETTLE, one.commitment, escrow, lost, **plain)
        return None

    def execute(self, order: Order) -> None:
        reservation = f"{order.commitment}/{order.bond}" if order.bond else order.commitment
        if order.kind is OrderKind.RESERVE:
            schedule = order.escrow.schedule
            cut = tuple(Slice(one.id, one.units) for one in schedule.slices) if schedule else ()
            movements = reserve(
                self.book,
                reservation,
                payer=AccountId(order.escrow.payer, "USD"),
                payee=AccountId(order.escrow.payee, "USD"),
                units=order.units,
                slices=cut,
            )
        else:
            key = (reservation, order.slice)
            assert key not in self.terminal, "a slice has one terminal outcome"
            self.terminal[key] = (order.post_units, order.units)
            movements = settle(self.book, reservation, order.post_units, slice_id=order.slice)
        assert movements
        for movement in movements:
            self.book = apply(self.book, movement)
        self.note(order)

    def note(self, order: Order) -> None:
        if order.bond:
            one = self.disputes[order.bond]
            reserved = order.kind is OrderKind.RESERVE
            change = {"bond_reserved": True} if reserved else {"bond_posted": order.post_units}
            self.disputes[order.bond] = replace(one, **change)
            return
        commitment = self.commitments[order.commitment]
        self.commitments[order.commitment] = (
            note_reserved(commitment, self.at_ms)
            if order.kind is OrderKind.RESERVE
            else note_settled(commitment, order.post_units, order.slice)
        )

    def attempt(self, act: Any) -> bool:
        """Do it, or leave everything as it was."""
        before = (dict(self.commitments), dict(self.disputes), self.book, dict(self.terminal))
        try:
            act()
            self.follow()
        except Refused:
            self.commitments, self.disputes, self.book, self.terminal = before
            return False
        return True

    # What may happen.

    @precondition(lambda self: len(self.commitments) < COMMITMENTS_MAX)
    @rule(shape=shapes, method=methods, units=units_of, bps=penalties, binds=st.booleans())
    def commit(self, shape: str, method: Method, units: int, bps: int, binds: bool) -> None:
        name = f"c{len(self.commitments) + 1}"

        def act() -> None:
            self.put(proposed(name, shape, method, units, self.at_ms, bps))
            self.follow()
            if binds:
                self.put(bind(self.commitments[name], self.at_ms))

        if not self.attempt(act):
            assert self.book.accounts[PAYER].available_units < units

    @precondition(some(is_proposed))
    @rule(name=names)
    def accept(self, name: int) -> None:
        one = self.pick(name, is_proposed)
        self.attempt(lambda: self.put(bind(one, self.at_ms)))

    @precondition(some(is_proposed))
    @rule(name=names, state=st.sampled_from(["REJECTED", "WITHDRAWN", "EXPIRED"]))
    def drop(self, name: int, state: str) -> None:
        one = self.pick(name, is_proposed)
        self.attempt(lambda: self.put(end(one, CommitmentState[state])))

    def put(self, commitment: Commitment) -> None:
        self.commitments[commitment.id] = commitment

    def pick(self, place: int, wanted: Callable[[Commitment], bool]) -> Commitment:
        """One of the commitments that are so."""
        found = [one for one in self.commitments.values() if wanted(one)]
        return found[place % len(found)]

    def pick_dispute(self, place: int, phase: Phase) -> Dispute:
        """One of the disputes in a phase."""
        found = [one for one in self.disputes.values() if one.phase is phase]
        return found[place % len(found)]

    @precondition(some(is_live))
    @rule(name=names, party=parties, part=st.sampled_from([None, "1", "2"]))
    def say_done(self, name: int, party: str, part: str | None) -> None:
        one = self.pick(name, is_live)
        self.attempt(lambda: self.put(claim(one, party, self.at_ms, part)))

    @precondition(some(is_live))
    @rule(name=names, party=parties, part=st.sampled_from([None, "1", "2"]))
    def say_yes(self, name: int, party: str, part: str | None) -> None:
        one = self.pick(name, is_live)
        self.attempt(lambda: self.put(confirm(one, party, self.at_ms, part)))

    @precondition(some(is_asked))
    @rule(name=names, status=st.sampled_from([200, 500, None]))
    def answer(self, name: int, status: int | None) -> None:
        one = self.pick(name, is_asked)
        duty = next(duty for duty in one.obligations if duty.probe)
        given = (one, duty.name, duty.probe.value, Reading(status), self.at_ms)
        self.attempt(lambda: self.put(note_reading(*given)))

    @precondition(some(is_measured))
    @rule(name=names, ok=st.integers(0, 20), taken=st.integers(0, 20))
    def measure(self, name: int, ok: int, taken: int) -> None:
        one = self.pick(name, is_measured)
        part = next(duty.part for duty in one.obligations if _runs(duty))
        counted = {"ok": min(ok, taken), "taken": taken, "at_ms": self.at_ms}
        self.attempt(lambda: self.put(note_measured(one, part, **counted)))

    @precondition(some(is_live))
    @rule(name=names, filer=parties, place=slices, seeded=st.booleans())
    def file(self, name: int, filer: str, place: int, seeded: bool) -> None:
        one = self.pick(name, is_live)
        known = f"{one.id}-{'b' if filer == BUYER else 's'}"
        if known in self.disputes:
            return
        slice_id = one.shares[place % len(one.shares)].id

        def act() -> None:
            share = check_disputable(one, slice_id, filer, self.at_ms)
            self.put(dispute(one, slice_id, self.at_ms))
            self.disputes[known] = Dispute(
                known, one.id, one.hash, slice_id, share.units, filer, BUYER, SELLER, "r",
                disputes.bond_units(share.units, 1), self.at_ms, self.at_ms + disputes.EVIDENCE_MS,
                SEEDS if seeded else None, CANDIDATES,
            )  # fmt: skip

        self.attempt(act)

    def change_dispute(self, name: str, act: Any) -> None:
        one = self.disputes.get(name)
        if one is None or one.phase is Phase.RULED:
            return

        def changed() -> None:
            after = act(one, disputed_duties(self.commitments[one.commitment], one.slice))
            self.disputes[name] = after
            if after.ruling is not None:
                commitment = self.commitments[one.commitment]
                self.put(carry_out(commitment, one.slice, after.ruling.to_payee, self.at_ms))

        self.attempt(changed)

    @precondition(in_phase(Phase.EVIDENCE))
    @rule(place=names, party=parties, last=st.booleans())
    def show(self, place: int, party: str, last: bool) -> None:
        def act(one: Dispute, duties: Any) -> Dispute:
            after = disputes.note_evidence(one, party, rests=last, at_ms=self.at_ms)
            rested = disputes.is_rested(after)
            return disputes.end_evidence(after, duties, self.at_ms) if rested else after

        self.change_dispute(self.pick_dispute(place, Phase.EVIDENCE).id, act)

    @precondition(in_phase(Phase.REVEAL))
    @rule(place=names, party=parties)
    def reveal(self, place: int, party: str) -> None:
        self.change_dispute(
            self.pick_dispute(place, Phase.REVEAL).id,
            lambda one, _: disputes.reveal(one, party, SECRETS[party], self.at_ms),
        )

    @precondition(in_phase(Phase.VOTES))
    @rule(place=names, who=st.integers(0, 2), share=shares)
    def vote(self, place: int, who: int, share: int) -> None:
        self.change_dispute(
            self.pick_dispute(place, Phase.VOTES).id,
            lambda one, _: disputes.vote(one, one.arbiters[who], Vote(share, None), self.at_ms),
        )

    @precondition(in_phase(Phase.PERSON))
    @rule(place=names, share=shares)
    def decide(self, place: int, share: int) -> None:
        self.change_dispute(
            self.pick_dispute(place, Phase.PERSON).id,
            lambda one, _: disputes.decide(one, share, 3, self.at_ms),
        )

    @precondition(lambda self: self.disputes)
    @rule()
    def wait_a_day(self) -> None:
        self.wait(90_000_000)

    @rule(ms=st.sampled_from([1, 60_000, HOUR // 4, HOUR // 2]))
    def wait(self, ms: int) -> None:
        """Time passes; timers fire in their order, each when it is due."""
        until_ms = self.at_ms + ms
        for _ in range(64):
            due_ms = self.next_timer()
            if due_ms is None or due_ms > until_ms:
                break
            self.at_ms = max(self.at_ms, due_ms)
            self.fire()
        else:
            raise AssertionError("timers fire for ever")
        self.at_ms = until_ms

    def next_timer(self) -> int | None:
        found = [next_due_ms(one) for one in self.commitments.values()]
        found += [one.due_ms for one in self.disputes.values() if one.phase is not Phase.RULED]
        return min((due for due in found if due is not None), default=None)

    def fire(self) -> None:
        for name, commitment in self.commitments.items():
            self.commitments[name] = pass_time(commitment, self.at_ms)
        for name in tuple(self.disputes):
            self.change_dispute(
                name, lambda one, duties: disputes.pass_time(one, duties, self.at_ms)
            )
        self.follow()

    @rule(ms=st.sampled_from([10_000, HOUR]))
    def away(self, ms: int) -> None:
        """The host was away: everything that ran is moved, nothing fires meanwhile."""
        self.at_ms += ms
        for name, commitment in self.commitments.items():
            self.commitments[name] = extend(commitment, ms)
        for name, one in self.disputes.items():
            self.disputes[name] = disputes.extend(one, ms)
        self.follow()

    @rule()
    def close(self) -> None:
        """Both have closed."""
        pending = any(
            duty.state is ObligationState.PENDING
            for one in self.commitments.values()
            if one.live
            for duty in one.obligations
        )
        if not pending and self.commitments:
            self.closed = True
            self.follow()

    # What must hold.

    @invariant()
    def money_is_conserved(self) -> None:
        accounts = self.book.accounts
        assert sum(one.settled_units for one in accounts.values()) == 0
        assert accounts[PAYER].settled_units + accounts[PAYEE].settled_units == 2 * FUNDS

    @invariant()
    def nobody_is_below_zero(self) -> None:
        for name in (PAYER, PAYEE):
            assert self.book.accounts[name].available_units >= 0

    @invariant()
    def what_is_held_is_what_nothing_has_settled(self) -> None:
        held = sum(one.held_units for one in self.book.accounts.values())
        open_ = 0
        for one in self.commitments.values():
            if one.reserved:
                open_ += sum(share.units for share in one.shares if share.posted is None)
        for one in self.disputes.values():
            open_ += one.bond_units if one.bond_posted is None else 0
        assert held == open_

    @invariant()
    def slices_add_up(self) -> None:
        for one in self.commitments.values():
            assert one.escrow is not None
            assert sum(share.units for share in one.shares) == one.escrow.money.units
            for share in one.shares:
                assert share.posted is None or 0 <= share.posted <= share.units
            is_open = one.live or one.state is CommitmentState.PROPOSED
            if not is_open and one.reserved:
                assert one.posted_units is not None
                assert one.posted_units + one.voided_units == one.escrow.money.units

    @invariant()
    def what_is_over_stays_over(self) -> None:
        for one in self.commitments.values():
            if not one.live and one.bound_ms:
                assert next_due_ms(one) is None
                assert all(duty.state is not ObligationState.DISPUTED for duty in one.obligations)

    @invariant()
    def a_dispute_freezes_its_slice_and_nothing_else(self) -> None:
        for one in self.disputes.values():
            share = self.commitments[one.commitment].share(one.slice)
            assert share is not None
            if one.ruling is None:
                assert share.earned is None
            else:
                assert share.posted == one.ruling.to_payee

    def teardown(self) -> None:
        """Time alone, and answers to what is asked, bring everything to rest."""
        if not hasattr(self, "commitments"):
            return
        for _ in range(12):
            self.wait(400_000_000)
            while any(map(is_asked, self.commitments.values())):
                self.answer(0, 200)
        assert not any(map(is_live, self.commitments.values()))


TestCommitmentMachine = CommitmentMachine.TestCase
TestCommitmentMachine.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)


class Walk:
    """The same rules without Hypothesis, which costs more than they do: many more steps."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(f"walk {seed}")
        self.steps = 0

    def terms(self) -> tuple[str, Method, int, int]:
        pick = self.chance.choice
        return (
            pick(["whole", MILESTONES, INTERVALS]),
            pick([Method.COUNTERPARTY_CONFIRM, Method.HEALTH_CHECK]),
            self.chance.randint(2, 321),
            pick([0, 500, 10_000]),
        )

    def run(self, steps: int) -> CommitmentMachine:
        machine = CommitmentMachine()
        machine.begin([self.terms() for _ in range(3)])
        for _ in range(steps):
            moves = [move for is_possible, move in MOVES if is_possible(machine)]
            self.chance.choice(moves)(machine, self.chance, self)
            check_invariants(machine)
            self.steps += 1
        machine.teardown()
        check_invariants(machine)
        return machine


def check_invariants(machine: CommitmentMachine) -> None:
    machine.money_is_conserved()
    machine.nobody_is_below_zero()
    machine.what_is_held_is_what_nothing_has_settled()
    machine.slices_add_up()
    machine.what_is_over_stays_over()
    machine.a_dispute_freezes_its_slice_and_nothing_else()


Step = Callable[[CommitmentMachine, random.Random, Walk], None]
Possible = Callable[[CommitmentMachine], bool]


def party(chance: random.Random) -> str:
    return chance.choice([BUYER, SELLER])


def part(chance: random.Random) -> str | None:
    return chance.choice([None, "1", "2"])


def always(_machine: CommitmentMachine) -> bool:
    return True


def has_room(machine: CommitmentMachine) -> bool:
    return len(machine.commitments) < COMMITMENTS_MAX


MOVES: list[tuple[Possible, Step]] = [
    (has_room, lambda it, chance, walk: it.commit(*walk.terms(), chance.random() < 0.8)),
    (some(is_proposed), lambda it, chance, _: it.accept(chance.randrange(3))),
    (
        some(is_proposed),
        lambda it, chance, _: it.drop(0, chance.choice(["REJECTED", "WITHDRAWN", "EXPIRED"])),
    ),
    (some(is_live), lambda it, chance, _: it.say_done(chance.randrange(3), SELLER, part(chance))),
    (
        some(is_live),
        lambda it, chance, _: it.say_yes(chance.randrange(3), party(chance), part(chance)),
    ),
    (some(is_asked), lambda it, chance, _: it.answer(0, chance.choice([200, 200, 500, None]))),
    (some(is_measured), lambda it, chance, _: it.measure(0, chance.randint(0, 20), 20)),
    (some(is_measured), lambda it, chance, _: it.measure(0, 20, chance.choice([0, 20]))),
    (
        some(is_live),
        lambda it, chance, _: it.file(
            chance.randrange(3), party(chance), chance.randrange(3), chance.random() < 0.7
        ),
    ),
    *(
        2
        * [
            (
                in_phase(Phase.EVIDENCE),
                lambda it, chance, _: it.show(0, party(chance), chance.random() < 0.5),
            ),
            (in_phase(Phase.REVEAL), lambda it, chance, _: it.reveal(0, party(chance))),
            (
                in_phase(Phase.VOTES),
                lambda it, chance, _: it.vote(0, chance.randrange(3), chance.randint(0, 200)),
            ),
            (in_phase(Phase.PERSON), lambda it, chance, _: it.decide(0, chance.randint(0, 200))),
        ]
    ),
    (always, lambda it, chance, _: it.wait(chance.choice([1, 60_000, HOUR // 4]))),
    (always, lambda it, chance, _: it.wait(chance.choice([HOUR // 2, HOUR, 1]))),
    (
        lambda it: bool(it.disputes),
        lambda it, chance, _: it.wait_a_day() if chance.random() < 0.3 else it.wait(1),
    ),
    (always, lambda it, chance, _: it.away(10_000) if chance.random() < 0.2 else it.wait(1)),
    (always, lambda it, chance, _: it.close() if chance.random() < 0.05 else it.wait(1)),
]

ENDINGS = {"FULFILLED", "BREACHED", "RESOLVED", "REJECTED", "WITHDRAWN", "EXPIRED"}
WHYS = {"timeout", "metric", "unrevealed", "peers", "operator", "record"}


@pytest.mark.slow
def test_a_hundred_thousand_steps_conserve_money_and_meet_every_ending() -> None:
    ended: Counter[str] = Counter()
    ruled: Counter[str] = Counter()
    walk, walks = Walk(7), 0
    while walk.steps < 100_000:
        machine = walk.run(100)
        walks += 1
        ended.update(one.state.name for one in machine.commitments.values())
        ruled.update(one.ruling.why for one in machine.disputes.values() if one.ruling is not None)

    assert walks == 1_000
    assert ended.keys() - {"PROPOSED"} == ENDINGS, ended
    assert ruled.keys() == WHYS, ruled
