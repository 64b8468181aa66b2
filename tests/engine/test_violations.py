"""Violations prove themselves: two things signed by one agent that cannot both stand (B16)."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from tests.agent.local import ALPHA, BETA, NODE, Town, signer_of
from tests.engine.speaker import CAROL, introduced, people, read
from tests.engine.test_sessions import everything
from tests.engine.test_trust import log
from tests.simulation.clock import simulated
from treaty.errors import TreatyError
from treaty.identity.records import open_record, seal
from treaty.wire.canonical import read_json
from treaty.wire.packed import write_packed

USED = "019526a1-7c3e-7000-8000-000000000001"


async def two_messages(town: Town, **changes: Any) -> list[str]:
    """Alpha says two things under one id; only the first is taken."""
    alpha, beta = await people(town)
    session = await introduced(alpha, beta)
    first, second = [
        await alpha.write(
            session,
            "OBSERVE",
            {"subject": subject, "data": {}},
            **{"message_id": USED, **(changes if number else {})},
        )
        for number, subject in enumerate(("sky", "sea"))
    ]
    return [first.decode(), second.decode()]


async def two_entries(town: Town) -> list[dict[str, Any]]:
    """The host signs two receipts for one position."""
    alpha, beta = await people(town)
    session = await introduced(alpha, beta)
    entry = read((await town.log_of(session))[2].body)
    return [entry, seal("receipt", {**entry, "performative": "REJECT"}, town.signer)]


async def report(town: Town, agent: str = ALPHA, **evidence: Any) -> Any:
    return await town.at_home().violations.report({"agent": agent, **evidence})


def consistency(town: Town, agent: str) -> Any:
    return town.at_home().trust.view(agent)["components"]["BC"]


@simulated
async def test_two_messages_under_one_id_cost_their_sender_ten_points_of_bc() -> None:
    async with Town() as town:
        messages = await two_messages(town)
        before = consistency(town, ALPHA)
        answer = await report(town, messages=messages)

        record = (await log(town))[-1]
        assert open_record("violation", record, town.signer.key)
        assert (record["agent"], record["violation"]) == (ALPHA, "message-id-reused")
        assert record["evidence"] == answer["evidence"]
        assert consistency(town, ALPHA) == before - 10
        # What was said is nobody's business: the log holds a digest.
        assert "sky" not in str(record)


@simulated
async def test_a_host_that_tells_two_stories_is_convicted_by_its_own_receipts() -> None:
    async with Town() as town:
        entries = await two_entries(town)
        before = consistency(town, NODE)
        answer = await report(town, NODE, entries=entries)

        assert answer["violation"] == "two-entries"
        assert consistency(town, NODE) == before - 10


@simulated
async def test_the_same_evidence_counts_once_in_whichever_order() -> None:
    async with Town() as town:
        messages = await two_messages(town)
        answers = [await report(town, messages=some) for some in (messages, messages[::-1])]

        assert answers[0] == answers[1]
        assert sum("violation" in one for one in await log(town)) == 1


@simulated
async def test_messages_in_messagepack_are_shown_as_in_a_deal_file() -> None:
    async with Town() as town:
        texts = await two_messages(town)
        packed = [
            {"base64": b64encode(write_packed(read_json(text.encode()))).decode()} for text in texts
        ]
        answer = await report(town, messages=packed)
        assert answer == await report(town, messages=texts)


@pytest.mark.parametrize(
    ("evidence", "code"),
    [
        (lambda found: {"messages": [found[0], {"base64": "***"}]}, "malformed"),
        (lambda found: {"messages": [found[0], {"base64": 7}]}, "malformed"),
        (lambda found: {"messages": [found[0], {}]}, "malformed"),
        (lambda found: {"messages": [found[0], found[0]]}, "violation_unproven"),
        (lambda found: {"messages": found[:1]}, "malformed"),
        (lambda found: {"messages": [*found, found[0]]}, "malformed"),
        (lambda found: {"messages": [found[0], 7]}, "malformed"),
        (lambda found: {"messages": [found[0], found[1].replace("sea", "see")]}, "hash_mismatch"),
        (lambda found: {"agent": BETA, "messages": found}, "signature_invalid"),
        (lambda found: {"agent": CAROL, "messages": found}, "unknown_agent"),
        (lambda found: {"entries": found}, "malformed"),
        (lambda _found: {}, "malformed"),
    ],
)
def test_what_proves_nothing_changes_nothing(evidence: Any, code: str) -> None:
    @simulated
    async def check() -> None:
        async with Town() as town:
            messages = await two_messages(town)
            before = await everything(town)
            with pytest.raises(TreatyError) as caught:
                await report(town, **evidence(messages))
            assert caught.value.code == code
            assert await everything(town) == before

    check()


@simulated
async def test_messages_under_two_ids_are_lawful() -> None:
    """Who was overtaken says something else in the same place: that is no violation."""
    async with Town() as town:
        messages = await two_messages(town, message_id=USED.replace("01", "02", 1))
        with pytest.raises(TreatyError) as caught:
            await report(town, messages=messages)
        assert caught.value.code == "violation_unproven"


@simulated
async def test_entries_of_two_positions_and_entries_of_others_prove_nothing() -> None:
    async with Town() as town:
        entries = await two_entries(town)
        other = seal("receipt", {**entries[0], "position": 9}, town.signer)
        forged = seal("receipt", entries[1], signer_of("mallory"))
        for some, code in (
            ([entries[0], other], "violation_unproven"),
            ([entries[0], entries[0]], "violation_unproven"),
            ([entries[0], forged], "signature_invalid"),
        ):
            with pytest.raises(TreatyError) as caught:
                await report(town, NODE, entries=some)
            assert caught.value.code == code


@simulated
async def test_a_report_is_an_object() -> None:
    async with Town() as town:
        await people(town)
        for body in (None, [], "x"):
            with pytest.raises(TreatyError) as caught:
                await town.at_home().violations.report(body)
            assert caught.value.code == "malformed"
