"""What a buyer says is the seed's, and what it makes of an answer to NEGOTIATE (6)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.dialects.mrp.made import SEED, document, raw, seeded
from treaty.dialects.mrp.answers import read_answer
from treaty.dialects.mrp.buying import (
    Stand,
    Terms,
    Wish,
    discover_payload,
    execute_payload,
    leads_to_negotiate,
    negotiate_payload,
    number,
    read_terms,
)
from treaty.errors import MisuseError

ROUTE = "route-us-fast"
WISH = Wish(
    intent="summarize pricing",
    inputs=({"type": "url", "value": "https://example.com/pricing"},),
    max_cost=Decimal("0.02"),
    max_latency_ms=400,
    residency="us",
    retention_days=0,
    policy=("no_training", "no_pii"),
    proofs=("attestation",),
    output_format="markdown",
)


def test_discover_and_negotiate_are_those_of_the_seed() -> None:
    said = discover_payload(WISH)

    assert said["constraints"].pop("include_unmatched") is True
    assert said == SEED["discover"]["payload"]
    assert negotiate_payload(WISH, ROUTE) == SEED["negotiate"]["payload"]


def test_execute_is_that_of_the_seed_and_names_its_job() -> None:
    said = execute_payload(WISH, ROUTE, "job-1", None)

    assert said.pop("job") == {"id": "job-1", "intent": WISH.intent}
    assert said == SEED["execute"]["payload"]
    assert execute_payload(WISH, ROUTE, "job-1", "a-1")["job"]["agreement"] == "a-1"


def test_what_is_not_wished_is_not_said() -> None:
    bare = Wish(intent="x")

    assert discover_payload(bare) == {"intent": "x", "constraints": {"include_unmatched": True}}
    assert negotiate_payload(bare, ROUTE) == {"route_id": ROUTE, "constraints": {}}
    assert execute_payload(bare, ROUTE, "j", None) == {
        "route_id": ROUTE, "inputs": [], "job": {"id": "j", "intent": "x"},
    }  # fmt: skip


def test_zero_is_said() -> None:
    said = discover_payload(Wish(intent="x", max_cost=Decimal(0), retention_days=0))

    assert said["constraints"]["max_cost"] == said["constraints"]["data_retention_days"] == 0


@pytest.mark.parametrize(
    ("url", "domains"),
    [
        ("https://example.com/pricing", ("example.com",)),
        ("https://www.example.com/", ("example.com",)),
        ("http://127.0.0.1:8000/x", ("127.0.0.1",)),
        ("http://localhost:8000/x", ("localhost",)),
        ("https://www.com/", ("www.com",)),
        ("nonsense", ()),
    ],
)
def test_the_hosts_of_the_urls_may_be_fetched_from(url: str, domains: tuple[str, ...]) -> None:
    inputs: tuple[dict[str, Any], ...] = (
        {"type": "url", "value": url},
        {"type": "text", "value": "https://other.example/"},
    )

    assert Wish(intent="x", inputs=inputs).domains == domains
    named = Wish(intent="x", inputs=inputs, allowed_domains=("b.example",))
    assert named.domains == ("b.example",)


def test_a_number_is_said_exactly_or_not_at_all() -> None:
    assert [number(Decimal(one)) for one in ("0.02", "2", "2.0")] == [0.02, 2, 2]
    with pytest.raises(MisuseError):
        number(Decimal("0.1234567890123456789"))


def terms(body: dict[str, Any], *, status: int = 200, msg_type: str = "NEGOTIATE") -> Terms:
    return read_terms(WISH, ROUTE, read_answer(status, raw(document(msg_type, body))))


def agreed(**agreement: Any) -> dict[str, Any]:
    return {"route_id": ROUTE, "constraints": {"agreement": agreement}}


@pytest.mark.parametrize(
    ("body", "stand"),
    [
        # Ours, and what else says yes.
        (agreed(status="accepted", id="a-1", price=0.018), Stand.ACCEPTED),
        ({"accepted": True}, Stand.ACCEPTED),
        ({"accepted": True, "route_id": ROUTE}, Stand.ACCEPTED),
        ({"route_id": ROUTE}, Stand.ACCEPTED),
        (SEED["negotiate"]["payload"], Stand.ACCEPTED),
        (agreed(status="countered", price=0.019), Stand.COUNTERED),
        # The peer's stub.
        ({"accepted": False, "reason": "not implemented"}, Stand.UNSUPPORTED),
        # No.
        ({"accepted": False, "reason": "too busy"}, Stand.REFUSED),
        ({"accepted": False}, Stand.REFUSED),
        ({}, Stand.REFUSED),
        ({"accepted": "yes"}, Stand.REFUSED),
        ({"route_id": "another"}, Stand.REFUSED),
        ({"accepted": True, "route_id": "another"}, Stand.REFUSED),
        (agreed(status="maybe"), Stand.REFUSED),
        (agreed(id=5), Stand.REFUSED),
        (agreed(price="dear"), Stand.REFUSED),
        (agreed(price=-1), Stand.REFUSED),
        (agreed(price=True), Stand.REFUSED),
        # A yes to something else than was asked.
        (agreed(status="accepted", price=0.0201), Stand.REFUSED),
        ({"route_id": ROUTE, "constraints": {"allowed_domains": ["evil.example"]}}, Stand.REFUSED),
        ({"route_id": ROUTE, "constraints": {"policy": ["no_pii"]}}, Stand.REFUSED),
    ],
)
def test_an_answer_is_classified(body: dict[str, Any], stand: Stand) -> None:
    assert terms(body).stand is stand


def test_a_counter_beyond_the_wish_is_not_to_be_taken() -> None:
    within, beyond = (terms(agreed(status="countered", price=one)) for one in (0.02, 0.03))

    assert within.constraints is not None
    assert (beyond.stand, beyond.constraints) == (Stand.COUNTERED, None)


def test_an_agreement_is_read() -> None:
    found = terms(
        agreed(status="accepted", id="a-1", price="0.02", expires_at="2026-01-01T00:00:00Z")
    )

    assert found.agreement == "a-1"
    assert found.price == Decimal("0.02")
    assert found.to_json() == {
        "status": "accepted",
        "detail": "the provider agrees",
        "agreement": "a-1",
        "price": "0.02",
        "expires_at": "2026-01-01T00:00:00Z",
    }


def test_an_error_refuses_with_its_reasons() -> None:
    body = {
        "code": "MRP_POLICY_VIOLATION",
        "message": "no",
        "retryable": False,
        "details": {"reasons": [{"code": "x", "text": "too dear"}, {"code": "y"}, "z", 5]},
    }
    found = terms(body, msg_type="ERROR")

    assert (found.stand, found.detail) == (Stand.REFUSED, "MRP_POLICY_VIOLATION: no")
    assert found.reasons == ("too dear", "y", "z")


def test_an_error_may_say_that_nothing_is_built() -> None:
    body = {"code": "MRP_NOT_IMPLEMENTED", "message": "later", "retryable": False}

    assert terms(body, msg_type="ERROR").stand is Stand.UNSUPPORTED


@pytest.mark.parametrize(
    ("status", "body", "stand"),
    [
        (404, b'{"detail":"Not Found"}', Stand.UNSUPPORTED),
        (405, b"", Stand.UNSUPPORTED),
        (501, b"x", Stand.UNSUPPORTED),
        (500, b"Internal Server Error", Stand.REFUSED),
        (200, b"[]", Stand.REFUSED),
        (200, raw(seeded("offer_a")), Stand.REFUSED),
    ],
)
def test_an_answer_that_is_none_is_classified(status: int, body: bytes, stand: Stand) -> None:
    assert read_terms(WISH, ROUTE, read_answer(status, body)).stand is stand


@pytest.mark.parametrize(
    ("endpoint", "leads"),
    [
        (None, True),
        ("/mrp/negotiate", True),
        ("https://a.example/mrp/negotiate", True),
        ("/mrp/execute", False),
        ("https://a.example/mrp/execute/?x=1", False),
        ("/something", True),
    ],
)
def test_an_offer_names_the_next_call(endpoint: str | None, leads: bool) -> None:
    assert leads_to_negotiate(endpoint) is leads
