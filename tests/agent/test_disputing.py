"""Disputes as agents have them: filed, shown and revealed by the programs of both parties (B15)."""

from __future__ import annotations

import asyncio

import pytest

from tests.agent.local import Town
from tests.agent.scene import beta_service, end, market, purchase
from tests.engine.test_disputes import judged
from tests.simulation.clock import later, simulated
from treaty.agent import Agent, Deal, Service, buy, file_dispute, reveal, show_evidence
from treaty.engine import outbox
from treaty.errors import Refused

MINUTE, DAY = 60_000, 86_400_000


@pytest.fixture(autouse=True)
def _look_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "IDLE_MS", 60_000)


def slow_service() -> Service:
    """Beta's service, which takes a minute to deliver."""
    service = beta_service()

    @service.fulfils
    async def provision(_deal: Deal, _commitment: object) -> dict[str, str]:
        await later(MINUTE)
        return {"note": "late"}

    return service


async def bound_deal(alpha: Agent) -> tuple[Deal, asyncio.Task[Deal]]:
    """A deal that binds, with Alpha's loop going on."""
    found = await alpha.discover("provision.cloud", minTrustLevel=3, maxPricePerHour=5)
    deal = await alpha.invite(found[0], subject="GPU compute procurement")
    buying = asyncio.create_task(buy(deal, purchase()), name="alpha buys")
    while not deal.conversation.live:
        await later(100)
    return deal, buying


@simulated
async def test_a_filed_dispute_goes_to_arbiters_once_both_have_revealed() -> None:
    async with market(Town(), service=slow_service()) as (town, alpha, beta):
        await judged(town)
        deal, buying = await bound_deal(alpha)
        view = await file_dispute(deal, "non-delivery", statement="Nothing came.")
        assert (view["phase"], view["commitmentId"]) == ("EVIDENCE", deal.conversation.live[0].id)
        name = str(view["disputeId"])
        await show_evidence(deal, name, "Nothing has come since.", last=True)
        await end(buying)
        await later(DAY + MINUTE)

        assert (await reveal(deal, name))["phase"] == "REVEAL"
        seen = await reveal(await beta.resume(deal.id), name)
        assert seen["phase"] == "VOTES"
        assert len(set(seen["arbiters"])) == 3


@simulated
async def test_a_dispute_of_elsewhere_is_not_revealed_in() -> None:
    async with market(Town()) as (_, alpha, _):
        found = await alpha.discover("provision.cloud", minTrustLevel=3)
        deal = await alpha.invite(found[0], subject="GPU compute procurement")
        with pytest.raises(Refused) as caught:
            await reveal(deal, "dsp_nowhere")
        assert caught.value.code == "reference_unknown"


@simulated
async def test_nothing_is_filed_where_nothing_is_bound() -> None:
    async with market(Town()) as (_, alpha, _):
        found = await alpha.discover("provision.cloud", minTrustLevel=3)
        deal = await alpha.invite(found[0], subject="GPU compute procurement")
        with pytest.raises(Refused) as caught:
            await file_dispute(deal, "non-delivery")
        assert caught.value.code == "transition_invalid"
