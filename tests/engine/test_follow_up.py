"""Timers, outages and escrow of sessions: each once, whatever restarts and clocks do (B10)."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest

from tests.agent.local import ALPHA, BASE_URL, BETA, Gone, Town, log_item
from tests.engine.speaker import FUNDS_UNITS, Speaker, bound, introduced, people, read
from tests.simulation.clock import later, now_ms, simulated
from treaty.agent.copy import Known, VerifiedCopy
from treaty.engine import outbox
from treaty.engine.node import OUTAGE_LEAST_MS
from treaty.errors import Refused

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


@pytest.fixture(autouse=True)
def _look_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours pass in these tests; the node need not look at its clock four times a second."""
    monkeypatch.setattr(outbox, "IDLE_MS", 2_000)


async def facts(town: Town, session: str, kind: str) -> list[dict[str, Any]]:
    """The data of the facts of one kind in a session's log."""
    records = [read(entry.body) for entry in await town.log_of(session)]
    return [one["data"] for one in records if one.get("fact") == kind]


async def fired(town: Town, session: str) -> list[str]:
    """Names of the timers that fired."""
    return [one["name"] for one in await facts(town, session, "timer")]


async def check_copy(town: Town, session: str) -> VerifiedCopy:
    """A reader who was not there comes to the same state as the host."""
    copy = VerifiedCopy(Known(host=town.signer.key, base_url=BASE_URL, session=session))
    for entry in await town.log_of(session):
        copy.absorb(log_item(entry))
    assert copy.conversation == await Speaker(town, "alpha", ALPHA).state(session)
    return copy


async def funds(town: Town) -> tuple[int, int, int]:
    """What Alpha has and holds, and what Beta has."""
    desk = town.at_home().desk
    alpha = await desk.state(f"account/USD/{ALPHA}")
    beta = await desk.state(f"account/USD/{BETA}")
    return alpha.settled_units, alpha.held_units, beta.settled_units


@simulated
async def test_an_unanswered_invitation_fails_at_its_time() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await alpha.invite(beta, valid_ms=20 * SECOND)
        await later(19_900)
        assert (await alpha.state(session)).state == "INVITED"
        await later(400)

        state = await alpha.state(session)
        assert state.state == "FAILED"
        assert await fired(town, session) == ["invitation"]
        assert 20_000 <= state.at_ms - state.started_ms < 20_300
        await check_copy(town, session)


@simulated
async def test_a_fired_timer_says_when_it_was_due() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        due_ms = now_ms() + 20 * SECOND
        session = await alpha.invite(beta, valid_ms=20 * SECOND)
        await later(MINUTE)

        (fact,) = await facts(town, session, "timer")
        assert fact == {"name": "invitation", "due": "2026-03-07T14:00:20.000Z"}
        assert due_ms == 1_772_892_020_000


@simulated
async def test_each_state_ends_by_its_own_timer_and_the_node_then_rests() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        invited = await alpha.invite(beta)
        accepted = await alpha.invite(beta)
        await beta.accept(accepted)
        idle = await introduced(alpha, beta)
        talking = await introduced(alpha, beta)
        await alpha.propose(talking, "p1")
        agreeing = await introduced(alpha, beta)
        await alpha.propose(agreeing, "p1")
        await alpha.commit(agreeing)
        closing = await introduced(alpha, beta)
        await alpha.close(closing, "cancelled")
        assert await funds(town) == (FUNDS_UNITS, 18_000, 0)

        await later(HOUR)

        assert await fired(town, invited) == ["invitation"]
        assert await fired(town, accepted) == ["identity"]
        assert await fired(town, idle) == ["idle"]
        assert await fired(town, talking) == ["idle"]
        assert await fired(town, agreeing) == ["agreeing", "idle"]
        assert await fired(town, closing) == ["closing"]
        assert await funds(town) == (FUNDS_UNITS, 0, 0)
        states = {name: (await alpha.state(name)).state for name in (invited, idle, closing)}
        assert set(states.values()) == {"FAILED", "CLOSED"}
        assert await town.inner.tasks("timer") == []
        for session in (invited, accepted, idle, talking, agreeing, closing):
            await check_copy(town, session)


@simulated
async def test_silence_confirms_a_claim_when_its_window_ends() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await bound(alpha, beta)
        await beta.fulfil(session)
        await later(HOUR - SECOND)
        assert await funds(town) == (FUNDS_UNITS, 18_000, 0)
        await later(2 * SECOND)

        assert await funds(town) == (FUNDS_UNITS - 18_000, 0, 18_000)
        (commitment,) = (await alpha.state(session)).commitments.values()
        assert commitment.state.value == "FULFILLED"
        await check_copy(town, session)


@simulated
async def test_a_broken_promise_returns_the_money_and_is_reported_once() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        await town.attest(BETA)
        session = await bound(alpha, beta)
        await later(HOUR + MINUTE + SECOND)
        assert await fired(town, session) == ["commitment:cmt"]
        assert await funds(town) == (FUNDS_UNITS, 18_000, 0)
        await later(HOUR + SECOND)

        assert await funds(town) == (FUNDS_UNITS, 0, 0)
        (outcome,) = await facts(town, session, "outcome")
        parties = {one["agent"]: one["result"] for one in outcome["record"]["parties"]}
        assert parties == {ALPHA: "kept", BETA: "breached"}
        # Nothing was paid, so Alpha's part is evidence of nothing; Beta broke all of it.
        weights = {one["agent"]: (one["v"], one["w"]) for one in outcome["record"]["parties"]}
        assert (weights[ALPHA], weights[BETA][0]) == (("0", "0"), "1")
        assert town.at_home().trust.view(ALPHA)["score"] == 49
        # A full breach caps Beta for 90 days just below the floor of its level.
        assert town.at_home().trust.view(BETA)["score"] == 89.9
        await check_copy(town, session)


@pytest.mark.parametrize("how", ["reject", "withdraw", "expire"])
def test_what_never_bound_is_returned_and_nobodys_fault(how: str) -> None:
    @simulated
    async def check() -> None:
        async with Town() as town:
            alpha, beta = await people(town)
            session = await introduced(alpha, beta)
            await alpha.propose(session, "p1")
            await alpha.commit(session)
            assert await funds(town) == (FUNDS_UNITS, 18_000, 0)
            if how == "reject":
                body = {"referenceId": "cmt", "code": "policy_violation", "reason": "No."}
                await beta.say(session, "REJECT", body)
            elif how == "withdraw":
                await alpha.say(session, "WITHDRAW", {"referenceId": "cmt"})
            await later(6 * MINUTE)

            assert await funds(town) == (FUNDS_UNITS, 0, 0)
            assert [one["movement"] for one in await facts(town, session, "escrow")] == [
                "reserve",
                "settle",
            ]
            assert await facts(town, session, "outcome") == []
            assert await town.inner.tasks("outcome") == []
            await check_copy(town, session)

    check()


@simulated
async def test_an_end_by_consent_before_anything_was_earned_is_no_outcome() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await bound(alpha, beta)
        await alpha.close(session, "cancelled")
        await beta.close(session, "cancelled")
        await later(SECOND)

        assert await funds(town) == (FUNDS_UNITS, 0, 0)
        assert await facts(town, session, "outcome") == []
        assert (await alpha.state(session)).state == "CLOSED"


@simulated
async def test_an_escrow_fact_binds_the_movement_to_the_commitment() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await bound(alpha, beta)
        (fact,) = await facts(town, session, "escrow")

        commitment = (await alpha.state(session)).commitments["cmt"]
        assert fact == {
            "movement": "reserve",
            "reservation": f"{session}/cmt",
            "commitmentId": "cmt",
            "commitHash": commitment.hash,
            "payer": ALPHA,
            "payee": BETA,
            "amount": {"amount": "180.00", "currency": "USD"},
        }
        (entry,) = await town.inner.read(f"account/USD/{BETA}")
        movement = read(entry.body)["movement"]
        assert movement["session"] == session
        assert (movement["commitment"], movement["commitHash"]) == ("cmt", commitment.hash)


@simulated
async def test_a_timer_that_fell_due_while_the_node_was_away_fires_once_after_it() -> None:
    """The outage is added first, so it fires as long after the restart as it had left."""
    async with Town() as town:
        alpha, beta = await people(town)
        session = await alpha.invite(beta)
        await later(10 * SECOND)
        await town.stop()
        await later(HOUR)
        await town.wake()
        assert (await alpha.state(session)).state == "INVITED"
        (outage,) = await facts(town, session, "outage")

        await later(19 * SECOND)
        assert await fired(town, session) == []
        await later(7 * SECOND)
        assert await fired(town, session) == ["invitation"]
        assert outage["to"] == "2026-03-07T15:00:10.000Z"
        assert "2026-03-07T14:00:05.000Z" <= outage["from"] <= "2026-03-07T14:00:10.000Z"
        await check_copy(town, session)


@simulated
async def test_a_quick_restart_is_no_outage() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await alpha.invite(beta)
        await town.stop()
        await later(OUTAGE_LEAST_MS - 5_001)
        await town.wake()

        assert await facts(town, session, "outage") == []
        await later(MINUTE)
        assert await fired(town, session) == ["invitation"]


@simulated
async def test_a_start_that_is_cut_short_notes_no_outage_twice() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        sessions = [await alpha.invite(beta, valid_ms=25 * SECOND) for _ in range(3)]
        await later(SECOND)
        await town.stop()
        await later(HOUR)
        deaths = iter([2, 3, 4])
        for count in deaths:
            # Each start dies of its count-th commit: some outages are noted, no heartbeat is.
            seen = 0

            def fate(_unit: object, most: int = count) -> str | None:
                nonlocal seen
                seen += 1
                return "after" if seen == most else None

            town._fate = fate
            with pytest.raises(Gone):
                await town.wake()
            await later(20 * SECOND)
        town._fate = None
        await town.wake()

        for session in sessions:
            spans = [(one["from"], one["to"]) for one in await facts(town, session, "outage")]
            assert all(end == start for (_, end), (start, _) in pairwise(spans))
            assert spans[-1][1] == "2026-03-07T15:01:01.000Z"
        await later(30 * SECOND)
        assert [await fired(town, one) for one in sessions] == [["invitation"]] * 3


@simulated
async def test_timers_of_many_sessions_fire_once_across_restarts() -> None:
    """A restart every minute or so for an hour; short ones and long ones."""
    async with Town() as town:
        alpha, beta = await people(town)
        chance = random.Random(4)
        sessions = []
        for _ in range(12):
            session = await introduced(alpha, beta)
            await alpha.propose(session, "p1")
            sessions.append(session)
            await later(chance.uniform(0, 40) * SECOND)
            if chance.random() < 0.5:
                await town.stop()
                await later(chance.choice([1, 8, 200]) * SECOND)
                await town.wake()
        await later(3 * HOUR)

        for session in sessions:
            assert await fired(town, session) == ["idle"]
            await check_copy(town, session)


@pytest.mark.parametrize("jump_ms", [HOUR, -HOUR, 10 * DAY, -10 * DAY])
def test_a_clock_that_jumps_fires_nothing_twice_and_loses_nothing(jump_ms: int) -> None:
    @simulated
    async def check() -> None:
        async with Town() as town:
            alpha, beta = await people(town)
            session = await bound(alpha, beta)
            await beta.fulfil(session)
            other = await introduced(alpha, beta)
            await alpha.propose(other, "p1")
            await later(MINUTE)
            town.skew_ms = jump_ms
            await later(MINUTE)
            town.skew_ms = 0
            await later(3 * HOUR)

            assert await fired(town, session) == ["commitment:cmt", "idle"]
            assert await fired(town, other) == ["idle"]
            assert await funds(town) == (FUNDS_UNITS - 18_000, 0, 18_000)
            assert len(await facts(town, session, "outcome")) == 1
            for name in (session, other):
                await check_copy(town, name)

    check()


@pytest.mark.parametrize("jump_ms", [HOUR, -HOUR])
def test_a_clock_that_jumps_and_stays_there_loses_no_timer(jump_ms: int) -> None:
    @simulated
    async def check() -> None:
        async with Town() as town:
            alpha, beta = await people(town)
            session = await bound(alpha, beta)
            await beta.fulfil(session)
            town.skew_ms = jump_ms
            await later(3 * HOUR)

            assert await fired(town, session) == ["commitment:cmt", "idle"]
            assert await funds(town) == (FUNDS_UNITS - 18_000, 0, 18_000)

    check()


@simulated
async def test_a_clock_that_went_back_keeps_the_heart_beating() -> None:
    """An hour later the node dies: the outage is what it was away, and not that hour."""
    async with Town() as town:
        alpha, beta = await people(town)
        town.skew_ms = -HOUR
        await later(MINUTE)
        session = await alpha.invite(beta, at_ms=town.clock(), valid_ms=-HOUR + 25 * SECOND)
        await town.stop()
        await later(MINUTE)
        await town.wake()

        (outage,) = await facts(town, session, "outage")
        assert "2026-03-07T13:00:5" < outage["from"] <= "2026-03-07T13:01:00.000Z"
        assert outage["to"] == "2026-03-07T13:02:00.000Z"


@simulated
async def test_a_clock_that_was_ahead_keeps_no_node_from_starting() -> None:
    """What it signed an hour ahead is behind the heartbeat of the corrected clock."""
    async with Town() as town:
        alpha, beta = await people(town)
        town.skew_ms = HOUR
        session = await alpha.invite(beta, at_ms=town.clock(), valid_ms=2 * HOUR)
        town.skew_ms = 0
        await later(MINUTE)
        await town.stop()
        await later(2 * MINUTE)
        await town.wake()

        assert await facts(town, session, "outage") == []
        # It is there for others, at the time it is.
        other = await alpha.invite(beta)
        assert [entry.kind for entry in await town.log_of(other)] == ["receipt"]


@simulated
async def test_a_timer_due_twice_in_the_store_fires_once() -> None:
    """The outbox may run a task again that was done already."""
    async with Town() as town:
        alpha, beta = await people(town)
        session = await alpha.invite(beta, valid_ms=20 * SECOND)
        (task,) = await town.inner.tasks("timer")
        await later(30 * SECOND)
        for _ in range(3):
            await town.at_home().follow_up.fire(task)

        assert await fired(town, session) == ["invitation"]


@simulated
async def test_many_commitments_that_end_at_once_are_settled_in_turns() -> None:
    """More than one transaction takes; nothing is left over."""
    async with Town() as town:
        alpha, beta = await people(town, units=10_000)
        session = await introduced(alpha, beta)
        await alpha.propose(session, "p1")
        count = 70
        for number in range(count):
            await alpha.commit(session, f"c{number}", units=100)
            await beta.accept(session, f"c{number}")
            await later(250)
        assert await funds(town) == (10_000, 7_000, 0)

        await alpha.close(session, "cancelled")
        await beta.close(session, "cancelled")
        left = (await funds(town))[1]
        assert 0 < left < 7_000
        await later(SECOND)

        assert await funds(town) == (10_000, 0, 0)
        assert len(await facts(town, session, "escrow")) == 2 * count
        assert await town.inner.tasks("timer") == []
        await check_copy(town, session)


@simulated
async def test_an_unlawful_outage_is_refused_whole() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await alpha.invite(beta)
        before = await town.log_of(session)
        await town.at_home().follow_up.note_outage(session, now_ms() + HOUR, now_ms())

        assert await town.log_of(session) == before
        with pytest.raises(Refused):
            await alpha.accept(session)
