"""Clocks that jump an hour ahead or back fire no timer twice and lose none (B10)."""

from __future__ import annotations

import random

import pytest

from tests.agent.local import Town
from tests.engine.speaker import bound, people
from tests.engine.test_disputes import file, filing
from tests.engine.test_follow_up import check_copy, fired, funds
from tests.engine.web import Web
from tests.simulation.clock import later, simulated
from treaty.engine import outbox

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
URL = "https://m.example/health"
HEALTH = {"verificationMethod": "health-check-endpoint", "verification": {"url": URL}}


@pytest.fixture(autouse=True)
def _look_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "IDLE_MS", 120_000)


async def jumping(town: Town, seed: int, span_ms: int) -> None:
    """Let time pass while the node's clock jumps about, by an hour at the most."""
    chance, gone_ms = random.Random(f"jumps {seed}"), 0
    while gone_ms < span_ms:
        step_ms = chance.choice([MINUTE, 10 * MINUTE, HOUR])
        await later(step_ms)
        gone_ms += step_ms
        town.skew_ms = chance.choice([-HOUR, 0, 0, HOUR])
    town.skew_ms = 0


@pytest.mark.parametrize("seed", range(4))
@simulated
async def test_a_breach_fires_once_and_its_money_returns_once(seed: int) -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await bound(alpha, beta)
        await jumping(town, seed, 4 * HOUR)
        await later(4 * HOUR)

        names = await fired(town, session)
        # Once for the breach, once for the end of its window.
        assert names[:2] == ["commitment:cmt", "commitment:cmt"]
        assert names.count("commitment:cmt") == 2
        assert (await alpha.state(session)).commitments["cmt"].state == "BREACHED"
        assert await funds(town) == (50_000, 0, 0)
        await check_copy(town, session)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@simulated
async def test_a_dispute_is_ruled_once(seed: int) -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await bound(alpha, beta)
        await beta.fulfil(session)
        await file(town, filing(session))
        await jumping(town, seed, 9 * DAY)
        await later(2 * HOUR)

        # Once for the end of the evidence, once because nobody ruled.
        assert (await fired(town, session)).count("dispute:dsp_1") == 2
        assert (await alpha.state(session)).disputes["dsp_1"].phase == "RULED"
        assert await funds(town) == (50_000 - 18_000 - 900, 0, 18_900)
        await check_copy(town, session)


@pytest.mark.parametrize("seed", range(4))
@simulated
async def test_a_check_is_made_once_for_the_claim_and_once_for_the_window(seed: int) -> None:
    web = Web({URL: (200, {})})
    async with Town(fetcher=web) as town:
        alpha, beta = await people(town)
        session = await bound(alpha, beta, provider=HEALTH)
        await beta.fulfil(session)
        await jumping(town, seed, 4 * HOUR)
        await later(2 * HOUR)

        assert (await alpha.state(session)).commitments["cmt"].state == "FULFILLED"
        assert len(web.asked) == 2
        assert await funds(town) == (32_000, 0, 18_000)
        await check_copy(town, session)
