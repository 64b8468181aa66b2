"""Nobody loses a dispute by silence: secrets are shown in time, by whichever program is there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.agent.local import ALPHA, BETA, OPERATOR, Town, signer_of
from tests.agent.scene import alpha_of, beta_of, end, market
from tests.agent.test_disputing import bound_deal, rest, rest_both, slow_service
from tests.agent.test_renewal import NEXT, card_by
from tests.engine.test_disputes import judged
from tests.engine.test_registry import revoke
from tests.simulation.clock import later, now_ms, simulated
from treaty.agent import Agent, Deal, file_dispute, serve
from treaty.agent.vigil import Vigil
from treaty.core.dispute import Dispute
from treaty.engine import outbox
from treaty.engine.hosted import session_stream
from treaty.engine.items import InboxItem
from treaty.identity.disputes import make_finding
from treaty.store.memory import MemoryStore
from treaty.wire.money import Money

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@pytest.fixture(autouse=True)
def _look_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "IDLE_MS", 60_000)


async def stand(town: Town, session: str, name: str) -> Dispute:
    """A dispute as its host holds it."""
    hosted = await town.at_home().desk.state(session_stream(session))
    found: Dispute = hosted.state.disputes[name]
    return found


async def revealed(town: Town, session: str, name: str) -> set[str]:
    return set((await stand(town, session, name)).secrets)


@asynccontextmanager
async def quarrel(judges: int = 10) -> AsyncIterator[tuple[Town, str, str]]:
    """Alpha has filed a dispute about a claim, and everybody's program has ended."""
    town = Town()
    async with market(town, service=slow_service()) as (_, alpha, _beta):
        await judged(town, judges)
        deal, buying = await bound_deal(alpha)
        await end(buying)
        await later(6 * MINUTE)
        name = str((await file_dispute(deal, "non-delivery"))["disputeId"])
        await alpha.copies.flush()
    async with town:
        yield town, deal.id, name


@asynccontextmanager
async def serving(town: Town) -> AsyncIterator[Agent]:
    """Beta's program, started again."""
    async with beta_of(town) as beta:
        loop = asyncio.create_task(serve(beta, slow_service()), name="beta serves again")
        try:
            yield beta
        finally:
            await end(loop)


@asynccontextmanager
async def watching(agent: Agent, **more: Any) -> AsyncIterator[Vigil]:
    async with agent, Vigil(agent, **more) as vigil:
        loop = asyncio.create_task(vigil.run(), name="vigil")
        try:
            yield vigil
        finally:
            await end(loop)


def notice(session: str, name: str, position: int = 1) -> InboxItem:
    return InboxItem(position, "dispute", {"session": session, "dispute": name}, None)


@pytest.mark.slow
@simulated
async def test_a_provider_reveals_in_its_time_though_its_loop_has_left_the_session() -> None:
    async with market(Town(), service=slow_service()) as (town, alpha, _beta):
        await judged(town)
        deal, buying = await bound_deal(alpha)
        await end(buying)
        name = str((await file_dispute(deal, "non-delivery"))["disputeId"])
        await later(23 * HOUR)
        assert await revealed(town, deal.id, name) == set()
        await later(2 * HOUR)
        assert await revealed(town, deal.id, name) == {BETA}


@simulated
async def test_it_reveals_at_once_when_the_evidence_ends_early() -> None:
    async with quarrel() as (town, session, name), serving(town):
        await later(MINUTE)
        assert await revealed(town, session, name) == set()
        await rest_both(town, name)
        await later(MINUTE + 1_000)
        assert await revealed(town, session, name) == {BETA}


@simulated
async def test_a_provider_that_was_away_reveals_when_it_is_back() -> None:
    async with quarrel() as (town, session, name):
        await rest_both(town, name)
        await later(HOUR)
        assert await revealed(town, session, name) == set()
        async with serving(town):
            await later(MINUTE)
            assert await revealed(town, session, name) == {BETA}


@simulated
async def test_what_was_kept_in_mind_survives_the_program() -> None:
    async with quarrel() as (town, session, name):
        async with serving(town) as beta:
            # The notice is read and will not come again.
            await later(MINUTE)
            assert await beta.copies.cursor() > 0
            assert await beta.copies.open_disputes() == {name: session}
        await rest_both(town, name)
        async with serving(town):
            await later(MINUTE)
            assert await revealed(town, session, name) == {BETA}


@simulated
async def test_the_filer_is_told_as_well_and_a_vigil_reveals_for_it() -> None:
    async with quarrel() as (town, session, name), watching(alpha_of(town)) as vigil:
        told = await town.inner.read(f"inbox/{ALPHA}")
        assert [one.kind for one in told] == ["dispute"]
        assert await vigil.note(notice(session, name), own_cursor=True)
        await rest_both(town, name)
        await later(6 * MINUTE)
        assert await revealed(town, session, name) == {ALPHA}


@simulated
async def test_both_keep_vigil_and_nobody_has_lost_by_silence() -> None:
    events: list[str] = []

    def tell(event: str, _dispute: Dispute, _deal: Deal) -> None:
        events.append(event)

    async with (
        quarrel() as (town, session, name),
        watching(alpha_of(town), tell=tell) as vigil,
        serving(town),
    ):
        await vigil.note(notice(session, name))
        await later(MINUTE)
        await rest_both(town, name)
        await later(6 * MINUTE)
        assert (await stand(town, session, name)).phase.value == "VOTES"
        assert events[:2] == ["open", "REVEAL"]
        assert sorted(events[2:]) == ["VOTES", "revealed"]


@simulated
async def test_what_is_ruled_on_is_not_kept_in_mind() -> None:
    async with quarrel(judges=3) as (town, session, name):
        async with serving(town) as beta:
            await later(6 * MINUTE)
            assert await beta.copies.open_disputes() == {name: session}
            ruled = make_finding(
                "ruling", town.operator, dispute=name, by=OPERATOR, to_payee=Money(0, "USD"),
                at_ms=now_ms(),
            )  # fmt: skip
            await rest_both(town, name)
            await beta.client.post_dispute(name, "ruling", ruled)
            await later(6 * MINUTE)
            assert await beta.copies.open_disputes() == {}
        kept = await town.store_of(BETA).read(f"log/{session}", 0, 1_000)
        assert len(kept) == len(await town.log_of(session))


@simulated
async def test_an_agent_that_lost_its_copies_verifies_the_session_from_its_start() -> None:
    async with quarrel() as (town, session, name):
        await rest_both(town, name)
        town._agents[BETA] = MemoryStore()
        async with watching(beta_of(town)) as vigil:
            await vigil.note(notice(session, name))
            await later(MINUTE)
            assert await revealed(town, session, name) == {BETA}


@simulated
async def test_earlier_keys_are_at_hand() -> None:
    async with quarrel() as (town, session, name):
        await rest_both(town, name)
        async with beta_of(town) as beta:
            deal = await beta.resume(session)
            voice = deal.line.voice
            deal.line.voice = type(voice)(
                voice.uri, voice.org_id, signer_of("beta's next"), voice.clock, voice.entropy
            )
            vigil = Vigil(beta, keys=[signer_of("beta")])
            assert await vigil.look() == 1
        assert await revealed(town, session, name) == {BETA}


@simulated
async def test_one_that_cannot_be_attended_to_disturbs_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with quarrel() as (town, session, name):
        await rest_both(town, name)
        with caplog.at_level(logging.WARNING, logger="treaty.agent"):
            async with watching(beta_of(town)) as vigil:
                # Of another session's dispute its log knows nothing, whatever the notice says.
                await vigil.note(notice(session, "dsp_a"))
                await vigil.note(notice("019526a1-8e1a-7000-8000-00000000dead", "dsp_b"))
                await vigil.note(notice(session, name))
                await later(10 * MINUTE)
                assert await revealed(town, session, name) == {BETA}
        said = [one.message for one in caplog.records if "cannot be attended" in one.message]
        assert len(said) == 2
        assert not await vigil.note(InboxItem(1, "dispute", {"session": 7}, None))


@simulated
async def test_a_node_that_is_away_is_asked_again() -> None:
    async with quarrel() as (town, session, name), watching(beta_of(town)) as vigil:
        await vigil.note(notice(session, name))
        await later(MINUTE)
        await rest_both(town, name)
        await town.stop()
        await later(2 * HOUR)
        await town.wake()
        await later(11 * MINUTE)
        assert await revealed(town, session, name) == {BETA}


@simulated
async def test_an_arbiter_is_told_until_it_has_voted() -> None:
    told: list[tuple[str, str]] = []
    async with quarrel() as (town, session, name):
        async with serving(town), watching(alpha_of(town)) as vigil:
            await vigil.note(notice(session, name))
            await later(MINUTE)
            await rest_both(town, name)
            await later(6 * MINUTE)
        uri = (await stand(town, session, name)).arbiters[0]
        judge = uri.removeprefix("agent://").partition(".")[0]
        agent = town.agent(judge, uri, extra={"arbitrates": True})
        async with watching(agent, tell=lambda event, *_: told.append((event, uri))) as vigil:
            await vigil.note(notice(session, name))
            await later(10 * MINUTE)
            assert told == [("judge", uri)]
            vote = make_finding(
                "vote", signer_of(judge), dispute=name, by=uri, to_payee=Money(0, "USD"),
                at_ms=agent.now_ms(), session=session,
            )  # fmt: skip
            await agent.client.post_dispute(name, "vote", vote)
            await later(6 * MINUTE)
            assert await agent.copies.open_disputes() == {}
            assert await agent.copies.unfinished() == []


@simulated
async def test_a_secret_promised_with_a_key_that_was_revoked_is_shown_under_its_successor() -> None:
    async with quarrel() as (town, session, name):
        await card_by(town, "alpha", NEXT)
        await revoke(town, NEXT)
        await later(1_000)
        await card_by(town, NEXT, "alpha at last")
        async with town.agent(NEXT, ALPHA) as alpha:
            await alpha.resume(session)
            await rest(town, name, NEXT, ALPHA)
            await rest(town, name, "beta", BETA)
            vigil = Vigil(alpha, keys=[signer_of("alpha")])
            assert await vigil.look() == 1
        assert await revealed(town, session, name) == {ALPHA}
