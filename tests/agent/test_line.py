"""One party's line to a session: sending on the newest head, and following the log."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.agent.local import BETA, Roads, Town
from tests.agent.scene import end
from tests.agent.session import agreed, commit, committed, seen, session
from tests.simulation.clock import later, now_ms, simulated
from treaty.agent import Deal, OvertakenError
from treaty.agent.line import TRIES_MAX
from treaty.agent.ports import Page
from treaty.dialects.asp.messages import Performative
from treaty.errors import Refused, UnavailableError, WireError

PRICE = {"pricePerHour": 3.5}


async def observe(deal: Deal) -> None:
    """Say something that puts nothing on the table."""
    await deal.line.send(Performative.OBSERVE, {"subject": "sky", "data": {}})


@simulated
async def test_a_lost_answer_is_asked_for_again_with_the_same_bytes() -> None:
    async with session() as (town, alpha, _beta):
        sent = len(town.sent)
        client: Any = alpha.line._client
        send, lost = client.send, iter([True, True, False])

        async def losing(name: str, raw: bytes) -> Any:
            receipt = await send(name, raw)
            if next(lost):
                raise UnavailableError("the answer was lost")
            return receipt

        client.send = losing
        envelope = await alpha.propose(PRICE)

        handed_in = [raw for _, raw in town.sent[sent:]]
        assert len(handed_in) == 3
        assert set(handed_in) == {envelope.raw}
        assert len(await town.log_of(alpha.id)) == 5


@simulated
async def test_a_message_that_waited_too_long_is_signed_anew() -> None:
    """Its proof is 60 s old; the node has never seen it and would not take it any more."""
    async with session() as (town, alpha, _beta):
        sent = len(town.sent)
        await town.stop()
        sending = asyncio.create_task(alpha.propose(PRICE))
        await later(90_000)
        await town.wake()
        envelope = await sending

        raws = list(dict.fromkeys(raw for _, raw in town.sent[sent:]))
        assert len(raws) == 2
        assert raws[1] == envelope.raw
        entries = await town.log_of(alpha.id)
        assert sum(entry.raw is not None for entry in entries) == 5


@simulated
async def test_a_node_that_stays_away_is_given_up_on() -> None:
    async with session() as (town, alpha, _beta):
        await town.stop()
        began_ms = now_ms()
        with pytest.raises(UnavailableError):
            await alpha.propose(PRICE)

        assert 100_000 < now_ms() - began_ms <= 120_000


@simulated
async def test_overtaken_by_what_is_neutral_a_message_goes_out_all_the_same() -> None:
    async with session() as (_, alpha, beta):
        await agreed(alpha, beta)
        town_said = await asyncio.gather(observe(beta), alpha.propose(PRICE))

        assert town_said[1].body.terms == PRICE
        assert [one.performative.value for one in alpha.messages[-2:]] == ["OBSERVE", "PROPOSE"]


@simulated
async def test_overtaken_by_terms_one_decides_again() -> None:
    async with session() as (town, alpha, beta):
        await agreed(alpha, beta)
        answers = await asyncio.gather(
            beta.propose({"pricePerHour": 4}), alpha.propose(PRICE), return_exceptions=True
        )

        assert isinstance(answers[1], OvertakenError)
        assert alpha.conversation == beta.conversation
        proposal = alpha.open_proposal()
        assert proposal is not None
        assert proposal.terms == {"pricePerHour": 4}
        assert len(await town.log_of(alpha.id)) == 7


@simulated
async def test_what_is_neutral_goes_out_whatever_overtakes_it() -> None:
    async with session() as (_, alpha, beta):
        await agreed(alpha, beta)
        await asyncio.gather(alpha.propose(PRICE), observe(beta))

        assert [one.performative.value for one in beta.messages[-2:]] == ["PROPOSE", "OBSERVE"]


@simulated
async def test_overtaken_by_a_claim_one_decides_again() -> None:
    """A claim is an INFORM like the weather, but it changes what is bound."""
    async with session() as (_, alpha, beta):
        await committed(alpha, beta)
        await beta.accept()
        await seen(alpha, beta)
        answers = await asyncio.gather(beta.fulfil(), alpha.propose(PRICE), return_exceptions=True)

        assert isinstance(answers[1], OvertakenError)


@simulated
async def test_overtaken_by_a_timer_one_decides_again() -> None:
    """The agreement lapses while Beta's yes is on the road: no refusal, another decision."""
    async with session() as (town, alpha, beta):
        await committed(alpha, beta)
        town.roads = Roads(delay_ms=(400, 400))
        await later(299_700)
        with pytest.raises(OvertakenError):
            await beta.accept()

        assert beta.state == "CONVERSING"


@simulated
async def test_a_refusal_that_is_deserved_is_raised() -> None:
    async with session() as (_, alpha, beta):
        await agreed(alpha, beta)
        with pytest.raises(Refused) as caught:
            await alpha.withdraw("nothing")

        assert caught.value.code == "reference_unknown"
        assert beta.state == "CONVERSING"


@simulated
async def test_an_own_message_whose_answer_was_lost_for_good_is_found_in_the_log() -> None:
    """The loop decides again on the true state, and does not say the same twice."""
    async with session() as (town, alpha, beta):
        await agreed(alpha, beta)
        client: Any = alpha.line._client
        send = client.send

        async def losing(name: str, raw: bytes) -> Any:
            await send(name, raw)
            town.die()
            raise UnavailableError("the answer was lost")

        client.send = losing
        with pytest.raises(UnavailableError):
            await alpha.propose(PRICE)
        client.send = send
        known = alpha.conversation.position
        await town.stop()
        await town.wake()
        with pytest.raises(OvertakenError):
            await alpha.propose({"pricePerHour": 1})

        assert alpha.conversation.position > known
        terms = [one.body.terms for one in alpha.messages if hasattr(one.body, "terms")]
        assert terms[-1] == PRICE


@simulated
async def test_what_was_said_and_lost_is_not_said_again_unasked() -> None:
    """A report on the work may be said at any time, but the copy shows that it was said."""
    async with session() as (_, alpha, beta):
        await committed(alpha, beta)
        await beta.accept()
        await beta.leave()
        client: Any = beta.line._client
        send = client.send

        async def losing(name: str, raw: bytes) -> Any:
            await send(name, raw)
            raise UnavailableError("the answer was lost")

        client.send = losing
        with pytest.raises(UnavailableError):
            await beta.progress("half", 50)
        client.send = send
        with pytest.raises(OvertakenError):
            await beta.progress("half", 50)

        said = [one.performative.value for one in beta.messages]
        assert said[-2:] == ["ACCEPT", "INFORM"]


@simulated
async def test_a_sender_that_is_too_fast_waits_and_goes_on() -> None:
    async with session() as (town, alpha, _beta):
        began_ms = now_ms()
        for number in range(80):
            await alpha.propose({"pricePerHour": number})

        assert len(await town.log_of(alpha.id)) == 84
        assert 1_000 <= now_ms() - began_ms <= 4_000


@simulated
async def test_who_must_wait_for_the_others_turn_waits_and_decides_on_what_was_said() -> None:
    async with session() as (town, alpha, beta):
        await agreed(alpha, beta)
        node = town.at_home()
        node.sessions._holds.refused(alpha.id, BETA, now_ms())
        waiting = asyncio.create_task(alpha.propose(PRICE))
        await later(500)
        assert not waiting.done()
        await beta.propose({"pricePerHour": 4})

        with pytest.raises(OvertakenError):
            await waiting


@simulated
async def test_a_hold_that_nobody_uses_only_costs_time() -> None:
    async with session() as (town, alpha, beta):
        await agreed(alpha, beta)
        town.at_home().sessions._holds.refused(alpha.id, BETA, now_ms())
        began_ms = now_ms()
        await alpha.propose(PRICE)

        assert 2_000 <= now_ms() - began_ms < 2_500


@simulated
async def test_a_node_where_the_other_is_always_faster_is_given_up_on() -> None:
    async with session() as (_, alpha, beta):
        await agreed(alpha, beta)
        client: Any = alpha.line._client
        tries = 0

        async def refuse(_name: str, _raw: bytes) -> Any:
            nonlocal tries
            tries += 1
            raise Refused("stale", "chain_stale", data={"missed": [], "more": False})

        client.send = refuse
        with pytest.raises(UnavailableError) as caught:
            await alpha.propose(PRICE)
        assert (caught.value.code, tries) == ("overloaded", TRIES_MAX)


@pytest.mark.parametrize(
    "roads",
    [
        {"double": 0.5},
        {"reorder": 0.5},
        {"cut": 0.5},
        {"double": 0.3, "reorder": 0.5, "cut": 0.2, "delay_ms": (0, 50)},
    ],
)
def test_a_copy_is_whole_however_the_entries_come(roads: dict[str, Any]) -> None:
    @simulated
    async def check() -> None:
        async with session() as (town, alpha, beta):
            town.roads = Roads(3, **roads)
            for number in range(30):
                await alpha.propose({"pricePerHour": number})
            await later(60_000)

            kept = [(one.position, one.raw) for one in beta.line.copy.items]
            hosted = [(one.position, one.raw) for one in await town.log_of(alpha.id)]
            assert kept == hosted

    check()


@simulated
async def test_a_node_that_promises_more_and_sends_nothing_does_not_hold_us() -> None:
    async with session() as (_, alpha, _beta):
        client: Any = alpha.line._client

        async def empty(_name: str, _after: int, _limit: int = 200) -> Page:
            return Page((), True)

        client.entries = empty
        await alpha.line.sync()
        assert alpha.conversation.position == 4


@simulated
async def test_waiting_for_what_does_not_come_ends() -> None:
    async with session() as (_, alpha, _beta):
        with pytest.raises(TimeoutError, match=r"in 5 s, it is INTRODUCED at entry 4$"):
            await alpha.until(lambda now: now.state == "CLOSED", timeout_s=5)


@simulated
async def test_whoever_waits_in_vain_hears_why_the_log_cannot_be_followed() -> None:
    async with session() as (town, alpha, _beta):
        await town.stop()
        with pytest.raises(TimeoutError, match=r"its log cannot be followed: \S"):
            await alpha.until(lambda now: now.state == "CLOSED", timeout_s=30)


@pytest.mark.parametrize("hidden", [5, 6])
def test_a_host_that_withholds_an_entry_is_not_waited_for(hidden: int) -> None:
    """It shows a later one, and asked for those between it has nothing to show."""

    @simulated
    async def check() -> None:
        async with session() as (_, alpha, beta):
            client: Any = beta.line._client
            events, entries = client.events, client.entries

            async def some_events(name: str, after: int) -> Any:
                async for item in events(name, after):
                    if item.position != hidden:
                        yield item

            async def some_entries(name: str, after: int, limit: int = 200) -> Page:
                page = await entries(name, after, limit)
                return Page(tuple(one for one in page.items if one.position != hidden), page.more)

            await beta.leave()
            client.events, client.entries = some_events, some_entries
            beta.line.follow()
            for number in range(3):
                await alpha.propose({"pricePerHour": number})
            with pytest.raises(WireError, match=f"withholds entry {hidden}"):
                await beta.until(lambda now: now.ended)
            assert beta.conversation.position == hidden - 1

    check()


@simulated
async def test_who_has_left_hears_nothing_more() -> None:
    async with session() as (_, alpha, beta):
        await beta.leave()
        await agreed_by(alpha)
        await later(5_000)
        assert beta.conversation.position == 4

        beta.line.follow()
        await later(5_000)
        assert beta.conversation.position == 5


async def agreed_by(alpha: Deal) -> None:
    await alpha.propose(PRICE)


@simulated
async def test_a_stream_that_breaks_is_taken_up_where_it_broke() -> None:
    async with session() as (town, alpha, beta):
        keeper = asyncio.create_task(town.keep_alive(3_000))
        for number in range(5):
            await alpha.propose({"pricePerHour": number})
            town.die()
            await later(4_000)
        await seen(beta, alpha)
        await end(keeper)

        assert beta.conversation == alpha.conversation
        assert town.deaths == 5


@simulated
async def test_a_busy_node_does_not_end_the_following() -> None:
    async with session() as (_, alpha, beta):
        client: Any = beta.line._client
        events, refusals = client.events, iter(["rate_limited", "overloaded", "internal"])

        async def busy(name: str, after: int) -> Any:
            for code in refusals:
                if code == "internal":
                    break
                raise Refused("busy", code)
            async for item in events(name, after):
                yield item

        await beta.leave()
        client.events = busy
        beta.line.follow()
        await alpha.propose(PRICE)
        await seen(beta, alpha)

        assert beta.line.failure is None


@simulated
async def test_a_session_that_is_gone_ends_the_following_with_its_reason() -> None:
    async with session() as (_, _alpha, beta):
        client: Any = beta.line._client

        async def gone(_name: str, _after: int) -> Any:
            raise Refused("no session of yours has this id", "unknown_session")
            yield

        await beta.leave()
        client.events = gone
        beta.line.follow()
        with pytest.raises(Refused) as caught:
            await beta.until(lambda now: now.ended)
        assert caught.value.code == "unknown_session"
        with pytest.raises(Refused):
            await beta.propose(PRICE)


@simulated
async def test_a_receipt_that_is_none_is_not_believed() -> None:
    async with session(Town()) as (_, alpha, beta):
        await agreed(alpha, beta)
        client: Any = alpha.line._client

        async def forge(_name: str, _raw: bytes) -> Any:
            return {"position": "first"}

        client.send = forge
        with pytest.raises(Exception, match="position"):
            await commit(alpha)
