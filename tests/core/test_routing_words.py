"""Why the winner won: three statements with figures, and silence named."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.core.test_routing import NEED, A, B
from treaty.core.routing import RouteNeed, RouteOffer, rank
from treaty.core.routing_words import why_won


def told(need: RouteNeed, *offers: RouteOffer) -> tuple[str, ...]:
    return why_won(rank(need, offers))


def test_the_seeds_winner_won_for_three_reasons() -> None:
    assert told(NEED, A, B) == (
        (
            "Met all constraints: us residency (stated nowhere, not contradicted), zero retention, "
            "no training use, no_pii, proof of attestation."
        ),
        "Stayed within the cost cap (0.018 ≤ 0.02) and latency target (280ms ≤ 400ms).",
        "Higher confidence than the alternative (0.86 vs 0.78).",
    )


def test_what_is_stated_is_not_excused() -> None:
    assert "us residency, zero" in told(NEED, replace(A, residency="us"))[0]


def test_a_figure_stated_nowhere_is_said_to_be_so() -> None:
    bare = replace(A, cost=None, latency_ms=None, confidence=None)

    assert told(NEED, bare)[1] == (
        "Stayed within the cost cap of 0.02 usd (stated nowhere, not contradicted) and latency "
        "target of 400ms (stated nowhere, not contradicted)."
    )


@pytest.mark.parametrize(
    ("changes", "statement"),
    [
        ({"confidence": Decimal("0.5")}, "Higher confidence than the alternative (0.86 vs 0.5)."),
        ({"confidence": None}, "Higher confidence than the alternative (0.86 vs stated nowhere)."),
        ({"cost": Decimal("0.019")}, "Lower cost than the alternative (0.018 vs 0.019)."),
        ({"latency_ms": Decimal(281)}, "Lower latency than the alternative (280ms vs 281ms)."),
        (
            {"route_id": "z"},
            "Equal in every figure to the alternative; route-us-fast comes first.",
        ),
    ],
)
def test_the_next_best_is_what_it_is_compared_with(changes, statement) -> None:
    assert told(NEED, A, replace(A, **changes))[-1] == statement


def test_alone_it_was_the_only_one_that_could() -> None:
    assert told(NEED, A)[-1] == "It was the only offer."
    assert told(NEED, A, replace(B, confidence=Decimal(1)))[-1] == (
        "No other offer met all constraints."
    )
    assert told(RouteNeed(), A)[0] == "Met all constraints."


def test_nobody_won_for_no_reason() -> None:
    assert told(NEED, B) == ()
