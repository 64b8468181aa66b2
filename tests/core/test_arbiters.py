"""Whom an arbiter has dealt with, by the trust log (B15)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from treaty.core.arbiters import have_dealt
from treaty.core.persistent import PersistentMap
from treaty.core.trust_state import YEAR_MS, AgentState, TrustState

JUDGE, PARTY = "agent://judge.example/desk", "agent://acme.com/alpha"
NOW_MS = 10 * YEAR_MS


@pytest.mark.parametrize("holder", [JUDGE, PARTY])
@pytest.mark.parametrize(("ago_ms", "expected"), [(0, True), (YEAR_MS - 1, True), (YEAR_MS, False)])
def test_a_deal_of_the_last_year_counts_in_whichever_score_it_weighs(
    holder: str, ago_ms: int, expected: bool
) -> None:
    other = PARTY if holder == JUDGE else JUDGE
    of = replace(AgentState(), dealt=PersistentMap().put(other, NOW_MS - ago_ms))
    state = replace(TrustState(), agents=PersistentMap().put(holder, of))

    assert have_dealt(state, JUDGE, PARTY, NOW_MS) is expected


def test_strangers_have_not_dealt() -> None:
    assert not have_dealt(TrustState(), JUDGE, PARTY, NOW_MS)
