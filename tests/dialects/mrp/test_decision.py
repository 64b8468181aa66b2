"""The decision record of the seed, and that offers are read as hostile as they may be."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.dialects.mrp.made import AT_MS, payload, received
from treaty.core.routing import RouteNeed
from treaty.dialects.mrp.decision import Heard, decide, record
from treaty.dialects.mrp.messages import Discover, Malformed, Offer
from treaty.dialects.mrp.offers import need_of, offer_of
from treaty.dialects.mrp.reading import read_discover, read_offer, read_offers

SEED_B_REASONS = [
    {
        "code": "policy_mismatch",
        "field": "policy",
        "required": ["no_training", "no_pii"],
        "got": ["no_pii"],
        "text": "Policy mismatch: omitted no_training and allowed training_use: optional",
    },
    {
        "code": "latency_miss",
        "field": "latency.p50",
        "required": 400,
        "got": 520,
        "text": "Latency miss: p50 520ms exceeded the 400ms ceiling",
    },
    {
        "code": "retention_risk",
        "field": "risk.data_retention_days",
        "required": 0,
        "got": 14,
        "text": "Retention risk: 14-day retention where no retention was asked for",
    },
]


def wanted(**constraints: Any) -> Discover:
    body = payload("discover")
    return read_discover(
        received("DISCOVER", {**body, "constraints": {**body["constraints"], **constraints}})
    )


def heard(name: str) -> Heard:
    (offer,) = read_offers(received("OFFER", payload(name)))
    return Heard(provider=f"service:{name}", offer=offer)


def test_the_seeds_decision() -> None:
    asked = wanted()

    made = record(
        asked, decide(asked, [heard("offer_b"), heard("offer_a")]), decision_id="d", at_ms=AT_MS
    )

    assert made["winner"] == {
        "provider": "service:offer_a",
        "route_id": "route-us-fast",
        "capability": "summarize",
        "confidence": 0.86,
        "cost": 0.018,
        "unit": "usd",
        "latency_ms": 280,
    }
    assert len(made["why_won"]) == 3
    first, second = made["considered"]
    assert (first["route_id"], first["verdict"], first["reasons"]) == ("route-us-fast", "won", [])
    assert [one["code"] for one in first["warnings"]] == ["residency_mismatch"]
    assert first["offer"] == payload("offer_a")["offers"][0]
    assert (second["verdict"], second["reasons"]) == ("rejected", SEED_B_REASONS)
    assert made["constraints"] == payload("discover")["constraints"]
    assert (made["decision_id"], made["at"]) == ("d", "2025-01-01T00:00:00.000Z")
    assert made["evidence_msg_id"] is None


def test_b_alone_does_not_win() -> None:
    asked = wanted()

    decision = decide(asked, [heard("offer_b")])

    assert decision.winner is None
    made = record(asked, decision, decision_id="d", at_ms=AT_MS)
    assert (made["winner"], made["why_won"]) == (None, [])


def test_what_the_manifest_says_of_residency_counts_where_the_offer_is_silent() -> None:
    asked, a = wanted(), heard("offer_a")
    abroad = Heard(provider=a.provider, offer=a.offer, residency="eu")

    (one,) = decide(asked, [abroad]).ranking.considered

    assert [reason.code for reason in one.reasons] == ["residency_mismatch"]
    stated = offer_of(read_offer({**_bare(), "data_residency": "us"}), provider="p", residency="eu")
    assert stated.residency == "us"


def test_silence_rejects_only_when_it_shall() -> None:
    asked = wanted()

    strictly = decide(asked, [heard("offer_a")], strict_unknown=True)

    assert strictly.winner is None


def _bare(**members: Any) -> dict[str, Any]:
    return {"route_id": "r", "capability": "summarize", **members}


# What an offer states, the member it is malformed for, or what is read.
HOSTILE: list[tuple[dict[str, Any], str]] = [
    ({"cost": 0.018}, "cost"),
    ({"cost": {"unit": "usd", "estimate": -1}}, "cost.estimate"),
    ({"cost": {"unit": "usd", "estimate": True}}, "cost.estimate"),
    ({"cost": {"unit": "usd", "estimate": 1e300}}, "cost.estimate"),
    ({"cost": {"unit": "usd", "estimate": "free"}}, "cost.estimate"),
    ({"cost": {"unit": "usd", "estimate": "-0.01"}}, "cost.estimate"),
    ({"cost": {"unit": "usd", "estimate": []}}, "cost.estimate"),
    ({"cost": {"unit": 5, "estimate": 1}}, "cost.unit"),
    ({"confidence": 1.1}, "confidence"),
    ({"confidence": -0.1}, "confidence"),
    ({"confidence": "0.9"}, "confidence"),
    ({"latency": {"p50": "soon"}}, "latency.p50"),
    ({"latency": {"p50": "-5ms"}}, "latency.p50"),
    ({"latency": {"p50": -5}}, "latency.p50"),
    ({"latency": {"p50": False}}, "latency.p50"),
    ({"latency": {"p50": "1e3ms"}}, "latency.p50"),
    ({"latency": {"p50": "٢ms"}}, "latency.p50"),
    ({"latency": {"p50": "9" * 20 + "s"}}, "latency.p50"),
    ({"latency_ms": "x"}, "latency_ms"),
    ({"policy": "no_pii"}, "policy"),
    ({"policy": [5]}, "policy"),
    ({"policy": ["p"] * 65}, "policy"),
    ({"constraints": {"policy": 1}}, "constraints.policy"),
    ({"risk": []}, "risk"),
    ({"risk": {"data_retention_days": -1}}, "risk.data_retention_days"),
    ({"risk": {"training_use": 1}}, "risk.training_use"),
    ({"data_residency": ["us"]}, "data_residency"),
    ({"proofs": {}}, "proofs"),
    ({"route_id": ""}, "route_id"),
    ({"route_id": None}, "route_id"),
    ({"route_id": "r" * 257}, "route_id"),
    ({"capability": 1}, "capability"),
    ({"endpoint": 1}, "endpoint"),
]


@pytest.mark.parametrize(("members", "member"), HOSTILE)
def test_an_offer_that_states_the_impossible_is_malformed(members, member) -> None:
    offer = read_offer(_bare(**members))

    assert isinstance(offer, Malformed)
    assert offer.member == member
    (one,) = decide(wanted(), [Heard(provider="p", offer=offer)]).ranking.considered
    assert [(reason.code, reason.field) for reason in one.reasons] == [("malformed_offer", member)]


@pytest.mark.parametrize("value", [None, 5, "offer", []])
def test_what_is_no_object_is_no_offer(value) -> None:
    assert isinstance(read_offer(value), Malformed)


# What is stated, and what is read of it.
READ: list[tuple[dict[str, Any], str, Any]] = [
    ({"latency": {"p50": "280ms"}}, "latency_ms", Decimal(280)),
    ({"latency": {"p50": "0.28s"}}, "latency_ms", Decimal(280)),
    ({"latency": {"p50": "1.2 S"}}, "latency_ms", Decimal(1200)),
    ({"latency": {"p50": "500us"}}, "latency_ms", Decimal("0.5")),
    ({"latency": {"p50": 280}}, "latency_ms", Decimal(280)),
    ({"latency": {"p50": "280"}}, "latency_ms", Decimal(280)),
    ({"latency_ms": 0}, "latency_ms", Decimal(0)),
    ({"latency": {"p50": None}}, "latency_ms", None),
    ({"latency": {}, "latency_ms": 7.5}, "latency_ms", Decimal("7.5")),
    ({"cost": {"unit": "USD", "estimate": 0}}, "cost_unit", "usd"),
    ({"cost": {"unit": "usd", "estimate": "0.018"}}, "cost", Decimal("0.018")),
    ({"cost": {}}, "cost", None),
    ({"constraints": {"policy": ["no_pii"]}}, "policy", ("no_pii",)),
    ({"policy": [], "constraints": {"policy": ["no_pii"]}}, "policy", ()),
    ({"risk": {"data_residency": "eu"}}, "residency", "eu"),
    ({"constraints": {"data_residency": "eu"}}, "residency", "eu"),
    ({"constraints": {"data_retention_days": 3}}, "retention_days", Decimal(3)),
    ({"risk": {"training_use": " None "}}, "training_use", "none"),
    ({}, "confidence", None),
]


@pytest.mark.parametrize(("members", "name", "value"), READ)
def test_an_offer_is_read_in_the_spellings_in_use(members, name, value) -> None:
    offer = read_offer(_bare(**members))

    assert isinstance(offer, Offer)
    assert getattr(offer, name) == value


def test_an_unasked_need_is_empty() -> None:
    assert need_of(Discover(intent="x")) == RouteNeed()
