"""Filters, one total order, and a reason for everyone who loses."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.core.routing import (
    RouteNeed,
    RouteOffer,
    RouteVerdict,
    judge,
    rank,
)
from treaty.core.routing_reasons import FILTERS

NEED = RouteNeed(
    capability="summarize",
    policy=("no_training", "no_pii"),
    max_cost=Decimal("0.02"),
    max_latency_ms=Decimal(400),
    retention_days=Decimal(0),
    residency="us",
    proofs=("attestation",),
)
A = RouteOffer(
    provider="a",
    route_id="route-us-fast",
    capability="summarize",
    confidence=Decimal("0.86"),
    cost=Decimal("0.018"),
    unit="usd",
    latency_ms=Decimal(280),
    policy=("no_training", "no_pii"),
    training_use="none",
    retention_days=Decimal(0),
    proofs=("attestation",),
)
B = replace(
    A,
    provider="b",
    route_id="route-global-cheap",
    confidence=Decimal("0.78"),
    cost=Decimal("0.012"),
    latency_ms=Decimal(520),
    policy=("no_pii",),
    training_use="optional",
    retention_days=Decimal(14),
)


def test_the_seeds_offers_rank_as_the_seed_says() -> None:
    ranking = rank(NEED, [B, A])

    won, lost = ranking.considered
    assert (won.offer, won.verdict, won.reasons) == (A, RouteVerdict.WON, ())
    assert [(one.code, one.field, one.got) for one in won.warnings] == [
        ("residency_mismatch", "data_residency", None)
    ]
    assert (lost.offer, lost.verdict) == (B, RouteVerdict.REJECTED)
    assert [(one.code, one.field, one.required, one.got) for one in lost.reasons] == [
        ("policy_mismatch", "policy", ("no_training", "no_pii"), ("no_pii",)),
        ("latency_miss", "latency.p50", 400, Decimal(520)),
        ("retention_risk", "risk.data_retention_days", 0, Decimal(14)),
    ]


def test_without_a_the_cheap_one_still_loses() -> None:
    ranking = rank(NEED, [B])

    assert ranking.winner is None
    assert [one.verdict for one in ranking.considered] == [RouteVerdict.REJECTED]


# What is changed in A, the code of its rejection; None where it passes.
JUDGED: list[tuple[dict[str, Any], str | None]] = [
    ({}, None),
    ({"cost": Decimal("0.02")}, None),
    ({"cost": Decimal("0.020000000000000001")}, "cost_over_cap"),
    ({"cost": Decimal("0.02"), "unit": "eur"}, None),
    ({"latency_ms": Decimal(400)}, None),
    ({"latency_ms": Decimal("400.1")}, "latency_miss"),
    ({"retention_days": Decimal("0.5")}, "retention_risk"),
    ({"training_use": None}, None),
    ({"training_use": "optional"}, "policy_mismatch"),
    ({"training_use": "opt-in"}, "policy_mismatch"),
    ({"policy": ("no_pii",)}, "policy_mismatch"),
    ({"policy": ()}, "policy_mismatch"),
    ({"policy": ("no_pii", "x", "no_training")}, None),
    ({"capability": "Summarize"}, "capability_mismatch"),
    ({"capability": None}, "capability_mismatch"),
    ({"residency": "US"}, None),
    ({"residency": "us-east-1"}, None),
    ({"residency": "eu"}, "residency_mismatch"),
    ({"proofs": ()}, "proof_missing"),
    ({"proofs": ("audit", "attestation")}, None),
    ({"flaw": ("cost", "no")}, "malformed_offer"),
]


@pytest.mark.parametrize(("changes", "code"), JUDGED)
def test_an_offer_is_rejected_for_what_it_fails(changes, code) -> None:
    reasons, _ = judge(NEED, replace(A, **changes))

    assert [one.code for one in reasons] == ([] if code is None else [code])


UNSTATED = [
    ("cost", {"cost": None}, "cost_over_cap"),
    ("another unit", {"unit": "eur"}, "cost_over_cap"),
    ("no unit", {"unit": None}, "cost_over_cap"),
    ("latency", {"latency_ms": None}, "latency_miss"),
    ("retention", {"retention_days": None}, "retention_risk"),
    ("residency", {"residency": None}, "residency_mismatch"),
]


@pytest.mark.parametrize(("name", "changes", "code"), UNSTATED)
def test_what_is_not_stated_warns_and_rejects_only_when_strict(name, changes, code) -> None:
    offer = replace(A, **{"residency": "us", **changes})

    reasons, warnings = judge(NEED, offer)
    strictly, unwarned = judge(replace(NEED, strict_unknown=True), offer)

    assert (reasons, [one.code for one in warnings]) == ((), [code])
    assert ([one.code for one in strictly], unwarned) == ([code], ())


def test_all_failures_are_told_in_the_order_of_the_filters() -> None:
    worst = replace(
        B, capability="x", cost=Decimal(1), residency="eu", proofs=(), policy=(), unit="usd"
    )

    reasons, _ = judge(NEED, worst)

    assert tuple(one.code for one in reasons) == FILTERS[1:]


def test_what_is_not_asked_is_not_held_against_anybody() -> None:
    assert judge(RouteNeed(), B) == ((), ())


@pytest.mark.parametrize(
    ("changes", "code", "required", "got"),
    [
        ({"confidence": Decimal("0.85")}, "confidence_lower", Decimal("0.86"), Decimal("0.85")),
        ({"confidence": None}, "confidence_lower", Decimal("0.86"), None),
        ({"cost": Decimal("0.019")}, "cost_higher", Decimal("0.018"), Decimal("0.019")),
        ({"cost": Decimal("0.001"), "unit": "eur"}, "cost_higher", Decimal("0.018"), None),
        ({"latency_ms": Decimal(281)}, "latency_higher", Decimal(280), Decimal(281)),
        ({"latency_ms": None}, "latency_higher", Decimal(280), None),
        ({"trust": None}, "trust_lower", Decimal("0.5"), None),
        ({"route_id": "route-us-fastest"}, "tie_route_id", "route-us-fast", "route-us-fastest"),
    ],
)
def test_one_that_passes_loses_by_the_first_difference(changes, code, required, got) -> None:
    first = replace(A, trust=Decimal("0.5"))
    second = replace(first, **changes)

    won, lost = rank(NEED, [second, first]).considered

    assert (won.offer, lost.offer, lost.verdict) == (first, second, RouteVerdict.OUTRANKED)
    (reason,) = lost.reasons
    assert (reason.code, reason.required, reason.got) == (code, required, got)


FIGURES = st.sampled_from((None, Decimal(0), Decimal("0.5"), Decimal(1), Decimal(400)))
OFFERS = st.lists(
    st.builds(
        RouteOffer,
        provider=st.sampled_from("pq"),
        route_id=st.sampled_from("rst"),
        capability=st.sampled_from(("summarize", "x")),
        confidence=FIGURES,
        cost=FIGURES,
        unit=st.sampled_from(("usd", "eur")),
        latency_ms=FIGURES,
        policy=st.sampled_from(((), ("no_training",))),
        trust=FIGURES,
    ),
    max_size=8,
)
LOOSE = RouteNeed(capability="summarize", max_cost=Decimal(1), max_latency_ms=Decimal(400))


@given(OFFERS, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(offers, chance) -> None:
    shuffled = list(offers)
    chance.shuffle(shuffled)

    assert rank(LOOSE, shuffled) == rank(LOOSE, offers)


@given(OFFERS)
def test_everyone_is_considered_once_and_all_but_one_have_reasons(offers) -> None:
    ranking = rank(LOOSE, offers)

    assert sorted(map(repr, offers)) == sorted(repr(one.offer) for one in ranking.considered)
    verdicts = [one.verdict for one in ranking.considered]
    assert verdicts.count(RouteVerdict.WON) == (ranking.winner is not None)
    assert all(
        bool(one.reasons) == (one.verdict is not RouteVerdict.WON) for one in ranking.considered
    )
    places = [one.verdict for one in ranking.considered]
    assert places == sorted(places, key=list(RouteVerdict).index)


@given(OFFERS)
def test_taking_a_loser_away_changes_nothing_for_the_others(offers) -> None:
    ranking = rank(LOOSE, offers)
    for at in range(1, len(ranking.considered)):
        others = (*ranking.considered[:at], *ranking.considered[at + 1 :])

        assert rank(LOOSE, [one.offer for one in others]).considered == others
