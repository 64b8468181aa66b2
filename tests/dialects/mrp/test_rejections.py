"""A receipt tells a loser its own figures against what it was asked, and nothing else."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.http.nodes import signer
from treaty.core.losses import Loss
from treaty.core.routing_reasons import FILTERS, RANKED_BY
from treaty.dialects.mrp.rejections import BEHIND, UNITS, make_rejection, read_rejection
from treaty.errors import TreatyError
from treaty.identity.records import seal
from treaty.wire.canonical import canonical

KEY = signer("agent://buyer.test/x")


def made(*reasons: dict[str, Any]) -> dict[str, Any]:
    """A receipt of these reasons."""
    return make_rejection(
        route_id="route-1",
        discover_id="discover-1",
        offer_id="offer-001",
        reasons=reasons,
        at_ms=0,
        signer=KEY,
    )


def test_every_reason_of_a_decision_has_its_place() -> None:
    assert set(UNITS) == set(FILTERS)
    assert set(BEHIND) == set(RANKED_BY)


def test_it_reads_back_as_losses_with_what_was_passed() -> None:
    told = read_rejection(
        made(
            {"code": "latency_miss", "field": "latency.p50", "required": 400, "got": 520},
            {"code": "cost_over_cap", "field": "cost.estimate", "required": 0.02, "got": None},
            {"code": "policy_mismatch", "field": "policy", "required": ["a"], "got": []},
            {"code": "confidence_lower", "field": "confidence", "required": 0.86, "got": 0.78},
        )
    )

    assert told.reasons == (
        Loss("latency_miss", Decimal(120), "ms"),
        Loss("cost_over_cap", None, "usd"),
        Loss("policy_mismatch"),
        Loss("confidence_lower"),
    )
    assert (told.route_id, told.offer_id, told.key_id) == ("route-1", "offer-001", KEY.key.key_id)


def test_the_winners_figures_and_texts_are_left_out() -> None:
    receipt = made(
        {"code": "cost_higher", "field": "cost.estimate", "required": 0.0123, "got": 0.02,
         "text": "the winner costs 0.0123"},
        {"code": "unheard_of", "field": "x"},
    )  # fmt: skip

    assert "0.0123" not in json.dumps(receipt)
    assert receipt["reasons"] == [{"code": "cost_higher", "field": "cost.estimate"}]


@pytest.mark.parametrize(
    "change",
    [
        {"reasons": []},
        {"reasons": [{"code": "latency_miss", "field": "x", "winner": "y"}]},
        {"reasons": [{"code": "cost_higher", "field": "x", "required": 1}]},
        {"reasons": [{"code": "unheard_of", "field": "x"}]},
        {"reasons": [5]},
        {"reasons": [{"code": "latency_miss"}] * 17},
        {"route_id": 5},
        {"at": "yesterday"},
        {"winner": "x"},
        {"public_key": None},
    ],
)
def test_what_says_more_or_less_is_no_receipt(change: dict[str, Any]) -> None:
    body = {**made({"code": "latency_miss", "field": "x"}), **change}
    del body["integrity"]

    with pytest.raises(TreatyError):
        read_rejection(seal("rejection", body, KEY))


def test_a_changed_receipt_does_not_hold() -> None:
    receipt = made({"code": "latency_miss", "field": "x"})

    with pytest.raises(TreatyError) as refused:
        read_rejection({**receipt, "route_id": "route-2"})
    assert refused.value.code == "hash_mismatch"
    assert len(canonical(receipt)) < 2_048
