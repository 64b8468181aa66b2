"""What is written down when a session opens: who stood where, and how many a day (B16, B17)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.agent.local import ALPHA, BETA, Town
from tests.engine.speaker import Speaker, bound, introduced, people, read
from tests.engine.test_sessions import everything
from tests.simulation.clock import later, now_ms, simulated
from treaty.core.levels import sessions_a_day
from treaty.engine.openings import DAY_MS, invited_stream, opening_stream
from treaty.errors import Refused
from treaty.wire.instants import format_instant

LIMIT = sessions_a_day(1)
"""Of a newcomer with a proven key."""


async def outcomes(town: Town) -> list[dict[str, Any]]:
    """The outcomes of the trust log."""
    entries = await town.inner.read("trust/log", 0, 1_000)
    return [read(entry.body) for entry in entries if entry.kind == "outcome"]


async def kept(alpha: Speaker, beta: Speaker, session: str) -> None:
    """Carry a bound session to its end."""
    await beta.fulfil(session)
    await alpha.close(session, "completed", "cmt", rating=5)
    await beta.close(session, "completed", "cmt", rating=4)
    await later(1_000)


async def use_up(alpha: Speaker, beta: Speaker, count: int) -> None:
    """Send invitations, each taken back at once."""
    for _ in range(count):
        session = await alpha.invite(beta)
        await alpha.say(session, "WITHDRAW", {"referenceId": "inv"})


@simulated
async def test_the_standings_of_both_parties_are_stored_with_the_invitation() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        await town.attest(BETA)
        opened_ms = now_ms()
        session = await introduced(alpha, beta)

        stood = await town.at_home().desk.state(opening_stream(session))
        size = await town.inner.last("trust/log")
        assert {agent: str(before.score) for agent, before in stood.items()} == {
            ALPHA: "49.0",
            BETA: "91.0",
        }
        assert [one.provisional for one in stood.values()] == [True, False]
        assert {(one.size, one.at_ms) for one in stood.values()} == {(size, opened_ms)}


@simulated
async def test_an_outcome_is_weighed_by_the_standing_before_the_session() -> None:
    """Beta's attestation comes while the session runs: it counts in the next one."""
    async with Town() as town:
        alpha, beta = await people(town)
        session = await bound(alpha, beta)
        await town.attest(BETA)
        await kept(alpha, beta, session)
        await later(60_000)
        await kept(alpha, beta, await bound(alpha, beta))

        first, second = [
            {one["agent"]: one for one in outcome["parties"]} for outcome in await outcomes(town)
        ]
        assert (first[BETA]["before"]["score"], first[ALPHA]["w"]) == ("49.0", "0")
        assert first[BETA]["before"]["provisional"] is True
        assert (second[BETA]["before"]["score"], second[ALPHA]["w"]) == ("91.0", "1")
        assert second[BETA]["before"]["size"] > first[BETA]["before"]["size"]


@simulated
async def test_the_stored_standings_survive_a_restart() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        await town.attest(BETA)
        session = await bound(alpha, beta)
        await town.stop()
        await town.wake()
        await kept(alpha, beta, session)

        (outcome,) = await outcomes(town)
        assert [one["before"]["score"] for one in outcome["parties"]] == ["49.0", "91.0"]
        assert town.at_home().trust.view(ALPHA)["score"] == 60.8


@simulated
async def test_a_level_sends_so_many_invitations_a_day_and_no_more() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        await use_up(alpha, beta, LIMIT)
        before = await everything(town)
        with pytest.raises(Refused) as caught:
            await alpha.invite(beta)

        assert caught.value.code == "session_quota_exceeded"
        assert caught.value.reason.status == 429
        assert caught.value.data["limit"] == LIMIT
        assert caught.value.data["retryAfterMs"] == DAY_MS - now_ms() % DAY_MS
        assert await everything(town) == before
        # Being invited costs nothing, and the other has its own count.
        await beta.invite(alpha)


@simulated
async def test_the_next_day_begins_at_midnight_of_utc() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        await use_up(alpha, beta, LIMIT)
        await later(DAY_MS - now_ms() % DAY_MS - 1)
        with pytest.raises(Refused):
            await alpha.invite(beta)
        await later(1)

        assert format_instant(now_ms()).endswith("T00:00:00.000Z")
        await use_up(alpha, beta, 1)
        assert await town.inner.last(invited_stream(ALPHA, now_ms())) == 1


@simulated
async def test_the_count_survives_a_restart_and_two_at_once() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        await use_up(alpha, beta, LIMIT - 1)
        await town.stop()
        await town.wake()
        answers = await asyncio.gather(
            *(alpha.invite(beta) for _ in range(3)), return_exceptions=True
        )

        refused = [one for one in answers if isinstance(one, Refused)]
        assert [one.code for one in refused] == ["session_quota_exceeded"] * 2
        assert await town.inner.last(invited_stream(ALPHA, now_ms())) == LIMIT


@simulated
async def test_a_higher_level_sends_more() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        await use_up(alpha, beta, LIMIT)
        await town.attest(ALPHA)
        await use_up(alpha, beta, 1)

        assert await town.inner.last(invited_stream(ALPHA, now_ms())) == LIMIT + 1


@simulated
async def test_a_refused_invitation_and_a_repeated_one_do_not_count() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        for _ in range(4):
            await alpha.invite(beta)
        with pytest.raises(Refused) as caught:
            await alpha.invite(beta)
        assert caught.value.code == "inbox_full"
        raw = await beta.invitation(ALPHA, beta.new_session())
        assert await beta.open(raw) == await beta.open(raw)

        assert await town.inner.last(invited_stream(ALPHA, now_ms())) == 4
        assert await town.inner.last(invited_stream(BETA, now_ms())) == 1
