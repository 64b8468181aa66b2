"""The search for the price of ten points: what it finds, and that it is the least (B16)."""

from __future__ import annotations

import pytest

from treaty.core.trust_attacks import ATTACKS, GOAL, attack_named, search
from treaty.core.trust_moves import Spent, meet_premium, name_of, score_of, start
from treaty.errors import MisuseError


def found(name, level):
    return search(attack_named(name), level)


@pytest.mark.parametrize("level", range(5))
def test_a_ring_of_newcomers_moves_nothing_with_any_sum(level):
    cost = found("ring", level)
    assert (cost.reached, cost.moved) == (False, 0)
    assert cost.tried.deals > 500
    assert cost.tried.organisations == 16


def test_one_premium_agent_is_enough_for_the_seeds_first_step_and_for_no_other():
    assert [found("premium", level).reached for level in range(5)] == [True, True, *[False] * 3]
    assert found("premium", 1).spent == Spent(7_501, 1, 1)


def test_the_price_is_the_least_one_cent_less_does_not_do():
    cents = found("premium", 1).spent.cents
    before = score_of(start(1))
    for less, enough in ((0, True), (1, False)):
        play = meet_premium(name_of("premium", 0), start(1), cents - less)
        assert (score_of(play) - before >= GOAL) is enough


def test_each_level_takes_more_organisations():
    brought = [found("premiums", level).spent.organisations for level in (1, 2, 3)]
    assert brought == sorted(brought)
    assert brought[0] == 1
    assert brought[2] > 20


def test_puppets_cost_more_than_the_deals_they_stand_for():
    for level in (1, 2, 3):
        puppets, premiums = found("seasoned", level), found("premiums", level)
        assert puppets.spent.cents > 2 * premiums.spent.cents
        assert puppets.spent.organisations >= premiums.spent.organisations


def test_wash_deals_with_one_puppet_end_where_one_organisation_ends():
    assert found("wash", 1).reached
    assert not found("wash", 2).reached


def test_endorsements_are_five_points_at_most_once_there_is_evidence():
    for level in (2, 3):
        cost = found("farm", level)
        assert (cost.reached, str(cost.moved)) == (False, "5.0")


def test_a_new_name_costs_nothing_and_helps_only_below_49():
    cost = found("whitewash", 0)
    assert (cost.reached, cost.spent) == (True, Spent())
    for level in (1, 2, 3, 4):
        assert (found("whitewash", level).reached, found("whitewash", level).moved) == (False, 0)


@pytest.mark.parametrize("level", range(5))
def test_bad_ratings_of_kept_deals_lower_nobodys_score(level):
    assert found("slander", level).moved == 0


def test_a_row_for_programs_says_what_was_spent_and_what_was_tried():
    told = found("premium", 2).to_json()
    assert told == {
        "attack": "premium",
        "level": 2,
        "start": "62.6",
        "reached": False,
        "moved": "2.0",
        "dollars": "100.00",
        "organisations": 1,
        "deals": 1,
        "tried": {"dollars": "2100.00", "organisations": 1, "deals": 21},
    }


def test_attacks_have_names_and_others_are_misuse():
    assert [attack_named(one.name) for one in ATTACKS] == list(ATTACKS)
    with pytest.raises(MisuseError):
        attack_named("bribery")
