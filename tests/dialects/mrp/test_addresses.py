"""`mrp://` addresses, read as strictly as messages and written so that they are read back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.dialects.mrp.addresses import (
    CapabilityAddress,
    RouteAddress,
    capability_address,
    parse_address,
    route_address,
)
from treaty.errors import WireError


def test_a_capability_with_what_is_asked_of_it() -> None:
    found = parse_address(
        "mrp://capability/summarize?intent=summarize%20pricing&budget=0.02&format=markdown"
        "&policy=no_training&policy=no_pii&domain=example.com&data_residency=us"
        "&max_latency_ms=400&data_retention_days=0"
    )

    assert found == CapabilityAddress(
        capability="summarize",
        intent="summarize pricing",
        max_cost=Decimal("0.02"),
        output_format="markdown",
        constraints={
            "policy": ["no_training", "no_pii"],
            "allowed_domains": ["example.com"],
            "data_residency": "us",
            "max_latency_ms": 400,
            "data_retention_days": 0,
        },
    )
    assert parse_address(capability_address(found)) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("mrp://capability/a", CapabilityAddress(capability="a")),
        ("mrp://capability/a%20b%2Fc", CapabilityAddress(capability="a b/c")),
        ("mrp://capability/a?intent=a+b", CapabilityAddress(capability="a", intent="a b")),
        ("mrp://capability/a?max_cost=1", CapabilityAddress(capability="a", max_cost=Decimal(1))),
        ("mrp://route/route-us-fast", RouteAddress("route-us-fast")),
        ("mrp://route/route:openapi/a@0.1", RouteAddress("route:openapi/a@0.1")),
    ],
)
def test_an_address_is_read(text, found) -> None:
    assert parse_address(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://capability/a",
        "mrp://",
        "mrp://capability",
        "mrp://capability/",
        "mrp://route/",
        "mrp://elsewhere/a",
        "mrp://route/r?x=1",
        "mrp://capability/a#b",
        "mrp://capability/a%ff",
        "mrp://capability/a%00",
        "mrp://capability/a\nb",
        "mrp://capability/a?budget=free",
        "mrp://capability/a?budget=-1",
        "mrp://capability/a?budget=1&budget=2",
        "mrp://capability/a?budget=1&max_cost=2",
        "mrp://capability/a?allowed_domains=x",
        "mrp://capability/a?max_latency_ms=1.5",
        "mrp://capability/a?max_latency_ms=x",
        "mrp://capability/a?=1",
        "mrp://capability/a?" + "&".join(f"n{one}=1" for one in range(33)),
        "mrp://capability/" + "a" * 5_000,
        "mrp://[capability/a",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        parse_address(text)


NAMES = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=20)


@given(NAMES)
def test_any_route_id_is_read_back(route_id: str) -> None:
    assert parse_address(route_address(route_id)) == RouteAddress(route_id)


@given(NAMES, st.none() | NAMES, st.lists(NAMES, min_size=1, max_size=3))
def test_any_capability_is_read_back(capability, intent, policy) -> None:
    address = CapabilityAddress(
        capability=capability, intent=intent, constraints={"policy": policy}
    )

    assert parse_address(capability_address(address)) == address
