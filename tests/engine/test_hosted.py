"""A session as its host holds it: folded warm or cold it is the same, and repeats are found."""

from __future__ import annotations

from tests.agent.local import Town
from tests.engine.speaker import bound, introduced, people
from tests.simulation.clock import later, simulated
from treaty.engine.hosted import RECENT_MAX, Hosted, position_after, session_stream


async def hosted_by(town: Town, session: str) -> Hosted:
    """The session in the node's memory."""
    found: Hosted = await town.at_home().desk.state(session_stream(session))
    return found


@simulated
async def test_a_cold_fold_of_the_stored_bytes_is_the_warm_one() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await bound(alpha, beta)
        await beta.fulfil(session)
        await alpha.close(session, "completed", "cmt")
        await beta.close(session, "completed", "cmt")
        await later(1_000)
        warm = await hosted_by(town, session)
        town.at_home().desk.forget(session_stream(session))

        assert await hosted_by(town, session) == warm


@simulated
async def test_what_somebody_has_missed_begins_behind_the_head_it_knows() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)
        heads = []
        for number in range(3):
            heads.append((await alpha.state(session)).head)
            await alpha.propose(session, f"p{number}")
        hosted = await hosted_by(town, session)

        assert [position_after(hosted, head) for head in heads] == [4, 5, 6]
        assert position_after(hosted, "sha256:" + "0" * 64) == 0


@simulated
async def test_the_index_of_heads_is_bounded_and_that_of_ids_is_whole() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)
        first = (await hosted_by(town, session)).recent[0]
        for number in range(RECENT_MAX + 6):
            await alpha.propose(session, f"p{number}")
            await later(150)
        hosted = await hosted_by(town, session)

        assert len(hosted.recent) == RECENT_MAX
        assert first not in hosted.recent
        assert len(list(hosted.seen.items())) == 4 + RECENT_MAX + 6


@simulated
async def test_an_id_is_known_by_its_sender() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)
        name = "019526a1-7c3e-7000-8000-00000000000a"
        for place, speaker in enumerate((alpha, beta), start=5):
            receipt = await speaker.say(
                session, "PROPOSE",
                {"proposalId": f"p{place}", "type": "terms", "subject": "x", "terms": {}},
                message_id=name,
            )  # fmt: skip
            assert receipt["position"] == place
        hosted = await hosted_by(town, session)

        found = [hosted.seen.get((one.uri, name)) for one in (alpha, beta)]
        assert [one.position if one else None for one in found] == [5, 6]
