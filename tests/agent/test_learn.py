"""LEARN from an agent's own copies: figures about a counterparty, and who may use them (B21)."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

import pytest

from tests.agent.local import ALPHA, BETA
from tests.agent.scene import beta_service, market, purchase, strike
from tests.simulation.clock import later, simulated
from treaty.agent import buy, learn, statistics
from treaty.agent.learn import TRANSCRIPTS_MAX, statistics_of
from treaty.core.learning import Statistics
from treaty.errors import Refused

NOBODY = "agent://nobody.example/agent"


@simulated
async def test_a_deal_leaves_figures_with_both_parties_each_its_own() -> None:
    async with market() as (_, alpha, beta):
        await strike(alpha)
        await later(1_000)
        of_beta, of_alpha = await statistics(alpha, BETA), await statistics(beta, ALPHA)

        # The seed: 3.50 asked, 4.00 countered, 3.75 agreed; Beta's card lists 3.50.
        assert (of_beta.negotiations, of_beta.deals, of_beta.kept) == (1, 1, 1)
        assert of_beta.opening_gap == Decimal("0.142857")
        assert of_beta.acceptance == Decimal("-0.062500")
        assert (of_alpha.opening_gap, of_alpha.rounds) == (0, 2)
        assert of_alpha.acceptance == Decimal("0.071429")


@simulated
async def test_a_stranger_has_no_figures() -> None:
    async with market() as (_, alpha, _beta):
        await strike(alpha)
        assert await statistics(alpha, NOBODY) == Statistics()


@simulated
async def test_figures_come_from_the_store_alone_and_the_newest_sessions() -> None:
    async with market() as (town, alpha, _beta):
        await town.fund(ALPHA, 100_000)
        for _ in range(3):
            await strike(alpha)
            await later(1_000)
        await alpha.copies.flush()
        known = await statistics_of(alpha.copies, ALPHA, BETA)

        assert known == await statistics(alpha, BETA)
        assert known.negotiations == 3 <= TRANSCRIPTS_MAX


@simulated
async def test_a_buyer_that_learnt_gives_no_more_than_the_other_took_before() -> None:
    """An eager buyer would meet 4.00 at 3.90; it knows that Beta agreed 6.25 % below that."""
    eager = purchase().policy.__class__(
        ask=Decimal("5.00"),
        reservation=Decimal("4.23"),
        quality_min=Decimal("99.9"),
        split=Decimal("0.8"),
    )
    async with market() as (town, alpha, _beta):
        await town.fund(ALPHA, 100_000)
        first = await strike(alpha)
        known = await statistics(alpha, BETA)
        found = (await alpha.discover("provision.cloud"))[0]
        blind = await buy(await alpha.invite(found), purchase(policy=eager))
        wise = await buy(await alpha.invite(found), purchase(policy=eager), statistics=known)

        prices = [one.agreed() for one in (first, blind, wise)]
        assert [one.terms["pricePerHour"] for one in prices if one] == [3.75, 3.9, 3.75]


@simulated
async def test_a_provider_may_use_what_it_learnt_too() -> None:
    asked: list[str] = []

    async def learnt(agent: object, counterparty: str) -> Statistics | None:
        asked.append(counterparty)
        return None

    service = beta_service()
    service.learnt = partial(learnt, None)
    async with market(service=service) as (_, alpha, _beta):
        deal = await strike(alpha)

        agreed = deal.agreed()
        assert agreed is not None
        assert agreed.terms["pricePerHour"] == 3.75
        assert set(asked) == {ALPHA}


@simulated
async def test_an_observation_is_kept_privately_and_confidence_grows() -> None:
    async with market() as (_, alpha, _beta):
        first = await learn(alpha, await strike(alpha))
        second = await learn(alpha, await strike(alpha))

        assert [str(first.confidence), str(second.confidence)] == ["0.7500", "0.8333"]
        assert [one["visibility"] for one in await alpha.copies.learnt(BETA)] == ["private"] * 2


@simulated
async def test_a_failed_negotiation_is_counted_without_a_deal() -> None:
    poor = purchase().policy.__class__(
        ask=Decimal("5.00"),
        reservation=Decimal("3.60"),
        quality_min=Decimal("99.9"),
        rounds_max=2,
    )
    async with market() as (_, alpha, _beta):
        with pytest.raises(Refused):
            await strike(alpha, policy=poor)
        known = await statistics(alpha, BETA)
        assert (known.negotiations, known.deals, known.kept) == (1, 0, None)
