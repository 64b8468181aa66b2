"""What a provider answers: the worked tables of section 3, and what no counter can learn."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.dialects.actp.decision import (
    UNDECIDED,
    Action,
    CounterContext,
    HookContext,
    Position,
    Proposal,
    QuoteAsk,
    QuoteDecision,
    Words,
    advance,
    decide_counter,
    decide_quote,
    judge,
    next_quote,
)
from treaty.dialects.actp.policy import ProviderPolicy, Semantics, Strategy

CONCEDE, WALK = Strategy.CONCEDE, Strategy.WALK
CANONICAL = Semantics.CANONICAL
POLICY = ProviderPolicy(500_000, 1_000_000, hard_cap_units=10_000_000)
NOW_MS = 1_700_000_000_000
NOW_S = NOW_MS // 1_000
BOTH = pytest.mark.parametrize("semantics", list(Semantics))


def counter(units, last=None, used=0, most=2_000_000, **more):
    return CounterContext(units, 1_500_000, most, last, used, **more)


def answer(policy, context):
    verdict = decide_counter(policy, context)
    return verdict.action.value, verdict.recommended_units


@pytest.mark.parametrize(
    ("strategy", "pct", "units", "last", "used", "expected"),
    [
        (WALK, 30, 499_999, None, 0, ("REJECT", None)),
        (WALK, 30, 500_000, None, 0, ("REJECT", None)),
        (WALK, 30, 999_999, None, 0, ("REJECT", None)),
        (WALK, 30, 1_000_000, None, 0, ("ACCEPT", 1_000_000)),
        (CONCEDE, 30, 600_000, None, 0, ("COUNTER", 850_000)),
        (CONCEDE, 30, 849_999, None, 0, ("COUNTER", 850_000)),
        (CONCEDE, 30, 850_000, None, 0, ("ACCEPT", 850_000)),
        (CONCEDE, 30, 600_000, 850_000, 1, ("COUNTER", 745_000)),
        (CONCEDE, 30, 744_999, 850_000, 1, ("COUNTER", 745_000)),
        (CONCEDE, 30, 745_000, 850_000, 1, ("ACCEPT", 745_000)),
        (CONCEDE, 30, 600_000, 745_000, 2, ("REJECT", None)),
        (CONCEDE, 33, 600_000, 999_999, 0, ("COUNTER", 835_000)),
        (CONCEDE, 99, 500_000, None, 0, ("COUNTER", 505_000)),
        (CONCEDE, 99, 600_000, None, 0, ("ACCEPT", 600_000)),
        (CONCEDE, 30, 600_000, 400_000, 0, ("ACCEPT", 600_000)),
        # Hardened (9.5): the daemon would reject the first of these and tell the floor by it.
        (CONCEDE, 30, 499_999, None, 0, ("COUNTER", 850_000)),
        (CONCEDE, 30, 50_000, 850_000, 1, ("COUNTER", 745_000)),
        (CONCEDE, 30, 499_999, 745_000, 2, ("REJECT", None)),
        (CONCEDE, 30, 499_999, 400_000, 0, ("REJECT", None)),
        (CONCEDE, 30, 1_100_000, None, 0, ("ACCEPT", 1_100_000)),
        (CONCEDE, 30, 1_200_000, 1_400_000, 2, ("ACCEPT", 1_200_000)),
        (CONCEDE, 30, 10_000_001, None, 0, ("REJECT", None)),
    ],
)
def test_the_daemons_table(strategy, pct, units, last, used, expected):
    policy = replace(POLICY, strategy=strategy, concede_pct=pct)

    assert answer(policy, counter(units, last, used)) == expected


@pytest.mark.parametrize(
    ("strategy", "pct", "units", "last", "used", "expected"),
    [
        (WALK, 30, 500_000, 1_000_000, 0, ("ACCEPT", 500_000)),
        (WALK, 30, 600_000, 1_000_000, 0, ("ACCEPT", 600_000)),
        (WALK, 30, 499_999, 1_000_000, 0, ("REJECT", None)),
        (CONCEDE, 30, 300_000, 1_000_000, 0, ("COUNTER", 850_000)),
        (CONCEDE, 30, 300_000, 850_000, 1, ("COUNTER", 745_000)),
        (CONCEDE, 30, 300_000, 745_000, 2, ("REJECT", None)),
        (CONCEDE, 99, 300_000, 1_000_000, 0, ("COUNTER", 505_000)),
        (CONCEDE, 1, 300_000, 1_000_000, 0, ("COUNTER", 995_000)),
        (CONCEDE, 30, 300_000, 500_000, 0, ("REJECT", None)),
        (CONCEDE, 30, 300_000, 450_000, 0, ("REJECT", None)),
        (CONCEDE, 30, 10_000_001, None, 0, ("REJECT", None)),
    ],
)
def test_the_canonical_engines_table(strategy, pct, units, last, used, expected):
    policy = replace(POLICY, strategy=strategy, concede_pct=pct, semantics=CANONICAL)

    assert answer(policy, counter(units, last, used)) == expected


@pytest.mark.parametrize(("pct", "units"), [(150, 505_000), (0, 995_000), (30, 850_000)])
def test_a_share_is_clamped_to_1_to_99(pct, units):
    assert next_quote(1_000_000, 500_000, pct) == units


def test_the_two_semantics_diverge_where_the_peers_two_engines_do():
    walking = replace(POLICY, strategy=WALK)

    assert answer(walking, counter(600_000))[0] == "REJECT"
    assert answer(replace(walking, semantics=CANONICAL), counter(600_000))[0] == "ACCEPT"


@pytest.mark.parametrize(
    ("amount", "most", "expected"),
    [
        (50_000, 2_000_000, 1_000_000),
        (50_000, 800_000, 800_000),
        (50_000, 500_000, 500_000),
        (50_000, 499_999, None),
        (1_200_000, 2_000_000, 1_200_000),
        (2_000_000, 2_000_000, 2_000_000),
        (2_000_001, 2_000_000, None),
        (10_000_000, 20_000_000, 10_000_000),
        (10_000_001, 20_000_000, None),
    ],
)
def test_a_request_is_priced_between_its_amount_and_its_ceiling(amount, most, expected):
    decision = decide_quote(POLICY, QuoteAsk("translate", amount, most, NOW_S + 60), NOW_MS)

    assert decision.units == expected
    assert decision.is_offered == (expected is not None)
    assert decision.max_price_units == (None if expected is None else most)


def test_a_declined_request_does_not_learn_whether_floor_or_cap_stood_in_the_way():
    low = decide_quote(POLICY, QuoteAsk("a", 50_000, 499_999, NOW_S + 60), NOW_MS)
    high = decide_quote(POLICY, QuoteAsk("a", 10_000_001, 20_000_000, NOW_S + 60), NOW_MS)

    assert low == high == QuoteDecision(None, None, Words.NO_PRICE)


def test_a_service_that_is_not_offered_and_a_near_deadline_are_declined():
    policy = replace(POLICY, services=("translate",), min_deadline_s=120)
    good = QuoteAsk("translate", 50_000, 2_000_000, NOW_S + 120)

    assert decide_quote(policy, good, NOW_MS).units == 1_000_000
    assert decide_quote(policy, replace(good, service="x"), NOW_MS).reason is Words.SERVICE
    near = replace(good, deadline_s=NOW_S + 119)
    assert decide_quote(policy, near, NOW_MS).reason is Words.DEADLINE
    assert decide_quote(policy, good, NOW_MS + 1).reason is Words.DEADLINE


@pytest.mark.parametrize(
    ("amount", "most", "named"),
    [
        (50_000, 2_000_000, 1_500_000),
        (50_000, 1_200_000, 1_200_000),
        (1_800_000, 2_000_000, 1_800_000),
    ],
)
def test_a_public_max_price_is_named_instead_of_the_buyers(amount, most, named):
    policy = replace(POLICY, public_max_price_units=1_500_000)
    decision = decide_quote(policy, QuoteAsk("a", amount, most, NOW_S + 60), NOW_MS)

    assert decision.max_price_units == named


@BOTH
def test_service_deadline_and_agreement_stand_above_the_price(semantics):
    policy = replace(POLICY, services=("translate",), semantics=semantics)
    good = counter(1_000_000, service="translate", deadline_s=NOW_S + 60, at_ms=NOW_MS)

    def reason(**change):
        verdict = decide_counter(policy, replace(good, **change))
        return verdict.action, verdict.reason

    assert reason() == (Action.ACCEPT, Words.ACCEPTED)
    assert reason(service="other") == (Action.REJECT, Words.SERVICE)
    assert reason(deadline_s=NOW_S + 59) == (Action.REJECT, Words.DEADLINE)
    assert reason(is_settled=True) == (Action.REJECT, Words.SETTLED)


def test_a_concession_above_the_counters_max_price_has_no_reply():
    at, below = (decide_counter(POLICY, counter(600_000, most=m)) for m in (850_000, 849_999))

    assert (at.action, at.has_reply) == (Action.COUNTER, True)
    assert (below.action, below.has_reply) == (Action.COUNTER, False)
    assert advance(Position(), below) == Position()


def test_only_signed_answers_have_a_reply():
    assert decide_counter(POLICY, counter(1_000_000)).has_reply
    assert not decide_counter(replace(POLICY, strategy=WALK), counter(600_000)).has_reply


def test_reasons_show_no_figure():
    assert not any(letter.isdigit() for words in Words for letter in words)


def play(policy, bids, position=None, most=10**15):
    """One negotiation: every bid is answered from the position that the last one left."""
    position, said = position or Position(), []
    for units in bids:
        verdict = decide_counter(
            policy,
            counter(
                units,
                position.last_quote_units,
                position.requotes_used,
                most,
                is_settled=position.is_settled,
            ),
        )
        position = advance(position, verdict)
        said.append((verdict.action.value, verdict.recommended_units, verdict.reason))
    return said, position


def test_six_equal_counters_are_not_answered_alike():
    """Section 3.2: the peer forgets its rounds and repeats its first concession for ever."""
    said, position = play(POLICY, [600_000] * 6)

    assert [word for word, _, _ in said] == ["COUNTER", "COUNTER"] + ["REJECT"] * 4
    assert [units for _, units, _ in said][:2] == [850_000, 745_000]
    assert position == Position(745_000, 2, is_final=True)


def test_rounds_are_not_given_back_after_they_are_used_up():
    """W6: the peer drops its state when the rounds are used up, and concedes from the start."""
    _, position = play(POLICY, [600_000] * 3)
    said, position = play(POLICY, [600_000, 744_999, 745_000, 999_999], position)

    assert {(word, reason) for word, _, reason in said} == {("REJECT", Words.NO_ROUNDS)}
    assert position.requotes_used == 2


def test_a_price_is_agreed_once():
    said, position = play(POLICY, [900_000, 900_000, 600_000, 1_400_000])

    assert [word for word, _, _ in said] == ["ACCEPT", "REJECT", "REJECT", "REJECT"]
    assert position.is_settled
    assert position.is_final


def test_the_last_quote_is_not_forgotten_by_a_rejection():
    policy = replace(POLICY, max_requotes=1)
    _, position = play(policy, [600_000, 600_000])

    assert position == Position(850_000, 1, is_final=True)


TARGET = replace(POLICY, concession_target_units=600_000)


def bisect(policy, low, high):
    """The attack of section 3.3: halve the interval by each answer; new negotiation each time."""
    while high - low > 1:
        middle = (low + high) // 2
        said, _ = play(policy, [middle])
        low, high = (low, middle) if said[0][0] == "ACCEPT" else (middle, high)
    return high


@pytest.mark.parametrize("floor", [50_000, 500_000, 599_999, 600_000])
def test_bisecting_finds_the_public_concession_and_never_the_floor(floor):
    policy = replace(TARGET, floor_units=floor)

    assert bisect(policy, 50_000, 1_000_000) == 880_000


@pytest.mark.parametrize("floor", [50_000, 500_000])
def test_bisecting_finds_the_floor_of_the_canonical_engine_as_its_owner_is_warned(floor):
    policy = replace(POLICY, floor_units=floor, semantics=CANONICAL)

    assert bisect(policy, 40_000, 1_000_000) == floor


@given(
    st.integers(50_000, 600_000),
    st.integers(50_000, 600_000),
    st.lists(st.integers(50_000, 1_499_999), max_size=6),
    st.integers(0, 4),
    st.sampled_from([CONCEDE, WALK]),
    st.integers(500_000, 1_500_000),
)
def test_with_a_target_no_sequence_of_counters_depends_on_the_floor(
    one, other, bids, rounds, strategy, most
):
    policy = replace(TARGET, max_requotes=rounds, strategy=strategy)

    first = play(replace(policy, floor_units=one), bids, most=most)
    assert first == play(replace(policy, floor_units=other), bids, most=most)


@given(st.integers(50_000, 499_999), st.integers(0, 3), st.integers(500_001, 1_000_000))
def test_without_a_target_a_counter_below_the_floor_hears_what_one_at_it_hears(low, used, last):
    below, at = (decide_counter(POLICY, counter(units, last, used)) for units in (low, 500_000))

    assert below == at


policies = st.builds(
    lambda floor, up, cap, target, **more: ProviderPolicy(
        floor_units=floor,
        ideal_units=floor + up,
        hard_cap_units=floor + up + cap,
        concession_target_units=None if target is None else floor + up * target // 100,
        **more,
    ),
    floor=st.integers(50_000, 2_000_000),
    up=st.integers(0, 2_000_000),
    cap=st.integers(0, 2_000_000),
    target=st.none() | st.integers(0, 100),
    strategy=st.sampled_from(Strategy),
    concede_pct=st.integers(1, 99),
    max_requotes=st.integers(0, 4),
    semantics=st.sampled_from(Semantics),
)
contexts = st.builds(
    CounterContext,
    counter_units=st.integers(50_000, 8_000_000),
    quote_units=st.integers(50_000, 8_000_000),
    max_price_units=st.integers(50_000, 8_000_000),
    last_quote_units=st.none() | st.integers(50_000, 8_000_000),
    requotes_used=st.integers(0, 5),
)
proposals = st.none() | st.builds(
    Proposal, st.sampled_from(Action), st.none() | st.integers(0, 8_000_000)
)


def assert_lawful(policy, context, verdict):
    live = context.last_quote_units or policy.ideal_units
    match verdict.action:
        case Action.ACCEPT:
            assert verdict.recommended_units == context.counter_units
            assert policy.floor_units <= context.counter_units <= policy.hard_cap_units
        case Action.COUNTER:
            units = verdict.recommended_units
            assert policy.floor_units <= units <= min(live, policy.hard_cap_units)
            assert units > context.counter_units
            assert context.requotes_used < policy.max_requotes
            assert verdict.has_reply == (units <= context.max_price_units)
        case Action.REJECT:
            assert (verdict.recommended_units, verdict.has_reply) == (None, False)


@given(policies, contexts)
def test_no_verdict_leaves_the_bounds(policy, context):
    assert_lawful(policy, context, decide_counter(policy, context))


@given(policies, contexts, proposals)
def test_no_hook_leaves_the_bounds(policy, context, proposed):
    verdict = judge(policy, context, proposed)

    assert_lawful(policy, context, verdict)
    if proposed is None:
        assert verdict == decide_counter(policy, context)


@given(policies, st.lists(st.integers(50_000, 4_000_000), max_size=8))
def test_concessions_only_go_down_and_stop_at_the_target(policy, bids):
    said, position = play(policy, bids)
    quotes = [units for word, units, _ in said if word == "COUNTER"]

    assert quotes == sorted(quotes, reverse=True)
    assert all(policy.target_units <= units <= policy.ideal_units for units in quotes)
    assert len(quotes) == position.requotes_used <= policy.max_requotes
    assert [word for word, _, _ in said].count("ACCEPT") <= 1


@given(policies, st.integers(0, 9_000_000), st.integers(0, 9_000_000))
def test_no_quote_leaves_the_bounds(policy, amount, most):
    decision = decide_quote(policy, QuoteAsk("a", amount, most, NOW_S + 60), NOW_MS)

    if decision.units is None:
        assert decision.reason is Words.NO_PRICE
    else:
        assert policy.floor_units <= decision.units <= policy.hard_cap_units
        assert amount <= decision.units <= decision.max_price_units <= most


def test_a_hook_may_accept_refuse_and_price_within_the_bounds():
    low = counter(600_000, 900_000)

    assert judge(POLICY, low, Proposal(Action.ACCEPT)).recommended_units == 600_000
    assert judge(POLICY, low, Proposal(Action.ACCEPT, 600_000)).action is Action.ACCEPT
    assert judge(POLICY, low, Proposal(Action.COUNTER, 700_000)).recommended_units == 700_000
    assert judge(POLICY, low, Proposal(Action.REJECT)).reason is Words.TOO_LOW
    assert judge(POLICY, low, None) == decide_counter(POLICY, low)


@pytest.mark.parametrize(
    ("context", "proposed"),
    [
        (counter(499_999), Proposal(Action.ACCEPT)),
        (counter(10_000_001), Proposal(Action.ACCEPT)),
        (counter(600_000), Proposal(Action.ACCEPT, 599_999)),
        (counter(600_000), Proposal(Action.COUNTER)),
        (counter(600_000), Proposal(Action.COUNTER, 600_000)),
        (counter(300_000), Proposal(Action.COUNTER, 499_999)),
        (counter(600_000, 850_000), Proposal(Action.COUNTER, 850_001)),
        (counter(600_000, 850_000, used=2), Proposal(Action.COUNTER, 700_000)),
        (counter(600_000), Proposal(Action.COUNTER, 700_000.0)),
        (counter(600_000), Proposal(Action.COUNTER, True)),
        (counter(600_000), Proposal("HAGGLE")),
        (counter(600_000), "ACCEPT"),
        (counter(600_000), {"action": "ACCEPT"}),
        (counter(600_000), object()),
    ],
)
def test_a_hook_that_breaks_a_rule_decides_nothing(context, proposed):
    assert judge(POLICY, context, proposed) is UNDECIDED


def test_a_hook_is_not_heard_about_what_no_price_can_change():
    settled = counter(900_000, is_settled=True)

    assert judge(POLICY, settled, Proposal(Action.ACCEPT)).reason is Words.SETTLED


def test_what_a_hook_is_shown_prints_no_private_figure():
    context = counter(600_000)
    shown = repr(HookContext(POLICY, context, decide_counter(POLICY, context)))

    assert "floor_units" not in shown
    assert "=500000" not in shown
    assert "10000000" not in shown
