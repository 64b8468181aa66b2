"""Every code has a sentence, and strangers' text in it is harmless."""

from __future__ import annotations

from decimal import Decimal

import pytest

from treaty.core.routing_reasons import FILTERS, RANKED_BY, RouteReason, named, names, plain

SENTENCES = {
    "malformed_offer": (
        RouteReason("malformed_offer", "cost", None, None, against="must be an object"),
        "Malformed offer in cost: must be an object",
    ),
    "capability_mismatch": (
        RouteReason("capability_mismatch", "capability", "a", "b"),
        "Capability mismatch: b, not a",
    ),
    "policy_mismatch": (
        RouteReason("policy_mismatch", "policy", (), (), ("no_training",), "optional"),
        "Policy mismatch: omitted no_training and allowed training_use: optional",
    ),
    "cost_over_cap": (
        RouteReason("cost_over_cap", "cost.estimate", Decimal("0.02"), Decimal("0.030")),
        "Cost over cap: 0.03 exceeded the cap of 0.02",
    ),
    "latency_miss": (
        RouteReason("latency_miss", "latency.p50", 400, Decimal(520)),
        "Latency miss: p50 520ms exceeded the 400ms ceiling",
    ),
    "retention_risk": (
        RouteReason("retention_risk", "risk.data_retention_days", 0, Decimal(14)),
        "Retention risk: 14-day retention where no retention was asked for",
    ),
    "residency_mismatch": (
        RouteReason("residency_mismatch", "data_residency", "us", "eu"),
        "Residency mismatch: eu, not us",
    ),
    "proof_missing": (
        RouteReason("proof_missing", "proofs", ("a", "b"), ("b",), ("a",)),
        "Proof missing: a",
    ),
    "confidence_lower": (
        RouteReason("confidence_lower", "confidence", Decimal("0.86"), Decimal("0.78")),
        "Lower confidence: 0.78, the winner's is 0.86",
    ),
    "cost_higher": (
        RouteReason("cost_higher", "cost.estimate", Decimal(1), None),
        "Higher cost: not stated, the winner's is 1",
    ),
    "latency_higher": (
        RouteReason("latency_higher", "latency.p50", Decimal(280), Decimal(281)),
        "Higher latency: 281ms, the winner's is 280ms",
    ),
    "trust_lower": (
        RouteReason("trust_lower", "trust", Decimal("0.9"), Decimal("0.5")),
        "Lower trust: 0.5, the winner's is 0.9",
    ),
    "tie_route_id": (
        RouteReason("tie_route_id", "route_id", "r1", "r2"),
        "Tie, broken by name: r1 comes before r2",
    ),
}


@pytest.mark.parametrize("code", [*FILTERS, *RANKED_BY])
def test_a_reason_reads_as_a_sentence(code: str) -> None:
    reason, sentence = SENTENCES[code]

    assert reason.text == sentence
    assert reason.to_json()["text"] == sentence
    assert reason.to_json()["code"] == code


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        (
            RouteReason("cost_over_cap", "c", Decimal("0.02"), Decimal(1), against="eur"),
            "Cost: in eur, not comparable with the cap of 0.02",
        ),
        (
            RouteReason("latency_miss", "l", 400, None),
            "Latency: p50 stated nowhere, not shown to be within the 400ms ceiling",
        ),
        (
            RouteReason("retention_risk", "r", 7, None),
            "Retention: stated nowhere, at most 7 days was asked for",
        ),
        (
            RouteReason("residency_mismatch", "d", "us", None),
            "Residency: stated nowhere, not contradicted; us was asked for",
        ),
    ],
)
def test_silence_is_said_to_be_silence(reason: RouteReason, sentence: str) -> None:
    assert reason.text == sentence


def test_numbers_are_json_numbers_and_names_lists() -> None:
    cost, policy = SENTENCES["cost_over_cap"][0], SENTENCES["proof_missing"][0]

    assert (cost.to_json()["required"], cost.to_json()["got"]) == (0.02, 0.03)
    assert (policy.to_json()["required"], policy.to_json()["got"]) == (["a", "b"], ["b"])


def test_digits_that_no_number_holds_stay_digits() -> None:
    figure = Decimal("0.1234567890123456789")
    reason = RouteReason("cost_over_cap", "cost.estimate", Decimal("0.02"), figure)

    assert reason.to_json()["got"] == "0.1234567890123456789"


def test_a_strangers_text_is_escaped_and_cut() -> None:
    assert named("plain_name") == "plain_name"
    assert named("\x1b[31m") == r"'\x1b[31m'"
    assert len(named("x" * 1_000)) <= 80
    assert names(tuple("abcdefghij")) == "a, b, c, d, e, f, g, h and 2 more"


@pytest.mark.parametrize(
    ("figure", "text"),
    [("0.0180", "0.018"), ("400", "400"), ("1E-7", "0.0000001"), ("1E+3", "1000"), ("0", "0")],
)
def test_a_figure_has_plain_digits(figure: str, text: str) -> None:
    assert plain(Decimal(figure)) == text
