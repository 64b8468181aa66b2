"""The trust node: its log, its proofs, and scores that anybody computes again (B16)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.agent.local import ALPHA, BETA, NODE, OPERATOR, Roads, Town, signer_of
from tests.engine.speaker import CAROL, Speaker, bound, people, read
from tests.simulation.clock import later, now_ms, simulated
from treaty.core.merkle import leaf_hash, verify_inclusion
from treaty.core.trust import Roots, TrustState, fold, record_from_json, score
from treaty.engine.ports import Task
from treaty.engine.trust import PAGE_MAX
from treaty.errors import Refused, SignatureError, TreatyError
from treaty.identity.records import open_record, seal
from treaty.wire.canonical import canonical
from treaty.wire.instants import format_instant

ROOTS = Roots(clearings=frozenset((NODE,)), attesters=frozenset((OPERATOR,)))


async def kept(
    town: Town, alpha: Speaker, beta: Speaker, *, rating: int | None = 4, units: int = 12_000
) -> str:
    """One commitment that both have kept, with its outcome in the log."""
    session = await bound(alpha, beta, units=units)
    await beta.fulfil(session)
    await alpha.close(session, "completed", "cmt", rating=5)
    await beta.close(session, "completed", "cmt", rating=rating)
    await later(1_000)
    return session


async def log(town: Town) -> list[dict[str, Any]]:
    """The records of the trust log."""
    return [read(entry.body) for entry in await town.inner.read("trust/log", 0, 10_000)]


@simulated
async def test_a_newcomer_with_a_proven_key_has_49() -> None:
    async with Town() as town:
        await Speaker(town, "alpha", ALPHA).register()
        view = town.at_home().trust.view(ALPHA)

        assert (view["score"], view["level"], view["provisional"]) == (49, 1, True)
        assert view["attestation"] is None


@simulated
async def test_somebody_unknown_has_what_an_unproven_agent_has() -> None:
    async with Town() as town:
        view = town.at_home().trust.view(CAROL)
        assert (view["score"], view["level"]) == (20, 0)


@simulated
async def test_an_attestation_by_the_operator_counts_and_is_shown() -> None:
    async with Town() as town:
        await people(town)
        view: Any = await town.attest(BETA, reason="a provider of long standing")

        assert (view["score"], view["level"], view["attested"]) == (91, 4, True)
        assert view["attestation"]["by"] == OPERATOR
        assert view["attestation"]["reason"] == "a provider of long standing"


@simulated
async def test_the_same_attestation_again_changes_nothing() -> None:
    async with Town() as town:
        await people(town)
        record = town.attestation(BETA)
        answers = [await town.at_home().trust.attest(record) for _ in range(3)]

        assert answers[0] == answers[2]
        assert sum(OPERATOR in str(one) for one in await log(town)) == 1


@simulated
async def test_an_old_attestation_does_not_come_back() -> None:
    """It is signed for good, so anybody might hand it in again."""
    async with Town() as town:
        await people(town)
        old = town.attestation(BETA)
        await town.at_home().trust.attest(old)
        await later(1_000)
        await town.attest(BETA, weight="0")
        with pytest.raises(Refused) as caught:
            await town.at_home().trust.attest(old)

        assert caught.value.code == "duplicate"
        assert town.at_home().trust.view(BETA)["score"] != 91


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (lambda town: {**town.attestation(BETA), "weight": "9999"}, "hash_mismatch"),
        (lambda town: seal("attestation", {"agent": BETA}, signer_of("x")), "signature_invalid"),
        (lambda town: town.attestation(BETA, by="agent://other.example/operator"), "unauthorized"),
        (lambda town: town.attestation(BETA, components={"IV": "101"}), "malformed"),
        (lambda town: town.attestation("no agent"), "malformed"),
        (lambda town: town.transfer("t", BETA, 5), "hash_mismatch"),
        (lambda town: {}, "malformed"),
    ],
)
def test_an_attestation_that_does_not_hold_changes_nothing(record: Any, code: str) -> None:
    @simulated
    async def check() -> None:
        async with Town() as town:
            await people(town)
            before = await log(town)
            with pytest.raises(TreatyError) as caught:
                await town.at_home().trust.attest(record(town))
            assert caught.value.code in (code, "signature_invalid")
            assert await log(town) == before

    check()


@simulated
async def test_a_kept_commitment_is_one_outcome_and_one_fact() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        await town.attest(BETA)
        session = await kept(town, alpha, beta)

        (outcome,) = [one for one in await log(town) if one.get("session") == session]
        assert open_record("outcome", outcome, town.signer.key)
        assert (outcome["commitment"], outcome["clearing"]) == ("cmt", NODE)
        parties = {one["agent"]: one for one in outcome["parties"]}
        assert (parties[ALPHA]["rating"], parties[BETA]["rating"]) == (4, 5)
        assert {one["result"] for one in parties.values()} == {"kept"}
        facts = [read(one.body) for one in await town.log_of(session)]
        (fact,) = [one["data"] for one in facts if one.get("fact") == "outcome"]
        assert fact["record"] == outcome
        assert (await log(town))[fact["index"]] == outcome
        assert fact["scores"][ALPHA]["before"]["score"] == 49
        assert fact["scores"][ALPHA]["after"]["score"] == 60.8
        assert town.at_home().trust.view(ALPHA)["score"] == 60.8


@simulated
async def test_an_outcome_that_is_reported_again_is_recorded_once() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        await town.attest(BETA)
        town.roads = Roads()
        reports: list[Task] = []
        node = town.at_home()
        record_outcome = node._record_outcome

        async def note(task: Task) -> None:
            reports.append(task)
            await record_outcome(task)

        node.outbox._handlers = {**node.outbox._handlers, "outcome": note}
        session = await kept(town, alpha, beta)
        for _ in range(2):
            with pytest.raises(Refused) as caught:
                await record_outcome(reports[0])
            assert caught.value.code == "proof_replayed"

        assert sum(one.get("session") == session for one in await log(town)) == 1
        assert town.at_home().trust.view(ALPHA)["score"] == 60.8


@simulated
async def test_two_processes_that_take_up_one_report_record_it_once() -> None:
    async with Town() as town, Town(store=town.inner) as twin:
        alpha, beta = await people(town)
        await town.attest(BETA)
        sessions = [await kept(town, alpha, beta)]
        for _ in range(3):
            await later(60_000)
            sessions.append(await kept(town, alpha, beta))

        told = [one["session"] for one in await log(town) if "parties" in one]
        assert sorted(told) == sorted(sessions)
        await later(60_000)
        assert not await town.inner.tasks("outcome")
        assert twin.complaints == [] or all("proof_replayed" in one for one in twin.complaints)


@simulated
async def test_a_head_signs_size_and_root() -> None:
    async with Town() as town:
        await people(town)
        head = open_record("loghead", town.at_home().trust.head(), town.signer.key).value

        assert head["size"] == 3
        assert head["uri"] == NODE


@simulated
async def test_every_record_of_an_extract_is_proven_to_be_under_the_head() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        await town.attest(BETA)
        await kept(town, alpha, beta)
        for start in range(6):
            extract: Any = await town.at_home().trust.extract(start, 100)
            head: Any = open_record("loghead", extract["head"], town.signer.key).value
            assert [one["index"] for one in extract["records"]] == list(range(start, head["size"]))
            assert extract["next"] == head["size"]
            for one in extract["records"]:
                check_proven(one, head)


def check_proven(one: dict[str, Any], head: dict[str, Any]) -> None:
    verify_inclusion(
        leaf=leaf_hash(canonical(one["record"])),
        index=one["index"],
        size=head["size"],
        proof=[bytes.fromhex(part) for part in one["proof"]],
        root_hash=bytes.fromhex(head["root"]),
    )


@simulated
async def test_a_changed_record_is_not_under_the_head() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        await town.attest(BETA)
        await kept(town, alpha, beta)
        extract: Any = await town.at_home().trust.extract(0, 100)
        head: Any = extract["head"]
        for one in extract["records"]:
            changed = {**one, "record": {**one["record"], "at": format_instant(now_ms() + 1)}}
            with pytest.raises(SignatureError):
                check_proven(changed, head)


@simulated
async def test_a_score_follows_from_the_extract_alone() -> None:
    """Anybody with the log, the roots and the time computes the same numbers."""
    async with Town() as town:
        alpha, beta = await people(town)
        await town.attest(BETA)
        for rating in (4, None, 1):
            await kept(town, alpha, beta, rating=rating)
            await later(600_000)
        extract: Any = await town.at_home().trust.extract(0, 100)

        state = TrustState(roots=ROOTS)
        for one in extract["records"]:
            state = fold(state, record_from_json(one["kind"], one["record"]))
        for agent in (ALPHA, BETA, NODE):
            view = town.at_home().trust.view(agent)
            again = score(state, agent, town.clock())
            assert float(again.score) == view["score"]
            assert {name: float(part) for name, part in again.components.items()} == view[
                "components"
            ]


@simulated
async def test_an_extract_is_a_bounded_page() -> None:
    async with Town() as town:
        for number in range(PAGE_MAX + 20):
            await Speaker(town, "c", f"agent://c{number}.example/c").register()
        first: Any = await town.at_home().trust.extract(0, 10_000)
        second: Any = await town.at_home().trust.extract(first["next"], 10_000)

        assert len(first["records"]) == first["next"] == PAGE_MAX
        assert len(second["records"]) == 21
        for one in (*first["records"][::50], *second["records"][::5]):
            check_proven(one, first["head"])


@pytest.mark.parametrize(("start", "end"), [(0, 0), (5, 2), (1_000, 2_000)])
def test_an_empty_range_is_an_empty_extract(start: int, end: int) -> None:
    @simulated
    async def check() -> None:
        async with Town() as town:
            await people(town)
            extract: Any = await town.at_home().trust.extract(start, end)
            assert (extract["records"], extract["next"]) == ([], start)

    check()


@simulated
async def test_extracts_asked_for_at_once_while_the_log_grows_all_hold() -> None:
    async with Town() as town:

        async def grow() -> None:
            for number in range(40):
                await Speaker(town, "c", f"agent://c{number}.example/c").register()
                await asyncio.sleep(0)

        growing = asyncio.create_task(grow())
        extracts: list[Any] = []
        while not growing.done():
            some = (town.at_home().trust.extract(0, 500) for _ in range(3))
            extracts.extend(await asyncio.gather(*some))
            await asyncio.sleep(0)

        assert extracts[-1]["head"]["size"] > 30
        for extract in extracts:
            for one in extract["records"]:
                check_proven(one, extract["head"])


@simulated
async def test_scores_and_proofs_are_the_same_after_a_restart() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        await town.attest(BETA)
        await kept(town, alpha, beta)
        trust = town.at_home().trust
        before = [trust.view(one) for one in (ALPHA, BETA)], await trust.extract(0, 100)
        await town.stop()
        await town.wake()
        trust = town.at_home().trust

        assert [trust.view(one) for one in (ALPHA, BETA)] == before[0]
        assert await trust.extract(0, 100) == before[1]
