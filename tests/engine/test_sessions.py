"""The session host: what it accepts, what it refuses, and what it answers to a repeat (B7)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from tests.agent.local import ALPHA, BASE_URL, BETA, NODE, Town, log_item, signer_of
from tests.engine.speaker import (
    CAROL,
    Speaker,
    bound,
    commitment_of,
    introduced,
    people,
    proposal_of,
    read,
)
from tests.simulation.clock import later, now_ms, simulated
from treaty.agent.copy import Known, VerifiedCopy
from treaty.core.log import entry_hash
from treaty.engine.hosted import session_stream
from treaty.engine.sessions import MISSED_BYTES_MAX, MISSED_MESSAGES_MAX
from treaty.errors import Refused, SignatureError, TreatyError, WireError
from treaty.identity.records import open_record
from treaty.wire.canonical import canonical
from treaty.wire.digest import sha256_tag

HOUR_MS = 3_600_000
USED = "019526a1-7c3e-7000-8000-000000000001"
"""A messageId that is used in a test, and then again."""


async def everything(town: Town) -> dict[str, int]:
    """How long every stream is."""
    return {name: await town.inner.last(name) for name in await town.inner.streams("")}


async def check_refused(
    town: Town, session: str, raw: bytes, code: str, kind: type[TreatyError] = Refused
) -> TreatyError:
    """The bytes are refused for this reason, and nothing has changed by it."""
    before = await everything(town)
    due = await town.inner.next_due_ms()
    with pytest.raises(kind) as caught:
        await town.at_home().sessions.submit(session, raw)
    assert caught.value.code == code
    assert await everything(town) == before
    assert await town.inner.next_due_ms() == due
    return caught.value


@simulated
async def test_a_receipt_says_what_was_accepted_where_and_when() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)
        raw = await alpha.write(session, "PROPOSE", proposal_of("p1"))
        receipt = await alpha.hand_in(session, raw)

        signed = open_record("receipt", receipt, town.signer.key).value
        sent = read(raw)
        assert signed["session"] == session
        assert signed["position"] == 5
        assert signed["hash"] == sent["integrity"]["hash"]
        assert signed["previousHash"] == sent["integrity"]["previousHash"]
        assert signed["sender"] == ALPHA
        assert signed["performative"] == "PROPOSE"
        assert signed["rawDigest"] == sha256_tag(raw)
        assert signed["receivedAt"] == "2026-03-07T14:00:00.000Z"


@simulated
async def test_the_log_is_linked_entry_by_entry() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await bound(alpha, beta)

        previous = "sha256:" + "0" * 64
        entries = await town.log_of(session)
        for place, entry in enumerate(entries, start=1):
            kind = "receipt" if entry.raw else "fact"
            record = open_record(kind, read(entry.body), town.signer.key).value
            assert (entry.position, record["position"]) == (place, place)
            assert record["previousEntry"] == previous
            previous = entry_hash(record)
        assert [entry.kind for entry in entries].count("fact") == 1


@simulated
async def test_a_first_message_pins_the_registered_key() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)

        records = [read(entry.body) for entry in await town.log_of(session)]
        assert [one.get("publicKey") for one in records] == [
            alpha.signer.key.text,
            beta.signer.key.text,
            None,
            None,
        ]


@simulated
async def test_the_same_bytes_are_answered_the_same() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)
        raw = await alpha.write(session, "PROPOSE", proposal_of("p1"))
        first = await town.at_home().sessions.submit(session, raw)
        await beta.observe(session)
        before = await everything(town)

        again = await town.at_home().sessions.submit(session, raw)

        assert again == first
        assert await everything(town) == before


@simulated
async def test_the_same_bytes_are_answered_the_same_hours_later_by_another_process() -> None:
    """Before freshness is looked at, and from the store alone."""
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)
        raw = await alpha.write(session, "PROPOSE", proposal_of("p1"))
        first = await town.at_home().sessions.submit(session, raw)
        await town.stop()
        await later(3 * HOUR_MS)
        await town.wake()

        assert await town.at_home().sessions.submit(session, raw) == first


@simulated
async def test_the_same_invitation_opens_one_session() -> None:
    async with Town() as town:
        alpha, _beta = await people(town)
        raw = await alpha.invitation(BETA, alpha.new_session())
        answers = [await town.at_home().sessions.open(raw) for _ in range(2)]

        assert answers[0] == answers[1]
        assert await town.inner.last(f"inbox/{BETA}") == 1


@simulated
async def test_two_copies_at_the_same_moment_are_accepted_once_and_answered_twice() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)
        raw = await alpha.write(session, "PROPOSE", proposal_of("p1"))
        submit = town.at_home().sessions.submit

        answers = await asyncio.gather(*(submit(session, raw) for _ in range(4)))

        assert len(set(answers)) == 1
        assert len(await town.log_of(session)) == 5


@simulated
async def test_the_same_id_with_other_bytes_is_a_duplicate() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)
        receipt = await alpha.propose(session, "p1", message_id=USED)
        assert receipt["position"] == 5
        raw = await alpha.write(session, "PROPOSE", proposal_of("p2"), message_id=USED)

        await check_refused(town, session, raw, "duplicate")
        # The other party may use the id: it is scoped to its sender (B2).
        accepted = await beta.observe(session, message_id=USED)
        assert accepted["position"] == 6


@simulated
async def test_a_forger_does_not_learn_that_an_id_is_used() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)
        await alpha.propose(session, "p1", message_id=USED)
        raw = await alpha.write(
            session, "OBSERVE", {"subject": "x", "data": {}},
            message_id=USED, signer=signer_of("mallory"),
        )  # fmt: skip

        await check_refused(town, session, raw, "signature_invalid", SignatureError)


@simulated
async def test_a_refused_id_is_not_used_up() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)
        stale = await alpha.write(
            session, "PROPOSE", proposal_of("p1"), message_id=USED, head=sha256_tag(b"x")
        )
        await check_refused(town, session, stale, "chain_stale")

        receipt = await alpha.propose(session, "p1", message_id=USED)
        assert receipt["position"] == 5


async def wrong_messages(town: Town, alpha: Speaker, session: str) -> dict[str, tuple[Any, ...]]:
    """Messages that must not be accepted in a session that is CONVERSING: bytes, code, kind."""
    p2 = proposal_of("p2")
    other = alpha.new_session()
    good = await alpha.write(session, "PROPOSE", p2)
    document = read(good)
    changed = {**document, "recipient": BETA}
    carol = Speaker(town, "carol", CAROL)
    return {
        "another head": (
            await alpha.write(session, "PROPOSE", p2, head=sha256_tag(b"x")), "chain_stale",
        ),
        "a sequence too high": (
            await alpha.write(session, "PROPOSE", p2, sequence=7), "sequence_gap",
        ),
        "an id used before": (
            await alpha.write(session, "PROPOSE", proposal_of("p1")), "duplicate",
        ),
        "a move that is not in the table": (
            await alpha.write(session, "ACCEPT", {"referenceId": "inv"}), "transition_invalid",
        ),
        "a reference to nothing": (
            await alpha.write(session, "ACCEPT", {"referenceId": "nothing"}), "proposal_unknown",
        ),
        "another key": (
            await alpha.write(session, "PROPOSE", p2, signer=signer_of("mallory")),
            "signature_invalid", SignatureError,
        ),
        "a changed member": (canonical(changed), "hash_mismatch", SignatureError),
        "a proof from an hour ago": (
            await alpha.write(session, "PROPOSE", p2, at_ms=now_ms() - HOUR_MS),
            "proof_invalid", SignatureError,
        ),
        "a proof from the future": (
            await alpha.write(session, "PROPOSE", p2, at_ms=now_ms() + HOUR_MS),
            "proof_invalid", SignatureError,
        ),
        "a stranger": (
            await carol.write(session, "PROPOSE", p2), "unknown_session",
        ),
        "a message for another session": (
            await alpha.write(other, "PROPOSE", p2), "malformed",
        ),
        "no JSON": (b"{", "malformed", WireError),
        "no message": (b"{}", "malformed", WireError),
        "a void proposal": (
            await alpha.write(session, "PROPOSE", {**p2, "validUntil": "2026-03-07T13:59:59.000Z"}),
            "proposal_expired",
        ),
        "a commitment with a deadline in the past": (
            await alpha.write(session, "COMMIT", commitment_of("c", provide_ms=-HOUR_MS)),
            "commitment_invalid",
        ),
        "more money than there is": (
            await alpha.write(session, "COMMIT", commitment_of("c", units=50_001)),
            "escrow_unfunded",
        ),
        "more than the level's ceiling": (
            await alpha.write(session, "COMMIT", commitment_of("c", units=100_001)),
            "ceiling_exceeded",
        ),
    }  # fmt: skip


WRONG = (
    "another head", "a sequence too high", "an id used before", "a move that is not in the table",
    "a reference to nothing", "another key", "a changed member", "a proof from an hour ago",
    "a proof from the future", "a stranger", "a message for another session", "no JSON",
    "no message", "a void proposal", "a commitment with a deadline in the past",
    "more money than there is", "more than the level's ceiling",
)  # fmt: skip


@pytest.mark.parametrize("which", WRONG)
def test_a_refused_message_changes_nothing(which: str) -> None:
    @simulated
    async def check() -> None:
        async with Town() as town:
            alpha, beta = await people(town)
            session = await introduced(alpha, beta)
            await alpha.propose(session, "p1")
            await Speaker(town, "carol", CAROL).register()
            wrong = await wrong_messages(town, alpha, session)
            assert set(wrong) == set(WRONG)

            await check_refused(town, session, *wrong[which])

            state = await alpha.state(session)
            assert state.state == "CONVERSING"
            await later(3_000)
            await alpha.propose(session, "p9")

    check()


@simulated
async def test_an_accept_that_is_not_funded_is_refused_whole() -> None:
    """Beta offers to be bound; Alpha, who would pay, cannot (B13)."""
    async with Town() as town:
        alpha, beta = await people(town, units=17_999)
        session = await introduced(alpha, beta)
        await alpha.propose(session, "p1")
        await beta.commit(session)
        state = await alpha.state(session)
        raw = await alpha.write(session, "ACCEPT", {"referenceId": "cmt"})

        await check_refused(town, session, raw, "escrow_unfunded")
        assert await alpha.state(session) == state
        account = await town.at_home().desk.state(f"account/USD/{ALPHA}")
        assert (account.settled_units, account.held_units) == (17_999, 0)

        await town.fund(ALPHA, 1)
        receipt = await alpha.hand_in(session, raw)
        assert receipt["performative"] == "ACCEPT"
        assert (await alpha.state(session)).state == "EXECUTING"
        account = await town.at_home().desk.state(f"account/USD/{ALPHA}")
        assert (account.available_units, account.held_units) == (0, 18_000)


@simulated
async def test_one_purse_pays_for_one_of_two_commitments_at_once() -> None:
    async with Town() as town:
        alpha, beta = await people(town, units=18_000)
        sessions = [await introduced(alpha, beta) for _ in range(2)]
        for session in sessions:
            await alpha.propose(session, "p1")
        raws = [await alpha.write(one, "COMMIT", commitment_of("cmt")) for one in sessions]
        submit = town.at_home().sessions.submit

        answers = await asyncio.gather(
            *(submit(one, raw) for one, raw in zip(sessions, raws, strict=True)),
            return_exceptions=True,
        )

        refused = [one for one in answers if isinstance(one, Refused)]
        assert [one.code for one in refused] == ["escrow_unfunded"]


@simulated
async def test_a_stale_sender_is_told_what_it_missed() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)
        raw = await alpha.write(session, "PROPOSE", proposal_of("p1"))
        await beta.propose(session, "q1")
        await beta.observe(session)

        refusal = await check_refused(town, session, raw, "chain_stale")

        state = await alpha.state(session)
        assert refusal.data["head"] == state.head
        assert refusal.data["position"] == state.position
        assert refusal.data["nextSequence"] == 2
        assert [entry.position for entry in refusal.data["missed"]] == [5, 6]
        assert refusal.data["more"] is False
        assert refusal.reason.status == 409


@simulated
async def test_what_was_missed_is_bounded_and_the_rest_is_announced() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)
        raw = await alpha.write(session, "PROPOSE", proposal_of("p1"))
        for _ in range(MISSED_MESSAGES_MAX + 3):
            await beta.propose(session, f"q{now_ms()}")
            await later(150)

        refusal = await check_refused(town, session, raw, "chain_stale")
        assert len(refusal.data["missed"]) == MISSED_MESSAGES_MAX
        assert refusal.data["more"] is True


@simulated
async def test_what_was_missed_is_bounded_in_bytes_but_never_empty() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)
        raw = await alpha.write(session, "PROPOSE", proposal_of("p1"))
        for name, size in (("q1", 90_000), ("q2", 10)):
            await beta.say(session, "PROPOSE", proposal_of(name, pad="x" * size))

        refusal = await check_refused(town, session, raw, "chain_stale")
        missed = refusal.data["missed"]
        assert [entry.position for entry in missed] == [5]
        assert len(missed[0].raw) > MISSED_BYTES_MAX
        assert refusal.data["more"] is True


@simulated
async def test_who_was_overtaken_speaks_next() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)
        stale = await alpha.write(session, "PROPOSE", proposal_of("p1"))
        await beta.propose(session, "q1")
        await check_refused(town, session, stale, "chain_stale")

        eager = await beta.write(session, "OBSERVE", {"subject": "me again", "data": {}})
        refusal = await check_refused(town, session, eager, "position_held")
        assert 0 < refusal.data["retryAfterMs"] <= 2_000

        await alpha.propose(session, "p1")
        greedy = await alpha.write(session, "PROPOSE", proposal_of("p2"))
        # Who was turned away has the next turn.
        await check_refused(town, session, greedy, "position_held")
        await beta.observe(session)


@simulated
async def test_a_hold_lapses_and_its_holder_gets_no_second_one() -> None:
    """Being late on purpose blocks nobody for longer than two seconds."""
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)
        stale = await alpha.write(session, "PROPOSE", proposal_of("p1"))
        await beta.propose(session, "q1")
        for _ in range(3):
            await check_refused(town, session, stale, "chain_stale")
        await later(2_001)

        for number in range(5):
            await beta.propose(session, f"r{number}")
            await check_refused(town, session, stale, "chain_stale")


@simulated
async def test_ten_messages_a_second_after_a_burst() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)
        # Of 64 at once two were spent on the way here.
        for number in range(62):
            await alpha.propose(session, f"p{number}")
        raw = await alpha.write(session, "PROPOSE", proposal_of("next"))
        refusal = await check_refused(town, session, raw, "rate_limited")
        await beta.observe(session)

        await later(refusal.data["retryAfterMs"])
        receipt = await alpha.propose(session, "next")
        assert receipt["position"] == 4 + 62 + 2


@simulated
async def test_only_a_participant_reads_a_session() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await alpha.invite(beta)
        await Speaker(town, "carol", CAROL).register()
        reader = town.at_home().sessions.reader

        for member in (alpha, beta):
            hosted = await reader(session, member.signer.key)
            assert hosted.state.id == session
        for name, asked in (("carol", session), ("alpha", alpha.new_session())):
            with pytest.raises(Refused) as caught:
                await reader(asked, signer_of(name).key)
            assert (caught.value.code, caught.value.detail) == (
                "unknown_session",
                "no session of yours has this id",
            )


@simulated
async def test_a_stranger_cannot_tell_a_session_from_none() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        carol = Speaker(town, "carol", CAROL)
        await carol.register()
        session = await introduced(alpha, beta)
        told = []
        for asked in (session, alpha.new_session()):
            raw = await carol.write(asked, "OBSERVE", {"subject": "x", "data": {}})
            refusal = await check_refused(town, asked, raw, "unknown_session")
            told.append((refusal.detail, dict(refusal.data)))

        assert told[0] == told[1]


@simulated
async def test_whoever_forges_a_sender_cannot_tell_who_is_in_a_session() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)
        for asked in (session, alpha.new_session()):
            forged = {"signer": signer_of("carol")}
            raw = await alpha.write(asked, "OBSERVE", {"subject": "x", "data": {}}, **forged)
            with pytest.raises(SignatureError) as caught:
                await town.at_home().sessions.submit(asked, raw)
            assert caught.value.code == "signature_invalid"


@simulated
async def test_a_session_is_opened_by_an_invitation_alone() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)
        raw = await alpha.write(session, "PROPOSE", proposal_of("p1"))

        with pytest.raises(Refused) as caught:
            await town.at_home().sessions.open(raw)
        assert caught.value.code == "transition_invalid"


@simulated
async def test_an_open_session_is_not_opened_again() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)
        length = len(await town.log_of(session))

        for head in (None, "sha256:" + "0" * 64):
            changes = {} if head is None else {"head": head, "sequence": 0}
            raw = await alpha.invitation(BETA, session, proposal="inv2", **changes)
            with pytest.raises(Refused) as caught:
                await town.at_home().sessions.open(raw)
            assert caught.value.code in ("transition_invalid", "chain_stale")
        assert len(await town.log_of(session)) == length


OTHER_NODES = [{"uri": "agent://other.example/node"}, {"uri": NODE, "keyId": "another"}]


@pytest.mark.parametrize("role", ["host", "clearing", "trust"])
@pytest.mark.parametrize("other", OTHER_NODES, ids=["name", "key"])
def test_an_invitation_for_another_host_is_refused(role: str, other: dict[str, str]) -> None:
    @simulated
    async def check() -> None:
        async with Town() as town:
            alpha, _beta = await people(town)
            terms = {"host": {"uri": NODE}, role: other}
            raw = await alpha.invitation(BETA, alpha.new_session(), terms=terms)

            with pytest.raises(Refused) as caught:
                await town.at_home().sessions.open(raw)
            assert caught.value.code == "policy_violation"
            assert not await town.inner.streams("session/")

    check()


@simulated
async def test_an_unregistered_invitee_and_inviter_are_unknown() -> None:
    async with Town() as town:
        alpha, _beta = await people(town)
        carol = Speaker(town, "carol", CAROL)
        for raw in (
            await alpha.invitation(CAROL, alpha.new_session()),
            await carol.invitation(BETA, carol.new_session()),
        ):
            with pytest.raises(TreatyError) as caught:
                await town.at_home().sessions.open(raw)
            assert caught.value.code == "unknown_agent"
        assert not await town.inner.streams("session/")


@simulated
async def test_a_pinned_key_outlasts_a_rotated_card() -> None:
    """A session goes on under the key it began with (B5)."""
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)
        await beta.register(2, description="a successor")

        receipt = await beta.observe(session)
        assert receipt["position"] == 5


@simulated
async def test_an_entry_never_bears_an_earlier_time_than_the_one_before() -> None:
    """And its own message still proves itself at that time, for every reader of the log."""
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)
        await later(50_000)
        await beta.observe(session)
        town.skew_ms = -30_000

        await alpha.propose(session, "p1")

        copy = VerifiedCopy(Known(host=town.signer.key, base_url=BASE_URL, session=session))
        times = []
        for entry in await town.log_of(session):
            copy.absorb(log_item(entry))
            times.append(copy.conversation.at_ms)
        assert times == sorted(times)
        assert copy.position == 6


@simulated
async def test_a_message_is_refused_rather_than_dated_so_that_nobody_believes_it() -> None:
    """The host's clock went back an hour: by the log's time the proof is too old."""
    async with Town() as town:
        alpha, beta = await people(town)
        town.skew_ms = HOUR_MS
        session = alpha.new_session()
        raw = await alpha.invitation(BETA, session, at_ms=now_ms() + HOUR_MS, valid_ms=2 * HOUR_MS)
        await alpha.open(raw)
        town.skew_ms = 0

        answer = await beta.write(session, "ACCEPT", {"referenceId": "inv"})
        await check_refused(town, session, answer, "proof_invalid", SignatureError)


async def held_up(town: Town, session: str, *jobs: Coroutine[Any, Any, Any]) -> list[Any]:
    """Let these wait for the session's lock, in this order, for half a second."""
    desk, stream = town.at_home().desk, session_stream(session)
    await desk._lock(stream)
    waiting = []
    for job in jobs:
        waiting.append(asyncio.create_task(job))
        await asyncio.sleep(0)
    await later(500)
    desk._unlock(stream)
    return await asyncio.gather(*waiting, return_exceptions=True)


@simulated
async def test_a_message_that_waits_is_dated_by_its_arrival() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)
        old = await alpha.write(session, "PROPOSE", proposal_of("p1"), at_ms=now_ms() - 59_990)

        (answer,) = await held_up(town, session, town.at_home().sessions.submit(session, old))

        assert read(answer)["receivedAt"] == "2026-03-07T14:00:00.000Z"


@simulated
async def test_a_proof_that_ages_while_its_message_waits_is_refused() -> None:
    """A fact came between, so the receipt would bear a time at which the proof is too old."""
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)
        old = await alpha.write(session, "PROPOSE", proposal_of("p1"), at_ms=now_ms() - 59_990)
        node = town.at_home()

        _, refusal = await held_up(
            town,
            session,
            node.follow_up.note_outage(session, now_ms(), now_ms() + 1),
            node.sessions.submit(session, old),
        )

        assert isinstance(refusal, SignatureError)
        assert refusal.code == "proof_invalid"
        assert [entry.kind for entry in await town.log_of(session)][4:] == ["fact"]


@simulated
async def test_a_view_shows_what_a_participant_may_know() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await bound(alpha, beta)
        node = town.at_home()
        view: Any = node.sessions.view(await node.sessions.reader(session, beta.signer.key))

        assert view["state"] == "EXECUTING"
        assert view["head"] == (await alpha.state(session)).head
        assert {one["uri"]: one["nextSequence"] for one in view["participants"]} == {
            ALPHA: 4,
            BETA: 3,
        }
        assert [one["state"] for one in view["commitments"]] == ["BOUND"]


@simulated
async def test_no_entry_is_shown_before_the_node_believes_it() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)
        raw = await alpha.write(session, "PROPOSE", proposal_of("p1"))
        node = town.at_home()
        writing = asyncio.create_task(node.sessions.submit(session, raw))
        seen = []
        while not writing.done():
            entries = await node.sessions.entries(session, 4, 10)
            seen.append((len(entries), (await alpha.state(session)).position))
            await asyncio.sleep(0)

        assert all(position == 4 + count for count, position in seen)
