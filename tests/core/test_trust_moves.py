"""The moves of an attack: what each one folds, and what it costs."""

from __future__ import annotations

from decimal import Decimal

import pytest

from treaty.core.levels import LEVELS, level_of
from treaty.core.trust_components import score
from treaty.core.trust_moves import (
    FULL_CENTS,
    TARGET,
    Spent,
    buy_praise,
    come_back,
    join_ring,
    meet,
    meet_premium,
    name_of,
    rate_badly,
    score_of,
    season,
    start,
)
from treaty.core.trust_state import agent_state

OWN = name_of("own", 0)
LEVEL_NUMBERS = range(len(LEVELS))


@pytest.mark.parametrize("level", LEVEL_NUMBERS)
def test_a_target_stands_at_its_level_and_has_cost_the_attacker_nothing(level):
    play = start(level)
    assert level_of(score_of(play)) == level
    assert play.spent == Spent()


def test_a_target_came_to_its_level_by_as_few_deals_as_do():
    assert [str(score_of(start(level))) for level in (0, 1, 2, 3)] == [
        "23.0",
        "49.0",
        "62.6",
        "70.2",
    ]
    assert Decimal("90.0") <= score_of(start(4)) < Decimal("90.5")


def test_a_target_at_level_0_is_no_longer_capped():
    play = start(0)
    assert score(play.state, TARGET, play.at_ms).capped_at is None


def test_a_premium_partner_takes_a_newcomer_where_the_seed_does():
    """Rated 5 instead of 4 the seed's deal gives 62.0; the endorsement adds 0.2."""
    play = meet_premium(OWN, start(1), FULL_CENTS)
    assert str(score_of(play, OWN)) == "91.0"
    of = agent_state(play.state, TARGET)
    assert (of.weight, len(of.endorsers)) == (10**12, 1)
    # Domain proven: IV is 50 + 30·1/10 = 53, so 0.6 more.
    assert str(score_of(play)) == "62.8"
    assert play.spent == Spent(FULL_CENTS, 1, 1)


def test_a_member_of_a_ring_deals_with_everybody_before_it():
    play = join_ring(0, True, start(1), FULL_CENTS)
    play = join_ring(1, True, play, FULL_CENTS)
    assert play.spent == Spent(3 * FULL_CENTS, 2, 3)
    assert join_ring(0, False, start(1), 1).spent == Spent(1, 0, 1)


def test_a_puppet_earns_its_standing_from_strangers_the_attacker_did_not_bring():
    play = season(OWN, season(OWN, start(1), 0), 0)
    assert play.spent == Spent(2 * FULL_CENTS, 1, 2)
    assert agent_state(play.state, OWN).weight == 2 * 10**12


def test_a_puppet_confers_half_of_what_it_received():
    play = meet(OWN, season(OWN, start(1), 0), FULL_CENTS)
    assert agent_state(play.state, TARGET).weight == 10**12 // 2


def test_praise_costs_a_cent_and_a_bad_rating_counts_as_three():
    assert buy_praise(OWN, start(2), 0).spent == Spent(1, 1, 1)
    play = rate_badly(OWN, start(1), FULL_CENTS)
    # 0.6·3/5 + 0.4
    assert str(score(play.state, TARGET, play.at_ms).components["RQ"]) == "76.0000"


def test_who_comes_back_is_a_newcomer():
    play = come_back(OWN, False, start(0), 0)
    assert (str(score_of(play, OWN)), play.spent) == ("49.0", Spent())
    again = "agent://target.example/again"
    assert str(score_of(come_back(again, True, start(0), 0), again)) == "20.0"


def test_what_was_spent_is_told_in_dollars():
    assert Spent(7_501, 1, 2).to_json() == {"dollars": "75.01", "organisations": 1, "deals": 2}
    assert Spent(1, 9, 9) < Spent(2, 0, 0)
