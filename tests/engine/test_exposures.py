"""Ceilings of organisations hold for all of their agents together, also at once (B17)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.agent.local import ALPHA, BETA, NODE, Town
from tests.engine.speaker import Speaker, introduced, people
from tests.simulation.clock import simulated
from treaty.core.trust import Identity
from treaty.engine.trust import LOG
from treaty.errors import Refused

ALPHA_2, BETA_2 = "agent://acme.com/procurement/second", "agent://cloudprime.io/gpu/second"


async def pair(town: Town, one: str, other: str) -> tuple[Speaker, Speaker]:
    """Two more agents, with money."""
    speakers = Speaker(town, one.rsplit("/", 1)[-1] + "1", one), Speaker(town, "s2", other)
    for speaker in speakers:
        await speaker.register()
    await town.fund(one, 500_000)
    return speakers


async def prove(town: Town, agent: str) -> None:
    """The registry saw a proof of the agent's domain."""
    node = town.at_home()

    def decide(transaction: Any) -> None:
        record = Identity(agent, "domain", transaction.now_ms, NODE)
        node.trust._append(transaction, record)

    await node.desk.transact((LOG,), decide)


async def offer(one: Speaker, other: Speaker, units: int) -> str:
    """A session in which money was asked to be reserved."""
    session = await introduced(one, other)
    await one.propose(session, "p1")
    await one.commit(session, units=units, payer=one.uri, payee=other.uri)
    return session


@simulated
async def test_two_organisations_share_their_ceiling_whoever_of_them_deals() -> None:
    async with Town() as town:
        first = await people(town, units=500_000)
        second = await pair(town, ALPHA_2, BETA_2)
        await offer(*first, units=60_000)
        with pytest.raises(Refused) as caught:
            await offer(*second, units=60_000)

        assert caught.value.code == "ceiling_exceeded"
        assert "two organisations" in caught.value.detail
        await offer(*second, units=40_000)


@simulated
async def test_two_at_once_do_not_both_find_the_room_that_is_there_once() -> None:
    async with Town() as town:
        first = await people(town, units=500_000)
        second = await pair(town, ALPHA_2, BETA_2)
        sessions = [await introduced(*both) for both in (first, second)]
        for (one, _), session in zip((first, second), sessions, strict=True):
            await one.propose(session, "p1")
        commits = (
            one.commit(session, units=60_000, payer=one.uri, payee=other.uri)
            for (one, other), session in zip((first, second), sessions, strict=True)
        )
        answers = await asyncio.gather(*commits, return_exceptions=True)

        refused = [one for one in answers if isinstance(one, Refused)]
        assert [one.code for one in refused] == ["ceiling_exceeded"]


@simulated
async def test_what_is_settled_makes_room_after_a_restart_too() -> None:
    async with Town() as town:
        alpha, beta = await people(town, units=500_000)
        second = await pair(town, ALPHA_2, BETA_2)
        session = await offer(alpha, beta, units=60_000)
        await town.stop()
        await town.wake()
        with pytest.raises(Refused):
            await offer(*second, units=60_000)
        await alpha.say(session, "WITHDRAW", {"referenceId": "cmt"})

        await offer(*second, units=60_000)


@simulated
async def test_newcomers_of_a_proven_domain_share_a_thousand_dollars() -> None:
    """Their counterparties are of different organisations, so no pair is full."""
    async with Town() as town:
        alpha, beta = await people(town, units=500_000)
        other = "agent://elsewhere.example/provider"
        second, carol = await pair(town, ALPHA_2, other)
        for agent in (ALPHA, ALPHA_2):
            await prove(town, agent)
        await offer(alpha, beta, units=60_000)
        with pytest.raises(Refused) as caught:
            await offer(second, carol, units=60_000)
        assert "provisional agents" in caught.value.detail

        await offer(second, carol, units=40_000)


@simulated
async def test_unproven_newcomers_share_nothing_with_who_names_the_same_domain() -> None:
    async with Town() as town:
        alpha, beta = await people(town, units=500_000)
        second, carol = await pair(town, ALPHA_2, "agent://elsewhere.example/provider")
        await offer(alpha, beta, units=60_000)
        await offer(second, carol, units=60_000)

        statement: Any = await town.at_home().clearing.statement(ALPHA_2)
        assert statement["accounts"][0]["held"]["amount"] == "600.00"


@simulated
async def test_five_newcomers_of_a_proven_domain_have_deals_open_at_once() -> None:
    async with Town() as town:
        _, beta = await people(town)
        await town.attest(BETA)
        agents = [f"agent://acme.com/buyer{number}" for number in range(6)]
        buyers = [Speaker(town, f"buyer{number}", uri) for number, uri in enumerate(agents)]
        for buyer in buyers:
            await buyer.register()
            await town.fund(buyer.uri, 5_000)
            await prove(town, buyer.uri)
        for buyer in buyers[:5]:
            await offer(buyer, beta, units=1_000)
        with pytest.raises(Refused) as caught:
            await offer(buyers[5], beta, units=1_000)

        assert caught.value.code == "ceiling_exceeded"
        assert "5 provisional agents" in caught.value.detail
