"""Asking again while a node is away, with pauses that grow and an end."""

from __future__ import annotations

import pytest

from tests.simulation.clock import START_MS, now_ms, simulated
from treaty.agent.patience import PAUSE_MOST_S, asked_s, is_passing, patiently
from treaty.errors import Refused, SignatureError, UnavailableError, WireError


class Away:
    """Answers from a certain question on."""

    def __init__(self, failures: int, error: Exception | None = None) -> None:
        self.failures = failures
        self.error = error or UnavailableError("away")
        self.asked_ms: list[int] = []

    async def __call__(self) -> str:
        self.asked_ms.append(now_ms() - START_MS)
        if len(self.asked_ms) <= self.failures:
            raise self.error
        return "here"


@simulated
async def test_an_answer_is_passed_on() -> None:
    assert await patiently(Away(0)) == "here"
    assert now_ms() == START_MS


@simulated
async def test_pauses_grow_to_a_limit() -> None:
    away = Away(8)

    assert await patiently(away) == "here"
    assert away.asked_ms == [0, 200, 600, 1_400, 3_000, 6_200, 11_200, 16_200, 21_200]
    assert PAUSE_MOST_S == 5.0


@simulated
async def test_patience_ends() -> None:
    away = Away(10_000)
    with pytest.raises(UnavailableError):
        await patiently(away, patience_s=30)

    assert 25_000 <= now_ms() - START_MS <= 30_000


@simulated
async def test_the_node_may_ask_for_a_pause_but_not_for_a_long_one() -> None:
    away = Away(1, UnavailableError("busy", "overloaded", data={"retryAfterMs": 1_500}))
    assert await patiently(away) == "here"
    assert away.asked_ms == [0, 1_500]
    assert asked_s(UnavailableError("x", data={"retryAfterMs": 10**12})) == 30.0


@pytest.mark.parametrize("wait", [None, -5, "1000", True, 1.5])
def test_a_pause_that_makes_no_sense_is_none(wait: object) -> None:
    assert asked_s(UnavailableError("x", data={"retryAfterMs": wait})) == 0.0


@simulated
async def test_what_asking_again_cannot_help_is_raised_at_once() -> None:
    away = Away(1, Refused("no", "unauthorized"))
    with pytest.raises(Refused):
        await patiently(away)
    assert away.asked_ms == [0]


def test_what_passes_is_told_from_what_does_not() -> None:
    passing = (UnavailableError("x"), Refused("x", "rate_limited"), Refused("x", "chain_stale"))
    lasting = (Refused("x", "unauthorized"), WireError("x"), SignatureError("x"))

    assert all(map(is_passing, passing))
    assert not any(map(is_passing, lasting))
