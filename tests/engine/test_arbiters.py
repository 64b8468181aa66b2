"""Who may be drawn between two parties (B15)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from treaty.core.dispute import CANDIDATES_MAX
from treaty.core.persistent import PersistentMap
from treaty.core.trust_state import YEAR_MS, AgentState, TrustState
from treaty.engine.arbiters import candidates
from treaty.engine.dialect import Standing

ALPHA, BETA = "agent://acme.com/alpha", "agent://cloudprime.io/beta"
NOW_MS = 10 * YEAR_MS


def scored(scores: dict[str, str]) -> dict[str, Standing]:
    return {uri: Standing(Decimal(score), 3, provisional=False) for uri, score in scores.items()}


def found(scores: dict[str, str], state: TrustState | None = None) -> list[str]:
    known = scored(scores)
    listed = candidates(
        known, (ALPHA, BETA), standing=known.__getitem__, key_id=lambda uri: f"key of {uri}",
        state=state or TrustState(), now_ms=NOW_MS,
    )  # fmt: skip
    assert all(one["keyId"] == f"key of {one['uri']}" for one in listed)
    return [str(one["uri"]) for one in listed]


def dealt(agent: str, other: str, at_ms: int) -> TrustState:
    of = replace(AgentState(), dealt=PersistentMap().put(other, at_ms))
    return replace(TrustState(), agents=PersistentMap().put(agent, of))


def test_seventy_is_enough_and_less_is_not() -> None:
    assert found({"agent://a.example/j": "70.0", "agent://b.example/j": "69.9"}) == [
        "agent://a.example/j"
    ]


def test_of_each_organisation_the_best_one_stands() -> None:
    scores = {
        "agent://a.example/one": "80",
        "agent://judges.a.example/two": "90",
        "agent://b.example/z": "75",
        "agent://b.example/a": "75",
    }

    assert found(scores) == ["agent://b.example/a", "agent://judges.a.example/two"]


def test_the_parties_own_people_do_not_judge() -> None:
    scores = {"agent://acme.com/judge": "99", "agent://legal.cloudprime.io/judge": "99"}

    assert found(scores) == []


def test_who_has_dealt_with_a_party_does_not_judge_it() -> None:
    judge = "agent://a.example/j"
    for state in (dealt(judge, ALPHA, NOW_MS - 1), dealt(BETA, judge, NOW_MS - YEAR_MS + 1)):
        assert found({judge: "90"}, state) == []
    assert found({judge: "90"}, dealt(judge, ALPHA, NOW_MS - YEAR_MS)) == [judge]


def test_only_so_many_are_written_down() -> None:
    scores = {f"agent://o{number:04}.example/j": "90" for number in range(CANDIDATES_MAX + 5)}

    assert found(scores) == sorted(scores)[:CANDIDATES_MAX]
