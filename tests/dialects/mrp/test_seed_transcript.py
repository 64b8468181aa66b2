"""The seed's transcript, wrapped as on the wire, read in both profiles."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.dialects.mrp.made import SEED, payload, raw, received, seeded
from treaty.dialects.mrp.codec import (
    Profile,
    decode,
    read_discover,
    read_evidence,
    read_execute,
    read_negotiate,
    read_offers,
)
from treaty.dialects.mrp.messages import Offer
from treaty.dialects.mrp.validation import validate

PAGE = "https://example.com/pricing"


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("name", SEED)
def test_every_message_of_the_seed_is_valid_in_both_profiles(name: str, profile: Profile) -> None:
    body = raw(seeded(name))

    assert validate(body, profile) is None
    assert decode(body, profile).payload == payload(name)


def test_the_discover_says_what_is_wanted() -> None:
    wanted = read_discover(received("DISCOVER", payload("discover")))

    assert wanted.intent == "summarize pricing"
    assert [(one.type, one.value) for one in wanted.inputs] == [("url", PAGE)]
    assert wanted.constraints.max_cost == Decimal("0.02")
    assert wanted.constraints.max_latency_ms == 400
    assert wanted.constraints.residency == "us"
    assert wanted.constraints.retention_days == 0
    assert wanted.constraints.policy == ("no_training", "no_pii")
    assert wanted.proofs_required == ("attestation",)


@pytest.mark.parametrize(
    ("name", "confidence", "cost", "latency_ms", "policy", "days", "training"),
    [
        ("offer_a", "0.86", "0.018", 280, ("no_training", "no_pii"), 0, "none"),
        ("offer_b", "0.78", "0.012", 520, ("no_pii",), 14, "optional"),
    ],
)
def test_an_offer_says_what_is_had(
    name, confidence, cost, latency_ms, policy, days, training
) -> None:
    (offer,) = read_offers(received("OFFER", payload(name)))

    assert isinstance(offer, Offer)
    assert (offer.capability, offer.confidence) == ("summarize", Decimal(confidence))
    assert (offer.cost_unit, offer.cost) == ("usd", Decimal(cost))
    assert (offer.latency_ms, offer.policy) == (latency_ms, policy)
    assert (offer.retention_days, offer.training_use) == (days, training)
    assert offer.proofs == ("attestation",)
    assert (offer.residency, offer.endpoint) == (None, "/mrp/negotiate")


def test_the_rest_is_read_as_it_stands() -> None:
    terms = read_negotiate(received("NEGOTIATE", payload("negotiate")))
    order = read_execute(received("EXECUTE", payload("execute")))
    done = read_evidence(received("EVIDENCE", payload("evidence")))

    assert (terms.route_id, terms.proofs) == ("route-us-fast", ("attestation",))
    assert terms.constraints.allowed_domains == ("example.com",)
    assert terms.constraints.max_cost == Decimal("0.02")
    assert (order.output_format, order.job) == ("markdown", {})
    assert order.inputs == terms.inputs
    assert [(one.type, one.value) for one in done.outputs] == [
        ("markdown", "# Pricing summary\n- ...")
    ]
    assert (done.citations, done.source_hashes) == ((PAGE,), ("sha256:deadbeef",))
    assert (done.attestations, done.job_id) == (("attestation",), None)
