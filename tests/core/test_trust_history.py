"""Which record moved which component: steps that begin where the last ended, and sum up (B16)."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.core.trust_world import (
    ALPHA,
    BETA,
    DAY,
    ROOTS,
    T0,
    attest,
    deal,
    domain,
    folded,
    key,
    outcome,
    partner,
    partners,
    side,
)
from treaty.core.trust import Endorsement, Violation, score
from treaty.core.trust_history import PASSAGE, history, step_to_json

SEED = (key(ALPHA), key(BETA), attest(BETA), outcome(side(ALPHA, rating=4), side(BETA, rating=5)))


def steps_of(records, agent=ALPHA, *, day=0):
    return list(history(records, agent, ROOTS, T0 + day * DAY))


def test_the_seeds_deal_moves_five_components():
    proven, dealt = steps_of(SEED)
    assert (proven.index, proven.kind, proven.by) == (0, "identity", 29)
    assert {name: str(value) for name, value in proven.moved.items()} == {
        "IV": "50.0000",
        "SP": "50.0000",
    }
    assert (dealt.index, dealt.kind, str(dealt.by)) == (3, "outcome", "11.8")
    assert {name: str(value) for name, value in dealt.moved.items()} == {
        "CH": "10.0000",
        "CF": "100.0000",
        "BC": "5.0000",
        "RQ": "88.0000",
        "ER": "100.0000",
    }
    assert (dealt.weight.q, dealt.weight.v, dealt.weight.w) == (1, 1, 1)


def test_a_step_for_programs_names_the_deal_and_its_counterparty():
    told = step_to_json(steps_of(SEED)[1], ALPHA)
    assert told == {
        "index": 3,
        "kind": "outcome",
        "at": "2026-03-07T14:00:00.000Z",
        "before": "49.0",
        "after": "60.8",
        "by": "11.8",
        "moved": {
            "CH": "10.0000",
            "CF": "100.0000",
            "BC": "5.0000",
            "RQ": "88.0000",
            "ER": "100.0000",
        },
        "evidence": "1.0000",
        "session": "019526a1-8e1a-7000-8000-000000000001",
        "commitment": "cmt_001",
        "counterparty": BETA,
        "result": "kept",
        "rating": 4,
        "q": "1",
        "v": "1",
        "w": "1",
    }


def test_a_deal_that_moves_nothing_is_a_step_all_the_same():
    attested, proven, dealt = steps_of((*SEED[:1], SEED[2], SEED[1], SEED[3]), BETA)
    assert [one.kind for one in (attested, proven, dealt)] == ["attestation", "identity", "outcome"]
    assert (dealt.by, dict(dealt.moved), dealt.weight.w) == (0, {}, 0)


def test_what_time_did_is_a_step_of_its_own():
    *_, last = steps_of(SEED, day=120)
    # One half-life after 30 idle days: E = 0.5.
    assert (last.kind, last.index, last.record) == (PASSAGE, None, None)
    assert (str(last.before.score), str(last.after.evidence)) == ("60.8", "0.5000")
    assert last.moved["CH"] == Decimal("5.8496") - 10


def test_others_records_are_no_steps_but_what_they_did_is_told_as_time():
    breach = deal("agent://acme.com/other", partner(0), kept=False)
    others = (*partners(1), key("agent://acme.com/other"), domain("agent://acme.com/other"), breach)
    born = (key(ALPHA, T0 + DAY), domain(ALPHA, T0 + DAY))
    # Acme breached before Alpha was born, so its prior is 20 once its domain is proven.
    assert [str(one.after.score) for one in steps_of((*others, *born), day=2)] == ["49.0", "20.0"]


def test_an_endorsement_and_a_violation_are_steps():
    records = (
        *partners(1),
        key(ALPHA),
        deal(ALPHA, partner(0)),
        Endorsement(partner(0), ALPHA, T0),
        Violation(ALPHA, "message-id-reused", "sha256:ab", T0),
    )
    *_, word, wrong = steps_of(records)
    assert (word.kind, dict(word.moved)) == ("endorsement", {"PE": 4})
    assert (wrong.kind, dict(wrong.moved)) == ("violation", {"BC": -10})
    assert "weight" not in step_to_json(wrong, ALPHA)


def test_nobody_has_no_history():
    assert steps_of(SEED, "agent://nobody.example/x") == []


_RECORDS = st.lists(
    st.one_of(
        st.builds(key, st.just(ALPHA), st.integers(T0, T0 + 400 * DAY)),
        st.builds(
            lambda n, kept, day: deal(ALPHA, partner(n), kept=kept, at=T0 + day * DAY),
            st.integers(0, 3),
            st.booleans(),
            st.integers(0, 500),
        ),
        st.builds(
            lambda n, day: Endorsement(partner(n), ALPHA, T0 + day * DAY),
            st.integers(0, 3),
            st.integers(0, 500),
        ),
    ),
    max_size=12,
)


@given(_RECORDS, st.integers(0, 900))
def test_steps_join_and_sum_to_the_score(rows, day):
    records = [*partners(4), *rows]
    steps = steps_of(records, day=day)
    at_ms = T0 + day * DAY
    for one, other in pairwise(steps):
        assert (one.after.score, one.after.components) == (
            other.before.score,
            other.before.components,
        )
    right = score(folded(*records), ALPHA, at_ms)
    assert (steps[-1].after.score if steps else Decimal("20.0")) == right.score
    assert sum(one.by for one in steps) + (steps[0].before.score if steps else 0) == (
        right.score if steps else 0
    )
