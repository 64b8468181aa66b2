"""Inboxes: how an invitation reaches an agent, and how many may wait (B17)."""

from __future__ import annotations

import pytest

from tests.agent.local import ALPHA, BETA, Town
from tests.engine.speaker import Speaker, introduced, people, read
from tests.simulation.clock import later, simulated
from treaty.core.levels import INBOX_MAX, INBOX_PER_INVITER_MAX
from treaty.engine.inbox import SILENT_MAX
from treaty.errors import Refused


async def kinds(town: Town, agent: str) -> list[tuple[str, str]]:
    """(kind, session) of everything in an inbox."""
    entries = await town.inner.read(f"inbox/{agent}", 0, 1_000)
    return [(one.kind, read(one.body)["session"]) for one in entries]


async def crowd(town: Town, count: int) -> list[Speaker]:
    """So many registered agents of different organisations."""
    found = [Speaker(town, f"c{n}", f"agent://c{n}.example/c") for n in range(count)]
    for one in found:
        await one.register()
    return found


async def check_full(speaker: Speaker, other: Speaker) -> None:
    """An invitation is refused, opens nothing, and may be tried again."""
    streams = await speaker.town.inner.streams("session/")
    with pytest.raises(Refused) as caught:
        await speaker.invite(other)
    assert caught.value.code == "inbox_full"
    assert caught.value.data["retryAfterMs"] == 30_000
    assert await speaker.town.inner.streams("session/") == streams


@simulated
async def test_an_invitation_is_in_the_inbox_as_soon_as_it_is_acknowledged() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        raw = await alpha.invitation(BETA, session := alpha.new_session())
        await alpha.open(raw)

        (entry,) = await town.inner.read(f"inbox/{BETA}")
        body = read(entry.body)
        assert (entry.kind, entry.raw) == ("invitation", raw)
        assert (body["session"], body["from"], body["subject"]) == (session, ALPHA, "GPUs")
        assert body["expires"] == "2026-03-07T14:00:30.000Z"
        assert beta.uri == BETA


@simulated
async def test_an_answer_makes_room_again() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)

        assert await kinds(town, BETA) == [("invitation", session), ("answered", session)]
        inbox = await town.at_home().desk.state(f"inbox/{BETA}")
        assert inbox.waiting == {}


@simulated
async def test_one_inviter_has_at_most_four_waiting() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        (carol,) = await crowd(town, 1)
        sessions = [await alpha.invite(beta) for _ in range(INBOX_PER_INVITER_MAX)]
        await check_full(alpha, beta)
        await carol.invite(beta)

        await beta.accept(sessions[2])
        await alpha.invite(beta)
        await check_full(alpha, beta)


@simulated
async def test_a_withdrawn_and_a_rejected_invitation_make_room() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        sessions = [await alpha.invite(beta) for _ in range(INBOX_PER_INVITER_MAX)]
        await check_full(alpha, beta)
        await alpha.say(sessions[0], "WITHDRAW", {"referenceId": "inv"})
        reject = {"referenceId": "inv", "code": "capacity_unavailable", "reason": "No."}
        await beta.say(sessions[1], "REJECT", reject)

        for _ in range(2):
            await alpha.invite(beta)
        await check_full(alpha, beta)


@simulated
async def test_invitations_that_lapsed_make_room() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        for _ in range(INBOX_PER_INVITER_MAX):
            await alpha.invite(beta, valid_ms=10_000)
        await check_full(alpha, beta)
        await later(10_001)

        await alpha.invite(beta)
        inbox = await town.at_home().desk.state(f"inbox/{BETA}")
        assert len(inbox.waiting) == 1


@simulated
async def test_sixty_four_wait_at_most_half_of_them_from_newcomers() -> None:
    """Newcomers cannot keep out those who have a record."""
    async with Town() as town:
        alpha, beta = await people(town)
        everybody = await crowd(town, 17)
        newcomers, known = everybody[:9], everybody[9:]
        for one in known:
            await town.attest(one.uri)
        for one in newcomers[:8]:
            for _ in range(4):
                await one.invite(beta)
        await check_full(newcomers[8], beta)
        for one in known:
            for _ in range(4):
                await one.invite(beta)

        inbox = await town.at_home().desk.state(f"inbox/{BETA}")
        assert len(inbox.waiting) == INBOX_MAX
        await town.attest(ALPHA)
        await check_full(alpha, beta)


@simulated
async def test_an_inbox_is_the_same_after_a_restart() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        for _ in range(INBOX_PER_INVITER_MAX):
            await alpha.invite(beta)
        await town.stop()
        await town.wake()

        await check_full(alpha, beta)


@simulated
async def test_full_inboxes_do_not_concern_others() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        (carol,) = await crowd(town, 1)
        for _ in range(INBOX_PER_INVITER_MAX):
            await alpha.invite(beta)

        await alpha.invite(carol)
        assert len(await kinds(town, carol.uri)) == 1


async def unanswered(town: Town, count: int, **changes: object) -> tuple[list[Speaker], Speaker]:
    """So many different agents have invited Beta one after the other, and heard nothing."""
    _alpha, beta = await people(town)
    callers = await crowd(town, count)
    for one in callers:
        await one.invite(beta, **changes)
        await later(31_000)
    return callers, beta


async def check_spared(speaker: Speaker, other: Speaker, wait_ms: int) -> None:
    with pytest.raises(Refused) as caught:
        await speaker.invite(other)
    assert (caught.value.code, caught.value.reason.status) == ("unresponsive", 503)
    assert caught.value.data["retryAfterMs"] == wait_ms


@simulated
async def test_an_agent_that_answers_nobody_is_spared_for_a_while() -> None:
    async with Town() as town:
        callers, beta = await unanswered(town, SILENT_MAX)
        # A minute from when the last one lapsed, which was a second ago.
        await check_spared(callers[0], beta, 59_000)
        await later(59_000)
        # One may try; the others wait for what comes of it.
        await callers[0].invite(beta)
        await check_spared(callers[1], beta, 30_000)


@simulated
async def test_each_further_silence_lasts_longer_and_an_answer_ends_it() -> None:
    async with Town() as town:
        callers, beta = await unanswered(town, SILENT_MAX)
        extra = Speaker(town, "extra", "agent://extra.example/x")
        await extra.register()
        await later(60_000)
        await extra.invite(beta)
        await later(31_000)
        await check_spared(callers[0], beta, 119_000)
        await later(119_000)
        session = await callers[0].invite(beta)
        await beta.accept(session)
        for one in callers[1:]:
            await one.invite(beta)


@simulated
async def test_the_breaker_survives_a_restart() -> None:
    async with Town() as town:
        callers, beta = await unanswered(town, SILENT_MAX)
        await town.stop()
        await town.wake()
        await check_spared(callers[0], beta, 59_000)


@simulated
async def test_one_caller_alone_silences_nobody_and_neither_do_hasty_ones() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        for _ in range(SILENT_MAX + 2):
            await alpha.invite(beta)
            await later(31_000)
        assert (await beta.state(await alpha.invite(beta))).state == "INVITED"
    async with Town() as town:
        callers, beta = await unanswered(town, SILENT_MAX + 2, valid_ms=10_000)
        assert (await beta.state(await callers[0].invite(beta))).state == "INVITED"


@simulated
async def test_an_invitation_that_was_taken_back_is_no_answer() -> None:
    async with Town() as town:
        callers, beta = await unanswered(town, SILENT_MAX)
        await later(60_000)
        session = await callers[0].invite(beta)
        await callers[0].say(session, "WITHDRAW", {"referenceId": "inv"})
        await later(31_000)
        inbox = await town.at_home().desk.state(f"inbox/{BETA}")
        assert len(inbox.silence.inviters) == SILENT_MAX
