"""Offers and manifests say what a capability states, and the best that fits comes first."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.http.mrp_world import CHEAP, PROVIDER, SEED_DISCOVER, SUMMARIZE, shout
from treaty.dialects.mrp.checking import CHECK_MANIFEST
from treaty.dialects.mrp.offering import ENCODED_MAX, Offering, make_route
from treaty.engine.capability import Capability
from treaty.errors import MisuseError, WireError


def named(name: str, **changes: Any) -> Capability:
    """The seed's capability under another name."""
    return replace(SUMMARIZE, name=name, route_id=f"route-{name}", **changes)


def routes(offering: Offering, **payload: Any) -> list[str]:
    """The routes offered for a DISCOVER."""
    encoded = offering.encoded({"intent": "x", **payload})
    return [one["route_id"] for one in json.loads(encoded)]


def test_the_order_is_confidence_then_cost_then_latency_then_name() -> None:
    offering = Offering(
        PROVIDER,
        [
            named("d", confidence=Decimal("0.5")),
            named("c", latency_ms=281),
            named("b", cost=Decimal("0.019")),
            named("a2"),
            named("a1"),
        ],
    )

    assert routes(offering) == ["route-a1", "route-a2", "route-c", "route-b", "route-d"]


def test_a_route_is_named_after_its_provider_unless_it_has_a_name() -> None:
    plain = replace(SUMMARIZE, route_id=None)

    assert make_route("service:treaty/KEY", plain).id == "route:treaty/KEY/summarize@0.1"
    assert make_route("service:treaty/KEY", SUMMARIZE).id == "route-us-fast"


def test_what_is_not_stated_is_absent() -> None:
    offer = make_route(PROVIDER, Capability(name="bare", perform=SUMMARIZE.perform)).offer

    assert "latency" not in offer
    assert offer["risk"] == {}


def test_the_floor_is_nowhere() -> None:
    offering = Offering(PROVIDER, [shout])
    said = json.dumps([offering.manifest("shout"), json.loads(offering.encoded({"intent": "x"}))])

    assert shout.floor == Decimal("0.006")
    assert "0.006" not in said


@pytest.mark.parametrize("ability", [SUMMARIZE, CHEAP, shout])
def test_a_manifest_has_the_published_form(ability: Capability) -> None:
    for offering in (Offering(PROVIDER, [ability]), Offering(PROVIDER, [ability, named("other")])):
        assert CHECK_MANIFEST(offering.manifest(ability.name)) is None


@pytest.mark.parametrize(
    "twin", [{"name": "summarize"}, {"name": "x", "route_id": "route-us-fast"}]
)
def test_two_of_a_name_are_none(twin: dict[str, str]) -> None:
    with pytest.raises(MisuseError):
        Offering(PROVIDER, [SUMMARIZE, replace(shout, **twin)])


def test_the_message_says_which_capability_and_the_address_speaks_for_those_who_do_not() -> None:
    offering = Offering(PROVIDER, [named("a"), named("b")])

    def offered(address: str, **constraints: str) -> list[str]:
        encoded = offering.encoded({"intent": "x", "constraints": constraints}, address)
        return [one["route_id"] for one in json.loads(encoded)]

    assert offered("a") == ["route-a"]
    assert offered("a", capability="b") == ["route-b"]


def test_what_was_said_once_is_said_again_and_is_bounded() -> None:
    offering = Offering(PROVIDER, [SUMMARIZE])
    first = offering.encoded(SEED_DISCOVER)
    assert offering.encoded({**SEED_DISCOVER, "intent": "another"}) is first
    assert offering.encoded({**SEED_DISCOVER, "inputs": []}) is not first
    for number in range(ENCODED_MAX + 1):
        offering.encoded({"intent": "x", "constraints": {"max_latency_ms": number}})

    again = offering.encoded(SEED_DISCOVER)
    assert again is not first
    assert again == first


@pytest.mark.parametrize(
    ("constraints", "is_met"),
    [
        ({"max_cost": 0.018}, True),
        ({"max_cost": 0.0179}, False),
        ({"budget": 0.0179}, False),
        ({"max_latency_ms": 280}, True),
        ({"max_latency_ms": 279}, False),
        ({"data_retention_days": 0}, True),
        ({"data_residency": "us"}, True),
        ({"policy": ["no_training", "no_pii"]}, True),
        ({"policy": ["no_logs"]}, False),
        ({"capability": "summarize"}, True),
        ({"capability": "capability:treaty/summarize"}, True),
        ({"capability": "translate"}, False),
        ({"max_context_tokens": 5, "anything": {"goes": True}}, True),
    ],
)
def test_an_offer_meets_the_constraints_or_is_not_made(
    constraints: dict[str, Any], is_met: bool
) -> None:
    offering = Offering(PROVIDER, [SUMMARIZE])

    assert routes(offering, constraints=constraints) == (["route-us-fast"] if is_met else [])


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"intent": ""},
        {"intent": "x" * 5_000},
        {"intent": "x", "more": 1},
        {"intent": "x", "inputs": [{"type": "text", "value": "x"}] * 65},
        {"intent": "x", "constraints": {"max_cost": "lots"}},
        {"intent": "x", "constraints": {"policy": ["x"] * 65}},
        {"intent": "x", "proofs_required": ["x"] * 65},
    ],
)
def test_a_payload_that_is_none_is_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        Offering(PROVIDER, [SUMMARIZE]).encoded(payload)
