"""What was reserved is held against the standing of both parties at the COMMIT (B17, B22)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.asp.deal_stage import ALPHA, BETA, DealStage, golden, played, whole
from tests.dialects.asp.deal_zoo import check_named, failed
from treaty.dialects.asp.audit import verify


def paying(amount: Any, currency: str = "USD", **rates: str) -> DealStage:
    """The example for another amount: Alpha is at level 1, so a thousand dollars are its most."""
    stage = DealStage()
    stage.rates = rates
    escrow = {"amount": amount, "currency": currency, "releaseCondition": "obligation-met"}
    return played(stage, escrow=escrow)


@pytest.mark.parametrize(
    ("amount", "currency", "rates", "fits"),
    [
        (1_000, "USD", {}, True),
        (1_000.01, "USD", {}, False),
        ("925.92", "EUR", {"EUR": "1.08"}, True),
        ("925.93", "EUR", {"EUR": "1.08"}, False),
        (149_253, "JPY", {"JPY": "0.0067"}, True),
        (149_254, "JPY", {"JPY": "0.0067"}, False),
        ("306.748", "KWD", {"KWD": "3.26"}, True),
        ("306.749", "KWD", {"KWD": "3.26"}, False),
    ],
)
def test_a_reservation_beyond_the_ceiling_is_named(
    amount: Any, currency: str, rates: dict[str, str], fits: bool
) -> None:
    stage = paying(amount, currency, **rates)
    if fits:
        assert verify(stage.export(), stage.roots()).ok
        return
    assert failed(stage.export(), stage.roots()) == {"reserved"}
    check_named(stage.export(), stage.roots(), "reserved", "cmt_001")
    assert "beyond" in verify(stage.export(), stage.roots()).claim("reserved").detail


def test_a_higher_standing_at_the_commit_allows_more() -> None:
    stage = DealStage()
    # Vouched for from the beginning both are at level 4, and a million dollars are free.
    stage.vouch(ALPHA)
    escrow = {"amount": 500_000, "currency": "USD", "releaseCondition": "obligation-met"}
    played(stage, escrow=escrow)

    assert verify(stage.export(), stage.roots()).ok


def test_with_a_part_of_the_log_nothing_is_said() -> None:
    stage = paying(1_000.01)
    deal = stage.export()
    del deal["outcomes"][0]

    assert "reserved" not in failed(deal, stage.roots())


def test_the_example_stays_under_its_ceiling() -> None:
    assert {ALPHA, BETA} == {line["uri"] for line in golden()["trust"]}
    assert verify(golden(), whole().roots()).ok
