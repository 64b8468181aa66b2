"""How a buyer answers quotes: section 3.4's tables, its own limits, the frame it was given."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.dialects.actp import budget
from treaty.dialects.actp.buying import (
    UNDECIDED,
    AcceptFigures,
    BuyerHookContext,
    BuyerMove,
    BuyerPolicy,
    BuyerState,
    BuyerStrategy,
    Move,
    QuoteFigures,
    Why,
    after_counter,
    after_end,
    after_quote,
    counter_price,
    decide_on_accept,
    decide_on_quote,
    decide_on_time,
    judge_move,
)
from treaty.errors import MisuseError, Refused

MIDPOINT, UNDERCUT, WALK = BuyerStrategy.MIDPOINT, BuyerStrategy.UNDERCUT, BuyerStrategy.WALK
NOW_MS = 1_700_000_000_000
LATER_S = NOW_MS // 1_000 + 900
ROOM = 100_000_000
SELLER, OTHER = "0x" + "b" * 40, "0x" + "c" * 40

POLICY = BuyerPolicy(
    2_000_000, 100_000_000, target_units=800_000, strategy=MIDPOINT, rounds_per_provider=3
)


def quote(units, most=2_000_000, name="q1", **more):
    return QuoteFigures(
        **{
            "provider": SELLER,
            "quoted_units": units,
            "max_price_units": most,
            "quote_hash": name,
            "expires_at_s": LATER_S,
            **more,
        }
    )


def answer(policy, state, offered, room=ROOM):
    move = decide_on_quote(policy, state, offered, NOW_MS, room_units=room)
    return move.move, move.units


def countered(policy, state, offered, units, name="c1"):
    return after_counter(policy, after_quote(state, offered), units, name, NOW_MS)


FRESH = BuyerState()


@pytest.mark.parametrize(
    ("strategy", "target", "rounds", "units", "expected"),
    [
        (MIDPOINT, 800_000, 3, 1_500_000, (Move.COUNTER, 1_150_000)),
        (UNDERCUT, 800_000, 3, 1_500_000, (Move.COUNTER, 800_000)),
        (WALK, 800_000, 3, 1_500_000, (Move.WALK, None)),
        (MIDPOINT, 800_000, 3, 800_000, (Move.ACCEPT, 800_000)),
        (UNDERCUT, 10_000, 3, 60_000, (Move.COUNTER, 50_000)),
        (UNDERCUT, 10_000, 3, 50_000, (Move.ACCEPT, 50_000)),
        (WALK, None, 1, 1_500_000, (Move.ACCEPT, 1_500_000)),
        (MIDPOINT, None, 3, 1_000_000, (Move.ACCEPT, 1_000_000)),
        (MIDPOINT, None, 3, 1_000_001, (Move.COUNTER, 1_000_000)),
        (MIDPOINT, 800_000, 1, 2_000_000, (Move.ACCEPT, 2_000_000)),
    ],
)
def test_the_table_of_answers_to_a_first_quote(strategy, target, rounds, units, expected):
    policy = replace(POLICY, target_units=target, strategy=strategy, rounds_per_provider=rounds)

    assert answer(policy, FRESH, quote(units)) == expected


def test_three_rounds_at_the_midpoint():
    first, second = quote(1_500_000), quote(1_150_000, name="q2")
    state = countered(POLICY, FRESH, first, 1_150_000)

    assert answer(POLICY, state, second) == (Move.COUNTER, 975_000)
    state = countered(POLICY, state, second, 975_000, "c2")
    assert answer(POLICY, state, quote(1_150_000, name="q3")) == (Move.ACCEPT, 1_150_000)


def test_a_final_offer_is_taken_or_left():
    assert answer(POLICY, FRESH, quote(1_500_000, is_final=True)) == (Move.ACCEPT, 1_500_000)
    dear = quote(2_000_001, 3_000_000, is_final=True)
    assert answer(POLICY, FRESH, dear) == (Move.WALK, None)


def test_the_ceiling_of_a_quote_is_not_the_buyers():
    """W3: $95 was committed under a policy of $10, because the quote said maxPrice $99."""
    policy = BuyerPolicy(10_000_000, 100_000_000)

    for units, most in ((95_000_000, 99_000_000), (950_000_000, 990_000_000)):
        move = decide_on_quote(policy, FRESH, quote(units, most), NOW_MS, room_units=ROOM)
        assert move == BuyerMove(Move.WALK, Why.TOO_DEAR)


def test_the_day_is_not_spent_twice():
    """W3, second half: $950 was committed with the ledger at zero."""
    policy = BuyerPolicy(90_000_000, 100_000_000)
    book = budget.EMPTY
    taken = []
    for key in ("tx1", "tx2"):
        room = budget.room(book, policy.daily_units, key, NOW_MS)
        offered = quote(80_000_000, 99_000_000)
        move = decide_on_quote(policy, FRESH, offered, NOW_MS, room_units=room)
        if move.move is Move.ACCEPT:
            entries = budget.reserve(book, policy.daily_units, key, move.units, NOW_MS)
            book = budget.fold(entries, book)
        taken.append(move.move)

    assert taken == [Move.ACCEPT, Move.WALK]
    with pytest.raises(Refused) as refusal:
        budget.reserve(book, policy.daily_units, "tx2", 80_000_000, NOW_MS)
    assert refusal.value.code == "budget_exceeded"


def test_above_its_own_ceiling_a_buyer_haggles_but_does_not_pay():
    dear = quote(2_500_000, 3_000_000)

    assert answer(POLICY, FRESH, dear) == (Move.COUNTER, 1_650_000)
    assert answer(POLICY, FRESH, quote(9_000_000, 9_000_000)) == (Move.COUNTER, 2_000_000)
    last = replace(POLICY, rounds_per_provider=1)
    assert answer(last, FRESH, dear) == (Move.WALK, None)


def test_what_the_budget_leaves_is_a_limit_too():
    assert answer(POLICY, FRESH, quote(1_500_000), room=900_000) == (Move.COUNTER, 900_000)
    assert answer(POLICY, FRESH, quote(700_000), room=699_999) == (Move.COUNTER, 699_999)
    assert answer(POLICY, FRESH, quote(1_500_000), room=49_999) == (Move.WALK, None)


def test_the_first_quote_is_the_anchored_one():
    state = BuyerState(anchor="q1")

    assert answer(POLICY, state, quote(1_500_000))[0] is Move.COUNTER
    forged = decide_on_quote(POLICY, state, quote(60_000, name="q9"), NOW_MS, room_units=ROOM)
    assert forged == BuyerMove(Move.CANCEL, Why.NOT_ANCHORED)
    later = countered(POLICY, state, quote(1_500_000), 1_150_000)
    assert answer(POLICY, later, quote(1_200_000, name="q2"))[0] is Move.COUNTER


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"max_price_units": 2_000_001}, Why.MAX_PRICE_CHANGED),
        ({"max_price_units": 1_999_999}, Why.MAX_PRICE_CHANGED),
        ({"provider": OTHER}, Why.OTHER_PROVIDER),
        ({"quoted_units": 1_500_001}, Why.RAISED),
        ({"quoted_units": 2_000_001}, Why.BEYOND_MAX_PRICE),
    ],
)
def test_a_requote_that_leaves_the_frame_cancels(change, why):
    state = countered(POLICY, FRESH, quote(1_500_000), 1_150_000)
    second = replace(quote(1_200_000, name="q2"), **change)

    move = decide_on_quote(POLICY, state, second, NOW_MS, room_units=ROOM)
    assert move == BuyerMove(Move.CANCEL, why)


def test_a_first_quote_names_no_more_than_was_asked_and_comes_from_whom_was_asked():
    """Attack 6: the raised maxPrice also in the first quote."""
    state = BuyerState(provider=SELLER, asked_max_price_units=1_800_000)

    assert answer(POLICY, state, quote(1_500_000, 1_800_000))[0] is Move.COUNTER
    assert answer(POLICY, state, quote(1_500_000, 1_800_001))[0] is Move.CANCEL
    assert answer(POLICY, state, quote(700_000, 1_800_000, provider=OTHER))[0] is Move.CANCEL


def test_an_expired_quote_a_passed_deadline_and_an_ended_negotiation():
    expired = quote(700_000, expires_at_s=NOW_MS // 1_000)
    late = BuyerState(deadline_ms=NOW_MS)

    assert answer(POLICY, FRESH, expired) == (Move.WALK, None)
    assert answer(POLICY, late, quote(700_000)) == (Move.CANCEL, None)
    assert answer(POLICY, after_end(FRESH), quote(700_000)) == (Move.WAIT, None)


def test_the_same_quote_twice_is_one_round():
    state = countered(POLICY, FRESH, quote(1_500_000), 1_150_000)

    assert answer(POLICY, state, quote(1_500_000)) == (Move.WAIT, None)


WAITING = countered(POLICY, FRESH, quote(1_500_000), 1_150_000)
ACCEPT = AcceptFigures(SELLER, 1_150_000, "c1")


def test_an_acceptance_of_our_counter_is_an_agreement_at_its_price():
    move = decide_on_accept(WAITING, ACCEPT, NOW_MS)

    assert move == BuyerMove(Move.ACCEPT, Why.AGREED, 1_150_000)


@pytest.mark.parametrize(
    "change",
    [
        {"accepted_units": 1_150_001},
        {"accepted_units": 1_149_999},
        {"in_reply_to": "c0"},
        {"provider": OTHER},
    ],
)
def test_a_forged_acceptance_neither_binds_nor_ends(change):
    """Attack 1."""
    assert decide_on_accept(WAITING, replace(ACCEPT, **change), NOW_MS).move is Move.WAIT


def test_an_acceptance_counts_only_while_its_counter_stands():
    requoted = after_quote(WAITING, quote(1_200_000, name="q2"))

    assert decide_on_accept(FRESH, ACCEPT, NOW_MS).move is Move.WAIT
    assert decide_on_accept(requoted, ACCEPT, NOW_MS).move is Move.WAIT
    assert decide_on_accept(after_end(WAITING), ACCEPT, NOW_MS).reason is Why.OVER
    late = replace(WAITING, deadline_ms=NOW_MS)
    assert decide_on_accept(late, ACCEPT, NOW_MS).move is Move.CANCEL


def test_waiting_ends_with_the_answer_time_or_the_deadline():
    until = NOW_MS + 900_000

    assert WAITING.waits_until_ms == until
    assert decide_on_time(WAITING, until - 1) is None
    assert decide_on_time(WAITING, until) == BuyerMove(Move.CANCEL, Why.NO_ANSWER)
    assert decide_on_time(after_end(WAITING), until) is None
    dated = replace(WAITING, deadline_ms=NOW_MS + 5)
    assert decide_on_time(dated, NOW_MS + 5) == BuyerMove(Move.CANCEL, Why.DEADLINE)
    assert decide_on_time(after_quote(WAITING, quote(1_200_000)), until) is None


def test_reasons_show_no_figure():
    assert not any(letter.isdigit() for why in Why for letter in why)


def test_a_policy_and_a_hooks_context_print_no_private_figure():
    policy = BuyerPolicy(2_034_567, 99_034_567, target_units=834_567)
    shown = repr(BuyerHookContext(policy, FRESH, quote(1), 5, UNDECIDED))

    assert "34567" not in shown


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ceiling_units", 49_999),
        ("ceiling_units", 2_000_000.0),
        ("ceiling_units", True),
        ("daily_units", -1),
        ("target_units", 0),
        ("target_units", 2_000_001),
        ("rounds_per_provider", 0),
        ("response_ttl_s", 86_401),
        ("public_max_price_units", 1),
        ("strategy", "midpoint"),
    ],
)
def test_an_unlawful_policy_cannot_be_made(field, value):
    with pytest.raises(MisuseError) as error:
        replace(POLICY, **{field: value})

    assert error.value.data["field"] == field
    assert "2000000" not in str(error.value)


def test_the_target_is_half_the_ceiling_unless_given():
    assert BuyerPolicy(2_000_001, 1).aim_units == 1_000_000
    assert POLICY.aim_units == 800_000


def judged(proposed, offered=None, state=FRESH, policy=POLICY):
    offered = offered or quote(1_500_000)
    return judge_move(policy, state, offered, NOW_MS, room_units=ROOM, proposed=proposed)


def test_a_hook_decides_within_the_bounds():
    def propose(move, units=None):
        decided = judged(BuyerMove(move, Why.HOOK, units))
        return decided.move, decided.units

    assert propose(Move.ACCEPT) == (Move.ACCEPT, 1_500_000)
    assert propose(Move.COUNTER, 900_000) == (Move.COUNTER, 900_000)
    assert propose(Move.WALK) == (Move.WALK, None)
    assert propose(Move.CANCEL) == (Move.CANCEL, None)
    assert judged(None).units == 1_150_000


@pytest.mark.parametrize(
    "proposed",
    [
        BuyerMove(Move.ACCEPT, Why.HOOK, 1_400_000),
        BuyerMove(Move.COUNTER, Why.HOOK),
        BuyerMove(Move.COUNTER, Why.HOOK, 1_500_000),
        BuyerMove(Move.COUNTER, Why.HOOK, 49_999),
        BuyerMove(Move.COUNTER, Why.HOOK, True),
        BuyerMove(Move.WAIT, Why.HOOK),
        "accept",
        {"move": "accept"},
    ],
)
def test_a_hook_that_breaks_a_rule_walks(proposed):
    assert judged(proposed) is UNDECIDED


def test_a_hook_cannot_pay_above_the_limit_nor_leave_the_frame():
    dear = quote(2_000_001, 3_000_000)

    assert judged(BuyerMove(Move.ACCEPT, Why.HOOK), dear).reason is Why.TOO_DEAR
    over = BuyerMove(Move.COUNTER, Why.HOOK, 2_000_001)
    assert judged(over, quote(2_500_000, 3_000_000)) is UNDECIDED
    one = replace(POLICY, rounds_per_provider=1)
    assert judged(BuyerMove(Move.COUNTER, Why.HOOK, 900_000), policy=one) is UNDECIDED
    foreign = replace(quote(700_000), provider=OTHER)
    state = BuyerState(provider=SELLER)
    assert judged(BuyerMove(Move.ACCEPT, Why.HOOK), foreign, state).move is Move.CANCEL


policies = st.builds(
    BuyerPolicy,
    ceiling_units=st.integers(100_000, 3_000_000),
    daily_units=st.integers(0, 9_000_000),
    target_units=st.none() | st.integers(1, 100_000),
    strategy=st.sampled_from(BuyerStrategy),
    rounds_per_provider=st.integers(1, 5),
)
hooks = st.none() | st.builds(
    BuyerMove, st.sampled_from(Move), st.just(Why.HOOK), st.none() | st.integers(0, 4_000_000)
)


@given(
    policies,
    st.integers(0, 4_000_000),
    st.lists(st.tuples(st.integers(50_000, 4_000_000), hooks), min_size=1, max_size=6),
)
def test_no_sequence_of_quotes_makes_a_buyer_pay_more_than_its_limits(policy, room, offers):
    state, counters = FRESH, 0
    for number, (units, proposed) in enumerate(offers):
        offered = quote(units, 4_000_000, name=f"q{number}")
        move = judge_move(policy, state, offered, NOW_MS, room_units=room, proposed=proposed)
        if move.move in (Move.ACCEPT, Move.COUNTER):
            assert move.units <= min(policy.ceiling_units, room, units)
        if move.move is not Move.COUNTER:
            break
        assert 50_000 <= move.units < units
        counters += 1
        state = countered(policy, state, offered, move.units, f"c{number}")
    assert counters <= policy.rounds_per_provider - 1


@given(st.integers(50_000, 4_000_000), st.integers(1, 4_000_000))
def test_no_counter_price_is_below_the_platforms_minimum(units, aim):
    assert counter_price(UNDERCUT, units, aim) == max(50_000, aim)
    assert counter_price(MIDPOINT, units, aim) == max(50_000, (units + aim) // 2)
