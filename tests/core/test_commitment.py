"""Obligations in time, endings, and what the escrow then does (B13), without any protocol.

The same endings are played in real sessions by ``tests/scenarios/asp_escrow.txt``.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.core.commitment import (
    BREACH_GRACE_MS,
    Commitment,
    CommitmentState,
    Escrow,
    Method,
    Obligation,
    ObligationState,
    OrderKind,
    bind,
    claim,
    confirm,
    extend,
    has_pending,
    hold,
    let_go,
    next_due_ms,
    note_reserved,
    pass_time,
)
from treaty.core.settlement import end, ending, note_settled, order, post_units
from treaty.wire.money import Money

BUYER, SELLER = "agent://buyer.example", "agent://seller.example"
PENDING, CLAIMED, KEPT, BREACHED, DISPUTED = ObligationState
WINDOW_MS = 1_000_000
DEADLINE_MS = 5_000_000


def proposed(
    *,
    author: str = BUYER,
    amount: int | None = 18_000,
    buyer: Method | None = Method.ESCROW_RELEASE,
    seller: Method | None = Method.COUNTERPARTY_CONFIRM,
) -> Commitment:
    """A commitment: the buyer pays, the seller delivers; None leaves a duty or the escrow out."""
    duties = [
        Obligation(role, party, "act", DEADLINE_MS, method)
        for role, party, method in (("buyer", BUYER, buyer), ("provider", SELLER, seller))
        if method is not None
    ]
    escrow = (
        None if amount is None else Escrow(BUYER, SELLER, Money(amount, "USD"), "obligation-met")
    )
    return Commitment("c", author, "sha256:0", tuple(duties), escrow, WINDOW_MS)


def bound(at_ms: int = 1_000, **kinds: Method | int | str | None) -> Commitment:
    """The same, accepted and reserved."""
    commitment = bind(proposed(**kinds), at_ms)  # type: ignore[arg-type]
    return note_reserved(commitment, at_ms) if commitment.escrow else commitment


def states(commitment: Commitment) -> tuple[str, ...]:
    return tuple(duty.state.value for duty in commitment.obligations)


def test_a_proposed_commitment_waits_for_nothing() -> None:
    commitment = proposed()

    assert not commitment.live
    assert next_due_ms(commitment) is None
    assert pass_time(commitment, 10**12) == commitment
    assert ending(commitment, both_closed=True, at_ms=10**12, consent=True) is None
    assert extend(commitment, 5) == hold(commitment, SELLER, 5) == commitment


def test_binding_starts_the_deadlines() -> None:
    commitment = bound(1_000)

    assert commitment.live
    assert commitment.bound_ms == 1_000
    assert next_due_ms(commitment) == DEADLINE_MS + BREACH_GRACE_MS == DEADLINE_MS + 60_000


@pytest.mark.parametrize("first", ["bind", "reserve"])
def test_an_escrow_duty_is_kept_once_it_is_bound_and_reserved(first: str) -> None:
    half = bind(proposed(), 1_000) if first == "bind" else note_reserved(proposed(), 1_000)
    assert states(half) == ("PENDING", "PENDING")
    whole = note_reserved(half, 2_000) if first == "bind" else bind(half, 2_000)

    assert states(whole) == ("KEPT", "PENDING")
    assert whole.obligations[0].since_ms == 2_000
    assert whole.reserved


def test_a_claim_is_for_ones_own_pending_duties() -> None:
    commitment = bound(buyer=Method.COUNTERPARTY_CONFIRM)

    assert states(claim(commitment, SELLER, 2_000)) == ("PENDING", "CLAIMED")
    assert states(claim(commitment, BUYER, 2_000)) == ("CLAIMED", "PENDING")
    assert claim(commitment, "agent://other.example", 2_000) == commitment
    breached = pass_time(commitment, DEADLINE_MS + 60_000)
    assert claim(breached, SELLER, 9_000_000) == breached


def test_a_confirmation_is_for_the_others_claims() -> None:
    claimed = claim(bound(), SELLER, 2_000)

    assert states(confirm(claimed, BUYER, 3_000)) == ("KEPT", "KEPT")
    assert confirm(claimed, SELLER, 3_000) == claimed
    assert confirm(bound(), BUYER, 3_000) == bound()


def test_a_duty_is_breached_a_minute_after_its_deadline_and_not_before() -> None:
    commitment = bound()
    due_ms = DEADLINE_MS + 60_000

    assert pass_time(commitment, due_ms - 1) == commitment
    assert states(pass_time(commitment, due_ms)) == ("KEPT", "BREACHED")


def test_silence_keeps_a_claim_at_the_end_of_its_window_and_not_before() -> None:
    claimed = claim(bound(), SELLER, 2_000)

    assert next_due_ms(claimed) == 2_000 + WINDOW_MS
    assert pass_time(claimed, 2_000 + WINDOW_MS - 1) == claimed
    assert states(pass_time(claimed, 2_000 + WINDOW_MS)) == ("KEPT", "KEPT")


def test_the_window_runs_from_the_claim_also_when_it_was_confirmed_later() -> None:
    confirmed = confirm(claim(bound(), SELLER, 2_000), BUYER, 500_000)

    assert next_due_ms(confirmed) == 2_000 + WINDOW_MS


def test_silence_ends_a_commitment_at_once() -> None:
    at_ms = 2_000 + WINDOW_MS
    kept = pass_time(claim(bound(), SELLER, 2_000), at_ms)

    assert ending(kept, both_closed=False, at_ms=at_ms) is CommitmentState.FULFILLED


def test_the_window_of_a_breach_runs_from_the_breach() -> None:
    late_ms = DEADLINE_MS + 70_000
    breached = pass_time(bound(), late_ms)

    assert next_due_ms(breached) == late_ms + WINDOW_MS
    assert ending(breached, both_closed=True, at_ms=late_ms + WINDOW_MS - 1) is None
    assert (
        ending(breached, both_closed=False, at_ms=late_ms + WINDOW_MS) is CommitmentState.BREACHED
    )


def test_the_last_window_decides_when_several_run() -> None:
    commitment = bound(buyer=Method.COUNTERPARTY_CONFIRM)
    duties = commitment.obligations
    later = replace(duties[1], deadline_ms=DEADLINE_MS + 100_000, due_ms=DEADLINE_MS + 160_000)
    commitment = replace(commitment, obligations=(duties[0], later))
    first = pass_time(commitment, DEADLINE_MS + 60_000)

    assert states(first) == ("BREACHED", "PENDING")
    assert next_due_ms(first) == DEADLINE_MS + 160_000
    both = pass_time(first, DEADLINE_MS + 160_000)
    assert states(both) == ("BREACHED", "BREACHED")
    assert next_due_ms(both) == DEADLINE_MS + 160_000 + WINDOW_MS


def test_a_past_window_does_not_fire_while_another_duty_is_open() -> None:
    """The breach of one duty is over long before the other's deadline: no timer in between."""
    commitment = bound(buyer=Method.COUNTERPARTY_CONFIRM)
    far = replace(commitment.obligations[1], due_ms=9 * WINDOW_MS + DEADLINE_MS)
    commitment = pass_time(
        replace(commitment, obligations=(commitment.obligations[0], far)), DEADLINE_MS + 60_000
    )

    assert next_due_ms(commitment) == far.due_ms
    assert pass_time(commitment, far.due_ms - 1) == commitment


def test_passing_time_twice_changes_nothing_more() -> None:
    once = pass_time(bound(), DEADLINE_MS + 60_000)

    assert pass_time(once, DEADLINE_MS + 60_001) == once


def test_both_closes_stand_in_for_the_window_of_what_was_kept() -> None:
    kept = confirm(claim(bound(), SELLER, 2_000), BUYER, 3_000)

    assert ending(kept, both_closed=False, at_ms=3_000) is None
    assert ending(kept, both_closed=True, at_ms=3_000) is CommitmentState.FULFILLED


@pytest.mark.parametrize("both_closed", [True, False])
def test_a_claim_alone_ends_nothing(both_closed: bool) -> None:
    claimed = claim(bound(), SELLER, 2_000)

    assert ending(claimed, both_closed=both_closed, at_ms=3_000) is None


@pytest.mark.parametrize("made", [bound(), claim(bound(), SELLER, 2_000)])
def test_consent_ends_what_is_not_fulfilled(made: Commitment) -> None:
    assert ending(made, both_closed=False, at_ms=3_000, consent=True) is CommitmentState.ENDED


def test_without_duties_the_window_runs_from_the_binding() -> None:
    bare = bound(buyer=None, seller=None)

    assert next_due_ms(bare) == 1_000 + WINDOW_MS
    assert ending(bare, both_closed=False, at_ms=1_000 + WINDOW_MS) is CommitmentState.FULFILLED


def test_has_pending_asks_for_one_party() -> None:
    assert has_pending(bound(), SELLER)
    assert not has_pending(bound(), BUYER)
    assert not has_pending(claim(bound(), SELLER, 2_000), SELLER)


def test_an_outage_moves_everything_that_runs() -> None:
    moved = extend(bound(), 7)
    assert next_due_ms(moved) == DEADLINE_MS + 60_007
    claimed = extend(claim(bound(), SELLER, 2_000), 7)
    assert next_due_ms(claimed) == 2_007 + WINDOW_MS
    assert next_due_ms(extend(confirm(claimed, BUYER, 3_000), 7)) == 2_014 + WINDOW_MS


def test_a_claim_after_an_outage_has_its_plain_window() -> None:
    assert next_due_ms(claim(extend(bound(), 7), SELLER, 2_000)) == 2_000 + WINDOW_MS


def test_one_partys_open_duties_can_be_held_alone_and_let_go() -> None:
    commitment = bound(buyer=Method.COUNTERPARTY_CONFIRM)
    moved = hold(commitment, SELLER, 9)

    assert [duty.due_ms for duty in moved.obligations] == [
        DEADLINE_MS + 60_000,
        DEADLINE_MS + 60_009,
    ]
    assert let_go(moved, SELLER, 9) == commitment
    assert hold(moved, SELLER, 9) == moved
    assert let_go(commitment, SELLER, 9) == commitment


def test_a_claim_under_a_hold_keeps_its_window_and_its_deadline_is_put_right() -> None:
    commitment = claim(hold(bound(), SELLER, 100), SELLER, 2_000)
    (duty,) = [one for one in commitment.obligations if one.party == SELLER]
    (freed,) = [one for one in let_go(commitment, SELLER, 70).obligations if one.party == SELLER]

    assert freed.due_ms == duty.due_ms == 2_000 + WINDOW_MS
    assert freed.resume_ms == DEADLINE_MS + 60_030


def test_a_hold_stops_at_what_was_decided_and_at_the_other_party() -> None:
    kept = confirm(claim(bound(), SELLER, 2_000), BUYER, 3_000)
    assert hold(kept, SELLER, 9) == kept
    pending = bound(buyer=Method.COUNTERPARTY_CONFIRM)
    assert let_go(hold(pending, BUYER, 9), SELLER, 9) == hold(pending, BUYER, 9)


def ended(commitment: Commitment, state: CommitmentState) -> Commitment:
    return end(commitment, state)


@pytest.mark.parametrize(("author", "kind"), [(BUYER, OrderKind.RESERVE), (SELLER, None)])
def test_money_is_reserved_only_on_the_payers_own_proposal(
    author: str, kind: OrderKind | None
) -> None:
    found = order(proposed(author=author))

    assert (found.kind if found else None) == kind
    accepted = order(bind(proposed(author=author), 1_000))
    assert accepted is not None
    assert accepted.kind is OrderKind.RESERVE


def test_a_reservation_is_ordered_once() -> None:
    assert order(note_reserved(proposed(), 1_000)) is None
    assert order(bound()) is None


@pytest.mark.parametrize("state", list(CommitmentState))
def test_without_escrow_nothing_is_ordered(state: CommitmentState) -> None:
    assert order(ended(bound(amount=None), state)) is None
    assert post_units(ended(bound(amount=None), state)) == 0


# State, the provider's duty, the buyer's duty -> what is posted of 18,000 (B13, top to bottom).
SETTLEMENTS = [
    ("REJECTED", "PENDING", "PENDING", 0),
    ("WITHDRAWN", "PENDING", "PENDING", 0),
    ("EXPIRED", "PENDING", "PENDING", 0),
    ("REJECTED", "KEPT", "KEPT", 0),
    ("FULFILLED", "KEPT", "KEPT", 18_000),
    ("BREACHED", "KEPT", "BREACHED", 18_000),
    ("BREACHED", "BREACHED", "KEPT", 0),
    ("BREACHED", "BREACHED", "BREACHED", 0),
    ("ENDED", "KEPT", "KEPT", 18_000),
    ("ENDED", "KEPT", "PENDING", 18_000),
    ("ENDED", "CLAIMED", "KEPT", 0),
    ("ENDED", "PENDING", "KEPT", 0),
    ("ENDED", "BREACHED", "KEPT", 0),
]


@pytest.mark.parametrize(("state", "provider", "buyer", "posted"), SETTLEMENTS)
def test_what_an_ending_pays(state: str, provider: str, buyer: str, posted: int) -> None:
    commitment = note_reserved(proposed(), 1_000)
    duties = tuple(
        replace(duty, state=ObligationState(found))
        for duty, found in zip(commitment.obligations, (buyer, provider), strict=True)
    )
    settled = end(replace(commitment, obligations=duties), CommitmentState[state])
    found = order(settled)

    assert found is not None
    assert (found.kind, found.post_units) == (OrderKind.SETTLE, posted)
    assert order(note_settled(settled, posted)) is None


@pytest.mark.parametrize("state", ["REJECTED", "WITHDRAWN", "EXPIRED"])
def test_what_was_never_reserved_is_not_settled(state: str) -> None:
    assert order(end(proposed(), CommitmentState[state])) is None


@pytest.mark.parametrize(
    ("state", "posted"), [("FULFILLED", 18_000), ("BREACHED", 18_000), ("ENDED", 0)]
)
def test_where_the_payee_owes_nothing(state: str, posted: int) -> None:
    assert post_units(end(bound(seller=None), CommitmentState[state])) == posted


ACTS = st.sampled_from(["claim buyer", "claim seller", "confirm buyer", "confirm seller", "time",
                        "outage", "hold", "both"])  # fmt: skip


@given(
    st.lists(st.tuples(ACTS, st.integers(0, 3 * WINDOW_MS)), max_size=12),
    st.sampled_from([Method.ESCROW_RELEASE, Method.COUNTERPARTY_CONFIRM]),
)
def test_time_decides_every_duty_and_ends_every_commitment(
    acts: list[tuple[str, int]], method: Method
) -> None:
    commitment, at_ms = bound(buyer=method), 1_000
    for act, wait_ms in acts:
        at_ms += wait_ms
        before = commitment
        match act.split():
            case ["claim", who]:
                commitment = claim(commitment, BUYER if who == "buyer" else SELLER, at_ms)
            case ["confirm", who]:
                commitment = confirm(commitment, BUYER if who == "buyer" else SELLER, at_ms)
            case ["outage"]:
                commitment = extend(commitment, wait_ms)
            case ["hold"]:
                commitment = hold(let_go(commitment, SELLER, 0), SELLER, wait_ms)
            case _:
                commitment = pass_time(commitment, at_ms)
        for old, new in itertools.zip_longest(before.obligations, commitment.obligations):
            assert (old.state, new.state) in ALLOWED
    for _ in range(4):
        due_ms = next_due_ms(commitment)
        assert due_ms is not None
        at_ms = max(at_ms, due_ms)
        commitment = pass_time(commitment, at_ms)
        state = ending(commitment, both_closed=False, at_ms=at_ms)
        if state is not None:
            break

    assert state in (CommitmentState.FULFILLED, CommitmentState.BREACHED)
    assert (state is CommitmentState.BREACHED) == ("BREACHED" in states(commitment))


ALLOWED = {(one, one) for one in ObligationState} | {
    (PENDING, CLAIMED),
    (CLAIMED, KEPT),
    (PENDING, BREACHED),
}
