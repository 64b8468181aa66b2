"""Negotiation: the seed's moves, and what holds for every strategy against every other."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from treaty.core import negotiation
from treaty.core.learning import Statistics
from treaty.core.negotiation import (
    STRATEGIES,
    Acceptance,
    Aim,
    Bid,
    BuyerPolicy,
    Decision,
    DecisionKind,
    SellerPolicy,
    Tier,
    View,
    buyer,
    concede,
    policy_from_toml,
    seller,
    split_the_difference,
    take_it_or_leave_it,
)
from treaty.core.trust_components import WEIGHTS
from treaty.errors import MisuseError

EXAMPLES = Path(__file__).parents[2] / "examples"


def d(text):
    return None if text is None else Decimal(text)


def own(price, quality=None, *, final=False):
    return Bid("own", d(price), d(quality), final)


def other(price, quality=None, *, final=False):
    return Bid("other", d(price), d(quality), final)


BETA = SellerPolicy(
    tiers=(Tier(d("3.50"), d("99.9")), Tier(d("4.00"), d("99.95"))), floor=d("3.75")
)
ALPHA = BuyerPolicy(ask=d("5.00"), reservation=d("4.23"), quality_min=d("99.9"))
LISTED = BETA.tiers[0]


def move(decision):
    return decision.kind.value, decision.price, decision.quality, decision.final


def mirrored(history):
    """The same bids, seen from the other side."""
    return tuple(replace(bid, side="other" if bid.side == "own" else "own") for bid in history)


def play(buying, selling, *, listed=None, opens="buyer", learned=(None, None), decimals=2):
    """Let both decide in turn until one accepts or walks; the bids are seen by the buyer."""
    history, decisions, turn = (), [], opens
    while not decisions or decisions[-1][1].kind in (DecisionKind.PROPOSE, DecisionKind.COUNTER):
        if turn == "buyer":
            decision = buyer(buying, listed, history, learned[0], decimals=decimals)
        else:
            decision = seller(selling, mirrored(history), learned[1], decimals=decimals)
        decisions.append((turn, decision))
        if decision.price is not None:
            side = "own" if turn == "buyer" else "other"
            history += (Bid(side, decision.price, decision.quality, decision.final),)
        turn = "seller" if turn == "buyer" else "buyer"
        assert len(decisions) <= 2 * (buying.rounds_max + selling.rounds_max)
    return decisions


# The seed.


def test_the_seeds_moves():
    assert [(who, *move(decision)) for who, decision in play(ALPHA, BETA, listed=LISTED)] == [
        ("buyer", "propose", d("3.50"), d("99.9"), False),
        ("seller", "counter", d("4.00"), d("99.95"), False),
        ("buyer", "propose", d("3.75"), d("99.95"), False),
        ("seller", "accept", d("3.75"), d("99.95"), False),
    ]


def example(name):
    return tomllib.loads((EXAMPLES / name).read_text(encoding="utf-8"))


def played_from_files(alpha, beta):
    ask = alpha["need"]["max_price_per_hour"]
    buying = policy_from_toml({**alpha["strategy"], "ask": ask}, "buyer")
    selling = policy_from_toml(beta["strategy"], "seller")
    listed = Tier(Decimal(beta["pricing"]["pricePerHour"]), d("99.9"))
    decisions = play(buying, selling, listed=listed)
    return [str(decision.price) for _, decision in decisions]


def test_the_example_files_make_the_seeds_moves():
    moves = played_from_files(example("alpha.toml"), example("beta.toml"))
    assert moves == ["3.50", "4.00", "3.75", "3.75"]


@pytest.mark.parametrize(
    ("file", "key", "value", "moves"),
    [
        ("alpha.toml", "split", "0.8", ["3.50", "4.00", "3.90", "3.90"]),
        ("alpha.toml", "reservation", "3.20", ["1.60", "4.00", "2.80", "3.88", "3.20", "3.82"]),
        ("beta.toml", "floor", "3.80", ["3.50", "4.00", "3.75", "3.90", "3.82", "3.82"]),
        ("beta.toml", "floor", "3.50", ["3.50", "3.50"]),
        ("beta.toml", "accept", "next", ["3.50", "4.00", "3.75", "3.88", "3.82", "3.82"]),
    ],
)
def test_another_parameter_makes_other_moves(file, key, value, moves):
    alpha, beta = example("alpha.toml"), example("beta.toml")
    (alpha if file == "alpha.toml" else beta)["strategy"][key] = value
    assert played_from_files(alpha, beta)[: len(moves)] == moves


def test_the_examples_attest_beta_to_91():
    components = example("beta.toml")["attestation"]["components"]
    assert sum(WEIGHTS[name] * value for name, value in components.items()) == 91
    assert components.keys() == WEIGHTS.keys()


def test_each_private_key_of_the_examples_is_marked():
    texts = [(EXAMPLES / name).read_text(encoding="utf-8") for name in ("alpha.toml", "beta.toml")]
    lines = "\n".join(texts).splitlines()
    marked = {line.partition(" ")[0] for line in lines if "# PRIVATE" in line}
    assert marked == {"reservation", "floor"}


# Strategies.


def view(mine=None, theirs=None, share="0.5"):
    return View(d(share), opening=d("1"), limit=d("9"), mine=d(mine), theirs=d(theirs))


def test_every_strategy_opens_at_its_opening():
    assert {name: strategy(view(theirs="7")).price for name, strategy in STRATEGIES.items()} == {
        "split_the_difference": 1,
        "concede": 1,
        "take_it_or_leave_it": 1,
    }


def test_split_the_difference_goes_its_share_towards_the_other_bid():
    assert split_the_difference(view("2", "6")).price == 4
    assert split_the_difference(view("2", "6", "0.25")).price == 3


def test_concede_goes_its_share_towards_its_limit():
    assert concede(view("5", "6")).price == 7
    assert concede(view("5", "6", "1")).price == 9
    assert concede(view("5", "6", "0")).price == 5


def test_take_it_or_leave_it_is_final_at_once():
    aim = take_it_or_leave_it(view(theirs="7"))
    assert (aim.price, aim.final) == (1, True)


# Sellers.


def test_a_seller_who_opens_proposes_the_lowest_quality_it_can_sell():
    assert move(seller(BETA, ())) == ("propose", d("4.00"), d("99.95"), False)


@pytest.mark.parametrize(
    ("floor", "asked", "offered"),
    [
        ("3.25", "99.9", ("3.50", "99.9")),
        ("3.25", None, ("3.50", "99.9")),
        ("3.25", "99.91", ("4.00", "99.95")),
        ("3.25", "99.95", ("4.00", "99.95")),
        ("3.25", "100", ("4.00", "99.95")),
        ("3.75", "99.9", ("4.00", "99.95")),
    ],
)
def test_a_seller_counters_with_the_list_price_of_the_quality_that_serves(floor, asked, offered):
    decision = seller(replace(BETA, floor=d(floor)), (other("1.00", asked),))
    assert move(decision) == ("counter", d(offered[0]), d(offered[1]), False)


@pytest.mark.parametrize(("price", "kind"), [("3.74", "counter"), ("3.75", "accept")])
def test_a_seller_accepts_from_its_floor_on(price, kind):
    assert seller(BETA, (other(price, "99.95"),)).kind == kind


def test_a_seller_does_not_accept_a_quality_that_it_does_not_have():
    decision = seller(BETA, (other("100", "99.99"),))
    assert move(decision) == ("counter", d("4.00"), d("99.95"), False)


def test_a_seller_concedes_towards_its_floor_and_ends_there():
    history = ()
    asked = []
    for _ in range(BETA.rounds_max):
        decision = seller(BETA, (*history, other("1.00", "99.9")))
        asked.append((str(decision.price), decision.final))
        history += (other("1.00", "99.9"), own(decision.price, decision.quality))
    assert asked == [("4.00", False), ("3.88", False), ("3.82", False), ("3.75", True)]


def test_a_seller_who_asks_for_what_it_would_bid_next_is_not_content_with_less():
    patient = replace(BETA, accept=Acceptance.NEXT)
    history = (other("1"), own("4.00", "99.95"))
    assert seller(patient, (*history, other("3.87", "99.95"))).kind == "counter"
    assert seller(patient, (*history, other("3.88", "99.95"))).kind == "accept"


def test_a_seller_never_asks_more_again_for_a_quality():
    # Whatever quality is asked for next, the best there is was offered for 3.88.
    history = (other("1", "99.9"), own("4.00", "99.95"), other("2", "99.9"), own("3.88", "99.95"))
    assert seller(BETA, (*history, other("2", "100"))).price == d("3.82")
    assert seller(BETA, (*history, other("2", "99"))).price == d("3.82")


def test_a_seller_asks_the_list_price_for_a_better_quality():
    low = replace(BETA, floor=d("3.00"))
    history = (other("1", "99.9"), own("3.50", "99.9"))
    assert seller(low, (*history, other("2", "99.95"))).price == d("4.00")


# Buyers.


@pytest.mark.parametrize(
    ("listed", "policy", "opening"),
    [
        (LISTED, ALPHA, "3.50"),
        (Tier(d("4.23"), d("99.9")), ALPHA, "4.23"),
        # Out of reach or unknown: a share of what is in reach.
        (Tier(d("4.24"), d("99.9")), ALPHA, "2.12"),
        (None, ALPHA, "2.12"),
        (LISTED, replace(ALPHA, ask=d("3.00")), "1.50"),
        (None, replace(ALPHA, ask=None, split=d("0.25")), "1.06"),
    ],
)
def test_a_buyer_opens_at_list_or_at_a_share_of_what_is_in_reach(listed, policy, opening):
    assert buyer(policy, listed, ()).price == d(opening)


@pytest.mark.parametrize(
    ("least", "seen", "asked"),
    [
        ("99.9", "99.95", "99.95"),
        ("99.9", "99.9", "99.9"),
        ("99.9", "99", "99.9"),
        ("99.9", None, "99.9"),
        (None, "99", "99"),
        (None, None, None),
    ],
)
def test_a_buyer_asks_for_the_quality_offered_but_not_below_its_own(least, seen, asked):
    policy = replace(ALPHA, quality_min=d(least))
    assert buyer(policy, Tier(d("3.50"), d(seen)), ()).quality == d(asked)
    answer = buyer(policy, None, (own("3.50", asked), other("4.00", seen)))
    assert answer.quality == d(asked)


def test_a_buyer_does_not_take_too_low_a_quality_at_any_price():
    decision = buyer(ALPHA, LISTED, (own("3.50", "99.9"), other("0.01", "99")))
    assert (decision.kind, decision.quality) == (DecisionKind.PROPOSE, d("99.9"))
    decision = buyer(ALPHA, LISTED, (own("3.50", "99.9"), other("0.01", "99", final=True)))
    assert decision.kind is DecisionKind.WALK


def test_a_buyer_accepts_what_is_as_good_as_its_next_bid():
    # From 3.50 half way to 3.51 is 3.505, in whole cents 3.50.
    assert buyer(ALPHA, LISTED, (own("3.50"), other("3.51", "99.9"))).price == d("3.50")
    assert buyer(ALPHA, LISTED, (own("3.50"), other("3.50", "99.9"))).kind == "accept"


@pytest.mark.parametrize(("bids", "final"), [(1, False), (2, False), (3, True)])
def test_a_buyer_whom_nobody_meets_makes_its_last_bid(bids, final):
    policy = replace(ALPHA, walk_after=2, rounds_max=9)
    history = (own("3.50"), other("9.00", "99.9")) * bids
    decision = buyer(policy, LISTED, history)
    assert decision.final is final
    assert (decision.price == d("4.23")) or not final


def test_a_concession_restores_patience():
    policy = replace(ALPHA, walk_after=2, rounds_max=9)
    history = ()
    for price in ("9.00", "9.00", "8.99"):
        history += (own("3.50"), other(price, "99.9"))
    assert not buyer(policy, LISTED, history).final


# Endings.


@pytest.mark.parametrize(("price", "kind"), [("4.23", "accept"), ("4.24", "walk")])
def test_a_final_bid_is_answered_with_yes_or_no(price, kind):
    history = (own("3.50", "99.9"), other(price, "99.9", final=True))
    assert buyer(ALPHA, LISTED, history).kind == kind


@pytest.mark.parametrize(("price", "kind"), [("3.75", "accept"), ("3.74", "walk")])
def test_a_seller_answers_a_final_bid_with_yes_or_no(price, kind):
    assert seller(BETA, (other(price, "99.9", final=True),)).kind == kind


@pytest.mark.parametrize(("price", "kind"), [("3.99", "walk"), ("4.00", "accept")])
def test_ones_own_final_bid_is_meant(price, kind):
    history = (own("4.00", "99.95", final=True), other(price, "99.95"))
    assert seller(BETA, history).kind == kind


def test_no_bid_is_made_beyond_the_rounds():
    history = (other("1"), own("4.00", "99.95")) * BETA.rounds_max
    assert seller(BETA, (*history, other("3.00", "99.95"))).kind == "walk"
    assert seller(BETA, (*history, other("3.75", "99.95"))).kind == "accept"


def test_take_it_or_leave_it_says_one_price():
    stubborn = replace(BETA, strategy="take_it_or_leave_it")
    first = seller(stubborn, (other("3.50", "99.9"),))
    assert move(first) == ("counter", d("4.00"), d("99.95"), True)
    assert [decision.kind.value for _, decision in play(ALPHA, stubborn, listed=LISTED)] == [
        "propose",
        "counter",
        "accept",
    ]


def test_walking_offers_nothing():
    decision = buyer(ALPHA, LISTED, (other("9.99", "99.9", final=True),))
    assert decision == Decision(DecisionKind.WALK, None, None, True, decision.reason)


def test_out_of_turn_nothing_is_decided():
    for decide in (lambda bids: seller(BETA, bids), lambda bids: buyer(ALPHA, LISTED, bids)):
        with pytest.raises(MisuseError, match="turn"):
            decide((own("3.50"),))


def test_an_unknown_strategy_and_currency_are_misuse():
    with pytest.raises(MisuseError, match="bluff"):
        seller(replace(BETA, strategy="bluff"), ())
    for decimals in (-1, 13):
        with pytest.raises(MisuseError, match="decimals"):
            seller(BETA, (), decimals=decimals)


# Money.


@pytest.mark.parametrize(("decimals", "price"), [(0, "4"), (1, "3.8"), (2, "3.82"), (3, "3.825")])
def test_prices_are_rounded_half_even_to_the_currencys_decimals(decimals, price):
    policy = replace(ALPHA, reservation=d("4.9"))
    # Too low a quality, so that no currency is coarse enough to accept.
    history = (own("3.65"), other("4.00", "99"))
    decision = buyer(policy, LISTED, history, decimals=decimals)
    assert str(decision.price) == price


def test_rounding_does_not_cross_a_limit():
    tight = replace(BETA, floor=d("3.996"))
    assert seller(tight, (other("3.99", "99.9"),)).price == d("4.00")
    assert seller(tight, (other("3.99", "99.9", final=True),)).kind == "walk"
    thin = replace(ALPHA, reservation=d("3.509"), rounds_max=2)
    last = buyer(thin, LISTED, (own("3.50"), other("9", "99.9")))
    assert (last.price, last.final) == (d("3.50"), True)


def test_a_price_that_cannot_be_paid_is_not_accepted():
    decision = seller(BETA, (other("3.999", "99.95"),))
    assert (decision.kind, decision.price) == (DecisionKind.COUNTER, d("4.00"))
    assert "whole units" in decision.reason
    assert seller(BETA, (other("3.999", "99.95"),), decimals=3).kind == "accept"


def test_the_callers_decimal_context_does_not_matter():
    history = (own("3.33"), other("4.00", "99.9"))
    with localcontext() as context:
        context.prec = 2
        assert buyer(ALPHA, LISTED, history).price == d("3.66")


# Learning.


def test_who_took_less_before_is_not_offered_more():
    eager = replace(ALPHA, split=d("0.8"))
    history = (own("3.50"), other("4.00", "99.95"))
    assert buyer(eager, LISTED, history).price == d("3.90")
    learned = Statistics(negotiations=1, deals=1, acceptance=d("-0.0625"))
    assert buyer(eager, LISTED, history, learned).price == d("3.75")


def test_who_paid_more_before_is_not_asked_for_less():
    history = (other("3.90", "99.95"), own("4.00", "99.95"), other("3.60", "99.95"))
    learned = Statistics(negotiations=1, deals=1, acceptance=d("0.02"))
    assert seller(BETA, history).price == d("3.88")
    assert seller(BETA, history, learned).price == d("3.98")


def test_a_strategy_is_shown_the_statistics(monkeypatch):
    seen = []

    def curious(view):
        seen.append(view.statistics)
        return Aim(view.opening)

    monkeypatch.setattr(negotiation, "STRATEGIES", {"curious": curious})
    learned = Statistics(negotiations=2, deals=1, acceptance=d("-0.0625"))
    for known in (learned, None):
        buyer(replace(ALPHA, strategy="curious"), LISTED, (), known)
        seller(replace(BETA, strategy="curious"), (other("3.00"),), known)
    assert seen == [learned, learned, None, None]


def test_statistics_change_neither_the_opening_nor_the_last_bid():
    learned = Statistics(deals=1, acceptance=d("-0.9"))
    assert buyer(ALPHA, LISTED, (), learned) == buyer(ALPHA, LISTED, ())
    last = replace(ALPHA, rounds_max=2)
    history = (own("3.50"), other("9", "99.9"))
    assert buyer(last, LISTED, history, learned) == buyer(last, LISTED, history)


# What holds for all.

PRICES = st.decimals("0.01", "20", places=3)
QUALITIES = st.sampled_from([None, d("99"), d("99.9"), d("99.95")])
SHARES = st.decimals(0, 1, places=2)
CONCEDING = st.sampled_from(["split_the_difference", "concede"])
ANY_STRATEGY = st.sampled_from(sorted(STRATEGIES))
LEARNED = st.none() | st.builds(Statistics, acceptance=st.none() | st.decimals(-1, 3, places=6))
TIERS = st.lists(st.builds(Tier, PRICES, QUALITIES), min_size=1, max_size=4).map(tuple)


def policies(strategy):
    common = {
        "rounds_max": st.integers(1, 6),
        "strategy": strategy,
        "accept": st.sampled_from(Acceptance),
    }
    selling = TIERS.flatmap(
        lambda tiers: st.builds(
            SellerPolicy,
            tiers=st.just(tiers),
            floor=st.decimals(0, max(tier.price for tier in tiers), places=3),
            concede=SHARES,
            **common,
        )
    )
    buying = st.builds(
        BuyerPolicy,
        ask=st.none() | PRICES,
        reservation=PRICES,
        split=SHARES,
        quality_min=QUALITIES,
        walk_after=st.none() | st.integers(1, 3),
        **common,
    )
    return buying, selling


def games(strategy=ANY_STRATEGY):
    buying, selling = policies(strategy)
    return st.fixed_dictionaries(
        {
            "buying": buying,
            "selling": selling,
            "listed": st.none() | st.builds(Tier, PRICES, QUALITIES),
            "opens": st.sampled_from(["buyer", "seller"]),
            "learned": st.tuples(LEARNED, LEARNED),
            "decimals": st.sampled_from([0, 2, 3]),
        }
    )


def zone(game):
    """The prices both could pay, in whole units; empty when no quality suits both."""
    unit = Decimal(1).scaleb(-game["decimals"])
    least = game["selling"].floor.quantize(unit, rounding=ROUND_CEILING)
    most = game["buying"].reservation.quantize(unit, rounding=ROUND_FLOOR)
    return least, most


def has_zone(game):
    selling, (least, most) = game["selling"], zone(game)
    wanted = game["buying"].quality_min
    offered = [tier.quality for tier in selling.tiers if tier.price >= selling.floor]
    known = [quality for quality in offered if quality is not None]
    return least <= most and (wanted is None or any(quality >= wanted for quality in known))


@settings(max_examples=200)
@given(games())
def test_nobody_bids_or_accepts_beyond_a_limit(game):
    least, most = zone(game)
    for who, decision in play(**game):
        if decision.price is not None:
            assert decision.price <= most if who == "buyer" else decision.price >= least


@settings(max_examples=200)
@given(games())
def test_it_ends_within_the_rounds_with_yes_or_no(game):
    decisions = play(**game)
    bids = [who for who, decision in decisions[:-1]]
    assert decisions[-1][1].kind in (DecisionKind.ACCEPT, DecisionKind.WALK)
    assert bids.count("buyer") <= game["buying"].rounds_max
    assert bids.count("seller") <= game["selling"].rounds_max


@settings(max_examples=200)
@given(games())
def test_bids_only_come_nearer(game):
    decisions = play(**game)
    bought = [one.price for who, one in decisions[:-1] if who == "buyer"]
    assert bought == sorted(bought)
    for quality in {one.quality for who, one in decisions[:-1] if who == "seller"}:
        asked = [
            one.price for who, one in decisions[:-1] if (who, one.quality) == ("seller", quality)
        ]
        assert asked == sorted(asked, reverse=True)


@settings(max_examples=200)
@given(games(CONCEDING))
def test_there_is_agreement_exactly_when_both_could_agree(game):
    # A card that promises a quality not for sale can cost the deal; that is the card's fault.
    sold = {tier.quality for tier in game["selling"].tiers if tier.price >= game["selling"].floor}
    assume(game["listed"] is None or game["listed"].quality in {None, *sold})
    # A seller who has one bid and makes it first cannot know what quality is wanted.
    assume(game["opens"] == "buyer" or game["selling"].rounds_max > 1)
    agreed = play(**game)[-1][1]
    assert (agreed.kind is DecisionKind.ACCEPT) is has_zone(game)
    if agreed.kind is DecisionKind.ACCEPT:
        least, most = zone(game)
        assert least <= agreed.price <= most


@settings(max_examples=200)
@given(games())
def test_after_a_final_bid_comes_yes_or_no(game):
    decisions = [decision for _, decision in play(**game)]
    for said, answer in pairwise(decisions):
        if said.final:
            assert answer.kind in (DecisionKind.ACCEPT, DecisionKind.WALK)


@given(games())
def test_the_same_game_is_played_the_same_way(game):
    assert play(**game) == play(**game)


@given(games())
def test_a_reason_contains_no_figure(game):
    for _, decision in play(**game):
        assert decision.reason
        assert not any(letter.isdigit() for letter in decision.reason)


@settings(max_examples=200)
@given(
    policies(ANY_STRATEGY)[0],
    policies(ANY_STRATEGY)[1],
    st.lists(
        st.tuples(
            st.decimals(0, 10**12, places=6),
            st.none() | st.decimals(0, 10**12, places=6),
            st.booleans(),
        ),
        max_size=8,
    ),
    LEARNED,
)
def test_no_stranger_makes_one_cross_a_limit(buying, selling, bids, learned):
    for decide, worse in (
        (lambda past: buyer(buying, None, past, learned), lambda p: p > buying.reservation),
        (lambda past: seller(selling, past, learned), lambda p: p < selling.floor),
    ):
        history = ()
        for price, quality, final in bids:
            history += (Bid("other", price, quality, final),)
            decision = decide(history)
            assert decision.price is None or not worse(decision.price)
            if decision.kind in (DecisionKind.ACCEPT, DecisionKind.WALK):
                break
            history += (Bid("own", decision.price, decision.quality, decision.final),)


def test_arithmetic_is_wide_enough_for_the_largest_bid():
    assert buyer(ALPHA, None, (other(10**12, 10**12),), decimals=12).kind == "propose"
