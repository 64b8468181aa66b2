"""Disputes as agents have them: filed, shown and revealed by the programs of both parties (B15)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.agent.local import ALPHA, BETA, Town, signer_of
from tests.agent.scene import beta_service, end, market, purchase
from tests.engine.test_disputes import judged
from tests.simulation.clock import later, now_ms, simulated
from treaty.agent import Agent, Deal, Service, buy, file_dispute, reveal, show_evidence
from treaty.agent.disputing import DisputeOpenError, left_open, reveal_due, waiting
from treaty.engine import outbox
from treaty.errors import Refused
from treaty.identity.disputes import make_evidence
from treaty.wire.canonical import canonical

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


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


async def revealing(town: Town, alpha: Agent) -> tuple[Deal, str]:
    """A dispute of Alpha's in which Beta's loop has revealed already."""
    await judged(town)
    deal, buying = await bound_deal(alpha)
    await end(buying)
    view = await file_dispute(deal, "non-delivery", statement="Nothing came.")
    assert (view["phase"], view["commitmentId"]) == ("EVIDENCE", deal.conversation.live[0].id)
    name = str(view["disputeId"])
    await later(2 * MINUTE)
    await show_evidence(deal, name, "Nothing has come since.", last=True)
    with pytest.raises(Refused) as caught:
        await reveal(deal, name)
    assert caught.value.code == "transition_invalid"
    await rest(town, name, "beta", BETA)
    await later(MINUTE)
    return deal, name


async def rest(town: Town, dispute: str, name: str, uri: str) -> None:
    """A party says that it brings no more, from wherever it has its key."""
    record = make_evidence(
        signer_of(name), dispute=dispute, by=uri, statement="So it was.", at_ms=now_ms(), last=True
    )
    await town.at_home().disputes.submit(dispute, "evidence", canonical(record))


async def rest_both(town: Town, dispute: str) -> None:
    """Both do, so that the evidence ends at once."""
    for name, uri in (("alpha", ALPHA), ("beta", BETA)):
        await rest(town, dispute, name, uri)


@simulated
async def test_a_filed_dispute_goes_to_arbiters_once_both_have_revealed() -> None:
    async with market(Town(), service=slow_service()) as (town, alpha, _):
        deal, name = await revealing(town, alpha)
        seen = await reveal(deal, name)
        assert seen["phase"] == "VOTES"
        assert len(set(seen["arbiters"])) == 3
        assert seen["records"][-1]["record"]["sessionId"] == deal.id


@simulated
async def test_a_secret_is_shown_once_and_only_when_it_is_due() -> None:
    async with market(Town(), service=slow_service()) as (town, alpha, _):
        deal, name = await revealing(town, alpha)
        assert await reveal_due(deal) == (name,)
        assert await reveal_due(deal) == ()
        with pytest.raises(Refused) as caught:
            await reveal(deal, name)
        assert caught.value.code == "transition_invalid"


@simulated
async def test_a_host_that_dates_ahead_sees_no_secret_before_its_time() -> None:
    async with market(Town(), service=slow_service()) as (town, alpha, _):
        await judged(town)
        deal, buying = await bound_deal(alpha)
        await end(buying)
        name = str((await file_dispute(deal, "non-delivery"))["disputeId"])
        await later(2 * MINUTE)
        town.skew_ms = 2 * HOUR
        await rest_both(town, name)
        await later(MINUTE)

        found = deal.conversation.disputes[name]
        assert (found.phase.value, dict(found.secrets)) == ("REVEAL", {})
        assert await reveal_due(deal) == ()
        # By the party's own clock the evidence ends two hours later.
        await later(2 * HOUR)
        assert await reveal_due(deal) == (name,)


@simulated
async def test_who_has_another_key_since_reveals_with_the_one_it_promised_by() -> None:
    async with market(Town(), service=slow_service()) as (town, alpha, _):
        deal, name = await revealing(town, alpha)
        before, voice = deal.line.voice.signer, deal.line.voice
        deal.line.voice = replace(voice, signer=signer_of("alpha's next"))
        with pytest.raises(Refused) as caught:
            await reveal(deal, name)
        assert caught.value.code == "hash_mismatch"

        assert (await reveal(deal, name, keys=[before]))["phase"] == "VOTES"


@simulated
async def test_a_buyer_reveals_while_it_waits_and_says_what_it_leaves_open() -> None:
    async with market(Town(), service=slow_service()) as (town, alpha, _):
        await judged(town)
        deal, buying = await bound_deal(alpha)
        await end(buying)
        name = str((await file_dispute(deal, "non-delivery"))["disputeId"])
        assert [one.id for one in waiting(deal)] == [name]

        with pytest.raises(DisputeOpenError) as caught:
            await buy(deal, purchase())
        assert f"treaty dispute watch --as {ALPHA}" in str(caught.value)
        assert name in str(caught.value)

        buying = asyncio.create_task(buy(deal, purchase()), name="alpha waits")
        await rest_both(town, name)
        await later(2 * MINUTE)
        assert set(deal.conversation.disputes[name].secrets) == {ALPHA, BETA}
        await end(buying)


@simulated
async def test_without_a_dispute_nothing_is_left_open() -> None:
    async with market(Town()) as (_, alpha, _):
        found = await alpha.discover("provision.cloud", minTrustLevel=3)
        deal = await alpha.invite(found[0], subject="GPU compute procurement")
        assert left_open(deal) is None
        assert waiting(deal) == ()


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
